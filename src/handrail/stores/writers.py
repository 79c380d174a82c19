"""Who holds an intent, and whether that process still lives.

A process is named by host, pid and start time, so that a reused pid is not mistaken for the writer. Of a process on
another host nothing can be told; it counts as alive, and `handrail log resolve` decides.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes:
        host: Host name and boot id.
        pid: Process id.
        started: Start time in clock ticks since boot, `""` where the system does not tell.
    """

    host: str
    pid: int
    started: str


@cache
def _host() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()}/{boot}"


def _started(pid: int) -> str | None:
    """Return the start time of a process, `""` where the system does not tell, None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _signalled(pid)
    except OSError:
        return ""
    state, *rest = stat.rpartition(")")[2].split()
    return None if state == "Z" else rest[18]


def _signalled(pid: int) -> str | None:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return ""
    return ""


def this_process() -> Process:
    """Return the running process."""
    pid = os.getpid()
    return Process(_host(), pid, _started(pid) or "")


def alive(process: Process) -> bool:
    """Return whether a process lives, as far as this machine can tell."""
    host, _, boot = process.host.rpartition("/")
    here, _, now = _host().rpartition("/")
    if host != here:
        return True
    if boot != now:
        return False
    started = _started(process.pid)
    return started is not None and started in (process.started, "")
