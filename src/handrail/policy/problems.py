"""What is wrong with a policy: every problem at once, each with its line, its column and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from handrail.core.text import safe
from handrail.errors import ConfigurationError

PROBLEMS_MAX = 200
"""Problems that are kept; a file with more is broken in one place that repeats."""


class Mark(NamedTuple):
    """A place in the file, both counted from 1; (0, 0) is the file as a whole."""

    line: int
    column: int


NOWHERE = Mark(0, 0)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        line: Line in the file, counted from 1; 0 for the file as a whole.
        column: Column in the line, counted from 1; 0 for the file as a whole.
        message: What is wrong and what to do, safe to print.
    """

    line: int
    column: int
    message: str


class PolicyError(ConfigurationError):
    """The policy does not load, so nothing runs. Every problem is listed.

    Attributes:
        source: The file's name.
        problems: All problems, in the order of the file.
    """

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(_shown(source, problem) for problem in problems))


def _shown(source: str, problem: Problem) -> str:
    where = f"{source}:{problem.line}:{problem.column}" if problem.line else source
    return f"{where}: {problem.message}"


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
