"""A planned change of guarded data as a person is shown it, read from its ticket's view alone.

The view holds two things that no agent writes: the arguments of the change, which Handrail makes from the plan, and the
picture of what it would do, under `before`. A picture of rows has counts, a breakdown of the columns of the condition
and the first rows before and after; one of resources (files, JSON behind HTTP) has each of them before and after. Of
a picture in any other form nothing is made here, and the fields of the view are shown as those of any ticket.

The values in it are raw: they come out of tables and files, where anybody may have written them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from handrail.core.change import Touch
from handrail.core.digest import Json, canonical
from handrail.core.policy import Policy
from handrail.core.ticket import Ticket
from handrail.review.sentence import touched
from handrail.review.view import listed, mapping, objects, text, whole

SAMPLES_MAX = 20
"""Rows that are shown before and after."""

COLUMNS_MAX = 20
"""Columns whose values are broken down, or that are shown of a row."""

VALUES_MAX = 10
"""Values that a breakdown counts one by one."""

RESOURCES_MAX = 20
"""Resources that are shown before and after; the others are counted."""

WARNINGS_MAX = 20
"""Warnings that are shown."""

FIELDS_MAX = 60
"""Fields of a JSON resource that are shown to differ; the others are counted."""

_DIGEST_CHARS = 64


@dataclass(frozen=True, slots=True)
class Breakdown:
    """What stands in one column of the condition, among the rows that it found.

    Attributes:
        column: The column.
        values: The most frequent values with their rows.
        others: Rows with other values.
    """

    column: str
    values: tuple[tuple[Json, int], ...]
    others: int = 0


@dataclass(frozen=True, slots=True)
class RowPicture:
    """One row before and after.

    Attributes:
        table: Its table; `""` when the picture does not tell.
        key: Its key; empty when the database gives it.
        before: Its values by column; None when there is no row yet.
        after: Its values by column; None when there will be none.
        columns: The columns to show: of an update those that differ, else the first ones.
        hidden: How many more columns a new row, or one that goes, has.
    """

    table: str
    key: tuple[Json, ...]
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None
    columns: tuple[str, ...]
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Side:
    """What a resource is before or after.

    Attributes:
        text: Its text, or the beginning of it; None when it is not shown.
        json: Whether that is JSON.
        whole: Whether it is all.
        bytes: Its size; None when it is not told.
        sha256: Digest of its content, `""` when it is not told.
    """

    text: str | None = None
    json: bool = False
    whole: bool = True
    bytes: int | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class MemberChange:
    """One member of a JSON resource that differs; None where it is not there."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ResourcePicture:
    """One resource before and after.

    Attributes:
        id: Its id.
        version: Its version now.
        before: What it is; None when there is none.
        after: What it will be; None when there will be none.
        diff: The lines that differ, in unified form; empty where both sides are shown instead.
        members: The members that differ, where both sides are JSON objects.
        hidden: How many more differ.
    """

    id: str
    version: str
    before: Side | None
    after: Side | None
    diff: str = ""
    members: tuple[MemberChange, ...] = ()
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What a planned change would do.

    Attributes:
        change: Its digest.
        by: How its rows were named: `key`, `predicate`, `insert`, `undo`; `""` when that is not told.
        undoes: The change that it takes back, `""` for any other.
        touches: What it does to how many rows of which table, or to which resources; cascades last.
        columns: The columns that an update writes.
        breakdown: The columns of the condition with their values.
        samples: The first rows before and after.
        resources: Resources before and after.
        resources_hidden: How many more there are.
        warnings: Whole sentences.
        expires_us: Until when it can be applied; None when that is not told.
        undoable: Whether it can be taken back once it was applied.
    """

    change: str
    by: str
    undoes: str
    touches: tuple[Touch, ...]
    columns: tuple[str, ...] = ()
    breakdown: tuple[Breakdown, ...] = ()
    samples: tuple[RowPicture, ...] = ()
    resources: tuple[ResourcePicture, ...] = ()
    resources_hidden: int = 0
    warnings: tuple[str, ...] = ()
    expires_us: int | None = None
    undoable: bool = False

    @property
    def rows(self) -> int:
        """Rows or resources that are changed, without those that go along."""
        return sum(touch.rows for touch in self.touches if not touch.cascade)

    @property
    def undo(self) -> str | None:
        """The command that takes it back, safe to print; None when nothing does."""
        named = len(self.change) == _DIGEST_CHARS and set(self.change) <= set("0123456789abcdef")
        return f"handrail undo {self.change}" if self.undoable and named else None


def planned(ticket: Ticket, policy: Policy) -> PlannedChange | None:
    """Return the planned change that a ticket is about; None for anything else, and for pictures of unknown forms."""
    touches = touched(ticket, policy)
    args, seen = mapping(ticket.view.get("args")), mapping(ticket.view.get("before"))
    if not touches or not ("samples" in seen or "resources" in seen):
        return None
    own = sum(touch.rows for touch in touches if not touch.cascade)
    shown = objects(seen.get("resources"))
    return PlannedChange(
        text(args.get("change")),
        text(args.get("by")),
        text(args.get("undoes")),
        tuple(sorted(touches, key=lambda touch: touch.cascade)),
        tuple(text(name) for name in listed(args.get("columns")))[:COLUMNS_MAX],
        tuple(_breakdown(mapping(seen.get("breakdown")), own)),
        tuple(_samples(seen)),
        tuple(_resource(one) for one in shown[:RESOURCES_MAX]),
        max(len(shown) - RESOURCES_MAX, 0),
        tuple(one for one in listed(seen.get("warnings")) if isinstance(one, str))[:WARNINGS_MAX],
        _moment(seen.get("expires")),
        bool(ticket.view.get("undo")) and seen.get("undo") != "none",
    )


def _moment(value: Json) -> int | None:
    try:
        told = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
        return None if told is None or told.tzinfo is None else int(told.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        return None


# --- rows -------------------------------------------------------------------------------------------------------------


def _breakdown(told: Mapping[str, Json], rows: int) -> Iterator[Breakdown]:
    for column, values in list(told.items())[:COLUMNS_MAX]:
        counted: list[tuple[Json, int]] = []
        for value in listed(values)[:VALUES_MAX]:
            match value:
                case [cell, int(count)]:
                    counted.append((cell, whole(count)))
        yield Breakdown(column, tuple(counted), max(rows - sum(count for _, count in counted), 0))


def _samples(seen: Mapping[str, Json]) -> Iterator[RowPicture]:
    samples = objects(seen.get("samples"))[:SAMPLES_MAX]
    for table, sample in zip(_tables(objects(seen.get("tables")), samples), samples, strict=True):
        before, after = sample.get("before"), sample.get("after")
        was, will = before if isinstance(before, dict) else None, after if isinstance(after, dict) else None
        if was is None and will is None:
            continue
        columns = list(was or {}) if will is None else list(will)
        hidden = 0
        if was is not None and will is not None:
            columns = [name for name in will if name not in was or differ(was[name], will[name])]
        else:
            hidden = max(len(columns) - COLUMNS_MAX, 0)
        yield RowPicture(table, tuple(listed(sample.get("key"))), was, will, tuple(columns[:COLUMNS_MAX]), hidden)


def _tables(tables: list[dict[str, Json]], samples: list[dict[str, Json]]) -> list[str]:
    """Return the table of each sample: each table shows its first rows, one after the other, the changed ones only."""
    own = [table for table in tables if table.get("cascade") is not True and whole(table.get("rows"))]
    found = [table for table in own for _ in range(min(whole(table["rows"]), SAMPLES_MAX))][: len(samples)]
    fits = len(found) == len(samples) and all(
        table.get("operation") == _operation(sample) for table, sample in zip(found, samples, strict=True)
    )
    return [text(table.get("table")) for table in found] if fits else [""] * len(samples)


def _operation(sample: Mapping[str, Json]) -> str:
    if sample.get("before") is None:
        return "insert"
    return "delete" if sample.get("after") is None else "update"


def differ(one: Json, other: Json) -> bool:
    """Return whether two values differ, as databases see it: `1`, `'1'` and true are three."""
    return type(one) is not type(other) or canonical(one) != canonical(other)


# --- resources --------------------------------------------------------------------------------------------------------


def _resource(told: Mapping[str, Json]) -> ResourcePicture:
    name = text(told.get("at")) or text(told.get("id"))
    before, after = _side(told.get("before")), _side(told.get("after"))
    diff = told.get("diff")
    lines = "\n".join(text(line) for line in diff) if isinstance(diff, list) else text(diff)
    members = tuple(_members(told.get("before"), told.get("after")))
    version = text(told.get("version"))
    return ResourcePicture(
        name, version, before, after, lines, members[:FIELDS_MAX], max(len(members) - FIELDS_MAX, 0)
    )  # fmt: skip


def _side(told: Json) -> Side | None:
    """Return one side: text or JSON as it is, or an object that says which, or how large it is."""
    if told is None:
        return None
    if not isinstance(told, dict):
        return Side(text(told), json=not isinstance(told, str))
    if "json" in told:
        return Side(canonical(told["json"]).decode(), json=True)
    shown = [told[name] for name in ("text", "begins") if isinstance(told.get(name), str)]
    size = told.get("bytes")
    if shown or isinstance(size, int):
        counted = size if isinstance(size, int) else None
        return Side(text(shown[0]) if shown else None, False, "text" in told, counted, text(told.get("sha256")))
    return Side(text(told), json=True)


def _members(before: Json, after: Json) -> Iterator[MemberChange]:
    """Yield the members that differ, where both sides are JSON objects."""
    was, will = _object(before), _object(after)
    if was is None or will is None:
        return
    old, new = dict(_leaves(was)), dict(_leaves(will))
    for path in dict.fromkeys([*old, *new]):
        if old.get(path) != new.get(path):
            yield MemberChange(path, old.get(path), new.get(path))


def _leaves(value: Mapping[str, Json], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield every leaf as JSON by its dotted path, so that text and numbers stay apart."""
    for name, item in value.items():
        path = prefix + name.replace("\\", "\\\\").replace(".", "\\.")
        if isinstance(item, dict) and item:
            yield from _leaves(item, f"{path}.")
        else:
            yield path, canonical(item).decode()


def _object(told: Json) -> Mapping[str, Json] | None:
    body = told.get("json") if isinstance(told, dict) else None
    return body if isinstance(body, dict) else None
