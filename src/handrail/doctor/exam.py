"""What the checks look at: one policy, one store, opened for as long as the examination lasts."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from handrail.core.policy import Gate
from handrail.core.store import Store
from handrail.gates import default_gates
from handrail.policy.compiled import CompiledPolicy

DAY_US = 86_400 * 1_000_000


def free_bytes(folder: Path) -> int:
    """Return the free disk space for a folder."""
    return shutil.disk_usage(folder).free


@dataclass(frozen=True, slots=True)
class Place:
    """Where the store stands, and what came of opening it.

    Attributes:
        url: Its address, without secrets.
        file: Its file; None for one without.
        store: The open store; an empty one in memory while there is no file yet, None when it cannot be opened.
        fresh: Whether there is no file yet.
        problem: Why it cannot be opened, safe to print; `""` when it can.
    """

    url: str
    file: Path | None = None
    store: Store | None = None
    fresh: bool = False
    problem: str = ""

    @property
    def folder(self) -> Path | None:
        """The nearest folder that exists, of a store that is or will be a file."""
        if self.file is None:
            return None
        return next((folder for folder in self.file.parents if os.path.isdir(folder)), None)  # noqa: PTH112 (never raises)


@dataclass(frozen=True, slots=True)
class Exam:
    """What is examined. The clock and the disk are arguments, so that tests can set them.

    Attributes:
        policy: The compiled policy.
        file: Its file.
        place: The store.
        now_us: The machine's clock, microseconds since the epoch.
        gates: The gates that decide.
        full: Whether to verify the whole journal.
        progress: Told how far the journal is verified.
        free_bytes: Returns the free disk space for a folder.
    """

    policy: CompiledPolicy
    file: Path
    place: Place
    now_us: int
    gates: Sequence[Gate] = field(default_factory=default_gates)
    full: bool = False
    progress: Callable[[int, int], None] | None = None
    free_bytes: Callable[[Path], int] = free_bytes

    @property
    def store(self) -> Store:
        """The store, for checks that run only when it is open."""
        assert self.place.store is not None
        return self.place.store
