"""What is worth waking someone for, and what became of telling them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

AT_US_MAX = 253_402_300_799_999_999
"""The last microsecond of the year 9999, the end of RFC 3339."""


class AlertKind(StrEnum):
    """Why someone is told. Receivers route on these words."""

    DRIFT = "drift"
    """A tool's results no longer look as they did."""
    IN_DOUBT = "in_doubt"
    """An action started and nobody knows whether it took effect."""
    POLICY = "policy"
    """A changed policy is not in force."""
    RETRIES = "retries"
    """An action failed after its last retry."""
    REVIEW = "review"
    """An action waits for a person."""
    REVIEWER = "reviewer"
    """A reviewer set or replaced a secret."""
    STOPPED = "stopped"
    """An operator's stop is in force."""
    TEST = "test"
    """Someone asked whether alerts arrive."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alarm. Texts are raw: the targets make them safe to print, once.

    Attributes:
        kind: Why someone is told.
        title: One line.
        text: What happened and what to do next; any number of lines, of which the targets show the first.
        at_us: When it happened, microseconds since 1970 UTC, from 0 to `AT_US_MAX`.
        fields: Names and values for machines (agent, tool, action, ticket, …). Redact before.

    Raises:
        ValueError: `at_us` is out of range.
    """

    kind: AlertKind
    title: str
    text: str
    at_us: int
    fields: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the time, and share no mutable mapping with the caller."""
        if not 0 <= self.at_us <= AT_US_MAX:
            raise ValueError(f"at_us must be from 0 to {AT_US_MAX}, not {self.at_us}.")
        object.__setattr__(self, "fields", MappingProxyType(dict(self.fields)))

    def after_dropped(self, dropped: int) -> Alert:
        """Return the alert, saying first that `dropped` alerts before it were lost to a full queue."""
        were = "alert was" if dropped == 1 else "alerts were"
        text = f"{dropped:,} {were} dropped before this one: the queue was full.\n{self.text}"
        return dataclasses.replace(self, text=text, fields={"alerts_dropped": str(dropped), **self.fields})


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one alert at one target.

    Attributes:
        target: Where it went, without secrets: `https://hooks.example.com/…` or `desktop`.
        ok: Whether the target accepted it.
        detail: One sentence, safe to print: the status, or why it failed.
    """

    target: str
    ok: bool
    detail: str


OnFailure: TypeAlias = Callable[[Alert, str, str], None]
"""Told of an alert that a target did not get: the alert, the target's name, the reason; both safe to print."""
