"""Whatever a person can meet has its place in the docs: gates, commands, policy keys, statuses and reasons."""

import re
from pathlib import Path

import pytest
import typer

from handrail.cli.app import COMMANDS, app
from handrail.core.outcome import Reason, Status
from handrail.gates import default_gates
from handrail.policy import loads
from handrail.policy.schema import json_schema

DOCS = Path(__file__).parents[1] / "docs"
PAGES = {path.relative_to(DOCS).as_posix(): path.read_text(encoding="utf-8") for path in DOCS.rglob("*.md")}
GATES = [gate.name for gate in default_gates()]


def table(page, heading):
    """Return the first words of the rows of the table under a heading."""
    part = PAGES[page].partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `([a-z_]+)` \|", part, re.MULTILINE)


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_has_a_page(gate):
    """When it objects, its default, an example that runs, what agents read, what a person does, anti-patterns."""
    page = PAGES[f"gates/{gate}.md"]
    assert page.startswith(f"# `{gate}`: ")
    for part in ("**Objects**", "**Default**", "**The agent reads**", "**A person**", "**Anti-patterns**"):
        assert part in page
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert [language for language, _ in blocks] == ["yaml", "python"]
    assert blocks[0][1].startswith("version: 1\n")
    loads(blocks[0][1], source="handrail.yaml")


def test_no_page_without_a_gate():
    """A gate that is gone takes its page along."""
    assert sorted(page for page in PAGES if page.startswith("gates/")) == sorted(f"gates/{gate}.md" for gate in GATES)


@pytest.mark.parametrize("gate", GATES)
def test_the_examples_of_gates_run(gate, tmp_path, monkeypatch):
    """The yaml block is the folder's handrail.yaml, and the python block's asserts hold."""
    yaml, python = re.findall(r"^```\w+\n(.*?)^```", PAGES[f"gates/{gate}.md"], re.MULTILINE | re.DOTALL)
    (tmp_path / "handrail.yaml").write_text(yaml)
    monkeypatch.chdir(tmp_path)
    exec(compile(python, f"docs/gates/{gate}.md", "exec"), {"__name__": "example"})


def commands(group, path):
    for name, command in group.commands.items():
        yield f"{path} {name}"
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")


def every_command():
    root = typer.main.get_command(app)
    for name in COMMANDS:
        found = root.get_command(None, name)
        yield f"handrail {name}"
        if hasattr(found, "commands"):
            yield from commands(found, f"handrail {name}")


@pytest.mark.parametrize("command", list(every_command()))
def test_every_command_has_its_place(command):
    """In docs/cli.md; the commands of `policy` may stand on the policy's page."""
    page = PAGES["cli.md"] + (PAGES["policy.md"] + PAGES["doctor.md"] if " policy" in command else "")
    if command in NOT_WRITTEN:
        pytest.xfail("not written yet")
    assert f"`{command}" in page or f"\n$ {command}" in page


NOT_WRITTEN: frozenset[str] = frozenset()
"""Commands without a word in the docs today. Take out what gets one; nothing is added."""


def test_the_list_of_unwritten_commands_shrinks():
    """What has got its place, or does not exist any more, is taken out of the list."""
    page = PAGES["cli.md"] + PAGES["policy.md"] + PAGES["doctor.md"]
    known = set(every_command())
    assert {command for command in NOT_WRITTEN if command not in known or f"`{command}" in page} == set()


def keys(schema):
    """Yield every key that the schema of a policy names."""
    if isinstance(schema, list):
        for item in schema:
            yield from keys(item)
    elif isinstance(schema, dict):
        yield from schema.get("properties", {})
        for item in schema.values():
            yield from keys(item)


@pytest.mark.parametrize("key", sorted(set(keys(json_schema()))))
def test_every_policy_key_has_its_place(key):
    """Top-level keys, and those of agents, tools, effects, paired calls, checks and rules."""
    page = PAGES["policy.md"] + PAGES["patterns.md"]
    assert (
        f"`{key}`" in page or re.search(rf"[{{`(,\s]{key}:[ `]", page) or re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`", page)
    )


def test_every_top_level_key_is_in_the_table():
    """All of them and no others, each with its default."""
    assert sorted(table("policy.md", "Top level")) == sorted(json_schema()["properties"])


def test_every_status_is_in_the_table():
    """In the order of the code."""
    assert table("statuses.md", "The seven statuses") == [status.value for status in Status]


def test_every_reason_is_in_the_table():
    """In the order of the code, with what to do."""
    assert table("statuses.md", "The reasons") == [reason.value for reason in Reason if reason]


def test_links_lead_somewhere():
    """A relative link names a page, and where it names a heading the page has it."""
    for name, text in PAGES.items():
        for target, anchor in re.findall(r"\]\(([\w./-]*)(?:#([\w-]+))?\)", text):
            path = (DOCS / name).parent / target if target else DOCS / name
            assert path.exists(), f"{name}: {target}"
            if anchor and path.suffix == ".md":
                titles = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
                slugs = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
                assert anchor in slugs, f"{name}: {target}#{anchor}"
