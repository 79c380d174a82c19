"""The proxy between the real client of MCP's Python SDK and a real server, beside a direct connection."""

import asyncio
import json
import subprocess

import pytest
from tests.mcp.sdk import HEAD, SECRET, command, connected, handrail, plain

POLICY = (
    HEAD
    + """\
tools:
  git_status: {do: read, resource: "repo/{args.repo_path}"}
  git_log: {do: read, resource: "repo/{args.repo_path}"}
  git_diff: {do: read, resource: "repo/{args.repo_path}"}
  git_add:
    do: update
    resource: "repo/{args.repo_path}"
    ask: never
    before: {call: git_status, args: {repo_path: args.repo_path}}
  git_commit: {do: update, resource: "repo/{args.repo_path}"}
"""
)


def git(*args):
    return subprocess.run(["git", *args], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A project with a repository, and a reviewer with a secret."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handrail.yaml").write_text(POLICY)
    handrail("reviewer", "add", "dana@example.com", "--secret-stdin", input=SECRET)
    repo = tmp_path / "repo"
    git("init", "-q", str(repo))
    git("-C", str(repo), "config", "user.email", "a@example.com")
    git("-C", str(repo), "config", "user.name", "A")
    (repo / "file").write_text("one\n")
    git("-C", str(repo), "add", ".")
    git("-C", str(repo), "commit", "-qm", "first")
    (repo / "file").write_text("two\n")
    return tmp_path


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_reads_are_equal_to_a_direct_connection(folder, mode):
    """Log, diff and status pass; what is not declared is not shown."""
    repo = str(folder / "repo")
    server = (command("mcp-server-git"), "--repository", repo)
    async with connected(*server, mode=mode) as ours, connected(*server, mode=mode, guarded=False) as direct:
        assert ours.protocol_version == direct.protocol_version
        tools, all_tools = (await ours.list_tools()).tools, (await direct.list_tools()).tools
        names = [tool.name for tool in all_tools if tool.name in POLICY]
        assert [tool.name for tool in tools] == names
        assert "git_reset" not in names
        assert tools == [tool for tool in all_tools if tool.name in names]
        for name, more in (("git_status", {}), ("git_log", {"max_count": 3}), ("git_diff", {"target": "HEAD"})):
            args = {"repo_path": repo, **more}
            assert plain(await ours.call_tool(name, args)) == plain(await direct.call_tool(name, args))
        bad = {"repo_path": str(folder)}
        assert plain(await ours.call_tool("git_status", bad)) == plain(await direct.call_tool("git_status", bad))


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_commit_asks_and_runs_once_after_approval(folder, mode):
    """Approved by another process, over another connection; reset is denied."""
    repo = str(folder / "repo")
    server = (command("mcp-server-git"), "--repository", repo)
    commit = ("git_commit", {"repo_path": repo, "message": "second"})
    async with connected(*server, mode=mode) as client:
        assert not (await client.call_tool("git_add", {"repo_path": repo, "files": ["file"]})).is_error
        denied = await client.call_tool("git_reset", {"repo_path": repo})
        assert denied.is_error
        assert "not declared" in denied.content[0].text
        held = await client.call_tool(*commit)
        assert held.is_error
        ticket = held.meta["handrail/ticket"]
        assert "second" not in git("-C", repo, "log")
    handrail("review", "approve", ticket, "--as", "dana@example.com", "--secret-stdin", input=SECRET)
    async with connected(*server, mode=mode) as client:
        done = await client.call_tool(*commit)
        assert not done.is_error, done
        (folder / "repo" / "file").write_text("three\n")
        await client.call_tool("git_add", {"repo_path": repo, "files": ["file"]})
        again = await client.call_tool(*commit)
        assert again.is_error
        assert again.meta["handrail/ticket"] != ticket
    assert git("-C", repo, "log", "--format=%s").split() == ["second", "first"]


async def test_a_held_call_waits_for_a_person(folder):
    """`--wait`: the approval comes while the client waits, and the call runs."""
    repo = str(folder / "repo")
    git("-C", repo, "add", "file")
    server = (command("mcp-server-git"), "--repository", repo)
    async with connected(*server, options=("--wait", "30")) as client:
        commit = {"repo_path": repo, "message": "second"}
        call = asyncio.create_task(client.call_tool("git_commit", commit))
        while not (tickets := [word for word in handrail("review", "list").split() if word.startswith("T-")]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        approve = ("review", "approve", tickets[0], "--as", "dana@example.com", "--secret-stdin")
        await asyncio.to_thread(handrail, *approve, input=SECRET)
        assert not (await call).is_error
    assert "second" in git("-C", repo, "log")


async def test_a_before_image_is_read_through_the_same_server(folder):
    """Under an id that no client has; it stands in the journal as a child."""
    repo = str(folder / "repo")
    async with connected(command("mcp-server-git"), "--repository", repo) as client:
        assert not (await client.call_tool("git_add", {"repo_path": repo, "files": ["file"]})).is_error
    rows = [json.loads(row) for row in handrail("log", "--json").splitlines()]
    (write,) = [row for row in rows if row["tool"] == "git_add" and row["kind"] == "attempt"]
    assert "Changes not staged" in write["body"]["before"]
    (read,) = [row for row in rows if row["tool"] == "git_status" and row["kind"] == "attempt"]
    assert read["body"]["parent"] == write["action"]
