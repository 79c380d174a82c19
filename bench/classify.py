"""How long it takes to understand a statement.

    python bench/classify.py [--quick] [--json]

Over the corpus of the tests (ordinary reads, changes, hostile statements up to 2,000 characters), each statement's best
of several runs, on both dialects: the median and the 99th of 100 statements, and the parts that it consists of. Where
pglast is installed, PostgreSQL's own parser stands beside it.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from figures import Figure, at_most, options, report

from handrail.data.sql import Catalog, Dialect, classify
from handrail.data.sql.grammar import tree
from handrail.data.sql.refusal import Refusal
from handrail.data.sql.tokens import tokens, written

CORPUS = Path(__file__).parents[1] / "tests" / "data" / "sql" / "corpus"
BAR_MS = 1.0
CHARS_MAX = 2_000


def statements(dialect: Dialect) -> list[str]:
    """Return the corpus of one dialect."""
    found = []
    for name in ("harmless", "changes", "hostile"):
        for line in (CORPUS / f"{name}_{dialect.value}.jsonl").read_text(encoding="utf-8").splitlines():
            found.append(json.loads(line)["sql"])
    return [sql for sql in found if len(sql) <= CHARS_MAX]


def catalog(dialect: Dialect) -> Catalog:
    """Return the tables of the corpus."""
    said = {
        "lead": "id status score company_size owner updated_at",
        "customer": "id name email country created_at profile",
        "orders": "id customer_id total currency placed_at tags",
        "order_line": "order_id line_no sku qty price",
        "event": "at kind payload",
    }
    form = {name: {"columns": columns.split(), "primary_key": columns.split()[:1]} for name, columns in said.items()}
    return Catalog.from_json(form, dialect)


def best_ms(call: Callable[[str], object], texts: Sequence[str], runs: int) -> list[float]:
    """Return the best time of each text, sorted, in milliseconds."""
    found = []
    for text in texts:
        best = float("inf")
        for _ in range(runs):
            begun = time.perf_counter()
            with contextlib.suppress(Refusal):
                call(text)
            best = min(best, time.perf_counter() - begun)
        found.append(best * 1e3)
    return sorted(found)


def server_parser() -> Callable[[str], object] | None:
    """Return PostgreSQL's own parser, if it is installed."""
    if importlib.util.find_spec("pglast") is None:
        return None
    from pglast import parse_sql
    from pglast.parser import ParseError

    def parse(text: str) -> object:
        try:
            return parse_sql(text)
        except (ParseError, ValueError, UnicodeError):
            return None

    return parse


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures."""
    runs = 5 if quick else 30
    gc.disable()
    for dialect in Dialect:
        texts, known = statements(dialect), catalog(dialect)
        theirs = None
        if dialect is Dialect.POSTGRES and (parse := server_parser()) is not None:
            theirs = best_ms(parse, texts, runs)
        times = best_ms(lambda text, dialect=dialect, known=known: classify(text, dialect, known), texts, runs)
        accepted = [text for text in texts if classify(text, dialect, known).kind != "refused"]
        understood = best_ms(lambda text, dialect=dialect, known=known: classify(text, dialect, known), accepted, runs)
        words = [written(tokens(text, dialect)) for text in accepted]
        name = f"{dialect.value}, {len(texts)} statements"
        half = len(times) // 2
        yield at_most(f"classify, {name}: p50", times[half], "ms", BAR_MS, theirs and theirs[len(theirs) // 2])
        yield at_most(f"classify, {name}: p99", times[int(len(times) * 0.99)], "ms", BAR_MS)
        accepted_p99 = understood[int(len(understood) * 0.99)]
        yield at_most(
            f"classify, {len(accepted)} that are understood: p50", understood[len(understood) // 2], "ms", BAR_MS
        )
        yield at_most(f"classify, {len(accepted)} that are understood: p99", accepted_p99, "ms", BAR_MS)
        parsed = best_ms(lambda text, dialect=dialect: tree(text, dialect), words, runs)
        yield Figure("of which sqlglot: p50", parsed[len(parsed) // 2], "ms")
        split = best_ms(lambda text, dialect=dialect: tokens(text, dialect), accepted, runs)
        yield Figure("of which our words: p50", split[len(split) // 2], "ms")


if __name__ == "__main__":
    chosen = options(__doc__ or "")
    report(measure(quick=chosen.quick), as_json=chosen.json)
