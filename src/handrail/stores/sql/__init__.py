"""SQL files: one folder a database, `queries.sql` with named statements, and numbered migrations."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


@cache
def queries(database: str) -> dict[str, str]:
    """Return the named statements of a database, as they stand in `queries.sql`."""
    text = (files(__name__) / database / "queries.sql").read_text()
    parts = _NAME.split(text)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


@cache
def migrations(database: str) -> tuple[tuple[int, str], ...]:
    """Return the migrations of a database as (number, script), in order."""
    folder = files(__name__) / database
    found = sorted(f.name for f in folder.iterdir() if re.fullmatch(r"\d{4}_\w+\.sql", f.name))
    return tuple((int(name[:4]), (folder / name).read_text()) for name in found)
