"""Is there room left for the journal?"""

from __future__ import annotations

from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, error, ok

FREE_BYTES_MIN = 100 * 1024 * 1024
"""Free space of the store's disk below which it is an error: a full disk stops every agent."""


def check(exam: Exam) -> Finding:
    """Look at the disk that the store stands on."""
    folder = exam.place.folder
    if folder is None:
        return ok("The store is not a file of this machine, so nothing is to be looked at here.")
    free = exam.free_bytes(folder)
    if free >= FREE_BYTES_MIN:
        return ok(f"The store's disk has {free / 1024**3:,.1f} GiB free.")
    return error(
        f"The store's disk has only {free / 1024**2:,.0f} MiB free ({safe(folder)}); when it is full, nothing runs.",
        "Free some space, move the store, or let go of old details: handrail log prune",
    )
