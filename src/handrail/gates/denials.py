"""Refusals stick to the resource: another tool, run or spelling of the request still asks (promise 3.1)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from handrail.core.case import Known
from handrail.core.change import table_of
from handrail.core.decision import Finding, Verdict
from handrail.core.digest import Json
from handrail.core.note import LABELS_FULL
from handrail.core.outcome import Reason
from handrail.core.policy import Case

NAMED = 3
"""Rows of a table that a finding names; of more it tells how many."""


class _Refused(NamedTuple):
    """What is remembered of one resource: what was refused, and by which rule."""

    name: str
    verb: str
    rule: str


@dataclass(frozen=True, slots=True)
class DenialMemory:
    """Asks for any write to a resource on which a rule or a person refused this agent's lineage before."""

    name: str = "denial_memory"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object once for each resource that is remembered, or too much of which is; rows of a table count as one."""
        if not case.known:
            return ()
        found: dict[tuple[str, str], Finding] = {}
        refused: dict[str, _Refused] = {}
        for effect in case.stated:
            for name in (effect.resource, effect.to):
                known = case.known.get(name) if name and effect.writes else None
                if known is not None:
                    refused.update({one.name: one for one in _refused(known)})
                    for finding in self._of(known):
                        found.setdefault((finding.rule, finding.values[0][1]), finding)  # type: ignore[arg-type]
        return (*map(self._denied, _together(refused.values())), *found.values())

    def _of(self, known: Known) -> Iterator[Finding]:
        if known.crowded:
            why = (
                f"More is remembered below {known.name} than can be looked at, so changing it needs a person. "
                "Name what is to be changed more narrowly."
            )
            yield self._finding("crowded", why, (("resource", known.name),))
        for name, resource in known.around:
            if LABELS_FULL in resource.labels:
                why = f"{name} carries more labels than are kept, so any write to it needs a person. {_forget(name)}"
                yield self._finding("labels_full", why, (("resource", name),))

    def _denied(self, these: list[_Refused]) -> Finding:
        """Return the finding for one resource, or for rows of one table that one rule refused in the same way."""
        name, verb, rule = these[0]
        who = "A person" if rule == "review" else f"Rule '{rule}'"
        values: tuple[tuple[str, Json], ...] = (("resource", name), ("refused", verb), ("rule", rule))
        if len(these) == 1:
            why = f"{who} refused to {verb} {name} before, so any write to it needs a person. {_forget(name)}"
            return self._finding("denied_before", why, values)
        table, rows = table_of(name) or "", [one.name for one in these]
        verbs = " or ".join(dict.fromkeys(one.verb for one in these))
        first = ", ".join(row.removeprefix(f"{table}/") for row in rows[:NAMED])
        more = f" and {len(rows) - NAMED:,} more" if len(rows) > NAMED else ""
        why = (
            f"{who} refused to {verbs} {len(rows):,} rows of {table} before ({first}{more}), so any write to them "
            f"needs a person. A person forgets them one by one: handrail review clear {shlex.quote(name)}"
        )
        shown: list[Json] = [*rows[:NAMED]]
        return self._finding(
            "denied_before", why, (("resource", table), *values[1:], ("rows", len(rows)), ("first", shown))
        )

    def _finding(self, rule: str, why: str, values: tuple[tuple[str, Json], ...]) -> Finding:
        return Finding(self.name, rule, Verdict.ASK, why, values, reason=Reason.DENIAL_MEMORY)


def _refused(known: Known) -> Iterator[_Refused]:
    """Yield what was refused of a resource and of what is around it, each once."""
    for name, resource in known.around:
        if resource.denials:
            yield _Refused(name, *resource.denials[0])


def _together(refused: Iterable[_Refused]) -> Iterable[list[_Refused]]:
    """Put rows of one table together that one rule refused; anything else stands alone."""
    found: dict[tuple[str, str], list[_Refused]] = {}
    for one in refused:
        found.setdefault((table_of(one.name) or one.name, one.rule if table_of(one.name) else ""), []).append(one)
    return found.values()


def _forget(name: str) -> str:
    return f"A person forgets it with: handrail review clear {shlex.quote(name)}"
