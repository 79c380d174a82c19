"""Every bypass is stopped and every twin passes, on each road with the same decisions."""

import dataclasses
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from handrail.cli.app import app
from tests.acceptance.bypass import corpus
from tests.acceptance.bypass.backtest_road import BacktestRoad, is_plain, line
from tests.acceptance.bypass.mcp_road import McpRoad, ToldServer
from tests.acceptance.bypass.mcp_serve_road import McpServeRoad
from tests.acceptance.bypass.python_road import PythonRoad

CASES = corpus.load()
SIDES = ("attack", "twin")
WALKS = [(case, road) for case in CASES for road in case.roads]
PLAIN = [(case, side) for case in CASES for side in SIDES if "backtest" in case.roads and is_plain(case, side)]
COMMANDS = list({(case.id.partition(":")[0], side): (case, side) for case, side in reversed(PLAIN)}.values())
"""Of every file one attack and one twin: the engine is the one of the backtest road, so that not all have to go here."""

SERVED = (
    "evidence/read-first:own-before",
    "folders/sealed:wildcard",
    "promotion/default-value:zone",
    "spelling/addresses:url-as-browsers-read-it",
)
"""Cases that go through the whole `handrail mcp serve`: one process each, so only some."""


def road_of(name, case, folder, servers):
    """Return a road for one side of a case."""
    if name == "mcp":
        return McpRoad(case, folder, servers)
    return {"python": PythonRoad, "backtest": BacktestRoad}[name](case, folder)


def named(value):
    """Return the id of a test."""
    return value if isinstance(value, str) else value.id


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize(("case", "road"), WALKS, ids=named)
def test_the_road(case, road, side, tmp_path, servers):
    """Every step is decided as the case says."""
    assert road_of(road, case, tmp_path, servers).walk(side) == []


@pytest.mark.parametrize("road", corpus.ROADS)
def test_a_decision_that_differs_is_told(road, tmp_path, servers):
    """With the expectations of the attack turned into those of the twin, every road finds the difference."""
    case = next(case for case in CASES if case.id == "denied/another-way:another-tool")
    meek = dataclasses.replace(
        case, attack=tuple(dataclasses.replace(step, expect="allow") for step in case.attack)
    )  # fmt: skip
    faults = road_of(road, meek, tmp_path, servers).walk("attack")
    assert len(faults) == len([step for step in case.attack if step.expect != "allow"])
    assert all("expected allow, got" in fault for fault in faults)


def trace_of(case, side, folder):
    """Write a side as a trace file beside its policy; return what has to be decided."""
    steps = [step for step in case.steps(side) if isinstance(step, corpus.Call)]
    (folder / "handrail.yaml").write_text(case.policy, encoding="utf-8")
    lines = [line(case, step, number) for number, step in enumerate(steps)]
    (folder / "trace.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [step.expect for step in steps]


@pytest.mark.parametrize(("case", "side"), COMMANDS, ids=named)
def test_the_command_line(case, side, tmp_path):
    """`handrail policy backtest` decides the same about what can be written down as a trace."""
    expected = trace_of(case, side, tmp_path)
    options = ["--policy", str(tmp_path / "handrail.yaml"), "--json", "policy", "backtest"]
    found = CliRunner().invoke(app, [*options, "--trace", str(tmp_path / "trace.jsonl")])
    assert found.exit_code == 0, found.output
    assert [json.loads(text)["decision"] for text in found.stdout.splitlines()] == expected


def test_the_command_itself(tmp_path):
    """The same in a process of its own, as an operator runs it."""
    case, side = next((case, side) for case, side in PLAIN if case.id == "sums/refunds:in-parallel")
    expected = trace_of(case, side, tmp_path)
    command = [sys.executable, "-m", "handrail", "--json", "policy", "backtest", "--trace", "trace.jsonl"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [json.loads(text)["decision"] for text in done.stdout.splitlines()] == expected


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("id", SERVED)
def test_the_proxy_itself(id, side, tmp_path):
    """`handrail mcp serve` in a process of its own, with a server that it starts itself, decides the same."""
    case = next(case for case in CASES if case.id == id)
    server = ToldServer(tmp_path)
    try:
        assert McpServeRoad(case, tmp_path, server).walk(side) == []
    finally:
        server.close()
