"""Receipts go through JSON unchanged, and nothing else passes for one."""

import json

import pytest

from handrail.data.resources.receipt import ABSENT, Receipt, Touched
from handrail.data.resources.traits import Precondition

RECEIPT = Receipt(
    "/root", "move", "k", (Touched("a", "v1", ABSENT), Touched("b", ABSENT, "v1")), Precondition.ATOMIC, {"x": [1]}
)


def test_there_and_back():
    """Through real JSON text."""
    assert Receipt.from_json(json.loads(json.dumps(RECEIPT.to_json()))) == RECEIPT


@pytest.mark.parametrize("name", ["where", "operation", "key", "touched", "precondition", "kept"])
def test_a_missing_member_is_refused(name):
    """No member has a default that could hide a damaged record."""
    value = RECEIPT.to_json()
    del value[name]
    with pytest.raises(ValueError, match="not a receipt"):
        Receipt.from_json(value)


@pytest.mark.parametrize(
    "change", [{"key": 1}, {"touched": [["a", "b"]]}, {"touched": "a"}, {"precondition": "perhaps"}]
)
def test_a_wrong_member_is_refused(change):
    """Of another type, or a word that is none."""
    with pytest.raises(ValueError, match=r"not a receipt|not a valid"):
        Receipt.from_json({**RECEIPT.to_json(), **change})
