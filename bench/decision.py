"""What a decision and a guarded call cost, beside a bare insert and a bare call in the same run.

    python bench/decision.py [--quick] [--json]

- a decision with 20 rules, facts included, its journal row written (SQLite, WAL, synchronous=NORMAL);
- the same on a journal of 100,000 past actions;
- a guarded call in memory with all default gates;
- a guarded read on SQLite, from the call to its value.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from figures import Figure, median_us, options, report

from handrail.core.action import Action, action_key
from handrail.core.commands import Admit
from handrail.core.record import Record, RecordKind
from handrail.policy import loads
from handrail.stores.memory import MemoryStore
from handrail.stores.sqlite import SqliteStore
from handrail.workspace import Workspace

RULES = "\n".join(
    f'  - {{id: r{n}, for: "crm.*", when: effect.zone == "zone{n}" && args.size > {n}, then: ask}}' for n in range(20)
)
ZONES = ", ".join(f"zone{n}: []" for n in range(20))
POLICY = f"""
version: 1
zones: {{{ZONES}}}
agents: {{bot: {{access: write}}}}
tools:
  crm.get: {{do: read, resource: "lead/{{args.id}}", zone: args.env?}}
  plain.get: {{do: read, resource: "lead/{{args.id}}"}}
rules:
{RULES}
"""


def bare_insert(folder: Path) -> float:
    """Return the median of one row in one transaction, without anything of ours."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)")

    def insert() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t (body) VALUES (?)", ("x" * 400,))
        connection.execute("COMMIT")

    found = median_us(insert, 5_000)
    connection.close()
    return found


def decision(hr: Workspace, count: int) -> float:
    """Return the median of an admission: 20 rules, facts, journal row."""
    args = {"id": "lead-1", "size": 40, "env": "dev"}
    key = action_key("bot", "crm.get", args)
    numbers = iter(range(10**9))

    def admit() -> None:
        id = f"a{next(numbers)}"
        step, durable = hr.host.admission(Admit(Action(id, "bot", "run", id, "crm.get", args, key)))
        hr.store.transact(step, durable=durable)

    return median_us(admit, count)


def fill(store: SqliteStore, rows: int) -> None:
    """Write `rows` past actions, spread over runs and resources."""
    for start in range(0, rows, 1_000):

        def step(tx: object, start: int = start) -> None:
            for n in range(start, start + 1_000):
                body = {"args": {"id": f"lead-{n}", "size": n, "env": "dev"}, "call": f"a{n}", "attempt": 0}
                run, resource = f"run-{n // 50}", f"lead/lead-{n % 5_000}"
                tx.append(Record(RecordKind.ATTEMPT, f"old{n}", run, "bot", "crm.get", resource, "", "", body))  # type: ignore[attr-defined]

        store.transact(step)


def guarded(store: object, tool: str, count: int) -> tuple[float, float]:
    """Return the medians of a guarded and of a bare call."""
    hr = Workspace(loads(POLICY, source="bench.yaml"), store)  # type: ignore[arg-type]

    def get(id: str, size: int = 40) -> dict[str, object]:
        return {"id": id, "size": size}

    guarded_get = hr.tool(tool)(get)
    with hr.run("bot"):
        cost = median_us(lambda: guarded_get("lead-1"), count)
    return cost, median_us(lambda: get("lead-1"), count)


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures."""
    count = 3_000 if quick else 20_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare = bare_insert(folder)
        store = SqliteStore(folder / "handrail.db")
        hr = Workspace(loads(POLICY, source="bench.yaml"), store)
        few = decision(hr, count)
        yield Figure("decision, 20 rules, facts, journal row (SQLite): p50", few, "µs", bare, 100)
        fill(store, 100_000)
        again = SqliteStore(folder / "fresh.db")
        base = decision(Workspace(loads(POLICY, source="bench.yaml"), again), count)
        many = decision(hr, count)
        yield Figure("the same after 100,000 actions, over after none", many / base, "x", 1.0, 1.2)
        cost, bare_call = guarded(SqliteStore(folder / "calls.db"), "plain.get", count)
        yield Figure("guarded read on SQLite: p50", cost, "µs", bare_call)
    cost, bare_call = guarded(MemoryStore(), "plain.get", count)
    yield Figure("guarded call in memory, all default gates: p50", cost, "µs", bare_call, 60)


if __name__ == "__main__":
    chosen = options(__doc__ or "")
    report(measure(quick=chosen.quick), as_json=chosen.json)
