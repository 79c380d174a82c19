import re
from pathlib import Path

import pytest
from jsonschema_rs import validator_for

from handrail.backtest.cases import read_cases
from handrail.backtest.suite import run_case
from handrail.core.effect import Verb
from handrail.policy import guarded, loads, read
from handrail.policy.cel import FUNCTIONS, METHODS
from handrail.policy.schema import json_schema

PAGE = (Path(__file__).parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(version: 1\n.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_every_example_loads(block):
    """What the page shows can be copied, and satisfies the schema of editors."""
    policy = loads(block)
    assert policy.hash
    from handrail.policy.document import parse
    from handrail.policy.problems import Problems

    assert validator_for(json_schema()).is_valid(parse(block, Problems("x")).plain())


def test_every_key_and_function_has_its_place_on_the_page():
    """A key without a page is a key nobody finds."""
    names = {
        *read.KEYS,
        *read.TOOL_KEYS,
        *read.RULE_KEYS,
        *FUNCTIONS,
        *METHODS,
        *guarded.DATABASE_KEYS,
        *guarded.TABLE_KEYS,
        *guarded.FILES_KEYS,
        *guarded.HTTP_KEYS,
        "owner",
        "parent",
        "access",
    }
    missing = [name for name in sorted(names) if f"`{name}`" not in PAGE]
    assert missing == []
    assert len(BLOCKS) >= 8


def guarded_policy():
    return loads(next(block for block in BLOCKS if "\ndatabases:" in block))


def test_the_cases_of_guarded_data_pass():
    """What the page shows of `policy test` decides as it says, with the policy above it."""
    (text,) = re.findall(r"```yaml\n(- name: .*?)```", PAGE, re.DOTALL)
    policy = guarded_policy()
    results = [run_case(policy, case) for case in read_cases(text, "t.yaml", policy)]
    assert results
    assert all(result.passed for result in results), results


def test_the_example_of_guarded_data_guards():
    """Its tools are there, everything stands in its zone, and its rules speak of what they name."""
    policy = guarded_policy()
    assert {"shop.query", "texts.apply_change", "crm.undo_change"} <= set(policy.tools)
    assert "texts.query" not in policy.tools
    (read_effect,) = policy.tools["shop.query"].effects.of({"tables": ["lead"]})
    assert (read_effect.verb, read_effect.resource, read_effect.zone) == (Verb.READ, "row/shop/lead", "production")
    assert [rule.tools for rule in policy.rules] == [{"shop.apply_change"}] * 3
