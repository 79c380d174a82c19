"""A scene, the stage that it tells its story to, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from textwrap import dedent
from typing import Protocol, TypeAlias

Counts: TypeAlias = dict[str, int | str]


class Tone(StrEnum):
    """How a thing that is told turned out."""

    PLAIN = "plain"
    GOOD = "good"
    BAD = "bad"
    ASK = "ask"  # waits for a person
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Result:
    """How a scene ended.

    Attributes:
        unguarded: What was counted after the half without Handrail.
        guarded: What was counted after the half with it; the same names.
        held: Whether the failure happened in the first half and not in the second one, by these counts.
        verdict: The same in one line, for people.
    """

    unguarded: Counts
    guarded: Counts
    held: bool
    verdict: str = ""


class Strip(Protocol):
    """One mark for each thing that is done."""

    def mark(self, tone: Tone) -> None:
        """Add the next mark."""
        ...


class Stage(Protocol):
    """Where a scene plays. It prints whatever it is told safely, so that scenes need not think of it."""

    @property
    def folder(self) -> Path:
        """An empty folder for the policy, the store and the world."""
        ...

    def act(self, title: str, tone: Tone) -> None:
        """Begin one half."""
        ...

    def say(self, text: str, tone: Tone = Tone.PLAIN) -> None:
        """Tell one thing."""
        ...

    def source(self, lines: Sequence[str], tone: Tone) -> None:
        """Show lines of code or of a policy as they are."""
        ...

    def strip(self, total: int, meaning: dict[Tone, str]) -> AbstractContextManager[Strip]:
        """Show `total` things being done, one after the other; `meaning` says what each tone's mark stands for."""
        ...

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], tones: Sequence[Tone]) -> None:
        """Show a table; each row has a tone."""
        ...

    def card(self, title: str, rows: Sequence[tuple[str, str]]) -> None:
        """Show a question as a reviewer sees it: names and what stands beside them."""
        ...


class Scene(Protocol):
    """One failure of the brief."""

    @property
    def number(self) -> int:
        """Its number in the brief."""
        ...

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def danger(self) -> str:
        """The failure in one sentence."""
        ...

    def play(self, stage: Stage) -> Result:
        """Play both halves and count what is left of the world."""
        ...


def excerpt(policy: str, *words: str) -> list[str]:
    """Return the lines of a policy that contain one of `words`, to show what makes the difference."""
    found = [line for line in policy.splitlines() if any(word in line for word in words)]
    return dedent("\n".join(found)).splitlines()
