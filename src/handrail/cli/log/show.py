"""`handrail log show`: everything the journal has about one action."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from handrail.core.digest import Json
    from handrail.core.record import Stored

LINES_MAX = 60
VALUE_CHARS = 1_000


def show(
    ctx: typer.Context,
    action: Annotated[str, typer.Argument(help="Id of the action, as 'handrail log' prints it.", show_default=False)],
) -> None:
    """Show each attempt of one action, its decision and its outcome."""
    from handrail.cli.forms import record_form
    from handrail.cli.log.finding import rows_of
    from handrail.cli.output import emit, line, moment
    from handrail.cli.session import opened_store
    from handrail.cli.styles import status_of
    from handrail.core.text import safe

    with opened_store(ctx) as (store, as_json):
        rows = rows_of(store, action)
    if as_json:
        emit({"action": action, "rows": [record_form(row) for row in rows]})
        return
    first = rows[0].record
    line(f"Action {safe(first.action)}")
    for name, value in (("agent", first.agent), ("run", first.run), ("tool", first.tool), ("resource", first.resource)):
        if value:
            line(f"  {name}: {safe(value)}")
    seen: dict[str, tuple[Json, int]] = {}
    for row in rows:
        record = row.record
        words = [record.kind.value, status_of(row), f"({record.reason})" if record.reason else ""]
        line()
        line(f"{moment(row.at_us)} UTC  row {row.seq}  {' '.join(safe(word) for word in words if word)}")
        for text in _body(row, seen):
            line(f"  {text}")


def _body(row: Stored, seen: dict[str, tuple[Json, int]]) -> Iterator[str]:
    """Yield the body of a row as safe lines: sentences, then values; what stood in a row before is not repeated."""
    from handrail.core.text import safe
    from handrail.review.replay import effects_of

    if row.pruned:
        yield "(its body was removed by 'handrail log prune')"
        return
    body = dict(row.record.body)
    for text in _sentences(body):
        yield safe(text, max_chars=1_000)
    if body.pop("effects", None):
        yield f"effects: {'; '.join(safe(effect) for effect in effects_of(row.record))}"
    for name, value in body.items():
        if not isinstance(value, dict | list):
            yield f"{safe(name)}: {_literal(value)}"
        elif name in seen and seen[name][0] == value:
            yield f"{safe(name)}: as in row {seen[name][1]}"
        else:
            seen[name] = (value, row.seq)
            yield from _leaves(name, value)


def _leaves(name: str, value: Json) -> Iterator[str]:
    """Yield every value inside `value` by its path, as safe lines."""
    from handrail.core.text import safe

    leaves = list(islice(_paths(name, value), LINES_MAX + 1))
    for path, leaf in leaves[:LINES_MAX]:
        yield f"{safe(path)}: {_literal(leaf)}"
    if len(leaves) > LINES_MAX:
        yield f"… and more of {safe(name)}: --json shows it whole"


def _paths(path: str, value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict) and value:
        for name, item in value.items():
            yield from _paths(f"{path}.{name}", item)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _paths(f"{path}[{index}]", item)
    else:
        yield path, value


def _literal(value: Json) -> str:
    """Return a value as it would stand in JSON, but safe and readable: text in quotes, the rest bare."""
    from handrail.core.text import safe

    if isinstance(value, str):
        return f'"{safe(value, max_chars=VALUE_CHARS)}"'
    return safe(json.dumps(value), max_chars=VALUE_CHARS)


def _sentences(body: dict[str, Json]) -> Iterator[str]:
    """Take out of a body what is a sentence already."""
    why = body.pop("why", None)
    if isinstance(why, str) and why:
        yield why
    for name in ("findings", "violations"):
        found = body.pop(name, None)
        for one in found if isinstance(found, list) else []:
            if isinstance(one, dict):
                yield f"{one.get('gate') or one.get('check')}/{one.get('rule') or one.get('path')}: {one.get('why')}"
