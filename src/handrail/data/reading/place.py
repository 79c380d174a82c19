"""Where a database is: an engine of one that is understood, and texts about it without its passwords."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from handrail.core.text import safe
from handrail.data.dialect import Dialect
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.engine import URL, Engine

CONNECT_S = 10
"""How long one attempt to connect to a server may take."""

SECRET_CHARS_MIN = 4
"""Length from which a password is hidden wherever it stands: a shorter one stands in half of all words, and is hidden
where an address or a setting tells it."""

_SECRET = re.compile(r"(://[^\s:/@]*:)[^\s@]*@|((?:password|passfile|sslpassword)\s*=\s*)('[^']*'|\S+)", re.IGNORECASE)


class Place(NamedTuple):
    """A database.

    Attributes:
        engine: How it is reached.
        dialect: Which kind it is.
        secrets: What no sentence may show.
        owned: Whether the engine was made here, and is to be disposed of.
    """

    engine: Engine
    dialect: Dialect
    secrets: tuple[str, ...]
    owned: bool

    def cleaned(self, text: object) -> str:
        """Return the first line of a driver's or a server's text, safe to print and without passwords, no full stop."""
        line = str(text).strip().partition("\n")[0]
        for secret in self.secrets:
            if len(secret) >= SECRET_CHARS_MIN:
                line = line.replace(secret, "…")
        return safe(_SECRET.sub(r"\1\2…", line), max_chars=300).rstrip(". ")


def place(where: str | Engine, *, pooled: bool = False) -> Place:
    """Return the database that a URL or an engine names.

    Args:
        where: `postgresql://…`, `sqlite:///file.db`, or a SQLAlchemy engine of one of them.
        pooled: Whether an engine that is made here keeps its connections for later use.

    Raises:
        ConfigurationError: It is no such thing, its driver is missing, or there is no such file. No password is shown.
    """
    from sqlalchemy import create_engine  # noqa: PLC0415 (heavy, needed only here)
    from sqlalchemy.engine import make_url  # noqa: PLC0415
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415
    from sqlalchemy.pool import NullPool  # noqa: PLC0415

    if not isinstance(where, str):
        return Place(where, _dialect(where.dialect.name, where.driver), _secrets(where.url), owned=False)
    try:
        url = make_url(where)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        dialect = _dialect(url.get_backend_name(), url.drivername.partition("+")[2] or "pysqlite")
        options = {"connect_timeout": CONNECT_S} if dialect is Dialect.POSTGRES else {}
        if dialect is Dialect.SQLITE:
            existing(url.database)
        if pooled:
            engine = create_engine(url, pool_pre_ping=True, connect_args=options)
        else:
            engine = create_engine(url, poolclass=NullPool, connect_args=options)
        return Place(engine, dialect, _secrets(url), owned=True)
    except ModuleNotFoundError as error:
        missing = safe(error.name)
    except (SQLAlchemyError, ValueError):
        missing = ""
    if missing:
        raise ConfigurationError(f"The driver {missing} is missing. Install it: pip install 'handrail[postgres]'")
    raise ConfigurationError(
        "The address is no URL of a database that can be read. Write postgresql://user@host/database or "
        "sqlite:///file.db; special characters in it are written as %40 and the like."
    )


def existing(database: str | None) -> Path:
    """Return the file of a SQLite database.

    Raises:
        ConfigurationError: It lies in memory, is written as a URI, or does not exist.
    """
    if not database or database == ":memory:" or database.startswith("file:"):
        raise ConfigurationError(
            "A SQLite database is read from its file, by a connection of its own that is read-only. "
            "Name a file: sqlite:///file.db."
        )
    path = Path(database)
    if not path.is_file():
        raise ConfigurationError(f"There is no file {safe(database)}. Name a SQLite database that exists.")
    return path.resolve()


def _dialect(name: str, driver: str) -> Dialect:
    known = {("postgresql", "psycopg"): Dialect.POSTGRES, ("sqlite", "pysqlite"): Dialect.SQLITE}
    found = known.get((name, driver))
    if found is None:
        kinds = {kind for kind, _ in known}
        what = f"{safe(name)} by the driver {safe(driver)}" if name in kinds else f"A database of the kind {safe(name)}"
        raise ConfigurationError(f"{what} is not read. Use PostgreSQL (postgresql://…) or SQLite (sqlite:///…).")
    return found


def _secrets(url: URL) -> tuple[str, ...]:
    found = [url.password, *(value for name, value in url.query.items() if "pass" in name.lower())]
    return tuple(str(secret) for secret in found if secret)
