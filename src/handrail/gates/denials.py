"""Refusals stick to the resource: another tool, run or spelling of the request still asks (promise 3.1)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from handrail.core.case import Known
from handrail.core.decision import Finding, Verdict
from handrail.core.digest import Json
from handrail.core.note import LABELS_FULL
from handrail.core.outcome import Reason
from handrail.core.policy import Case


@dataclass(frozen=True, slots=True)
class DenialMemory:
    """Asks for any write to a resource on which a rule or a person refused this agent's lineage before."""

    name: str = "denial_memory"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object once for each resource that is remembered, or too much of which is."""
        if not case.known:
            return ()
        found: dict[tuple[str, str], Finding] = {}
        for effect in case.stated:
            for name in (effect.resource, effect.to):
                known = case.known.get(name) if name and effect.writes else None
                if known is not None:
                    for finding in self._of(known):
                        found.setdefault((finding.rule, finding.values[0][1]), finding)  # type: ignore[arg-type]
        return tuple(found.values())

    def _of(self, known: Known) -> Iterator[Finding]:
        if known.crowded:
            why = (
                f"More is remembered below {known.name} than can be looked at, so changing it needs a person. "
                "Name what is to be changed more narrowly."
            )
            yield self._finding("crowded", why, (("resource", known.name),))
        for name, resource in known.around:
            if resource.denials:
                verb, rule = resource.denials[0]
                who = "A person" if rule == "review" else f"Rule '{rule}'"
                why = f"{who} refused to {verb} {name} before, so any write to it needs a person. {_forget(name)}"
                yield self._finding("denied_before", why, (("resource", name), ("refused", verb), ("rule", rule)))
            if LABELS_FULL in resource.labels:
                why = f"{name} carries more labels than are kept, so any write to it needs a person. {_forget(name)}"
                yield self._finding("labels_full", why, (("resource", name),))

    def _finding(self, rule: str, why: str, values: tuple[tuple[str, Json], ...]) -> Finding:
        return Finding(self.name, rule, Verdict.ASK, why, values, reason=Reason.DENIAL_MEMORY)


def _forget(name: str) -> str:
    return f"A person forgets it with: handrail review clear {shlex.quote(name)}"
