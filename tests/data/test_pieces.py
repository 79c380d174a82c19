"""What is too large for one row comes back as it was, place by place."""

import os
import zlib

import pytest

from handrail.data.pieces import PIECE_BYTES, Pieces, pieces_of
from handrail.stores.memory import MemoryStore

FAR_US = 2**60


@pytest.fixture
def store():
    return MemoryStore()


def test_large_content_comes_back(store):
    """In as many pieces as it needs, and in order."""
    content = os.urandom(PIECE_BYTES) + b"x" * (2 * PIECE_BYTES) + b"end"
    pieces = Pieces(store, "notes")
    pieces.put("content", "d", [content], FAR_US)
    assert len(list(pieces.read("content", "d"))) == 4
    assert b"".join(pieces.read("content", "d")) == content
    pieces.drop("content", "d")
    assert list(pieces.read("content", "d")) == []


def test_nothing_is_no_piece(store):
    """Empty content needs none."""
    Pieces(store, "notes").put("content", "d", [b""], FAR_US)
    assert list(Pieces(store, "notes").read("content", "d")) == []


def test_places_do_not_share(store):
    """Nor do two things under one digest."""
    Pieces(store, "notes").put("content", "d", [b"mine"], FAR_US)
    assert list(Pieces(store, "other").read("content", "d")) == []
    assert list(Pieces(store, "notes").read("said", "d")) == []


def test_parts_of_any_size_become_pieces():
    """Many lines make few pieces, a large part several, and none is lost."""
    parts = [b"x" * 1000] * 1200 + [b"y" * (2 * PIECE_BYTES)]
    pieces = list(pieces_of(parts))
    assert [len(piece) for piece in pieces[:-1]] == [PIECE_BYTES] * 4
    assert b"".join(pieces) == b"".join(parts)
    assert list(pieces_of([])) == []


BOMB = zlib.compress(b"0" * (PIECE_BYTES + 1))


@pytest.mark.parametrize("body", [b"", b"theirs", zlib.compress(b"mine")[:-1], BOMB])
def test_a_changed_piece_is_not_taken(store, body):
    """Whoever reads it is told; one that would become huge is not even made."""
    Pieces(store, "notes").put("content", "d", [b"mine"], FAR_US)
    store.transact(lambda tx: tx.put_piece("content/notes/d", 0, body, FAR_US))
    with pytest.raises(ValueError, match="no piece"):
        list(Pieces(store, "notes").read("content", "d"))
