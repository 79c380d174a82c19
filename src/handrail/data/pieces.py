"""What is too large for one row of the store, kept in pieces: a planned change, until nobody can apply it any more."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from handrail.core.store import Store

PIECE_BYTES = 512 * 1024
"""Size of a piece before it is compressed, at most."""


@dataclass(frozen=True, slots=True)
class Pieces:
    """What one place keeps in the store.

    Attributes:
        store: The store.
        place: Name of the place.
    """

    store: Store
    place: str

    def put(self, what: str, digest: str, parts: Iterable[bytes], until_us: int) -> None:
        """Keep something. Its pieces are written one by one, so that nobody waits for a large one.

        Args:
            what: What it is.
            digest: Of which plan or change.
            parts: All of it, in parts of any size.
            until_us: When nobody asks any more, microseconds since the epoch.
        """
        key = self._key(what, digest)
        for number, piece in enumerate(pieces_of(parts)):
            body = zlib.compress(piece, 1)
            self.store.transact(lambda tx, n=number, b=body: tx.put_piece(key, n, b, until_us))  # type: ignore[misc]

    def read(self, what: str, digest: str) -> Iterator[bytes]:
        """Return the pieces that are kept, in order; nothing when nothing is. A digest has to tell whether it is all.

        Raises:
            ValueError: One of them was changed.
        """
        key = self._key(what, digest)
        for number in self.store.read(lambda tx: tx.pieces(key)):
            body = self.store.read(lambda tx, n=number: tx.piece(key, n))  # type: ignore[misc]
            if body is not None:
                yield _plain(body)

    def drop(self, what: str, digest: str) -> None:
        """Forget it."""
        self.store.transact(lambda tx: tx.drop_pieces(self._key(what, digest)))

    def _key(self, what: str, digest: str) -> str:
        return f"{what}/{self.place}/{digest}"


def pieces_of(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Return what is written in pieces of at most `PIECE_BYTES`, all but the last of them as large."""
    together = bytearray()
    for part in parts:
        together += part
        while len(together) >= PIECE_BYTES:
            yield bytes(together[:PIECE_BYTES])
            del together[:PIECE_BYTES]
    if together:
        yield bytes(together)


def _plain(body: bytes) -> bytes:
    """Return what a piece holds; no piece of ours holds more than `PIECE_BYTES`.

    Raises:
        ValueError: It holds more, is cut off, or is no piece.
    """
    reading = zlib.decompressobj()
    try:
        piece = reading.decompress(body, PIECE_BYTES + 1)
    except zlib.error as error:
        raise ValueError("It is no piece.") from error
    if len(piece) > PIECE_BYTES or not reading.eof:
        raise ValueError("It is no piece.")
    return piece
