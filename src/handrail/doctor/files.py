"""Who else can write the policy and the store? Whoever can, can take the handrail away."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, error, ok, warning
from handrail.mcp.lock import lock_beside

SEPARATE = (
    "Give policy and store to a system user of their own, run the guarded tools as that user and the agent as another; "
    "the policy may be readable for all (chmod 644), the store for nobody else (chmod 700 its folder)."
)
_EVERYBODY = "everybody"

BESIDE = {
    "-wal": "store's log",
    "-shm": "store's index",
    ".lock": "store's lock",
    ".lock-sync": "store's lock",
    ".writers": "store's locks",
}
"""Files that belong to an SQLite store, by what their names add to its own."""


def watched(exam: Exam) -> list[tuple[str, Path]]:
    """Return the files that matter, with what they are; those that exist."""
    folder = exam.file.absolute().parent
    found = [("policy", exam.file), ("lock of tools", lock_beside(exam.file)), ("policy's folder", folder)]
    file = exam.place.file
    if file is not None:
        found += [("store", file), ("store's folder", file.parent)]
        found += [(what, file.with_name(file.name + end)) for end, what in BESIDE.items()]
    seen: dict[Path, str] = {}
    for what, path in found:
        if os.path.exists(path):  # noqa: PTH110 (Path.exists raises in a folder of somebody else)
            seen.setdefault(path.absolute(), what)
    return [(what, path) for path, what in seen.items()]


def check(exam: Exam) -> Finding:
    """Name what everybody, its group, or this very user can write."""
    files = watched(exam)
    who = {path: _shared(path) for _, path in files}
    everybody = [path for path, whose in who.items() if whose == _EVERYBODY]
    root = os.geteuid() == 0
    if not root:
        who |= {
            path: _both(whose)
            for path, whose in who.items()
            if os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
        }
    items = tuple(f"{safe(path)} ({what}): by {who[path]}" for what, path in files if who[path])
    if everybody:
        message = "Every user of this machine can change what agents may do, or what is remembered of them. Writable:"
        return error(message, "Take it away from others: chmod go-w FILE", items)
    if root:
        message = "This is root, who can write everything, so it cannot be told what the agent's system user can write."
        if items:
            message += " Writable for others too:"
        return warning(message, "Run handrail doctor as the system user that the agent runs as; best not root.", items)
    if not items:
        return ok("This system user can write neither the policy nor the store.")
    message = (
        "Whoever can write these can change an agent's rules, or enrol a reviewer. This system user is "
        f"{_user()}: if the agent runs as the same one, and has a shell or file tools, it can."
    )
    return warning(message, SEPARATE, items)


def _shared(path: Path) -> str:
    """Return who but its owner can write a file: `everybody`, `its group`, or `""` for nobody."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_ISVTX:
        return ""  # sticky, as /tmp: others cannot replace what is not theirs
    if mode & stat.S_IWOTH:
        return _EVERYBODY
    return "its group" if mode & stat.S_IWGRP else ""


def _both(whose: str) -> str:
    return f"{whose} and this user" if whose else "this user"


def _user() -> str:
    try:
        return safe(pwd.getpwuid(os.geteuid()).pw_name)
    except KeyError:
        return f"uid {os.geteuid()}"
