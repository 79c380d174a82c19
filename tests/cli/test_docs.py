"""The pages tell what the commands do."""

import re
from pathlib import Path

import pytest
import typer

from handrail.cli.app import COMMANDS, app
from handrail.cli.exits import Code
from handrail.cli.review.approve import _remember
from handrail.core.ticket import GRANT_HOURS_MAX, GRANT_USES_MAX, TicketState
from handrail.policy.model import Document
from handrail.review.keys import SECRET_CHARS_MIN
from handrail.review.replay import STEPS_MAX

DOCS = Path(__file__).parents[2] / "docs"
CLI, REVIEW = ((DOCS / f"{name}.md").read_text(encoding="utf-8") for name in ("cli", "review"))


def commands(group, path=""):
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        yield from commands(command, f"{path} {name}") if hasattr(command, "commands") else ()


def ours():
    root = typer.main.get_command(app)
    for name in COMMANDS:
        found = root.get_command(None, name)
        if found is not None and name not in ("policy", "doctor", "demo"):
            if not hasattr(found, "commands"):
                yield f"handrail {name}", found
            else:
                yield from commands(found, f"handrail {name}")


OURS = dict(ours())


@pytest.mark.parametrize("path", OURS)
def test_every_command_and_option_has_its_place(path):
    """In the table of commands, or among the options of all."""
    line = next((line for line in CLI.splitlines() if line.startswith(f"| `{path}")), None)
    assert line is not None
    for param in OURS[path].params:
        for name in param.opts:
            if name.startswith("--") and name != "--help":
                assert name in CLI + REVIEW, f"{path} {name}"


@pytest.mark.parametrize("path", OURS)
def test_every_command_takes_json(path):
    """And names of the policy and the store."""
    names = {name for param in OURS[path].params for name in param.opts}
    assert {"--json", "--policy", "--store", "--config"} <= names


def test_the_table_names_no_command_that_is_not_there():
    """Nothing is promised."""
    for name in re.findall(r"^\| `handrail (\w+)", CLI, re.MULTILINE):
        assert name in COMMANDS


def test_the_exit_codes():
    """All of them, and no others."""
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", CLI, re.MULTILINE)] == sorted(Code)


def test_the_states_and_numbers():
    """As the code has them."""
    assert re.findall(r"^\| `(\w+)` \|", REVIEW, re.MULTILINE) == [state.value for state in TicketState]
    assert Document().pending_us == Document().valid_us == 30 * 60 * 1_000_000
    remember = _remember(None, None, None, remember=True)
    for said in (
        f"at least {SECRET_CHARS_MIN} characters",
        f"Up to {GRANT_USES_MAX} uses ({remember.uses} unless said)",
        f"{GRANT_HOURS_MAX} hours ({remember.hours:.0f} unless said)",
        f"at most {STEPS_MAX}",
    ):
        assert said in " ".join(REVIEW.split())
