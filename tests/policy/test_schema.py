import json

import jsonschema_rs
import pytest

from handrail.policy import guarded, read
from handrail.policy.document import parse
from handrail.policy.problems import Problems
from handrail.policy.schema import json_schema

VALID = jsonschema_rs.validator_for(json_schema())


def plain(text):
    return parse(text, Problems("x")).plain()


def test_the_example_is_valid(example):
    """What loads satisfies the schema that editors use."""
    assert VALID.is_valid(plain(example.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "text",
    [
        "mode: enforce",
        "version: 2",
        "version: 1\nmod: x",
        "version: 1\nmode: on",
        "version: 1\nagents: {a: {acces: write}}",
        "version: 1\ntools: {t: {do: reed}}",
        "version: 1\ntools: {t: {doo: read}}",
        "version: 1\nrules: [{id: a, then: allow}]",
        "version: 1\nrules: [{id: a, then: ask, at_most: 3}]",
        "version: 1\nrules: [{then: ask}]",
        "version: 1\nreviews: {pending: 30}",
        "version: 1\nredact: [{tool: x}]",
        "version: 1\ntools: {t: {verify: {call: x}}}",
        "version: 1\ndatabases: {s: {tabels: {}}}",
        "version: 1\ndatabases: {s: {tables: {t: {rows_max: 0}}}}",
        "version: 1\ndatabases: {s: {tables: {t: {insert: 1}}}}",
        "version: 1\ndatabases: {s: {tables: {t: {also: {u: 0}}}}}",
        "version: 1\nfiles: {t: {}}",
        "version: 1\nhttp: {t: {url: x, headers: {A: 1}}}",
        "version: 1\nhttp: {t: {headers: {}}}",
    ],
)
def test_what_editors_underline(text):
    """Unknown keys, wrong words, missing keys."""
    assert not VALID.is_valid(plain(text))


def test_the_schema_has_every_key():
    """No key is read that the schema does not know, and the other way round."""
    schema = json_schema()
    assert set(schema["properties"]) == set(read.KEYS)
    tool = schema["properties"]["tools"]["additionalProperties"]["anyOf"][0]
    assert set(tool["properties"]) == set(read.TOOL_KEYS)
    assert set(tool["properties"]["effects"]["items"]["properties"]) == set(read.EFFECT_KEYS)
    assert set(schema["properties"]["rules"]["items"]["properties"]) == set(read.RULE_KEYS)
    places = [schema["properties"][name]["additionalProperties"] for name in guarded.SECTIONS]
    database, files, http = (place["anyOf"][0] if "anyOf" in place else place for place in places)
    assert set(database["properties"]["tables"]["additionalProperties"]["properties"]) == set(guarded.TABLE_KEYS)
    assert set(database["properties"]) == set(guarded.DATABASE_KEYS)
    assert set(files["properties"]) == set(guarded.FILES_KEYS)
    assert set(http["properties"]) == set(guarded.HTTP_KEYS)
    assert json.dumps(schema)
