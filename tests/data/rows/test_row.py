"""Rows that are held as lines of canonical JSON, and read like a tuple."""

import pytest

from handrail.core.digest import canonical
from handrail.data.rows import ChangeRefused, Row
from handrail.data.rows.row import LINE, Columns, PackedRows, packed

ROWS = tuple(
    Row((number, f"k{number}"), "v" if number < LINE + 3 else number, ("ü\0\u2028", None, {"real": "0.1"}))
    for number in range(2 * LINE + 5)
)
PACKED = PackedRows.of(ROWS)


def test_they_read_like_a_tuple_of_them():
    """Length, iteration, single rows, slices in both directions."""
    assert len(PACKED) == len(ROWS)
    assert tuple(PACKED) == ROWS
    for at in (0, LINE - 1, LINE, -1, -LINE):
        assert PACKED[at] == ROWS[at]
    for part in (
        slice(None),
        slice(3),
        slice(LINE - 2, LINE + 2),
        slice(None, None, -1),
        slice(5, 5),
        slice(0, None, 700),
    ):
        assert PACKED[part] == ROWS[part]
    for size in (LINE, 2 * LINE, 3 * LINE):
        pieces = [(start, tuple(columns.rows())) for start, columns in PACKED.chunks(size)]
        assert pieces == [(start, ROWS[start : start + size]) for start in range(0, len(ROWS), size)]
    with pytest.raises(IndexError):
        PACKED[len(ROWS)]
    assert (repr(PACKED), hash(PACKED)) == ("<2,005 rows>", hash(PackedRows.of(ROWS)))


def test_packing_twice_changes_nothing():
    """Packed rows stay what they are, and equal rows are equal; other rows are not."""
    assert packed(PACKED) is PACKED
    assert packed(ROWS) == PACKED
    assert packed(ROWS[:-1]) != PACKED
    assert PACKED != ROWS


@pytest.mark.parametrize("sizes", [[2 * LINE + 5], [1, 999, 1005], [500] * 4 + [5], [3, 2001, 1]])
def test_pieces_of_any_size_become_the_same_lines(sizes):
    """What a statement returns need not be a line."""
    starts = [sum(sizes[:at]) for at in range(len(sizes))]
    pieces = [Columns.of(ROWS[start : start + size]) for start, size in zip(starts, sizes, strict=True)]
    assert PackedRows.of_columns(pieces) == PACKED
    assert PackedRows.of_columns(piece.part(0, piece.count) for piece in pieces) == PACKED


def test_a_column_of_one_cell_takes_no_room():
    """Only where all cells are the same and of one type: 1 is not true, and reals are written out."""
    for cells, held in (
        (["v", "v"], b'"v"'),
        ([None, None], b"null"),
        ([1, True], b"[1,true]"),
        ([{"real": "1.0"}] * 2, b'[{"real":"1.0"},{"real":"1.0"}]'),
    ):
        assert (
            Columns.of([((at,), cell, ()) for at, cell in enumerate(cells)]).line() == b"[2,[[0,1]]," + held + b",[]]"
        )


def test_rows_with_other_columns_are_refused():
    """A plan that was made by hand."""
    for rows in ([((1,), "v", ()), ((1, 2), "v", ())], [((1,), "v", ()), ((2,), "v", (1,))]):
        with pytest.raises(ChangeRefused, match="different columns"):
            PackedRows.of(rows)


def test_each_line_is_canonical():
    """So that the digest over the lines is one over the values."""
    import json

    assert len(PACKED.lines) == 3
    for line in PACKED.lines:
        assert canonical(json.loads(line)) == line


def test_lines_of_somebody_else_are_checked():
    """Blanks, other rows in a line, a form that is none, too few lines."""
    lines = PACKED.lines
    assert PackedRows.read(len(ROWS), iter(lines)) == PACKED
    for wrong in (
        [lines[0].replace(b",", b", ", 1), *lines[1:]],
        [lines[1], lines[2]],
        [lines[0], lines[2], lines[1]],
        [b'[1000,"ab","v",[]]', *lines[1:]],
        [lines[0].replace(b"1000", b"999", 1), *lines[1:]],
        [lines[0].replace(b"0,", b"", 1), *lines[1:]],
        [lines[0].replace(b'"v"', b'["v"' + b',"v"' * 999 + b"]"), *lines[1:]],
        [b"{}", *lines[1:]],
    ):
        with pytest.raises((ValueError, TypeError)):
            PackedRows.read(len(ROWS), iter(wrong))


def test_what_has_no_json_form_is_refused():
    """Half a character, for one."""
    for value in ("\ud800", b"x"):
        with pytest.raises(ChangeRefused, match="no JSON form"):
            PackedRows.of([((1,), "v", (value,))])
