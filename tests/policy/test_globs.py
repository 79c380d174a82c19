from handrail.policy.globs import is_glob, matching

NAMES = ["pay.in", "pay.out", "payXin", "a[1]", "a\nb"]


def test_patterns():
    """`*` stands for any characters, `?` for one, everything else for itself."""
    assert matching("pay.*", NAMES) == {"pay.in", "pay.out"}
    assert matching("pay?in", NAMES) == {"pay.in", "payXin"}
    assert matching("*", NAMES) == set(NAMES)
    assert matching("a[1]", NAMES) == {"a[1]"}
    assert matching("a[*", NAMES) == {"a[1]"}
    assert matching("a*b", NAMES) == {"a\nb"}
    assert matching("pay", NAMES) == frozenset()


def test_what_is_a_pattern():
    """Only with `*` or `?`."""
    assert is_glob("a*")
    assert not is_glob("a[1]")
