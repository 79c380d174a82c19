"""Statements of one transaction in few round trips: what needs no answer waits, and travels with the next question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import psycopg

from handrail.stores.postgres.session import Connection

if TYPE_CHECKING:
    from typing import LiteralString

    from psycopg import Cursor

Values: TypeAlias = "Sequence[object] | Mapping[str, object]"
Rows: TypeAlias = "list[tuple[object, ...]]"


class Wire:
    """A connection on which statements wait for each other.

    An error of a statement that waited is raised by the question that it travelled with; the transaction is over then.

    Args:
        connection: In autocommit mode: transactions begin and end with statements of ours.
    """

    __slots__ = ("_waiting", "connection")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._waiting: list[tuple[LiteralString, Values | None]] = []

    def later(self, sql: LiteralString, values: Values | None = None) -> None:
        """Send a statement with the next question."""
        self._waiting.append((sql, values))

    def ask(self, sql: LiteralString, values: Values | None = None) -> Rows:
        """Return the rows of one question."""
        return self.ask_all((sql, values))[0]

    def ask_all(self, *questions: tuple[LiteralString, Values | None]) -> list[Rows]:
        """Return the rows of several questions, asked in one round trip."""
        return [cursor.fetchall() for cursor in self._send(*questions)]

    def change(self, sql: LiteralString, values: Values) -> int:
        """Run a statement at once; return how many rows it changed."""
        return self._send((sql, values))[0].rowcount

    def end(self, sql: LiteralString) -> str:
        """Send what waits, and a statement that ends the transaction; return what the server says it did."""
        return self._send((sql, None))[0].statusmessage or ""

    def _send(self, *questions: tuple[LiteralString, Values | None]) -> list[Cursor[tuple[object, ...]]]:
        waiting, self._waiting = self._waiting, []
        execute = self.connection.execute
        if not waiting and len(questions) == 1:
            return [execute(*questions[0], binary=True)]
        cursors: list[Cursor[tuple[object, ...]]] = []
        failure: psycopg.Error | None = None
        try:
            with self.connection.pipeline():
                try:
                    for sql, values in waiting:
                        execute(sql, values)
                    cursors = [execute(sql, values, binary=True) for sql, values in questions]
                except psycopg.Error as error:  # not raised here: leaving the block would log it, and fail again
                    failure = error
        except psycopg.Error as error:
            failure = failure or _first(error)
        if failure is not None:
            raise failure
        return cursors


def _first(error: psycopg.Error) -> psycopg.Error:
    """Return what the server said, if the error is about what followed from it."""
    before = error.__context__
    return before if error.sqlstate is None and isinstance(before, psycopg.Error) else error
