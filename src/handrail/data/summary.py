"""What is said of a planned change: to rules and the journal as arguments, to a person as a picture of its rows."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from handrail.core.change import KIND, NAMED_MAX, Touch, change_args, key_id, table_id
from handrail.core.digest import Json
from handrail.core.effect import Verb
from handrail.data.acting import Recorded
from handrail.data.rows.history import ChangeReceipt
from handrail.data.rows.plan import Part, RowPlan, Sample
from handrail.data.sql.change import Operation

VERBS = {Operation.INSERT: Verb.CREATE, Operation.UPDATE: Verb.UPDATE, Operation.DELETE: Verb.DELETE}
"""What an operation on rows does to the world."""

STATEMENT_MAX = 2_000
"""Characters of a statement that are kept."""

_USUAL = ("", "public", "main")


def place_of(database: str, schema: str, table: str) -> str:
    """Return the resource that a table is: `row/shop/lead`, with its schema unless that is the usual one."""
    full = table if schema in _USUAL else f"{schema}.{table}"
    return f"{KIND}/{database}/{table_id(full)}"


def plan_args(database: str, plan: RowPlan, by: str, statement: str = "") -> dict[str, Json]:
    """Return the arguments of the action that applies a plan.

    Args:
        database: Name of the database in the policy.
        plan: The plan.
        by: How its rows were named: `key`, `predicate`, `insert` or `undo`.
        statement: What the agent wrote, `""` when it wrote none.
    """
    own = [part for part in plan.parts if not part.cascade]
    written = sorted({name for part in own if part.operation is Operation.UPDATE for name in part.columns})
    columns: list[Json] = [*written]
    said: dict[str, Json] = {"by": by, "columns": columns, "rows_free": plan.limits.get("rows_free", 0)}
    if plan.undo_of:
        said["undoes"] = plan.undo_of
    if statement:
        said["statement"] = statement[:STATEMENT_MAX]
    return change_args(plan.digest, _touches(database, plan.parts), **said)


def _touches(database: str, parts: Iterable[Part]) -> Iterable[Touch]:
    for part in parts:
        if part.rows:
            few = len(part.rows) <= NAMED_MAX and all(row.key for row in part.rows)
            keys = tuple(key_id(row.key, typed=bool(part.schema)) for row in part.rows) if few else ()
            place = place_of(database, part.schema, part.table)
            yield Touch(place, VERBS[part.operation], len(part.rows), keys, part.cascade)


def seen_of(plan: RowPlan) -> dict[str, Json]:
    """Return what the preview of a plan shows beyond the plan itself, as JSON.

    Args:
        plan: A plan with its preview.
    """
    preview = plan.preview
    assert preview is not None
    return {
        "breakdown": {
            column: [[plain(value), count] for value, count in values] for column, values in preview.breakdown.items()
        },
        "samples": [_sample(sample) for sample in preview.samples],
        "warnings": list(preview.warnings),
    }


def picture(plan: RowPlan, seen: Json) -> dict[str, Json]:
    """Return what a person sees of a plan, as JSON: counts, breakdown, rows before and after, cascades, warnings.

    Args:
        plan: The plan.
        seen: What `seen_of` told when it was made.
    """
    until = dt.datetime.fromtimestamp(plan.expires_s, dt.UTC).isoformat(timespec="seconds")
    told = seen if isinstance(seen, dict) else {}
    cascades: Counter[str] = Counter()
    for part in plan.parts:
        if part.cascade:
            cascades[part.name] += len(part.rows)
    return {
        "rows": sum(len(part.rows) for part in plan.parts if not part.cascade),
        "tables": [_part(part) for part in plan.parts],
        "breakdown": told["breakdown"],
        "samples": told["samples"],
        "cascades": dict(cascades),
        "warnings": told["warnings"],
        "expires": until,
    }


def _part(part: Part) -> Json:
    return {"table": part.name, "operation": part.operation.value, "rows": len(part.rows), "cascade": part.cascade}


def _sample(sample: Sample) -> Json:
    return {"key": [plain(cell) for cell in sample.key], "before": _row(sample.before), "after": _row(sample.after)}


def _row(row: Mapping[str, Json] | None) -> Json:
    return None if row is None else {name: plain(cell) for name, cell in row.items()}


def plain(cell: Json) -> Json:
    """Return a cell as a person reads it: a real as a number, bytes in hexadecimal digits."""
    match cell:
        case {"real": str(number)} if number not in ("inf", "-inf", "nan"):
            return float(number)
        case {"real": str(number)}:
            return number
        case {"blob": str(digits)}:
            return f"\\x{digits}"
    return cell


def receipt_form(database: str, receipt: ChangeReceipt) -> dict[str, Json]:
    """Return a receipt as the journal and agents see it."""
    made: dict[str, Json] = {}
    for name, keys in getattr(receipt, "keys", {}).items():
        schema, _, table = name.rpartition(".")
        made[place_of(database, schema, table)] = [key_id(key, typed=bool(schema)) for key in keys]
    return {
        "change": receipt.change,
        "rows": receipt.rows,
        "footprint": {name: list(counts) for name, counts in receipt.footprint.items()},
        "applied_at": receipt.applied_at,
        "undo_of": receipt.undo_of,
        "again": receipt.again,
        "made": made,
    }


def recorded(database: str, receipt: ChangeReceipt) -> Recorded:
    """Return what a person is told of a change that only its receipt tells of.

    Args:
        database: Name of the database in the policy.
        receipt: The receipt.
    """
    effects = []
    for name, counts in receipt.footprint.items():
        schema, _, table = name.rpartition(".")
        for operation, rows in zip(_FOOTPRINT, counts, strict=True):
            if rows:
                count = f"{rows:,} row" if rows == 1 else f"{rows:,} rows"
                effects.append(f"{VERBS[operation]} {place_of(database, schema, table)} ({count})")
    return Recorded(_us(receipt.applied_at), tuple(effects))


_FOOTPRINT = (Operation.INSERT, Operation.UPDATE, Operation.DELETE)


def _us(moment: str) -> int:
    try:
        told = dt.datetime.fromisoformat(moment)
    except ValueError:
        return 0
    return int((told if told.tzinfo else told.replace(tzinfo=dt.UTC)).timestamp() * 1_000_000)


def receipt_of(form: Json) -> ChangeReceipt:
    """Return the receipt of a call that was made before, as it was kept."""
    match form:
        case {"change": str(change), "rows": int(rows), "footprint": dict(counts), "applied_at": str(at), **rest}:
            footprint = {name: _counts(one) for name, one in counts.items()}
            return ChangeReceipt(change, rows, footprint, at, str(rest.get("undo_of", "")), again=True)
    raise ValueError("This is not a receipt.")


def _counts(value: Json) -> tuple[int, int, int]:
    match value:
        case [int(inserted), int(updated), int(deleted)]:
            return inserted, updated, deleted
    raise ValueError("This is not a receipt.")


def table_names(names: Sequence[str]) -> list[Json]:
    """Return names of tables as arguments list them."""
    return list(dict.fromkeys(name.removeprefix("public.").removeprefix("main.") for name in names))
