"""Guarded data that a policy declares (databases, folders of files, HTTP resources), and the tools it is used by.

Each place has a name, and its tools are named after it: `shop.query`, `shop.apply_change`. What may be done there
stands here; how it is done, in `handrail.data`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from handrail.core.change import KIND, ChangeEffects, Limits, ReadEffects, asks_of, table_id
from handrail.core.digest import Json
from handrail.core.tool import AskMode, Paired, Tool
from handrail.policy.document import Node
from handrail.policy.fields import Fields
from handrail.policy.problems import NOWHERE, Mark, Problems, quoted

NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
"""How a place may be named: its tools and resources are named after it."""

SECTIONS = ("databases", "files", "http")
"""Where places stand in a policy."""

DATABASE_KEYS = ("url", "zone", "tables", "functions")
TABLE_KEYS = ("write", "insert", "delete", "rows_max", "rows_free", "inserts_free", "version", "also", "hide")
FILES_KEYS = ("root", "zone")
HTTP_KEYS = ("url", "zone", "headers", "if_match", "server_fields")


class Act(StrEnum):
    """What can be done at a place; a tool each."""

    QUERY = "query"
    DESCRIBE = "describe"
    PLAN = "plan_change"
    APPLY = "apply_change"
    UNDO = "undo_change"


@dataclass(frozen=True, slots=True)
class TableSpec:
    """What may be done to one table; see `handrail.data.Table`."""

    at: Mark = NOWHERE
    write: tuple[str, ...] = ()
    insert: bool = False
    delete: bool = False
    rows_max: int = 1000
    rows_free: int = 0
    inserts_free: int = 100
    version: str = ""
    also: Mapping[str, int] = field(default_factory=dict)
    hide: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DatabaseSpec:
    """One database.

    Attributes:
        at: Where it stands.
        url: Its address, or `env:NAME`; `""` when the program gives it.
        zone: The zone that it stands in.
        tables: What may be changed, by table.
        functions: Functions that the operator vouches for in queries.
    """

    at: Mark = NOWHERE
    url: str = ""
    zone: str | None = None
    tables: Mapping[str, TableSpec] = field(default_factory=dict)
    functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilesSpec:
    """One folder of files.

    Attributes:
        at: Where it stands.
        root: The folder, relative to the policy's.
        zone: The zone that it stands in.
    """

    at: Mark = NOWHERE
    root: str = ""
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class HttpSpec:
    """JSON resources below one URL.

    Attributes:
        at: Where it stands.
        url: The URL, or `env:NAME`.
        zone: The zone that it stands in.
        headers: Sent with each request; values may be `env:NAME`.
        if_match: Whether the server refuses a write whose `If-Match` fails.
        server_fields: Members that the server sets by itself.
    """

    at: Mark = NOWHERE
    url: str = ""
    zone: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    if_match: bool = False
    server_fields: tuple[str, ...] = ()


Spec = DatabaseSpec | FilesSpec | HttpSpec
"""One place as declared."""


class PlaceReader:
    """Reads the places of a policy.

    Args:
        problems: Where problems go.
    """

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def read(self, top: Fields) -> dict[str, Spec]:
        """Return every place by its name."""
        found: dict[str, Spec] = {}
        readers: tuple[Callable[[str, Node, Mark], Spec], ...] = (self._database, self._files, self._http)
        for section, one in zip(SECTIONS, readers, strict=True):
            for name, node in top.entries(section).items():
                at = top.where(section, name)
                if not NAME.fullmatch(name):
                    message = f"{quoted(name)} names no place: use a-z, 0-9, '_', '-', a letter first, at most 40."
                    self._problems.add(at, message)
                elif name in found:
                    self._problems.add(at, f"Two places are named {quoted(name)}. Give each a name of its own.")
                found[name] = one(name, node, at)
        return found

    def _database(self, name: str, node: Node, at: Mark) -> DatabaseSpec:
        fields = Fields(node, f"database {quoted(name)}", DATABASE_KEYS, self._problems)
        tables = {
            table: self._table(table, entry, fields.where("tables", table))
            for table, entry in fields.entries("tables").items()
        }
        return DatabaseSpec(
            at, _text(fields.text("url")), _zone(fields), tables, _names(fields.texts("functions"))
        )  # fmt: skip

    def _table(self, name: str, node: Node, at: Mark) -> TableSpec:
        fields = Fields(node, f"table {quoted(name)}", TABLE_KEYS, self._problems)
        default = TableSpec()
        also: dict[str, int] = {}
        for other, count in fields.entries("also").items():
            if isinstance(count.value, int) and not isinstance(count.value, bool) and count.value > 0:
                also[other] = count.value
            else:
                message = (
                    f"'also' of table {quoted(name)} tells how many rows a trigger adds: a whole number, 1 or more."
                )
                self._problems.add(count.at, message)
        spec = TableSpec(
            at,
            _names(fields.texts("write", one=True)),
            fields.flag("insert", default=default.insert),
            fields.flag("delete", default=default.delete),
            _or(fields.whole("rows_max", least=1), default.rows_max),
            _or(fields.whole("rows_free"), default.rows_free),
            _or(fields.whole("inserts_free"), default.inserts_free),
            _text(fields.text("version")),
            also,
            _names(fields.texts("hide", one=True)),
        )
        if spec.version and spec.version in spec.write:
            message = f"The version column {quoted(spec.version)} is counted up by each change. Take it out of 'write'."
            self._problems.add(fields.key_at("version"), message)
        if not (spec.write or spec.insert or spec.delete):
            message = f"Table {quoted(name)} allows nothing. Say what may be written: {{write: [status]}}."
            self._problems.add(at, message)
        return spec

    def _files(self, name: str, node: Node, at: Mark) -> FilesSpec:
        fields = Fields(node, f"files {quoted(name)}", FILES_KEYS, self._problems)
        root = fields.text("root")
        if "root" not in fields:
            self._problems.add(at, f"Files {quoted(name)} have no 'root'. Name the folder that they are in.")
        return FilesSpec(at, _text(root), _zone(fields))

    def _http(self, name: str, node: Node, at: Mark) -> HttpSpec:
        fields = Fields(node, f"http {quoted(name)}", HTTP_KEYS, self._problems)
        if "url" not in fields:
            self._problems.add(at, f"HTTP resources {quoted(name)} have no 'url'. Name what their ids are below.")
        headers: dict[str, str] = {}
        for header, value in fields.entries("headers").items():
            if isinstance(value.value, str) and value.value.strip():
                headers[header] = value.value
            else:
                self._problems.add(value.at, f"The header {quoted(header)} must be text, or env:NAME.")
        return HttpSpec(
            at,
            _text(fields.text("url")),
            _zone(fields),
            headers,
            fields.flag("if_match", default=False),
            _names(fields.texts("server_fields")),
        )


def _text(node: Node | None) -> str:
    return "" if node is None else str(node.value)


def _zone(fields: Fields) -> str | None:
    return _text(fields.text("zone")) or None


def _names(nodes: tuple[Node, ...] | None) -> tuple[str, ...]:
    return tuple(str(node.value) for node in nodes or ())


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def place_tools(name: str, spec: Spec, normalise: Callable[[str], str], source: str = "") -> dict[str, Tool]:
    """Return the tools that a place is used by.

    Args:
        name: The place's name.
        spec: What is declared of it.
        normalise: Brings a resource id into its one form.
        source: Where the declaration stands, for messages.
    """
    base = f"{KIND}/{name}"
    limits = {}
    if isinstance(spec, DatabaseSpec):
        limits = {
            f"{base}/{table_id(table)}": Limits(one.rows_free, one.inserts_free if one.insert else 0)
            for table, one in spec.tables.items()
        }
    zone, own = spec.zone, base if isinstance(spec, DatabaseSpec) else ""
    acts = tuple(Act) if isinstance(spec, DatabaseSpec) else (Act.PLAN, Act.APPLY, Act.UNDO)
    undo = Paired(f"{name}.{Act.UNDO}", _change)
    tools: dict[str, Tool] = {}
    for act in acts:
        full = f"{name}.{act}"
        if act in (Act.APPLY, Act.UNDO):
            # repeatable: a plan is applied once however often it is asked for, its digest in the history tells
            tools[full] = Tool(
                full, ChangeEffects(own, zone, normalise), repeatable=True, ask=AskMode.NEVER, undo=undo, source=source,
                asks=asks_of(limits), place=name,
            )  # fmt: skip
        else:
            tools[full] = Tool(full, ReadEffects(base, zone, normalise), source=source, place=name)
    return tools


def _change(scope: Mapping[str, Json]) -> dict[str, Json]:
    """Return the arguments that undo an applied change."""
    args = scope.get("args")
    return {"change": args.get("change")} if isinstance(args, dict) else {}
