"""Does the store open, and can it be written?"""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

from handrail.core.text import safe
from handrail.doctor.exam import Exam, Place
from handrail.doctor.finding import Finding, error, ok, warning
from handrail.errors import HandrailError
from handrail.stores import connect

_SQLITE = "sqlite:///"


def open_place(url: str, folder: Path, named: str = "") -> Place:
    """Open the store at an address; what goes wrong is in the answer. A store that does not exist is not made.

    Args:
        url: The address.
        folder: What relative paths start from.
        named: Where the address was said, when not in the policy: such a store has to exist.
    """
    if not url.startswith(_SQLITE) or url == _SQLITE:
        return _opened(_SECRET.sub("//…@", url), None, url, folder)
    file = (folder / url.removeprefix(_SQLITE)).absolute()
    shown = f"{_SQLITE}{file}"
    if os.path.lexists(file):
        return _opened(shown, file, url, folder)
    if named:
        return Place(shown, file, problem=f"{safe(named)} names a store that does not exist: {safe(file)}.")
    problem = _unmakeable(file)
    return Place(shown, file, None if problem else connect("memory:", folder), fresh=True, problem=problem)


_SECRET = re.compile(r"//[^/?#]*@")
"""What an address says of who logs in; never shown."""


def _opened(shown: str, file: Path | None, url: str, folder: Path) -> Place:
    """Open what is there."""
    try:
        return Place(shown, file, connect(url, folder))
    except HandrailError as problem:
        said = _SECRET.sub("//…@", str(problem)).removesuffix(" Run: handrail doctor")
        return Place(shown, file, problem=safe(said, max_chars=600))


def _unmakeable(file: Path) -> str:
    """Return why a store that does not exist yet cannot be made, `""` when it can."""
    for above in file.parents:
        if os.path.isdir(above):  # noqa: PTH112 (Path.is_dir raises in a folder of somebody else)
            if os.access(above, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
                return ""
            return f"The store {safe(file)} cannot be reached or made: this user cannot write in {safe(above)}."
        if os.path.lexists(above):
            return f"The store {safe(file)} cannot be made: {safe(above)} is not a folder."
    return f"The store {safe(file)} cannot be made: its folder cannot be found."


def check(exam: Exam) -> Finding:
    """Say what came of opening it."""
    place = exam.place
    if place.problem:
        return error(place.problem, _todo(place.problem))
    if place.url.startswith("postgresql"):
        return _fleet(place)
    if place.file is None:
        return warning(
            "The store is in memory: it ends with each process, so nothing is remembered and nobody can review.",
            "Name a file in the policy, such as: store: sqlite:///.handrail/handrail.db",
        )
    if place.fresh:
        return ok(f"There is no store yet; the first run makes {safe(place.file)}.")
    size = place.file.stat().st_size / 1024**2
    return ok(f"{safe(place.file)} opens and takes writes (version {_version(place.file)}, {size:,.1f} MiB).")


def _fleet(place: Place) -> Finding:
    """Say what speaks against a PostgreSQL database as the store."""
    from handrail.stores.postgres import PostgresStore  # noqa: PLC0415 (psycopg is there: the store is open)

    assert isinstance(place.store, PostgresStore)
    risks = place.store.risks()
    if risks:
        return warning(f"{safe(place.url)} opens and takes writes, but:", "See docs/postgres.md.", risks)
    return ok(f"{safe(place.url)} opens and takes writes.")


def _todo(problem: str) -> str:
    if "Upgrade Handrail" in problem:
        return "Use the newer Handrail that wrote it, here and wherever agents run."
    if "cannot be written" in problem or "cannot write" in problem or "Permission denied" in problem:
        return "Run this as the system user that runs the guarded tools, or give that user the store's folder."
    return "Correct the store's address, or put the file back from a backup; until then no agent can act."


def _version(file: Path) -> int:
    """Return the version of the store's tables."""
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    finally:
        connection.close()
    return int(version)
