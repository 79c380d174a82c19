"""What a person sees: small, whatever the resource is, and right to the line."""

import json
import os
import time

import pytest

from handrail.core.digest import canonical
from handrail.data.resources import ABSENT, DryRun, Idempotency, Picture, Precondition, Preview, Traits, UndoKind
from handrail.data.resources.picture import COMPENSATING, NO_UNDO, SHOWN_MAX, difference, picture


def traits(undo=UndoKind.EXACT):
    return Traits(Precondition.CHECK_THEN_ACT, DryRun.SAFE, undo, Idempotency.KEY)


def seen(*pictures, operation="write", **said):
    preview = Preview(pictures, Precondition.CHECK_THEN_ACT)
    return picture("/r", operation, preview, lambda id: f"file//r/{id}", said.pop("traits", traits()), **said)


def only(*pictures, **said):
    (one,) = seen(*pictures, **said)["resources"]
    return one


def test_text_is_a_difference():
    """The lines that differ, and the sizes."""
    one = only(Picture("a", "v", b"one\ntwo\n", b"one\n2\n"))
    assert one["diff"].splitlines() == ["@@ -1,3 +1,3 @@", " one", "-two", "+2", " "]
    assert (one["id"], one["at"], one["version"]) == ("a", "file//r/a", "v")
    assert one["before"]["bytes"] == 8


def test_new_and_removed_text_is_shown():
    """Or the beginning of it; what is absent is null."""
    assert only(Picture("a", ABSENT, None, b"hello"), operation="create")["after"]["text"] == "hello"
    assert only(Picture("a", ABSENT, None, b"hello"), operation="create")["before"] is None
    gone = only(Picture("a", "v", b"x" * 50_000, None), operation="delete")
    assert gone["after"] is None
    assert 0 < len(gone["before"]["begins"]) <= SHOWN_MAX
    assert gone["before"]["bytes"] == 50_000


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a\0b", os.urandom(5000)])
def test_what_is_no_text_is_its_size_and_digest(content):
    """Nothing of it is shown."""
    one = only(Picture("a", "v", content, b"text"))
    assert set(one["before"]) == {"bytes", "sha256"}
    assert one["after"]["text"] == "text"
    assert "diff" not in one


def test_a_move_shows_no_content():
    """It stays as it is."""
    ends = seen(Picture("a", "v", b"text", None), Picture("b", ABSENT, None, b"text"), operation="move")["resources"]
    assert [(one["before"] is None, one["after"] is None) for one in ends] == [(False, True), (True, False)]
    assert "text" not in ends[0]["before"]


def test_json_is_shown_as_it_is():
    """As long as it is small and shallow; null is not absent."""
    one = only(Picture("a", "v", {"x": 1}, None), operation="put")
    assert (one["before"], one["after"]) == ({"json": {"x": 1}}, {"json": None})
    assert only(Picture("a", "v", {"x": 1}, None), operation="delete")["after"] is None
    deep = json.loads("[" * 60 + "]" * 60)
    assert only(Picture("a", "v", 1, deep), operation="put")["after"]["begins"].startswith("[[[")
    large = only(Picture("a", "v", 1, ["x" * 100] * 1000), operation="put")["after"]
    assert set(large) == {"bytes", "sha256", "begins"}


@pytest.mark.parametrize(
    "pictures",
    [
        [Picture("a", "v", b"a\n" * 900, b"b\n" * 900)],
        [Picture("a", "v", b"a" * 10**6, b"b" * 10**6)],
        [Picture("a", "v", "ü" * 10**6, "b" * 10**6)],
        [Picture(str(n), ABSENT, None, b"x" * 10**5) for n in range(10)],
    ],
)
def test_a_picture_is_small(pictures):
    """Whatever it shows."""
    assert len(canonical(seen(*pictures))) < 2.5 * SHOWN_MAX


def test_the_search_for_a_difference_ends_soon():
    """Also for texts that are made to be hard to compare."""
    begun = time.monotonic()
    hard = "\n".join(str(n % 90) for n in range(100_000))
    other = "\n".join(str(n * 7 % 90) for n in range(100_000))
    assert difference(hard, other) is None
    small = ["\n".join(str(n * k % 90) for n in range(1000)) for k in (1, 7)]
    assert difference(*small)
    assert time.monotonic() - begun < 10


def test_a_difference_in_a_long_text_keeps_its_line_numbers():
    """Though only its surroundings are compared."""
    old = [f"line {n}" for n in range(1, 50_001)]
    new = [*old[:39_999], "changed", *old[40_000:]]
    lines = difference("\n".join(old), "\n".join(new))
    assert lines == [
        "@@ -39997,7 +39997,7 @@", " line 39997", " line 39998", " line 39999", "-line 40000", "+changed", " line 40001",
        " line 40002", " line 40003",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new"), [("a", "a\n"), ("", "x"), ("a\r\n", "a\n"), ("x\nx", "x\nx\nx"), ("a\x0bb", "a\nb")]
)
def test_small_differences_are_seen(old, new):
    """An end of line, an empty text, a carriage return, a line twice."""
    lines = difference(old, new)
    assert any(line.startswith("+") for line in lines)


def test_warnings():
    """Those of the undo, after those that are given; an end where there is one."""
    assert seen(Picture("a", "v", b"a", b"b"))["warnings"] == []
    assert seen(traits=traits(UndoKind.COMPENSATING), warnings=("First.",))["warnings"] == ["First.", COMPENSATING]
    assert seen(traits=traits(UndoKind.NONE))["warnings"] == [NO_UNDO]
    assert seen(expires_s=1_800_000_000)["expires"].startswith("2027-01-15T")
    assert "expires" not in seen()
