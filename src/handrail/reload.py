"""A running proxy follows its policy: a changed file that compiles is taken over, any other is refused loudly.

Nothing is watched in the background. Whoever decides looks first, at most twice a second; a look costs one `stat`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.alerts.alert import Alert, AlertKind
from handrail.core.digest import Json
from handrail.core.record import Record, RecordKind
from handrail.core.text import safe
from handrail.errors import ConfigurationError, StoreError

if TYPE_CHECKING:
    from handrail.policy import CompiledPolicy
    from handrail.workspace import Workspace

PAUSE_S = 0.5
"""Seconds between two looks at a file."""

_AT_START = ("store", "alerts", "desktop_alerts")
"""Keys of the policy that are read when a process starts."""


class Watch:
    """Tells whether a file is another one than at the last look.

    Args:
        path: The file.
        clock: Monotonic time, in seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._looked_s = clock()
        self._seen = _identity(path)

    def changed(self) -> bool:
        """Look, unless the last look is less than `PAUSE_S` ago; a file that came or went has changed."""
        now = self._clock()
        if now - self._looked_s < PAUSE_S:
            return False
        self._looked_s = now
        found = _identity(self._path)
        if found == self._seen:
            return False
        self._seen = found
        return True


def _identity(path: Path) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 (half the time of Path.stat)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


class PolicyWatch:
    """Keeps a workspace at the state of its policy file.

    Args:
        path: The policy file.
        workspace: What decides by it.
        say: Tells the operator a sentence; foreign text in it is safe.
        clock: Monotonic time, in seconds.
    """

    def __init__(
        self,
        path: Path,
        workspace: Workspace,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._workspace = workspace
        self._say = say
        self._watch = Watch(path, clock)

    def look(self) -> None:
        """Take over a changed policy, or keep the one in force and say why. Never raises."""
        if not self._watch.changed():
            return
        from handrail.policy import load  # noqa: PLC0415 (loaded already where a policy is open)

        try:
            if not self._path.is_file():
                raise ConfigurationError("the file is gone")
            self._adopt(load(self._path))
        except (ConfigurationError, OSError, RecursionError) as error:
            self._refused(error)

    def _adopt(self, policy: CompiledPolicy) -> None:
        before = self._workspace.policy
        fixed = [key for key in _AT_START if getattr(policy, key) != getattr(before, key, None)]
        if policy.hash == before.hash and policy.mode is before.mode and not fixed:
            return
        self._workspace.adopt(policy)
        note = f" What changed in {', '.join(fixed)} counts after a restart." if fixed else ""
        self._say(f"{safe(self._path)} changed and is in force (mode: {policy.mode.value}).{note}")
        self._record("policy_reloaded", {"policy": policy.hash, "before": before.hash, "mode": policy.mode.value})

    def _refused(self, error: Exception) -> None:
        why = f"{safe(self._path)} changed and cannot be used, so the policy from before stays in force."
        self._say(f"{why} {_lines(error)}")
        self._record("policy_refused", {"policy": self._workspace.policy.hash, "why": safe(error, max_chars=2_000)})
        host = self._workspace.host
        text = f"{why}\n{safe(error, max_chars=500)}\nRun: handrail policy check"
        host.notify(Alert(AlertKind.POLICY, "A changed policy is not in force", text, host.clock_us(), {}))

    def _record(self, reason: str, body: dict[str, Json]) -> None:
        record = Record(RecordKind.EVENT, reason=reason, body={**body, "file": safe(self._path)})
        try:
            self._workspace.store.transact(lambda tx: tx.append(record))
        except StoreError as error:
            self._say(f"This could not be recorded: {safe(error)}")


def _lines(error: Exception) -> str:
    return safe(" ".join(str(error).split("\n")), max_chars=1_000)
