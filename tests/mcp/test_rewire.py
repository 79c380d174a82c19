"""The change in a config, the way back, and what is not shown."""

import sys
from pathlib import Path

import pytest

from handrail.mcp.rewire import HIDDEN, Guard, own_program, shown_words, unwrapped

GUARD = Guard(("/opt/bin/handrail",), "docs-bot", Path("/work/handrail.yaml"))
INNER = ("mcp-server-git", "--repository", "R", "--", "x")


def test_the_guarded_command():
    """Policy and names before, the server's own command behind."""
    assert GUARD.words("git", INNER) == (
        "/opt/bin/handrail", "mcp", "serve", "--agent", "docs-bot", "--policy", "/work/handrail.yaml", "--server", "git",
        "--", *INNER,
    )  # fmt: skip
    assert "--server" not in GUARD.words("", INNER)


@pytest.mark.parametrize("name", ["git", ""])
@pytest.mark.parametrize(
    "program", [("handrail",), ("/x/handrail",), ("/x/python", "-m", "handrail"), ("uvx", "handrail")]
)
def test_the_way_back(program, name):
    """However Handrail is started, the server's name and its own command are found again."""
    words = Guard(program, "docs-bot", GUARD.policy).words(name, INNER)
    assert unwrapped(words) == (name, INNER)
    assert GUARD.stands(name, INNER, words)


def test_the_way_back_with_an_equals_sign():
    """As people also write options."""
    assert unwrapped(("handrail", "mcp", "serve", "--server=git", "--", "x")) == ("git", ("x",))


@pytest.mark.parametrize(
    "words",
    [
        ("mcp-server-git",),
        ("npx", "mcp", "serve", "--", "x"),
        ("handrail", "mcp", "serve", "x"),
        ("handrail", "mcp", "serve", "--"),
        ("handrail", "doctor"),
    ],
)
def test_what_is_not_guarded_stays_as_it_is(words):
    """Another program's words are not ours to read."""
    assert unwrapped(words) == (None, words)
    assert not GUARD.stands("git", words, words)


def test_another_agent_or_policy_is_another_guard():
    """Then the change is shown again."""
    words = Guard(("handrail",), "other", GUARD.policy).words("git", INNER)
    assert not GUARD.stands("git", INNER, words)


@pytest.mark.parametrize(
    "words",
    [
        ["x", "--token", "hunter2"],
        ["x", "--api-key=hunter2"],
        ["x", "API_KEY=hunter2"],
        ["x", "postgresql://me:hunter2@db/x"],
        ["x", "--dsn=postgresql://me:hunter2@db/x"],
        ["x", "https://host/mcp?key=1&token=hunter2"],
        ["x", "https://[hunter2"],
        ["x", "ghp_hunter2hunter2"],
        ["x", "-p", "sk-hunter2hunter2"],
        ["x", "--header", "Authorization: Bearer hunter2"],
    ],
)
def test_what_looks_secret_is_not_shown(words):
    """The value goes, the option stays."""
    shown = shown_words(words)
    assert "hunter2" not in " ".join(shown)
    assert len(shown) == len(words)
    assert shown[0] == "x"
    assert any(HIDDEN in word for word in shown)


@pytest.mark.parametrize(
    "word", ["--repository", "/home/x/token-server", "https://host/mcp", "--port=80", "sqlite:///x.db", "--", "author"]
)
def test_what_does_not_look_secret_is_shown(word):
    """A config has to be readable."""
    assert shown_words(["x", word, "y"]) == ["x", word, "y"]


def test_this_handrail_can_be_started_from_anywhere():
    """By a full path: a client has another PATH than a shell."""
    program = own_program()
    assert Path(program[0]).is_absolute()
    assert program[0] == sys.executable or Path(program[0]).name == "handrail"
