"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from handrail.core.digest import Json
from handrail.core.text import safe


class Level(StrEnum):
    """How bad it is. An error fails `handrail doctor`."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. All texts are safe to print.

    Attributes:
        level: How bad it is.
        message: One sentence, or two: what is so.
        todo: What to do about it, `""` when nothing.
        items: What it speaks of, one by one: files, tools, actions.
        check: Name of the check; filled in by whoever ran it.
    """

    level: Level
    message: str
    todo: str = ""
    items: tuple[str, ...] = ()
    check: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return it as `handrail doctor --json` prints it."""
        return {
            "check": self.check,
            "level": self.level.value,
            "message": self.message,
            "todo": self.todo,
            "items": list(self.items),
        }


def ok(message: str) -> Finding:
    """Return that all is well."""
    return Finding(Level.OK, message)


def warning(message: str, todo: str, items: tuple[str, ...] = ()) -> Finding:
    """Return something to change when there is time."""
    return Finding(Level.WARNING, message, todo, items)


def error(message: str, todo: str, items: tuple[str, ...] = ()) -> Finding:
    """Return something that leaves agents unguarded, or keeps them from working."""
    return Finding(Level.ERROR, message, todo, items)


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 row`, `2,000 rows`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def names(found: list[str] | tuple[str, ...], *, most: int = 5) -> str:
    """Return a few names, safe to print, and how many more there are."""
    more = f" and {len(found) - most:,} more" if len(found) > most else ""
    return ", ".join(safe(name) for name in found[:most]) + more


def ago(us: int) -> str:
    """Return a length of time in words: `5 min`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if us >= 2 * size * 1_000_000:
            return f"{us // (size * 1_000_000):,} {unit}"
    return f"{max(us, 0) // 1_000_000} s"
