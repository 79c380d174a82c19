"""An enrichment job over real, messy data: a travel catalogue is filled from two public feeds.

    python examples/enrichment/enrich.py [--folder FOLDER] [--json]

The data ships inside the PyPI package `vega-datasets`: 3,376 airports and 1,461 days of weather in Seattle. Nothing was
broken for this example; what is wrong in it has been wrong for years. The same job runs twice over the same rows: as
most jobs are written, and behind Handrail. What it finds is told in `docs/enrichment.md`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from catalogue import Catalogue, Feeds, Row, load_feeds
from records import AirportAnswer, Day, ValidAirport, ValidDay
from report import print_report, progress, read_journal, wrong_rows

import handrail

Tools = dict[str, Callable[..., Any]]


def make_tools(feeds: Any, catalogue: Any) -> Tools:
    """Return the agent's tools by the names that the policy knows. Their annotations are the contracts."""

    def feed_airport(key: str) -> AirportAnswer:
        return feeds["airport"][key]

    def feed_day(key: str) -> Day:
        return feeds["day"][key]

    def put_airport(key: str, record: ValidAirport) -> None:
        catalogue.put("airport", key, record)

    def put_day(key: str, record: ValidDay) -> None:
        catalogue.put("day", key, record)

    def get_airport(key: str) -> Row:
        return catalogue.get("airport", key)

    def get_day(key: str) -> Row:
        return catalogue.get("day", key)

    return {
        "feed.airport": feed_airport,
        "feed.day": feed_day,
        "catalogue.put_airport": put_airport,
        "catalogue.put_day": put_day,
        "catalogue.airport": get_airport,
        "catalogue.day": get_day,
    }


def enrich(kind: str, keys: list[str], tools: Tools) -> Counter[str]:
    """Enrich each row: read it, write it. A row that cannot be enriched is counted and left as it was."""
    ends: Counter[str] = Counter()
    for key in progress(keys, kind):
        try:
            record = tools[f"feed.{kind}"](key)
            tools[f"catalogue.put_{kind}"](key, record)
        except (handrail.ValidationFailed, handrail.ReviewRequired) as error:
            ends[error.outcome.status] += 1  # failed_validation, or human_review_required; never success
        else:
            ends["success"] += 1
    return ends


def unguarded(feeds: Feeds, folder: Path) -> dict[str, Any]:
    """Do the job as most jobs are written: what comes is written, and what is written is a success."""
    with closing(Catalogue(folder / "unguarded.db", feeds)) as catalogue:
        tools = make_tools(feeds, catalogue)
        ends = {kind: enrich(kind, list(rows), tools) for kind, rows in feeds.items()}
        return {"rows": ends, "catalogue": wrong_rows(catalogue.db)}


def guarded(feeds: Feeds, folder: Path) -> dict[str, Any]:
    """Do the same job behind Handrail; the journal lies beside the policy, in the folder."""
    policy = Path(shutil.copy(Path(__file__).with_name("handrail.yaml"), folder))
    started = time.monotonic()
    with closing(Catalogue(folder / "guarded.db", feeds)) as catalogue, handrail.open(policy) as hr:
        tools = {name: hr.tool(name)(tool) for name, tool in make_tools(feeds, catalogue).items()}
        with hr.run(agent="enricher") as run:
            ends = {kind: enrich(kind, list(rows), tools) for kind, rows in feeds.items()}
        seconds = round(time.monotonic() - started, 1)
        journal = read_journal(hr.store, run.id, feeds)
        return {"rows": ends, "catalogue": wrong_rows(catalogue.db), **journal, "seconds": seconds}


def main() -> None:
    """Run the job twice, and say what became of both catalogues."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where catalogues and journal stay; a temporary one by default")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        feeds = load_feeds()
        report = {"unguarded": unguarded(feeds, folder), "guarded": guarded(feeds, folder)}
    print(json.dumps(report, indent=2)) if options.json else print_report(report)


if __name__ == "__main__":
    main()
