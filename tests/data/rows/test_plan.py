"""A plan as text: canonical, whole, or refused."""

from dataclasses import replace

import pytest

from handrail.core.digest import canonical
from handrail.data.rows import ChangeRefused, Part, Row, RowPlan
from handrail.data.rows.plan import FORMAT, PIECE_BYTES, footprint
from handrail.data.sql import Operation

PART = Part("", "t", Operation.UPDATE, (Row((1,), "v", ("a\u2028b",)), Row((2,), "v", (None,))), "s", ("x",), "content")
PLAN = RowPlan("sqlite:1", (PART,), {"t": (0, 2, 0)}, {"rows_max": 5, "rows_free": 0}, 1000, "n")


def test_it_comes_back_from_its_text():
    """Also with characters that end a line elsewhere."""
    assert RowPlan.from_text(PLAN.to_text()) == PLAN
    assert RowPlan.from_text(PLAN.to_text()).digest == PLAN.digest


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "null", "[" * 100_000, '{"parts": 1}', PLAN.to_text() + "\n", PLAN.to_text()[:-1]]
)
def test_anything_else_is_refused(text):
    """One sentence, whatever it is."""
    with pytest.raises(ChangeRefused, match="not a plan as it was made"):
        RowPlan.from_text(text)


def test_the_digest_names_every_field():
    """A change of any of them is another digest."""
    others = [
        replace(PLAN, database="sqlite:2"),
        replace(PLAN, footprint={"t": (0, 1, 0)}),
        replace(PLAN, limits={"rows_max": 6, "rows_free": 0}),
        replace(PLAN, expires_s=1001),
        replace(PLAN, nonce="m"),
        replace(PLAN, undo_of="x"),
    ]
    for changed in (
        {"schema": "s"}, {"table": "u"}, {"operation": Operation.DELETE}, {"rows": PART.rows[:1]}, {"rows": PART.rows[::-1]},
        {"shape": "z"}, {"columns": ("y",)}, {"versioned_by": "xmin"}, {"bump": "r"}, {"content": ("x",)}, {"cascade": True},
        {"source": 0},
    ):  # fmt: skip
        others.append(replace(PLAN, parts=(replace(PART, **changed),)))
    assert len({PLAN.digest, *(one.digest for one in others)}) == len(others) + 1


def test_the_text_is_canonical():
    """Head and rows are canonical JSON, a line each."""
    import json

    for line in PLAN.to_text().removesuffix("\n").split("\n"):
        assert canonical(json.loads(line)).decode() == line


def test_the_footprint_adds_up():
    """Parts of one table, and what triggers insert."""
    assert footprint([PART, PART], {"audit": 4, "none": 0}) == {"audit": (4, 0, 0), "t": (0, 4, 0)}


def test_it_is_written_and_read_in_pieces():
    """Of some hundred KiB, which may be cut anywhere; without one text of all of it."""
    rows = tuple(Row((number,), f"{number:032}", ("x" * 20,)) for number in range(23_456))
    plan = RowPlan("sqlite:1", (replace(PART, rows=rows), PART), {}, {}, 1000, "n")
    pieces = list(plan.write())
    assert b"".join(pieces).decode() == plan.to_text()
    assert len(pieces) > 2
    assert all(PIECE_BYTES <= len(piece) < 1024 * 1024 and piece.endswith(b"\n") for piece in pieces[:-1])
    text = plan.to_text()
    for cut in (
        pieces,
        [text],
        [text[at : at + 999] for at in range(0, len(text), 999)],
        text.splitlines(keepends=True),
    ):
        assert RowPlan.from_lines(cut) == plan
    for wrong in (pieces[:-1], pieces[::-1], [*pieces, b"x"], [*pieces, b"[]\n"], [], text.split("\n")):
        with pytest.raises(ChangeRefused, match="not a plan as it was made"):
            RowPlan.from_lines(wrong)


def test_a_plan_of_another_form_is_refused():
    """The form is a part of the digest."""
    with pytest.raises(ChangeRefused, match="not a plan as it was made"):
        RowPlan.from_text(PLAN.to_text().replace(f'"format":{FORMAT}', '"format":1'))
