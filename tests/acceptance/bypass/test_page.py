"""The page tells what the corpus holds."""

import json
import re
from collections import Counter
from pathlib import Path

from typer.testing import CliRunner

from handrail.cli.app import app
from tests.acceptance.bypass import corpus

PAGE = (Path(__file__).parents[3] / "docs" / "bypass.md").read_text(encoding="utf-8")
CASES = corpus.load()


def block(language):
    """Return the first code block in a language."""
    return re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]


def test_the_counts_are_true():
    """Each route with its cases, and all of them."""
    told = {name: int(number) for name, number in re.findall(r"^\| `?(\w+)`? \|.*\| (\d+) \|$", PAGE, re.MULTILINE)}
    assert told == {**Counter(case.route for case in CASES), "all": len(CASES)}


def test_the_example_is_a_case(tmp_path):
    """It can be copied into a file."""
    file = tmp_path / "example.yaml"
    file.write_text(block("yaml"), encoding="utf-8")
    (case,) = corpus.read(file)
    assert [step.expect for step in (*case.attack, *case.twin)] == ["deny", "ask", "allow", "allow"]


def test_every_key_is_on_the_page():
    """Of steps, special steps, cases."""
    trace = {"call", "tool", "args", "result", "error", "parent"}  # on the page of the backtest
    assert [key for key in sorted(corpus.KEYS - trace) if not re.search(rf"[`{{]{key}\b|`[^`]*\b{key}\b", PAGE)] == []


def test_the_floods_are_as_told():
    """What each road really makes of two hundred thousand."""
    from tests.acceptance.bypass.backtest_road import BacktestRoad
    from tests.acceptance.bypass.mcp_road import McpRoad
    from tests.acceptance.bypass.python_road import PythonRoad

    assert (BacktestRoad.flood_max, PythonRoad.flood_max, McpRoad.flood_max) == (200_000, 20_000, 300)
    for road in (BacktestRoad, PythonRoad, McpRoad):
        assert f"{road.flood_max:,}" in PAGE or str(road.flood_max) in PAGE


def test_the_trace_is_decided_as_the_page_says(tmp_path):
    """Nothing in it is allowed by the example's policy."""
    (tmp_path / "example.yaml").write_text(block("yaml"), encoding="utf-8")
    (case,) = corpus.read(tmp_path / "example.yaml")
    (tmp_path / "handrail.yaml").write_text(case.policy, encoding="utf-8")
    (tmp_path / "attack.jsonl").write_text(block("json"), encoding="utf-8")
    options = ["--policy", str(tmp_path / "handrail.yaml"), "--json", "policy", "backtest"]
    found = CliRunner().invoke(app, [*options, "--trace", str(tmp_path / "attack.jsonl")])
    assert [json.loads(line)["decision"] for line in found.stdout.splitlines()] == ["deny", "ask"]
