"""How fast a backtest is, and whether its memory stays flat.

    python bench/backtest.py [--quick] [--json]

- a trace through the real command, in its own process: reads, writes, payments under a limit, questions, denials,
  failures, with times that overlap; 100,000 lines (20,000 with --quick, against a fifth of the bar);
- the memory that the process took at its peak, over what it takes for a tenth of the trace.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from figures import Figure, at_most, options, report

BAR_S = 20.0
LINES = 100_000
POLICY = """\
version: 1
zones: {production: [prod, live]}
agents: {bot: {access: write}, bot/child: {access: write, parent: bot}}
tools:
  crm.get: {do: read, resource: "lead/{args.id}"}
  crm.set: {do: update, resource: "lead/{args.id}", zone: args.env?, ask: never}
  crm.new: {do: create, resource: "lead/{result.id}"}
  crm.drop: {do: delete, resource: "lead/{args.id}"}
  pay: {do: pay, resource: "order/{args.order}", amount: args.cents}
rules:
  - {id: production, when: effect.zone == "production" && effect.verb != "read", then: ask}
  - {id: large, for: pay, when: effect.amount > 9900, then: deny}
  - {id: adds-up, for: pay, at_most: {sum: effect.amount, limit: 18000000, per: agent, within: 1h}, then: ask}
  - {id: read-first, for: crm.set, requires: {tool: crm.get, same: resource}, then: ask}
"""
TOOLS = ("crm.get", "crm.get", "crm.set", "crm.get", "crm.new", "crm.get", "pay", "crm.get", "crm.set", "crm.drop")


def lines(count: int) -> Iterator[str]:
    """Yield a trace: ten calls a second, some of which run for seconds."""
    begun = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    for n in range(count):
        at = begun + dt.timedelta(milliseconds=100 * n)
        ended = at + dt.timedelta(milliseconds=50 if n % 7 else 900)
        env = "prod" if n % 200 == 2 else "dev"
        line: dict[str, object] = {
            "agent": "bot/child" if n // 100 % 3 else "bot", "run": f"r-{n // 100}", "call": f"c-{n}",
            "tool": TOOLS[n % 10], "at": at.isoformat(), "ended_at": ended.isoformat(),
            "args": {"id": f"l-{n // 10 % 7_000}", "env": env, "order": f"o-{n}", "cents": n % 10_000},
        }  # fmt: skip
        line |= {"error": "timeout"} if n % 50 == 7 else {"result": {"id": f"l-{n % 7_000}", "size": n}}
        yield json.dumps(line) + "\n"


def backtest(folder: Path, count: int) -> tuple[float, float, float]:
    """Run the command over a trace; return its seconds, its seconds on the processor, and its peak memory in MiB."""
    trace, answers = folder / f"{count}.jsonl", folder / f"{count}.out"
    with trace.open("w") as stream:
        stream.writelines(lines(count))
    words = [sys.executable, "-m", "handrail", "policy", "backtest", "--trace", str(trace), "--json"]
    begun = time.perf_counter()
    with answers.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, cwd=folder)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - begun
    if process.returncode or answers.read_bytes().count(b"\n") != count:
        raise SystemExit(f"the backtest ended with {process.returncode} and did not answer every line")
    return took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures."""
    count = LINES // 5 if quick else LINES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "handrail.yaml").write_text(POLICY)
        *_, small = backtest(folder, count // 10)
        took, busy, large = backtest(folder, count)
    yield at_most(f"backtest of {count:,} lines", took, "s", BAR_S * count / LINES)
    yield Figure("the same, on the processor (beside other work, the clock says more)", busy, "s")
    yield Figure("the same: lines a second", count / took, "1/s")
    yield at_most(f"peak memory at {count:,} lines, over that at {count // 10:,}", large / small, "x", 1.5, 1.0)
    yield Figure("peak memory", large, "MiB")


if __name__ == "__main__":
    chosen = options(__doc__ or "")
    report(measure(quick=chosen.quick), as_json=chosen.json)
