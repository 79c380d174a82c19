"""The words of the traits, which policies and reviewers read."""

from handrail.data.resources.traits import DryRun, Idempotency, Precondition, Traits, UndoKind


def test_the_words_are_fixed():
    """They are written into plans and receipts, so a renamed one breaks what is stored."""
    assert [word.value for word in Precondition] == ["atomic", "check_then_act", "none"]
    assert [word.value for word in DryRun] == ["none", "safe", "unsafe"]
    assert [word.value for word in UndoKind] == ["exact", "compensating", "none"]
    assert [word.value for word in Idempotency] == ["key", "natural", "no"]


def test_traits_are_values():
    """Equal when all four are."""
    one = Traits(Precondition.ATOMIC, DryRun.SAFE, UndoKind.EXACT, Idempotency.KEY)
    assert one == Traits(Precondition.ATOMIC, DryRun.SAFE, UndoKind.EXACT, Idempotency.KEY)
    assert one != Traits(Precondition.NONE, DryRun.SAFE, UndoKind.EXACT, Idempotency.KEY)
