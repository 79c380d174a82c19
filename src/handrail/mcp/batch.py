"""Batches of JSON-RPC (2025-03-26): requests that came in one array are answered in one array."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from handrail.mcp.message import Id


@dataclass(slots=True)
class _Open:
    """One batch: the ids that still wait, and the answers so far."""

    waiting: set[Id]
    lines: list[bytes] = field(default_factory=list)


class Batches:
    """The batches that are not answered yet.

    Args:
        write: Writes a line to the client.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._open: dict[Id, _Open] = {}

    def __contains__(self, id: Id) -> bool:
        """Whether a request with this id belongs to an open batch."""
        return id in self._open

    def begin(self, ids: Iterable[Id], answered: Iterable[bytes]) -> None:
        """Open a batch.

        Args:
            ids: Ids of its requests.
            answered: Answers that are known already.
        """
        batch = _Open(set(ids), list(answered))
        for id in batch.waiting:
            self._open[id] = batch
        self._close(batch)

    def answer(self, id: Id, line: bytes) -> None:
        """Write an answer, or keep it until its whole batch is answered."""
        batch = self._open.pop(id, None)
        if batch is None:
            self._write(line)
            return
        batch.waiting.discard(id)
        batch.lines.append(line)
        self._close(batch)

    def drop(self, id: Id) -> None:
        """Answer a request of a batch with nothing."""
        batch = self._open.pop(id, None)
        if batch is not None:
            batch.waiting.discard(id)
            self._close(batch)

    def _close(self, batch: _Open) -> None:
        if not batch.waiting and batch.lines:
            self._write(b"[" + b",".join(batch.lines) + b"]")
