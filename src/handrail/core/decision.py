"""The answer to "may this run?": the most restrictive finding of all gates wins."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from handrail.core.digest import Json


class Verdict(StrEnum):
    """What a gate says, from least to most restrictive."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"

    @property
    def severity(self) -> int:
        """0 for allow, 1 for ask, 2 for deny."""
        return _SEVERITY[self]


_SEVERITY = {Verdict.ALLOW: 0, Verdict.ASK: 1, Verdict.DENY: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One gate's objection.

    Attributes:
        gate: Name of the gate.
        rule: Id of the rule inside it; what a ticket names.
        verdict: `ASK` or `DENY`.
        why: One sentence for agents and people: what happened and what to do next.
        values: The values that tripped it, by name.
        sticky: Whether a denial is remembered on the resource (rule denials are; unknown tools are not).
        reason: Reason code for the outcome (see `outcome.Reason`).
    """

    gate: str
    rule: str
    verdict: Verdict
    why: str
    values: tuple[tuple[str, Json], ...] = ()
    sticky: bool = False
    reason: str = ""

    def to_json(self) -> dict[str, Json]:
        """Return the finding as the journal keeps it."""
        return {
            "gate": self.gate,
            "rule": self.rule,
            "verdict": self.verdict.value,
            "why": self.why,
            "values": dict(self.values),
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """What all gates together say.

    Attributes:
        verdict: The most restrictive verdict of the findings; `ALLOW` without any.
        findings: Every objection, in the order of the gates.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()

    @property
    def decisive(self) -> tuple[Finding, ...]:
        """The findings that carry the verdict."""
        return tuple(f for f in self.findings if f.verdict is self.verdict)

    @property
    def why(self) -> str:
        """The decisive sentences, joined; empty when allowed."""
        return " ".join(f.why for f in self.decisive)


ALLOWED = Decision(Verdict.ALLOW)


def combine(findings: Iterable[Finding]) -> Decision:
    """Return the decision of all findings: deny before ask before allow."""
    found = tuple(findings)
    if not found:
        return ALLOWED
    return Decision(max((f.verdict for f in found), key=_SEVERITY.__getitem__), found)
