"""Opening guarded data: from a name, an address or an engine, with what is declared of it, to something that acts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.data.acting import Edge
from handrail.data.database import AsyncDatabase, Database, DatabaseParts
from handrail.data.declared import from_environment, specs_of
from handrail.data.plans import Plans
from handrail.data.reading import DataReader, ReadLimits
from handrail.data.reading.apart import keep_apart, store_file
from handrail.data.reading.place import place
from handrail.data.resources import FileChange, Files, HttpResources, JsonChange
from handrail.data.resources.guarded import Resources
from handrail.data.resources.kinds import FileKind, HttpKind
from handrail.data.rows import ChangeRefused, GuardedRows
from handrail.data.table import Table
from handrail.errors import ConfigurationError
from handrail.policy.guarded import NAME, DatabaseSpec, FilesSpec, HttpSpec, Spec

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass(frozen=True, slots=True)
class Ground:
    """What guarded data stands on.

    Attributes:
        edge: Where its actions begin.
        places: What the policy declares, by name.
        folder: The policy's folder, which relative paths are relative to; None for a policy given in code.
        expires_s: How long a plan may be applied, in seconds.
        declare: Takes up what a program declares.
    """

    edge: Edge
    places: Mapping[str, Spec]
    folder: Path | None
    expires_s: int
    declare: Callable[[str, Spec], None]


def database(
    ground: Ground,
    where: str | Engine | AsyncEngine,
    name: str | None,
    tables: Mapping[str, Table] | None,
    functions: Iterable[str],
    limits: ReadLimits | None,
) -> Database | AsyncDatabase:
    """Open a guarded database; see `Workspace.database`.

    Raises:
        ConfigurationError: There is no such database, it cannot be used, or its tables are declared twice.
    """
    if isinstance(where, str) and "://" not in where:
        name, where = where, _declared_url(ground, where)
    if not isinstance(where, str) and not hasattr(where, "dialect"):
        raise ConfigurationError(
            f"An object of type {type(where).__name__} is no database. Give its name in the policy, its URL or a "
            "SQLAlchemy engine."
        )
    name = name or own_name(where)
    spec = ground.places.get(name)
    if spec is not None and not isinstance(spec, DatabaseSpec):
        raise ConfigurationError(f"'{safe(name)}' is no database in the policy. Give the database another name.")
    said = DatabaseSpec(tables=specs_of(tables or {}), functions=tuple(sorted(functions)))
    if spec is not None and said not in (spec, DatabaseSpec()):
        raise ConfigurationError(
            f"What may be done in '{safe(name)}' is declared already, by the policy or by this program. Leave tables "
            "and functions out here, or give the database another name."
        )
    opened = _opened(ground, name, where, spec or said, limits)
    if spec is None:
        try:
            ground.declare(name, said)
        except BaseException:
            opened.dispose()
            raise
    return opened


def _declared_url(ground: Ground, name: str) -> str:
    spec = ground.places.get(name)
    if not isinstance(spec, DatabaseSpec):
        known = sorted(one for one, place in ground.places.items() if isinstance(place, DatabaseSpec))
        there = f" There is: {', '.join(known)}." if known else " Declare it, or give a URL."
        hint = f"{did_you_mean(name, known)}{there}"
        raise ConfigurationError(f"There is no database '{safe(name)}' under 'databases' in the policy.{hint}")
    if not spec.url:
        raise ConfigurationError(
            f"The database '{safe(name)}' has no 'url' in the policy. Give its URL or engine here."
        )
    return from_environment(spec.url, f"The address of '{safe(name)}'")


def own_name(where: str | Engine | AsyncEngine) -> str:
    """Return what a database is called that nobody has named: as its file or itself, where that is a name."""
    from sqlalchemy.engine import make_url  # noqa: PLC0415 (heavy, needed only here)
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    try:
        url = make_url(where) if isinstance(where, str) else where.url
    except SQLAlchemyError:
        return "database"  # opening it says what is wrong with the address
    own = re.sub(r"[^a-z0-9_-]+", "-", Path(url.database or "").stem.lower()).strip("-")
    return own if NAME.fullmatch(own) else "database"


def _opened(
    ground: Ground, name: str, where: str | Engine | AsyncEngine, spec: DatabaseSpec, limits: ReadLimits | None
) -> Database | AsyncDatabase:
    owned = isinstance(where, str)
    engine, is_async = _engine(_beside(where, ground.folder) if isinstance(where, str) else where)
    try:
        if engine.dialect.name == "sqlite":
            keep_apart(engine.url.database, store_file(ground.edge.host.store), name)
        reader = DataReader(_address(engine) if is_async else engine, None, spec.functions, limits)
    except BaseException:
        if owned:
            engine.dispose()
        raise

    def guarded(tables: Mapping[str, Table]) -> GuardedRows:
        gone = reader.gone()
        if gone:
            raise ChangeRefused(gone)
        return GuardedRows(engine, tables, expires_s=ground.expires_s)

    plans = Plans(ground.edge.host.store, name)
    parts = DatabaseParts(name, ground.edge, guarded, reader, spec, plans, engine if owned else None)
    return AsyncDatabase(parts) if is_async else Database(parts)


def _engine(where: str | Engine | AsyncEngine) -> tuple[Engine, bool]:
    """Return the blocking engine, and whether it is that of an async one."""
    if isinstance(where, str):
        return _enforced(place(where, pooled=True).engine), False
    found: Engine | None = getattr(where, "sync_engine", None)
    return (where, False) if found is None else (found, True)  # type: ignore[return-value]


def _enforced(engine: Engine) -> Engine:
    """Have foreign keys enforced over an engine that was made here: SQLite does not unless each connection says so."""
    from sqlalchemy import event  # noqa: PLC0415 (heavy, needed only here)

    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA foreign_keys = ON"))
    return engine


_ASYNC = {"psycopg": "postgresql+psycopg", "aiosqlite": "sqlite"}
"""Drivers of async engines that are guarded, and what the same database is read by."""


def _address(engine: Engine) -> str:
    """Return the address that a blocking reader of its own is opened with, beside an async engine.

    Raises:
        ConfigurationError: The engine's driver is another one.
    """
    kind = _ASYNC.get(engine.driver)
    if kind is None:
        raise ConfigurationError(
            f"An async engine by the driver {safe(engine.driver)} is not guarded. Use postgresql+psycopg:// or "
            "sqlite+aiosqlite:///."
        )
    return engine.url.set(drivername=kind).render_as_string(hide_password=False)


def _beside(url: str, folder: Path | None) -> str:
    """Return a URL whose SQLite file, where it is named by a relative path, lies in the policy's folder."""
    path = url.removeprefix("sqlite:///")
    if path == url or folder is None or path in ("", ":memory:") or Path(path).is_absolute():
        return url
    return f"sqlite:///{folder / path}"


HOME = ".handrail"
"""The folder beside the policy that is ours."""


def files(ground: Ground, where: str | Path, name: str | None) -> Resources[FileChange]:
    """Open guarded files; see `Workspace.files`.

    Raises:
        ConfigurationError: There is no such place, or its folder cannot be used.
    """
    if isinstance(where, str) and name is None:
        name, spec = where, _declared(ground, where, FilesSpec, "files", "a folder")
        root = _root(ground, from_environment(spec.root, f"The folder of '{safe(where)}'"))
    else:
        name, root = _given_name(name), _root(ground, where)
        known = _agreed(ground, name, FilesSpec, "files")
        if known is None:
            ground.declare(name, FilesSpec(root=str(root)))
        elif _root(ground, from_environment(known.root, f"The folder of '{safe(name)}'")) != root:
            raise ConfigurationError(
                f"The files '{safe(name)}' are declared in another folder. Leave the folder out here, or give the "
                "files another name."
            )
    _apart(ground, name, root)
    return Resources(name, ground.edge, FileKind(Files(root, _changes(ground, name))), ground.expires_s)


def http(
    ground: Ground,
    where: str,
    name: str | None,
    headers: Mapping[str, str] | None,
    *,
    if_match: bool,
    server_fields: Iterable[str],
) -> Resources[JsonChange]:
    """Open guarded HTTP resources; see `Workspace.http`.

    Raises:
        ConfigurationError: There is no such place, or its URL or a header cannot be used.
    """
    fields = tuple(server_fields)
    if "://" not in where:
        if name is not None:
            raise ConfigurationError(f"{safe(where)} is no URL. Write https://host/path/, or leave the name out.")
        name, spec = where, _declared(ground, where, HttpSpec, "http", "a base URL")
        if if_match or fields:
            raise ConfigurationError(
                f"The policy declares how '{safe(name)}' behaves. Leave if_match and server_fields out here."
            )
    else:
        name = _given_name(name)
        known = _agreed(ground, name, HttpSpec, "http")
        spec = HttpSpec(url=where, if_match=if_match, server_fields=fields)  # its headers may be secret: not told
        if known is None:
            ground.declare(name, spec)
        elif known != spec:
            raise ConfigurationError(
                f"The HTTP resources '{safe(name)}' are declared otherwise already. Open them by name alone, or give "
                "these another name."
            )
    twice = {one.lower() for one in headers or {}} & {one.lower() for one in spec.headers}
    if twice:
        raise ConfigurationError(f"The header {safe(min(twice))} of '{safe(name)}' is given twice. Take one out.")
    sent = {
        header: from_environment(value, f"The header {safe(header)} of '{safe(name)}'")
        for header, value in {**spec.headers, **(headers or {})}.items()
    }
    adapter = HttpResources(
        from_environment(spec.url, f"The address of '{safe(name)}'"),
        _changes(ground, name),
        headers=sent,
        honours_if_match=spec.if_match,
        server_fields=frozenset(spec.server_fields),
    )
    return Resources(name, ground.edge, HttpKind(adapter), ground.expires_s)


S = TypeVar("S", FilesSpec, HttpSpec)


def _declared(ground: Ground, name: str, kind: type[S], section: str, instead: str) -> S:
    """Return what is declared of a place."""
    spec = ground.places.get(name)
    if isinstance(spec, kind):
        return spec
    known = sorted(one for one, place in ground.places.items() if isinstance(place, kind))
    raise ConfigurationError(
        f"There is no place '{safe(name)}' under '{section}' in the policy.{did_you_mean(name, known)} Declare it "
        f"there, or give {instead} and a name."
    )


def _agreed(ground: Ground, name: str, kind: type[S], section: str) -> S | None:
    """Return what is declared of a name that a program gives; None when nothing is."""
    spec = ground.places.get(name)
    if spec is not None and not isinstance(spec, kind):
        raise ConfigurationError(f"'{safe(name)}' does not stand under '{section}' in the policy. Use another name.")
    return spec


def _given_name(name: str | None) -> str:
    if name is None:
        raise ConfigurationError("Give the place a name, which its tools begin with: name='notes'.")
    return name


def _root(ground: Ground, where: str | Path) -> Path:
    """Return a folder without links; a relative one lies in the policy's folder."""
    root = ((ground.folder or Path.cwd()) / where).resolve()
    if not str(root).isprintable() or "\\" in str(root):
        raise ConfigurationError(
            f"The folder {safe(root)} holds control characters or a backslash in its path, which policies read "
            "otherwise. Rename it."
        )
    return root


def _home(ground: Ground) -> Path:
    return (ground.folder or Path.cwd()) / HOME


def _apart(ground: Ground, name: str, root: Path) -> None:
    """Refuse a root that holds our own folder, or lies in it: files there are not an agent's to change."""
    home = _home(ground).resolve()
    if home.is_relative_to(root) or root.is_relative_to(home):
        raise ConfigurationError(
            f"The folder of '{safe(name)}' holds {HOME}, where Handrail keeps its store and the copies that undo "
            f"needs, or lies in it. Name a folder beside {HOME}, for example one below."
        )


def _changes(ground: Ground, name: str) -> Path:
    """Return the folder of a place's receipts and before-copies, readable by our own user only; made if missing."""
    folder = _home(ground)
    folder.mkdir(mode=0o700, exist_ok=True)
    for part in ("changes", name):
        folder = folder / part
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
    return folder
