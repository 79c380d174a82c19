"""Configs of clients: what they start, placeholders, names, and what is refused."""

import json
from pathlib import Path

import pytest

from handrail.mcp.ask import Command
from handrail.mcp.clients import (
    CLAUDE_CODE,
    CLAUDE_DESKTOP,
    CURSOR,
    VSCODE,
    ConfigError,
    ConfigFile,
    entries,
    named,
    places,
    server_name,
)

ENVIRON = {"TOKEN": "hunter2", "EMPTY": ""}


def read(folder, servers, client=CLAUDE_CODE, text=None):
    file = folder / "config.json"
    file.write_text(json.dumps({client.key: servers}) if text is None else text)
    return entries(ConfigFile(client, file), folder, ENVIRON, Path("/home/dana"))


def one(folder, **value):
    (entry,) = read(folder, {"it": value})
    return entry


@pytest.mark.parametrize(
    ("platform", "environ", "own"),
    [
        ("linux", {}, "/home/dana/.config/Claude/claude_desktop_config.json"),
        ("linux", {"XDG_CONFIG_HOME": "/cfg"}, "/cfg/Claude/claude_desktop_config.json"),
        ("darwin", {}, "/home/dana/Library/Application Support/Claude/claude_desktop_config.json"),
        ("win32", {"APPDATA": "/app"}, "/app/Claude/claude_desktop_config.json"),
    ],
)
def test_where_configs_are(platform, environ, own):
    """Three in the project, one where the system keeps it."""
    found = places(Path("/p"), environ, Path("/home/dana"), platform)
    assert [(place.client, str(place.file)) for place in found] == [
        (CLAUDE_CODE, "/p/.mcp.json"),
        (CURSOR, "/p/.cursor/mcp.json"),
        (VSCODE, "/p/.vscode/mcp.json"),
        (CLAUDE_DESKTOP, own),
    ]


def test_a_config_that_is_not_there_has_no_servers(tmp_path):
    """Nor has one without the key, or below a file."""
    (tmp_path / "file").write_text("")
    for file in (tmp_path / "no.json", tmp_path / "file" / "x.json"):
        assert entries(ConfigFile(CURSOR, file), tmp_path, {}, tmp_path) == ()
    assert read(tmp_path, {}, text="{}") == ()


def test_a_server_is_started_as_its_client_would(tmp_path):
    """Command, arguments, environment, folder; VS Code's key and comments."""
    text = """{
      // two servers
      "servers": {"a": {"type": "stdio", "command": "x", "args": ["1"], "env": {"A": "b", "N": 7, "U": null},
                        "cwd": "${workspaceFolder}/sub"}, "b": {"command": "./bin/y"},},
    }"""
    first, second = read(tmp_path, {}, VSCODE, text)
    assert first.command == Command(("x", "1"), {"A": "b", "N": "7"}, tmp_path / "sub")
    assert first.words == first.written == ("x", "1")
    assert second.command == Command((str(tmp_path / "./bin/y"),), {}, tmp_path)
    assert (first.title, first.name, first.client, first.guarded, first.url) == ("a", "a", VSCODE, False, False)


@pytest.mark.parametrize(
    ("written", "filled"),
    [
        ("${TOKEN}", "hunter2"),
        ("${env:TOKEN}", "hunter2"),
        ("a${EMPTY:-b}c", "ac"),
        ("${NONE:-b/c}", "b/c"),
        ("${userHome}${/}x", "/home/dana/x"),
        ("$TOKEN {TOKEN}", "$TOKEN {TOKEN}"),
    ],
)
def test_placeholders_are_filled_in(tmp_path, written, filled):
    """In arguments and the environment, as the clients do; the words as written keep them."""
    entry = one(tmp_path, command="x", args=[written], env={"E": written})
    assert entry.command == Command(("x", filled), {"E": filled}, tmp_path)
    assert entry.words == ("x", written)


def test_the_folder_of_the_project(tmp_path):
    """Under each of its names."""
    entry = one(
        tmp_path, command="x", args=["${workspaceFolder}", "${workspaceFolderBasename}", "${CLAUDE_PROJECT_DIR}"]
    )
    assert entry.command.words == ("x", str(tmp_path), tmp_path.name, str(tmp_path))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"command": "x", "args": ["${input:tok}"]}, "Only the client can fill in '${input:tok}'"),
        ({"command": "x", "args": ["${MISSING}"]}, "environment variable 'MISSING', which is not set here"),
        ({"command": "x", "env": {"A": "${env:MISSING}"}}, "environment variable 'env:MISSING'"),
        ({"command": "x", "env": ["A"]}, "Its 'env' is not an object of texts."),
        ({"command": "x", "env": {"A": [1]}}, "Its 'env' is not an object of texts."),
        ({"command": "x", "args": "y"}, "Its 'args' are not a list of texts."),
        ({"command": "x", "args": [7]}, "Its 'args' are not a list of texts."),
        ({"command": 7}, "neither a command nor a web address"),
        ({"command": " "}, "neither a command nor a web address"),
        ({}, "neither a command nor a web address"),
        ([], "Its entry is not an object."),
    ],
)
def test_what_cannot_be_started_says_why(tmp_path, value, said):
    """The other servers of the config go on."""
    bad, good = read(tmp_path, {"bad": value, "good": {"command": "x"}})
    assert said in bad.problem
    assert bad.command is None
    assert good.command is not None


@pytest.mark.parametrize("value", [{"url": "https://h/mcp"}, {"type": "http", "url": "x"}, {"serverUrl": "x"}])
def test_a_server_on_the_web_is_told_apart(tmp_path, value):
    """It is not started, so it is not guarded."""
    (entry,) = read(tmp_path, {"web": value})
    assert entry.url
    assert entry.command is None


def test_a_guarded_server_is_seen_through(tmp_path):
    """Its own command is asked, under the name that its proxy has."""
    args = ["mcp", "serve", "--agent", "a", "--server", "git-2", "--", "mcp-server-git", "${TOKEN}"]
    entry = one(tmp_path, command="/x/handrail", args=args)
    assert entry.guarded
    assert (entry.name, entry.words) == ("git-2", ("mcp-server-git", "${TOKEN}"))
    assert entry.command == Command(("mcp-server-git", "hunter2"), {}, tmp_path)
    assert entry.written == ("/x/handrail", *args)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not a JSON object"),
        ("{", "it is not JSON"),
        ('{"mcpServers": []}', "its 'mcpServers' is not an object"),
        ('{"mcpServers": {"a": {"command": "x", "command": "y"}}}', "'command' stands twice"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps({"mcpServers": {str(number): {} for number in range(201)}}), "more than 200 servers"),
        (" " * (1024 * 1024 + 1), "larger than 1 MiB"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_sentence(tmp_path, text, said):
    """With its file."""
    with pytest.raises(ConfigError, match="cannot be used") as caught:
        read(tmp_path, {}, text=text)
    assert said in str(caught.value)
    assert str(tmp_path / "config.json") in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_config_that_cannot_be_read_is_one_sentence(tmp_path):
    """A folder in its place."""
    with pytest.raises(ConfigError, match=r"cannot be read: Is a directory\."):
        entries(ConfigFile(CURSOR, tmp_path), tmp_path, {}, tmp_path)


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("git", "git"),
        ("My Server (2)", "My-Server-2"),
        ("a.b", "a-b"),
        ("--x", "x"),
        ("\x1b[31m", "31m"),
        ("***", "server"),
        ("Müller", "Müller"),
        ("x" * 99, "x" * 60),
    ],
)
def test_a_server_is_called_by_a_name_without_dots(title, name):
    """What the first dot of a tool's name ends."""
    assert server_name(title) == name


def test_different_servers_have_different_names(tmp_path):
    """The same command in two configs is one server; one that is guarded keeps its name, whatever its place."""
    guarded = ["mcp", "serve", "--agent", "a", "--server", "GIT", "--", "third"]
    found = [
        *read(tmp_path, {"git": {"command": "first"}, "other": {"command": "x"}}),
        *read(tmp_path, {"git": {"command": "second"}}),
        *read(tmp_path, {"git": {"command": "first"}}),
        *read(tmp_path, {"git": {"command": "handrail", "args": guarded}}),
        *read(tmp_path, {"git": {"command": "handrail", "args": [*guarded[:-1], "fourth"]}}),
    ]
    assert [(one.name, one.guarded) for one in named(found)] == [
        ("git-3", False),
        ("other", False),
        ("git-4", False),
        ("git-3", False),
        ("GIT", True),
        ("GIT-2", False),
    ]
