"""The page tells what the code does."""

import json
import re
from pathlib import Path

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
