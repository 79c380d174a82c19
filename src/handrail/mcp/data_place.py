"""Which database is served, where it is, and how it follows its policy: a changed one opens it anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.errors import ConfigurationError
from handrail.policy.guarded import NAME, DatabaseSpec, Spec

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from handrail.data.database import Database
    from handrail.policy.compiled import CompiledPolicy
    from handrail.workspace import Workspace

_SQLITE = ("sqlite:///", "sqlite+pysqlite:///")


@dataclass(frozen=True, slots=True)
class Meant:
    """The database that somebody means.

    Attributes:
        name: Its name in the policy.
        url: The address that was given beside the policy, whole; `""` where the policy's own counts.
    """

    name: str
    url: str = ""


def meant(places: Mapping[str, Spec], name: str, url: str, folder: Path) -> Meant:
    """Return the database that a name, an address or neither means.

    Args:
        places: What the policy declares.
        name: Its name, `""` for the only one.
        url: Its address, `""` for the policy's own; `env:NAME` is read from the environment.
        folder: What a relative path in `url` starts from.

    Raises:
        ConfigurationError: There is no such database, or several, or its address is missing.
    """
    known = sorted(one for one, spec in places.items() if isinstance(spec, DatabaseSpec))
    if not name and len(known) > 1:
        raise ConfigurationError(f"The policy declares several databases. Name one of them: {', '.join(known)}.")
    if not name and not known and not url:
        raise ConfigurationError(
            "The policy declares no database. Declare one under 'databases', or give its address with --url."
        )
    if name and name not in known and (known or not url):
        raise ConfigurationError(
            f"There is no database '{safe(name)}' under 'databases' in the policy.{did_you_mean(name, known)}"
        )
    whole = absolute(url, folder) if url else ""
    found = name or (known[0] if known else _named(whole))
    if found in places and found not in known:
        raise ConfigurationError(f"'{safe(found)}' is no database in the policy. Name the database: NAME --url URL.")
    if not NAME.fullmatch(found):
        raise ConfigurationError(f"'{safe(found)}' names no database: use a-z, 0-9, '_', '-', a letter first.")
    return Meant(found, whole)


def absolute(url: str, folder: Path) -> str:
    """Return an address whose SQLite file no longer depends on the working folder; `env:NAME` is looked up.

    Raises:
        ConfigurationError: There is no such variable, or it is no address.
    """
    from handrail.data.declared import from_environment  # noqa: PLC0415 (SQL is loaded where it is used)

    url = from_environment(url, "The address of the database")
    if "://" not in url:
        raise ConfigurationError(
            "The address is no URL of a database. Write postgresql://user@host/database or sqlite:///file.db."
        )
    for start in _SQLITE:
        path = url.removeprefix(start)
        if path != url and path not in ("", ":memory:") and not Path(path).is_absolute():
            return f"{start}{folder / path}"
    return url


def address(places: Mapping[str, Spec], database: Meant, folder: Path | None) -> str:
    """Return the whole address of a database, the policy's own unless another was given.

    Args:
        places: What the policy declares.
        database: The database.
        folder: The policy's folder.

    Raises:
        ConfigurationError: Neither tells it.
    """
    if database.url:
        return database.url
    spec = places.get(database.name)
    if not isinstance(spec, DatabaseSpec) or not spec.url:
        raise ConfigurationError(
            f"The database '{safe(database.name)}' has no 'url' in the policy. Add one, or give it with --url."
        )
    return absolute(spec.url, folder or Path.cwd())


def _named(url: str) -> str:
    """Return what a database is called that nobody has named."""
    from handrail.data.opening import own_name  # noqa: PLC0415

    return own_name(url)


def has_history(connection: Connection) -> bool:
    """Return whether a database has the tables in which changes are kept."""
    from sqlalchemy import inspect  # noqa: PLC0415 (heavy, needed only here)

    schema = "public" if connection.dialect.name == "postgresql" else None
    return inspect(connection).has_table("handrail_meta", schema=schema)


def installed(url: str) -> bool:
    """Return whether the database at an address has them.

    Raises:
        ConfigurationError: It cannot be used.
    """
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    from handrail.data.reading.place import place  # noqa: PLC0415

    where = place(url)
    said = ""
    try:
        with where.engine.connect() as connection:
            return has_history(connection)
    except SQLAlchemyError as error:
        said = where.cleaned(getattr(error, "orig", None) or error)
    finally:
        where.engine.dispose()
    raise ConfigurationError(f"The database cannot be looked at ({said}). Check its address and its role.")


class _Open:
    """One opening of the database, and how many calls use it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.users = 0
        self.retired = False


class OpenDatabase:
    """A guarded database that is open under the policy in force; several threads may use it.

    Args:
        workspace: The open policy with its store.
        database: Which one.

    Raises:
        ConfigurationError: It cannot be used.
    """

    def __init__(self, workspace: Workspace, database: Meant) -> None:
        self._workspace = workspace
        self._meant = database
        self._turn = threading.Lock()
        self._policy: object = None
        self._open: _Open | None = None
        self._follow()

    @property
    def name(self) -> str:
        """Its name in the policy."""
        return self._meant.name

    @property
    def is_declared(self) -> bool:
        """Whether the policy lets anything in it be changed."""
        spec = self._policy_now.document.places.get(self.name)
        return isinstance(spec, DatabaseSpec) and bool(spec.tables)

    def address(self) -> str:
        """Return its address under the policy in force.

        Raises:
            ConfigurationError: Nobody tells it.
        """
        return address(self._policy_now.document.places, self._meant, self._workspace.folder)

    @contextmanager
    def used(self) -> Iterator[Database]:
        """Lend the database, opened anew where the policy is another one since; what is lent stays open.

        Raises:
            ConfigurationError: It cannot be used under the policy in force.
        """
        with self._turn:
            self._follow()
            lent = self._open
            assert lent is not None
            lent.users += 1
        try:
            yield lent.database
        finally:
            with self._turn:
                lent.users -= 1
                over = lent.retired and not lent.users
            if over:
                lent.database.close()

    @property
    def _policy_now(self) -> CompiledPolicy:
        return self._workspace.policy  # type: ignore[return-value]  # a handrail.yaml is one

    def _follow(self) -> None:
        """Open the database under the policy in force, unless it is."""
        if self._open is not None and self._workspace.policy is self._policy:
            return
        old, self._open = self._open, None
        if old is not None:
            old.retired = True
            if not old.users:
                old.database.close()
        policy = self._policy_now
        if self._meant.url and self.name not in policy.document.places:
            self._workspace.adopt(policy.declaring(self.name, DatabaseSpec()))  # which lets it be read, and no more
            policy = self._policy_now
        self._open = _Open(self._workspace.database(self.address(), name=self.name))
        self._policy = policy
