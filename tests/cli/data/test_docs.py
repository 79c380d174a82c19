"""The page tells what the code does."""

import dataclasses
import json
import re
from pathlib import Path

import typer

from handrail.cli.app import app
from handrail.core.change import NAMED_MAX
from handrail.data.reading import ReadLimits
from handrail.mcp.data_server import CALLS_MAX
from handrail.mcp.data_tools import TOOLS
from handrail.policy.guarded import DatabaseSpec, TableSpec

PAGE = (Path(__file__).parents[3] / "docs" / "sql.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_example_runs():
    """Its asserts hold."""
    (example,) = (text for language, text in BLOCKS if language == "python")
    exec(compile(example, "docs/sql.md", "exec"), {"__name__": "example"})


def test_the_command_answers_so(project):
    """Word for word."""
    statements, tables = (text for language, text in BLOCKS if language == "json")
    (console,) = (text for language, text in BLOCKS if language == "console")
    command, _, answers = console.partition("\n")
    (project.folder / "tables.json").write_text(tables)
    words = command.removeprefix("$ handrail ").partition(" < ")[0].split()
    assert project.ok(*words, input=statements) == answers
    assert [json.loads(line)["class"] for line in answers.splitlines()] == ["read", "refused"]


DATA = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")


def rows(heading):
    """Return the first cells of the rows of the tables under a heading of the page about guarded data."""
    part = DATA.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([^|]*)` \|", part, re.MULTILINE)


def test_the_page_names_the_tools_and_the_options():
    """All of them and no others."""
    assert rows("The five tools") == list(TOOLS)
    named = {word.split()[0] for word in rows("Serve")}
    command = typer.main.get_command(app).get_command(None, "data").commands["serve"]
    options = {name for param in command.params for name in param.opts if name.startswith("--")}
    assert named == options - {"--help", "--json", "--policy", "--store", "--config"} | {"NAME"}


def test_the_page_names_the_keys_with_their_defaults():
    """As a policy reads them."""
    named = [name for cell in rows("The policy") for name in cell.split("`, `")]
    fields = [*(f.name for f in dataclasses.fields(DatabaseSpec)), *(f.name for f in dataclasses.fields(TableSpec))]
    assert sorted(named) == sorted(name for name in fields if name != "at")
    for key in ("rows_max", "rows_free", "inserts_free"):
        assert re.search(rf"^\| `{key}` \|.*\| {getattr(TableSpec(), key)} \|$", DATA, re.MULTILINE), key


def test_the_page_names_the_limits():
    """Of queries and of calls."""
    limits, text = ReadLimits(), " ".join(DATA.split())
    assert f"at most {limits.rows_max:,} rows, {limits.bytes_max // 2**20} MiB and {limits.time_s:.0f} seconds" in text
    assert f"Up to {CALLS_MAX} calls run at once" in text
    assert f"of more than {NAMED_MAX} rows the table is" in text
