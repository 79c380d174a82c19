"""Can guarded data be used as the policy declares it?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.core.text import safe
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, Level, count, ok
from handrail.errors import ConfigurationError
from handrail.policy.guarded import DatabaseSpec, FilesSpec, Spec

if TYPE_CHECKING:
    from handrail.data.reading.place import Place

CORRECT = "Correct 'databases', 'files' or 'http' in the policy, or what they name; see docs/data.md."


def check(exam: Exam) -> Finding:
    """Look at every place: whether it is there, may be used, and has what the policy names."""
    places = exam.policy.document.places
    if not places:
        return ok("The policy declares no guarded data.")
    found = [
        (level, f"{safe(name)}: {said}") for name, spec in places.items() for level, said in _look(exam, name, spec)
    ]
    if not found:
        return ok(f"The guarded data can be used as declared ({count(len(places), 'place')}).")
    level = Level.ERROR if any(one is Level.ERROR for one, _ in found) else Level.WARNING
    return Finding(level, "Guarded data cannot be used as declared:", CORRECT, tuple(said for _, said in found))


def _look(exam: Exam, name: str, spec: Spec) -> Iterator[tuple[Level, str]]:
    try:
        if isinstance(spec, DatabaseSpec):
            yield from _database(exam, name, spec)
        elif isinstance(spec, FilesSpec):
            yield from _files(exam, spec)
        else:
            from handrail.data.declared import from_environment  # noqa: PLC0415 (SQL is loaded where it is used)

            for what, value in {"The address": spec.url, **spec.headers}.items():
                from_environment(value, what if value is spec.url else f"The header {safe(what)}")
    except ConfigurationError as problem:
        yield Level.ERROR, safe(problem, max_chars=600)


def _database(exam: Exam, name: str, spec: DatabaseSpec) -> Iterator[tuple[Level, str]]:
    """Look at a database with the role that agents use."""
    from handrail.data.reading.apart import keep_apart  # noqa: PLC0415 (SQL is loaded where it is used)
    from handrail.data.reading.place import place  # noqa: PLC0415
    from handrail.mcp.data_place import absolute  # noqa: PLC0415

    if not spec.url:
        return  # the program gives it, or --url
    at = place(absolute(spec.url, exam.file.absolute().parent))
    try:
        if at.engine.dialect.name == "sqlite":
            keep_apart(at.engine.url.database, exam.place.file, name)
        yield from _tables(at, name, spec)
    finally:
        at.engine.dispose()


def _tables(at: Place, name: str, spec: DatabaseSpec) -> Iterator[tuple[Level, str]]:
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 (heavy, loaded with the engine by now)

    from handrail.data.lacking import history_missing, lacks, torn  # noqa: PLC0415
    from handrail.data.reading import DataReader, QueryError  # noqa: PLC0415
    from handrail.data.sql.catalog import Catalog  # noqa: PLC0415

    try:
        with DataReader(at.engine) as reader:  # which refuses a superuser, and a role that reaches the store
            catalog = Catalog(reader.describe(), at.dialect)
        with at.engine.connect() as connection:
            missing = history_missing(connection)
    except (SQLAlchemyError, QueryError) as problem:
        yield Level.ERROR, f"It cannot be looked at ({at.cleaned(getattr(problem, 'orig', None) or problem)})."
        return
    if torn(missing):
        yield Level.ERROR, torn(missing)
    elif missing and spec.tables:
        yield Level.WARNING, f"It has no history tables, so nothing is changed: handrail data install {name} --apply"
    for sentence in lacks(catalog, spec.tables, name):
        yield Level.WARNING, sentence


def _files(exam: Exam, spec: FilesSpec) -> Iterator[tuple[Level, str]]:
    from handrail.data.declared import from_environment  # noqa: PLC0415 (SQL is loaded where it is used)

    root = exam.file.absolute().parent / Path(from_environment(spec.root, "Its folder"))
    if not os.path.isdir(root):  # noqa: PTH112 (Path.is_dir raises in a folder of somebody else)
        yield Level.ERROR, f"There is no folder {safe(root)}. Create it, or name another root."
    elif not os.access(root, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        yield Level.ERROR, f"This user cannot write in {safe(root)}, so no file there can be changed."
