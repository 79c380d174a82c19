import re
from pathlib import Path

import pytest
from jsonschema_rs import validator_for

from handrail.policy import loads, read
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
        "owner",
        "parent",
        "access",
    }
    missing = [name for name in sorted(names) if f"`{name}`" not in PAGE]
    assert missing == []
    assert len(BLOCKS) >= 8
