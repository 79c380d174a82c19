"""What became of an action."""

from handrail.core.outcome import Reason
from handrail.undo.fate import LEFT, READY, NotUndone, UndoFate


def test_every_fate_is_good_left_or_ready():
    """A command's exit code tells the three apart."""
    assert set(UndoFate) == LEFT | READY | {UndoFate.UNDONE, UndoFate.ALREADY, UndoFate.NOTHING}
    assert not LEFT & READY


def test_a_conflict_is_stale_in_the_journal():
    """Everything else is an error."""
    assert NotUndone("x", UndoFate.CONFLICT).reason is Reason.STALE
    assert NotUndone("x", UndoFate.ALREADY).reason is Reason.ERROR
