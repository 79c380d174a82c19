"""What `handrail init` writes works at once: three clients' configs, their real servers, each behind the proxy."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mcp.client.stdio import StdioServerParameters, stdio_client

from mcp import Client

NOTES = '''
from mcp.server import MCPServer

server = MCPServer("notes")


@server.tool()
def get_note(note_id: str) -> str:
    """Return one note."""
    return f"note {note_id}"


@server.tool()
def delete_note(note_id: str) -> str:
    """Delete one note."""
    return f"deleted {note_id}"


server.run()
'''


def handrail(folder, *args):
    env = {**os.environ, "HOME": str(folder / "home")}
    done = subprocess.run(
        [sys.executable, "-m", "handrail", *args], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path):
    """A project whose three MCP clients know a server each."""
    for name in ("one", "two"):
        subprocess.run(["git", "init", "-q", name], cwd=tmp_path, check=True)
    (tmp_path / "notes.py").write_text(NOTES)
    git = [sys.executable, "-m", "mcp_server_git", "--repository"]
    configs = {
        ".mcp.json": {"mcpServers": {"git": {"command": git[0], "args": [*git[1:], str(tmp_path / "one")]}}},
        ".cursor/mcp.json": {
            "mcpServers": {"notes": {"command": sys.executable, "args": [str(tmp_path / "notes.py")]}}
        },
        ".vscode/mcp.json": {"servers": {"docs": {"command": git[0], "args": [*git[1:], str(tmp_path / "two")]}}},
    }
    for name, config in configs.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(config))
    return tmp_path


CALLS = {
    "git": ("git_status", "git_commit", {"repo_path": "one", "message": "x"}),
    "docs": ("git_status", "git_commit", {"repo_path": "two", "message": "x"}),
    "notes": ("get_note", "delete_note", {"note_id": "1"}),
}


async def test_every_server_works_at_once(folder):
    """The checker accepts the policy; reads pass, writes are held with a ticket, and nothing was edited."""
    before = {name: (folder / name).read_text() for name in (".mcp.json", ".cursor/mcp.json", ".vscode/mcp.json")}
    changes = json.loads(handrail(folder, "init", "--yes", "--reviewer", "dana@example.com", "--json"))["changes"]
    handrail(folder, "policy", "check")
    assert {name: (folder / name).read_text() for name in before} == before
    assert len(changes) == 3
    seen = set()
    for change in changes:
        name = change["args"][change["args"].index("--server") + 1]
        read, write, args = CALLS[name]
        args = {key: str(folder / value) if key == "repo_path" else value for key, value in args.items()}
        words = StdioServerParameters(command=change["command"], args=change["args"], cwd=folder, env=dict(os.environ))
        with Path(folder / "stderr.txt").open("a") as errors:  # noqa: ASYNC230 (a file of the test)
            async with Client(stdio_client(words, errlog=errors)) as client:
                tools = {tool.name for tool in (await client.list_tools()).tools}
                assert {read, write} <= tools
                asked = {key: value for key, value in args.items() if key != "message"}
                assert not (await client.call_tool(read, asked)).is_error
                held = await client.call_tool(write, args)
                assert held.is_error
                assert "A person has to approve this: ticket T-" in held.content[0].text
        seen.add(name)
    assert seen == set(CALLS)
    assert handrail(folder, "review", "list").count("T-") == 3
