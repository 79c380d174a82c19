"""The caller's receipt: what was done, without content, and back from the kept result."""

import pytest

from handrail.data.resources import ABSENT, Precondition, Receipt, Touched
from handrail.data.resources.resource_receipt import ResourceReceipt, of_json, of_receipt

RECEIPT = Receipt("/r", "write", "k" * 64, (Touched("a", ABSENT, "v"),), Precondition.ATOMIC, {"image": "secret"})


def test_it_holds_no_content():
    """The adapter's own receipt does."""
    told = of_receipt(RECEIPT)
    assert told == ResourceReceipt("k" * 64, "write", "/r", RECEIPT.touched, Precondition.ATOMIC)
    assert "secret" not in str(told.to_json())
    assert of_receipt(RECEIPT, again=True).again


def test_it_comes_back_as_done_before():
    """From the kept result of the same call."""
    told = of_receipt(RECEIPT)
    again = of_json(told.to_json())
    assert again.again
    assert again.to_json() == {**told.to_json(), "again": True}


@pytest.mark.parametrize("form", [None, {}, {"change": 1}, {**of_receipt(RECEIPT).to_json(), "resources": [1]}])
def test_other_results_are_no_receipt(form):
    """They are refused, not guessed at."""
    with pytest.raises(ValueError, match="not a receipt"):
        of_json(form)
