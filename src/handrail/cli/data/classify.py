"""`handrail data classify`: what each statement is, told without running it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, cast

import typer

from handrail.cli.exits import Code, UsageError
from handrail.cli.options import options
from handrail.cli.output import Column, cell, count, line, plain, say, table
from handrail.core.digest import Json
from handrail.core.text import safe
from handrail.data.dialect import Dialect

if TYPE_CHECKING:
    from handrail.data.sql import Catalog, Classified

LINE_MAX = 1024 * 1024
"""Bytes of one line."""

KEYS = frozenset({"sql", "schema"})
SQL_CHARS = 60
WHY_CHARS = 200
STYLES = {"read": "green", "insert": "yellow", "by_key": "yellow", "by_predicate": "bold yellow", "refused": "bold red"}


class LineError(ValueError):
    """A line is not `{"sql": …}`; the message says why, safe to print."""


def classify(
    ctx: typer.Context,
    dialect: Annotated[Dialect, typer.Option("--dialect", metavar="KIND", help="postgres or sqlite.")],
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="Database whose tables and keys count.", show_default=False),
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option("--schema", metavar="FILE", help="JSON of the tables and their keys.", show_default=False),
    ] = None,
    functions: Annotated[
        list[str] | None,
        typer.Option("--function", metavar="NAME", help="A function that you vouch for; may be repeated."),
    ] = None,
) -> int:
    """Tell what each statement on stdin is: one JSON line {"sql": …} in, one line out. Nothing is run.

    A line may carry its own "schema". A table that no schema names is classified all the same, with "resolved": false.
    """
    from handrail.data.sql import classify as understand

    usual, as_json = _catalog(dialect, url, schema), options(ctx).json
    broken, answers = 0, []
    for number, raw in _lines(sys.stdin.buffer):
        try:
            sql, own = _statement(raw, dialect)
        except LineError as error:
            broken += 1
            _broken(number, str(error), as_json=as_json)
            continue
        answer = understand(sql, dialect, own or usual, functions or ())
        if as_json:
            sys.stdout.write(json.dumps(_form(answer), ensure_ascii=True) + "\n")
            sys.stdout.flush()
        else:
            answers.append((sql, answer))
    if not as_json:
        _print(answers)
    if broken:
        say(f"{count(broken, 'line')} could not be read.")
    return Code.FINDINGS if broken else Code.OK


def _catalog(dialect: Dialect, url: str | None, schema: Path | None) -> Catalog:
    """Return what is known of the tables."""
    from handrail.data.sql import Catalog

    if url is not None and schema is not None:
        raise UsageError("--url and --schema both tell the tables. Give one of them.")
    if url is not None:
        return _reflected(dialect, url)
    if schema is None:
        return Catalog((), dialect)
    try:
        text = schema.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"--schema: {safe(schema)} cannot be read: {safe(error.strerror)}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"--schema: {safe(schema)} is not UTF-8 text. Save it as UTF-8.") from None
    return Catalog.from_text(text, dialect)


def _reflected(dialect: Dialect, url: str) -> Catalog:
    """Return what a database says of its tables. A password in the URL is never printed."""
    from sqlalchemy import create_engine
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import SQLAlchemyError

    from handrail.data.sql.reflect import NAMES, reflect
    from handrail.errors import ConfigurationError

    try:
        address = make_url(url)
    except SQLAlchemyError:
        raise UsageError("--url is no address of a database. Write postgresql://… or sqlite:///file.db.") from None
    if NAMES.get(address.get_backend_name()) is not dialect:
        raise UsageError(f"--url is not a {dialect.value} database. Give the --dialect that fits it.")
    if address.drivername == "postgresql":
        address = address.set(drivername="postgresql+psycopg")
    if dialect is Dialect.SQLITE and not (address.database and Path(address.database).is_file()):
        raise UsageError(f"--url: there is no file {safe(address.database or '(none)')}. Name a database that exists.")
    engine = None
    try:
        engine = create_engine(address)
        return reflect(engine)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"--url: the driver {safe(error.name)} is missing. Install it: pip install 'handrail[postgres]'"
        ) from None
    except SQLAlchemyError as error:
        said = safe(str(getattr(error, "orig", None) or error).partition("\n")[0])
        raise ConfigurationError(f"--url: the tables of the database could not be read: {said}") from None
    finally:
        if engine is not None:
            engine.dispose()


def _lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines with their numbers; of one that is too long, only so much that it is seen to be."""
    number = 0
    while raw := stream.readline(LINE_MAX + 2):
        number += 1
        yield number, raw
        while len(raw) > LINE_MAX and not raw.endswith(b"\n"):
            raw = stream.readline(LINE_MAX)
            if not raw:
                break


def _statement(raw: bytes, dialect: Dialect) -> tuple[str, Catalog | None]:
    """Return the statement of a line, and the tables that it carries."""
    from handrail.data.sql import Catalog, CatalogError

    if len(raw.rstrip(b"\r\n")) > LINE_MAX:
        raise LineError(f"It is longer than {LINE_MAX // 1024:,} KiB. Leave it out.")
    if not raw.strip():
        raise LineError('It is blank. Every line is {"sql": "…"}; remove it.')
    try:
        value = json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError:
        raise LineError("It is not UTF-8 text. Save the statements as UTF-8.") from None
    except LineError:
        raise
    except (ValueError, RecursionError) as error:
        raise LineError(f'It is not JSON: {safe(error)}. Write {{"sql": "…"}}.') from None
    if not isinstance(value, dict) or not isinstance(value.get("sql"), str):
        raise LineError('It is no object with "sql" as text. Write {"sql": "SELECT 1"}.')
    if "schema" not in value:
        return value["sql"], None
    try:
        return value["sql"], Catalog.from_json(value["schema"], dialect)
    except CatalogError as error:
        raise LineError(f"Its schema cannot be used: {error}") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse an object that says one thing twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise LineError("It has a key twice. Write each once.")
    return found


def _broken(number: int, why: str, *, as_json: bool) -> None:
    """Print a line that could not be read, in its place."""
    if as_json:
        sys.stdout.write(json.dumps({"error": why, "line": number}, ensure_ascii=True) + "\n")
        sys.stdout.flush()
    say(f"line {number}: {why}")


def _form(answer: Classified) -> dict[str, Json]:
    """Return what is printed for machines."""
    told: dict[str, Json] = {
        "class": answer.kind.value, "tables": list(answer.tables), "why": answer.why, "resolved": answer.resolved,
    }  # fmt: skip
    if answer.sql:
        told["sql"] = answer.sql
    if answer.change is not None:
        told["change"] = cast("Json", answer.change.to_json())
    return told


def _print(answers: list[tuple[str, Classified]]) -> None:
    """Print what came out, for people."""
    if not answers:
        line("There is no statement.")
        return
    rows = [
        [
            plain(answer.kind.value, STYLES[answer.kind.value]),
            cell(", ".join(answer.tables) + ("" if answer.resolved else " (not known)")),
            cell(sql, max_chars=SQL_CHARS),
            cell(answer.why, max_chars=WHY_CHARS),
        ]
        for sql, answer in answers
    ]
    table((Column("class", whole=True), Column("tables"), Column("statement", spill=1), Column("why")), rows)
