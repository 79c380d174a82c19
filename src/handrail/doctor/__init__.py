"""`handrail doctor`: is the protection really on? One check, one file; `CHECKS` is the visible, ordered list.

To add one: a new file with `check(exam)`, one line below, one section in docs/doctor.md, and a test in which it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from handrail.core.policy import Gate
from handrail.core.text import safe
from handrail.doctor import (
    alerts,
    canary,
    clock,
    disk,
    drift,
    files,
    four_eyes,
    in_doubt,
    journal,
    places,
    policy,
    reviewers,
    stopped,
    store,
    tools,
)
from handrail.doctor.exam import Exam, Place, free_bytes
from handrail.doctor.finding import Finding, Level, error
from handrail.doctor.store import open_place
from handrail.gates import default_gates
from handrail.policy.compiled import CompiledPolicy


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: Its name, as output and docs spell it.
        look: Returns what it finds.
        needs_store: Whether it can only be made with an open store.
    """

    name: str
    look: Callable[[Exam], Finding]
    needs_store: bool = True

    def made(self, exam: Exam) -> Finding:
        """Return what it finds, under its name. A check that fails is an error, never silence."""
        try:
            found = self.look(exam)
        except Exception as failure:  # noqa: BLE001 (a damaged store may raise anything; the other checks go on)
            message = f"This could not be checked: {type(failure).__name__}: {safe(failure, max_chars=300)}"
            found = error(message, "Run: handrail log verify. If that finds nothing, report it as a bug.")
        return replace(found, check=self.name)


CHECKS = (
    Check(policy.NAME, policy.check, needs_store=False),
    Check("store", store.check, needs_store=False),
    Check("clock", clock.check),
    Check("journal", journal.check),
    Check("canary", canary.check),
    Check("tools", tools.check),
    Check("places", places.check, needs_store=False),
    Check("in_doubt", in_doubt.check),
    Check("stopped", stopped.check),
    Check("reviewers", reviewers.check),
    Check("four_eyes", four_eyes.check, needs_store=False),
    Check("files", files.check, needs_store=False),
    Check("drift", drift.check),
    Check("alerts", alerts.check),
    Check("disk", disk.check, needs_store=False),
)
"""Every check, in the order of the output. What looks at the journal stands before the canary, which writes to it."""


def examine(
    compiled: CompiledPolicy,
    file: Path,
    place: Place,
    now_us: int,
    *,
    gates: Sequence[Gate] | None = None,
    full: bool = False,
    progress: Callable[[int, int], None] | None = None,
    free: Callable[[Path], int] = free_bytes,
) -> tuple[Finding, ...]:
    """Make every check that can be made.

    Args:
        compiled: The policy.
        file: Its file.
        place: The store, as `open_place` found it; stays open.
        now_us: The machine's clock, microseconds since the epoch.
        gates: The gates that decide; `default_gates()` by default.
        full: Whether to verify the whole journal.
        progress: Told how many of how many rows are verified.
        free: Returns the free disk space for a folder.
    """
    chosen = default_gates() if gates is None else gates
    exam = Exam(compiled, file, place, now_us, tuple(chosen), full, progress, free)
    return tuple(check.made(exam) for check in CHECKS if place.store is not None or not check.needs_store)


__all__ = ["CHECKS", "Check", "Exam", "Finding", "Level", "Place", "examine", "open_place"]
