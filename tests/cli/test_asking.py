"""Which servers are asked, and what they are called; the conversations themselves are in tests/mcp/test_ask.py."""

import json
import sys
from pathlib import Path

import pytest

from handrail.cli.asking import AT_ONCE, Found, ask_servers, by_web, find_servers, may_start, problem_of
from handrail.cli.exits import UsageError
from handrail.mcp.ask import Command

SERVER = Path(__file__).parents[1] / "mcp" / "scripted_server.py"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A user without configs."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)


def config(folder, name, servers):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"mcpServers": servers}))


def test_a_command_is_the_only_server(tmp_path):
    """Configs are not looked at."""
    config(tmp_path, ".mcp.json", {"other": {"command": "x"}})
    found = find_servers(["x", "--y"], "crm", tmp_path)
    assert found == Found({"crm": Command(("x", "--y"))})
    assert found.names == ["crm"]
    assert found.title("crm") == "crm"
    assert find_servers(["x"], None, tmp_path).origin("") == "x"


def test_configs_of_the_user_and_of_the_folder(tmp_path):
    """In the order of the configs; web servers are not started."""
    config(tmp_path, ".mcp.json", {"b": {"command": "x"}, "web": {"url": "https://h"}, "bad": {}})
    config(tmp_path, ".cursor/mcp.json", {"b": {"command": "x"}, "a": {"command": "y"}})
    own = tmp_path / "home" / ".config" / "Claude"
    own.mkdir(parents=True)
    config(own, "claude_desktop_config.json", {"c": {"command": "z"}})
    found = find_servers([], None, tmp_path)
    assert found.names == ["b", "bad", "a", "c"]
    assert list(found.commands) == ["b", "a", "c"]
    assert list(found.problems) == ["bad"]
    assert [one.title for one in found.by_web] == ["web"]
    assert found.origin("b") == "b (Claude Code, Cursor)"
    assert "NOT guarded" in by_web(found.by_web[0])


def test_no_server_anywhere(tmp_path):
    """Says where it looked, and what to do."""
    with pytest.raises(UsageError, match=r"\.mcp\.json, \.cursor/mcp\.json.*handrail init -- COMMAND"):
        find_servers([], None, tmp_path)


def test_what_stands_on_the_command_line_needs_no_agreement(tmp_path):
    """Only configs may be somebody else's."""
    may_start(find_servers(["x"], None, tmp_path), yes=False)
    config(tmp_path, ".mcp.json", {"web": {"url": "https://h"}})
    may_start(find_servers([], None, tmp_path), yes=False)


def test_all_are_asked_and_each_has_its_answer():
    """More than go at once, good and bad, in order."""
    good = Command((sys.executable, str(SERVER), "paged"))
    commands = {f"s{number}": good for number in range(AT_ONCE + 2)} | {"bad": Command(("no-such-program-here",))}
    answers = ask_servers(Found(commands, problems={"odd": "It is odd."}), 30)
    assert list(answers.listings) == [name for name in commands if name != "bad"]
    assert all(len(one.tools) == 3 for one in answers.listings.values())
    assert list(answers.problems) == ["odd", "bad"]


def test_a_sentence_names_its_server():
    """Safe to print, with a name or without."""
    assert (
        problem_of("x\x1b", "It ended.") == r"Server 'x\x1b' could not be asked, so no tool of it is allowed. It ended."
    )
    assert problem_of("", "It ended.").startswith("The server could not")
