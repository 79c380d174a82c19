"""What a refusal shows of keys."""

from handrail.data.rows.errors import CommitInDoubt, Footprint, RowConflict, StaleRows, shown


def test_keys_are_shown_safely_and_not_all():
    """An escape sequence in a key does nothing."""
    assert shown([("a", 1), ("\x1b[2J",)]) == "a/1, \\x1b[2J"
    assert shown([(n,) for n in range(25)]).endswith("9 and 15 more")


def test_what_refusals_carry():
    """Keys, counts, the digest."""
    assert StaleRows("s", [(1,)]).keys == RowConflict("c", [(1,)]).keys == ((1,),)
    assert Footprint("f", {"t": (0, 1, 0)}, {}).planned == {"t": (0, 1, 0)}
    assert CommitInDoubt("d", "0" * 64).digest == "0" * 64
