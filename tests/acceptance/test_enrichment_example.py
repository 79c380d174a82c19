"""The worked example guards real, messy, public data; what it finds is counted here again, from the raw files.

The data: `airports.csv` and `seattle-weather.csv`, which the PyPI package `vega-datasets` ships inside its wheel.
"""

import importlib.metadata
import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import handrail
from handrail.core.ticket import TicketState

EXAMPLE = Path(__file__).parents[2] / "examples" / "enrichment"
SECONDS_MAX = 300  # about 10 where nothing else runs; every write waits for the disk

NO_NETWORK = """
import socket
def refuse(*_, **__):
    raise OSError("this example must not use the network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
"""


def shipped(name):
    """Return the path of a data file that the wheel itself lists."""
    found = [file for file in importlib.metadata.files("vega-datasets") if file.name == name]
    assert len(found) == 1, f"{name} is not shipped in the wheel of vega-datasets"
    return Path(found[0].locate())


class Raw:
    """What is in the files, and what of it is wrong, by boolean masks that share no code with the example."""

    def __init__(self):
        self.airports = pd.read_csv(shipped("airports.csv")).set_index("iata")
        self.days = pd.read_csv(shipped("seattle-weather.csv")).set_index("date")
        a, d = self.airports, self.days
        self.incomplete = a.city.isna() | a.state.isna()
        east = a.state.isin(["GU", "CQ"]) & a.longitude.lt(0)
        south = a.state.eq("AS") & a.latitude.gt(0)
        self.mirrored = ~self.incomplete & (east | south)
        self.mislabelled = d.precipitation.gt(0) & ~d.weather.isin(["drizzle", "rain", "snow"])


@pytest.fixture(scope="module")
def raw():
    return Raw()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("enrichment")


@pytest.fixture(scope="module")
def report(folder):
    """Run the example as a user does, from another folder, without network."""
    offline = folder / "offline"
    offline.mkdir()
    (offline / "sitecustomize.py").write_text(NO_NETWORK)
    paths = [str(offline), str(EXAMPLE.parents[1] / "src"), os.environ.get("PYTHONPATH", "")]
    ran = subprocess.run(
        [sys.executable, str(EXAMPLE / "enrich.py"), "--folder", "work", "--json"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture(scope="module")
def journal(folder, report):
    with handrail.open(folder / "work" / "handrail.yaml") as hr:
        yield hr


def table(folder, side, kind):
    with sqlite3.connect(folder / "work" / f"{side}.db") as db:
        rows = pd.read_sql(f"SELECT * FROM {kind}", db, index_col="key")
    db.close()
    return rows


def test_the_raw_data_is_bad_in_the_ways_the_example_tells(raw):
    """Each kind of fault is there, so that nothing below holds for want of faults."""
    assert (len(raw.airports), len(raw.days)) == (3376, 1461)
    assert min(raw.incomplete.sum(), raw.mirrored.sum()) > 5
    assert raw.mislabelled.sum() > 300


def test_the_unguarded_job_calls_everything_a_success_and_writes_every_fault(raw, report):
    unguarded = report["unguarded"]
    assert unguarded["rows"] == {"airport": {"success": len(raw.airports)}, "day": {"success": len(raw.days)}}
    assert unguarded["catalogue"] == {
        "airports enriched": len(raw.airports),
        "days enriched": len(raw.days),
        "nulls": raw.airports.city.isna().sum() + raw.airports.state.isna().sum(),
        "airports in the wrong hemisphere": raw.mirrored.sum(),
        "wet days labelled dry": raw.mislabelled.sum(),
    }


def test_every_row_of_the_guarded_job_has_the_status_it_deserves(raw, report):
    held, mirrored, mislabelled = (int(m.sum()) for m in (raw.incomplete, raw.mirrored, raw.mislabelled))
    assert report["guarded"]["rows"] == {
        "airport": {
            "success": len(raw.airports) - held - mirrored,
            "failed_validation": mirrored,
            "human_review_required": held,
        },
        "day": {"success": len(raw.days) - mislabelled, "failed_validation": mislabelled},
    }


@pytest.mark.parametrize("kind", ["airport", "day"])
def test_the_guarded_catalogue_holds_exactly_the_good_rows(raw, report, folder, kind):
    """Whatever the report says: the file itself equals the raw file without its bad rows, and the rest is untouched."""
    source, bad = (raw.airports, raw.incomplete | raw.mirrored) if kind == "airport" else (raw.days, raw.mislabelled)
    rows = table(folder, "guarded", kind)
    enriched = rows[rows.enriched == 1].drop(columns="enriched")
    assert sorted(enriched.index) == sorted(source.index[~bad])
    pd.testing.assert_frame_equal(
        enriched.sort_index(), source[~bad].sort_index(), check_dtype=False, check_names=False
    )
    assert not enriched.isna().any().any()
    assert rows[rows.enriched == 0].drop(columns="enriched").isna().all().all()


def test_the_report_counts_each_violation_where_it_was_found(raw, report):
    found = {(one["tool"], one["why"].partition(",")[0]): one["rows"] for one in report["guarded"]["violations"]}
    a = raw.airports[raw.mirrored]
    assert found == {
        ("feed.airport", "result.city is null."): raw.airports.city.isna().sum(),
        ("feed.airport", "result.state is null."): raw.airports.state.isna().sum(),
        ("catalogue.put_airport", "record lies west of Greenwich"): a.state.isin(["GU", "CQ"]).sum(),
        ("catalogue.put_airport", "record lies north of the equator"): a.state.eq("AS").sum(),
        ("catalogue.put_day", "record is labelled sun or fog"): raw.mislabelled.sum(),
    }


def test_what_no_retry_repaired_was_tried_four_times_and_waits_for_a_person(raw, report, journal):
    held = int(raw.incomplete.sum())
    attempts = report["guarded"]["attempts"]
    assert attempts["retry"] == 3 * held  # each of these was followed by another attempt
    assert attempts["human_review_required"] == held
    written = raw.mirrored.sum() + raw.mislabelled.sum()  # once each: never retried
    assert attempts["failed_validation"] == written + held  # the fourth attempt, which nothing followed
    waiting = journal.store.read(lambda tx: tx.tickets(states=(TicketState.PENDING,), limit=1_000))
    assert {ticket.view["resource"] for ticket in waiting} == {
        f"airport/{key}" for key in raw.airports[raw.incomplete].index
    }


def test_drift_is_raised_where_the_labels_changed_and_nowhere_else(raw, report):
    """Seattle's rain became fog in spring 2013. Every label is valid by itself; only their mix is new."""
    drift = report["guarded"]["drift"]
    assert {(one["tool"].partition(".")[2], one["field"]) for one in drift} == {("day", "weather")}
    first = next(one for one in drift if one["tool"] == "feed.day")
    began = raw.days.index[raw.mislabelled][0]
    assert began < first["noticed_at"] < "2014"
    short = raw.days.weather.str.len().le(3)  # sun and fog, but not rain, snow and drizzle
    assert first["baseline"] == pytest.approx(short[raw.days.index < began].mean(), abs=0.1)
    assert first["observed"] > first["baseline"] + 0.3


def test_the_journal_holds_it_all(journal):
    found = journal.store.verify()
    assert found.faults == ()
    assert found.records > 2 * 13_000  # an intent and an outcome for each guarded call


def test_the_page_tells_the_same_figures(report):
    page = (EXAMPLE.parents[1] / "docs" / "enrichment.md").read_text(encoding="utf-8")
    assert report["guarded"]["data"] in page
    for one in report["guarded"]["violations"]:
        assert f"| {one['rows']:,} | `{one['tool']}` | {one['why']} |" in page
    before, after = report["unguarded"]["catalogue"], report["guarded"]["catalogue"]
    for name in before:
        assert f"| {name} | {before[name]:,} | {after[name]:,} |" in page
    for one in report["guarded"]["drift"]:
        if one["tool"] == "feed.day":
            told = f"{one['noticed_at']} {one['sentence']}"
            assert told in " ".join(page.split()), "the detector sees it at another time: tell it in the page"


def test_the_report_for_people_shows_every_figure_and_is_safe_to_print(report, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    spec = importlib.util.spec_from_file_location("enrichment_report", EXAMPLE / "report.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hostile = json.loads(json.dumps(report))
    hostile["guarded"]["violations"][0]["examples"][0] = "[red]\x1b[2J"
    module.print_report(hostile)
    shown = capsys.readouterr().out
    assert "[red]\\x1b[2J" in shown
    for one in report["guarded"]["violations"]:
        assert f"{one['rows']:,}" in shown
    for status in ("success", "retry", "failed_validation", "human_review_required"):
        assert f"{report['guarded']['attempts'][status]:,}" in shown
