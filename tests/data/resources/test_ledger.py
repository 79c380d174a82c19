"""The ledger keeps one entry a key, and says when it cannot be trusted."""

import threading

import pytest

from handrail.data.resources.ledger import Ledger, Noted, State, change_digest, check_key
from handrail.data.resources.receipt import Receipt, Touched
from handrail.data.resources.results import CannotDo
from handrail.data.resources.traits import Precondition

RECEIPT = Receipt("/root", "write", "../k", (Touched("a", "v1", "v2"),), Precondition.NONE, None)
NOTED = Noted(State.BEGUN, "digest", RECEIPT)


def test_an_entry_is_kept_marked_and_dropped(tmp_path):
    """By whatever key; it never becomes a path."""
    ledger = Ledger(tmp_path)
    assert ledger.find("../k") is None
    ledger.write(NOTED)
    assert Ledger(tmp_path).find("../k") == NOTED
    applied = ledger.mark(NOTED, State.APPLIED)
    assert Ledger(tmp_path).find("../k") == applied == Noted(State.APPLIED, "digest", RECEIPT)
    ledger.drop(applied)
    assert ledger.find("../k") is None
    ledger.drop(applied)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"state": "perhaps", "change": "", "receipt": {}}', "[" * 100_000])
def test_a_damaged_entry_is_not_absent(tmp_path, text):
    """Taken for absent, its change would be made a second time."""
    ledger = Ledger(tmp_path)
    ledger.write(NOTED)
    (path,) = (tmp_path / "changes").glob("*.json")
    path.write_text(text)
    with pytest.raises(CannotDo, match="damaged"):
        ledger.find("../k")


def test_an_entry_of_another_key_is_refused(tmp_path):
    """Somebody renamed files."""
    ledger = Ledger(tmp_path)
    ledger.write(NOTED)
    (path,) = (tmp_path / "changes").glob("*.json")
    path.rename(ledger._file("other", "json"))
    with pytest.raises(CannotDo, match="another change"):
        ledger.find("other")


def test_one_holds_at_a_time(tmp_path):
    """Whoever does not wait is told; whoever waits gets it afterwards; other names are free."""
    ledger, order = Ledger(tmp_path), []

    def second():
        with Ledger(tmp_path).holding("k", wait=True):
            order.append("second")

    thread = threading.Thread(target=second)
    with ledger.holding("k", wait=False):
        with pytest.raises(CannotDo, match="right now"), Ledger(tmp_path).holding("k", wait=False):
            pass
        with Ledger(tmp_path).holding("other", wait=False):
            thread.start()
        thread.join(0.1)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_keys_are_plain():
    """A digest passes."""
    check_key("sha256:0123-ab_c.d")
    for key in ("", "a/b", "a b", "é", "x" * 201, "a\n"):
        with pytest.raises(CannotDo):
            check_key(key)


def test_changes_are_told_apart():
    """By what they do and by what they expect; what is no JSON is refused."""
    digests = {change_digest(*pair) for pair in (("a", {}), ("b", {}), ("a", {"x": "v1"}), ("a", {"x": "v2"}))}
    assert len(digests) == 4
    with pytest.raises(CannotDo, match="recorded"):
        change_digest("a", {"x": "\ud800"})
