"""What is wrong with a policy: every problem at once, each with its line, its column and what to do."""

from __future__ import annotations

from typing import NamedTuple

from handrail.core.text import safe
from handrail.errors import PolicyError, Problem

PROBLEMS_MAX = 200
"""Problems that are kept; a file with more is broken in one place that repeats."""


class Mark(NamedTuple):
    """A place in the file, both counted from 1; (0, 0) is the file as a whole."""

    line: int
    column: int


NOWHERE = Mark(0, 0)


class Problems:
    """Collects what is wrong while a policy is compiled."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._found: dict[Problem, None] = {}

    def add(self, at: Mark, message: str) -> None:
        """Note one problem; the same one twice counts once. A message may start with a lower-case noun."""
        message = message[:1].upper() + message[1:]
        if len(self._found) < PROBLEMS_MAX:
            self._found[Problem(at.line, at.column, message)] = None

    def __bool__(self) -> bool:
        return bool(self._found)

    def error(self) -> PolicyError:
        """Return the error that lists everything."""
        return PolicyError(self.source, tuple(sorted(self._found)))

    def raise_any(self) -> None:
        """Raise `PolicyError` when anything was noted."""
        if self._found:
            raise self.error()


def quoted(text: object) -> str:
    """Return text from the file or from an agent in quotes, safe to print on one line."""
    return f"'{safe(text, max_chars=80)}'"
