"""The job's report: what the journal says of the guarded run, and what is in the catalogues afterwards."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from handrail.core.record import Record, RecordKind
from handrail.core.store import Query, Store
from handrail.core.text import safe

ROWS_MAX = 1_000_000
EXAMPLES = 3

ASKED = {
    "airports enriched": "SELECT count(*) FROM airport WHERE enriched",
    "days enriched": "SELECT count(*) FROM day WHERE enriched",
    "nulls": "SELECT coalesce(sum((city IS NULL) + (state IS NULL)), 0) FROM airport WHERE enriched",
    "airports in the wrong hemisphere": """SELECT count(*) FROM airport WHERE enriched
        AND (state IN ('GU', 'CQ') AND longitude < 0 OR state = 'AS' AND latitude > 0)""",
    "wet days labelled dry": """SELECT count(*) FROM day WHERE enriched
        AND precipitation > 0 AND weather NOT IN ('drizzle', 'rain', 'snow')""",
}


def wrong_rows(db: sqlite3.Connection) -> dict[str, int]:
    """Ask a catalogue what is in it: whatever the job says, this is what will be read downstream."""
    return {name: db.execute(sql).fetchone()[0] for name, sql in ASKED.items()}


def progress(keys: list[str], kind: str) -> Iterable[str]:
    """Walk over the keys behind a bar on stderr."""
    return track(keys, f"{kind:8}", console=Console(stderr=True), transient=True)


def read_journal(store: Store, run: str, feeds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Return what the journal says of a run: attempts by status, violations, drift."""
    query = Query(run=run, kinds=(RecordKind.ATTEMPT, RecordKind.OUTCOME, RecordKind.EVENT), limit=ROWS_MAX)
    records = store.read(lambda tx: [stored.record for stored in tx.records(query)])
    keys = {record.action: record.resource.partition("/")[2] for record in records if record.resource}
    found: dict[tuple[str, str], dict[str, None]] = {}  # (tool, sentence) to the keys of the rows, in file order
    for record in records:
        for why in _broken(record):
            found.setdefault((record.tool, why), {})[keys[record.action]] = None
    names = {key: str(row.get("name", key)) for rows in feeds.values() for key, row in rows.items()}
    return {
        "data": f"vega-datasets {version('vega-datasets')}",
        "attempts": Counter(record.status for record in records if record.status),
        "violations": [
            {"tool": tool, "why": why, "rows": len(rows), "examples": [names[key] for key in list(rows)[:EXAMPLES]]}
            for (tool, why), rows in sorted(found.items(), key=lambda item: -len(item[1]))
        ],
        "drift": [
            {"tool": record.tool, "noticed_at": keys[record.action], **record.body}
            for record in records
            if record.reason == "drift"
        ],
    }


def _broken(record: Record) -> list[str]:
    """Return what an attempt broke, in sentences: violations of a result, or findings about arguments."""
    body: Mapping[str, Any] = record.body
    if record.status == "failed_validation" and "findings" in body:
        return [finding["why"].rpartition(" not valid: ")[2] for finding in body["findings"]]
    return [violation["why"] for violation in body.get("violations", ())]


def print_report(report: Mapping[str, Any]) -> None:
    """Print it for people. What comes from the data passes through `safe`, and never into markup."""
    console = Console()
    without, guarded = report["unguarded"], report["guarded"]
    said = sum(counts["success"] for counts in without["rows"].values())
    console.print(f"{guarded['data']}, guarded run in {guarded['seconds']} s.", highlight=False)
    console.print(f"Without Handrail, all {said:,} rows are a success. With it:\n", highlight=False)

    rows = [[status, *(_n(counts.get(status, 0)) for counts in guarded["rows"].values())] for status in _STATUSES]
    _show(console, "rows by status", list(guarded["rows"]), rows)
    rows = [[status, _n(guarded["attempts"].get(status, 0))] for status in ("success", "retry", *_STATUSES[1:])]
    _show(console, "attempts by status", [""], rows)
    rows = [[one["why"], _n(one["rows"]), one["tool"], ", ".join(one["examples"])] for one in guarded["violations"]]
    _show(console, "what was wrong", ["rows", "found by", "such as"], rows)
    rows = [[one["sentence"], one["noticed_at"]] for one in guarded["drift"]]
    _show(console, "drift: valid, and no longer what it was", ["noticed at"], rows)
    rows = [[name, *(_n(side["catalogue"][name]) for side in (without, guarded))] for name in ASKED]
    _show(console, "the catalogue afterwards", ["without", "with"], rows)


_STATUSES = ("success", "failed_validation", "human_review_required")


def _n(count: int) -> str:
    return f"{count:,}"


def _show(console: Console, title: str, columns: list[str], rows: list[list[str]]) -> None:
    table = Table(title, *columns, box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(safe(text)) for text in row))
    console.print(table)
