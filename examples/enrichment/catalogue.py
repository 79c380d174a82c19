"""The two ends of the job: the feeds it reads, and the catalogue it fills."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from vega_datasets import local_data

Row = dict[str, Any]
Feeds = dict[str, dict[str, Row]]


def load_feeds() -> Feeds:
    """Return the rows of both files by key, in file order and as they are; what pandas reads as missing is null."""
    airports, days = local_data.airports(), local_data.seattle_weather(parse_dates=False)
    frames = {"airport": airports.set_index("iata"), "day": days.set_index("date")}
    return {kind: f.astype(object).where(f.notna(), None).to_dict("index") for kind, f in frames.items()}


class Catalogue:
    """A SQLite file. Every row is there from the start; enriching fills it and marks it as enriched."""

    def __init__(self, path: Path, feeds: Feeds) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.execute("PRAGMA synchronous = OFF")
        for kind, rows in feeds.items():
            columns = ", ".join(next(iter(rows.values())))
            self.db.execute(f"CREATE TABLE IF NOT EXISTS {kind} (key PRIMARY KEY, {columns}, enriched DEFAULT 0)")
            self.db.executemany(f"INSERT OR IGNORE INTO {kind} (key) VALUES (?)", [(key,) for key in rows])

    def put(self, kind: str, key: str, record: Row) -> None:
        """Fill one row, and mark it as enriched."""
        columns = ", ".join(f"{name} = ?" for name in record)
        self.db.execute(f"UPDATE {kind} SET {columns}, enriched = 1 WHERE key = ?", (*record.values(), key))

    def get(self, kind: str, key: str) -> Row:
        """Return what one row holds."""
        found = self.db.execute(f"SELECT * FROM {kind} WHERE key = ?", (key,))
        row = dict(zip((column[0] for column in found.description), found.fetchone(), strict=True))
        return {name: value for name, value in row.items() if name not in {"key", "enriched"}}

    def close(self) -> None:
        """Close the file."""
        self.db.close()
