"""What the MCP proxy costs: the same calls direct and through it, interleaved in one run.

    python bench/mcp.py [--quick] [--json] [--filesystem FILE] [--fastmcp-python FILE]

- reads: `get_file_info` of npm's server-filesystem where its `dist/index.js` is named or `mcp-server-filesystem` is on
  the PATH, else `git_status` of mcp-server-git;
- writes, asking nobody: against a direct call and one SQLite insert that is synced to the disk;
- FastMCP's `create_proxy` beside it, where a Python with `fastmcp` is named.

The client is a few lines of raw JSON-RPC, so that what is measured is the server and what stands before it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from figures import Figure, at_most, report

FASTMCP = """
import sys
from fastmcp.server import create_proxy
from fastmcp.client.transports import StdioTransport
create_proxy(StdioTransport(sys.argv[1], sys.argv[2:])).run(show_banner=False)
"""

POLICY = """
version: 1
four_eyes: false
agents: {bench: {access: write}}
tools:
  get_file_info: {do: read, resource: "file/{args.path}"}
  write_file: {do: update, resource: "file/{args.path}", ask: never}
  git_status: {do: read, resource: "repo/{args.repo_path}"}
  git_add: {do: update, resource: "repo/{args.repo_path}", ask: never}
"""


class Client:
    """A raw client of one server over stdio."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder
        )
        assert self.process.stdout is not None
        self.lines = self.process.stdout
        self.count = 0
        hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
        self.ask("initialize", hello)
        self.write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def write(self, message: dict[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, method: str, params: dict[str, object]) -> dict[str, object]:
        """Make a request and return its result."""
        self.count += 1
        self.write({"jsonrpc": "2.0", "id": self.count, "method": method, "params": params})
        while True:
            answer = json.loads(self.lines.readline())
            if answer.get("id") == self.count and "method" not in answer:
                return dict(answer["result"])

    def call(self, name: str, args: dict[str, object]) -> None:
        """Call a tool; it has to succeed."""
        result = self.ask("tools/call", {"name": name, "arguments": args})
        assert not result.get("isError"), result

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)
        self.lines.close()


class Server(NamedTuple):
    """A server, and what is measured of it."""

    name: str
    command: list[str]
    read: tuple[str, dict[str, object]]
    write: tuple[str, Callable[[int], dict[str, object]]]


def filesystem(script: str, folder: Path) -> Server:
    """Return npm's file server over a folder."""
    command = ["node", script] if script.endswith(".js") else [script]
    file = folder / "file.txt"
    file.write_text("x" * 400)
    return Server(
        "server-filesystem",
        [*command, str(folder)],
        ("get_file_info", {"path": str(file)}),
        ("write_file", lambda n: {"path": str(folder / "out.txt"), "content": f"{n}" * 40}),
    )


def git(folder: Path) -> Server:
    """Return the git server over a new repository."""
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    (folder / "file.txt").write_text("x")
    program = shutil.which("mcp-server-git", path=str(Path(sys.executable).parent)) or "mcp-server-git"
    where = {"repo_path": str(folder)}
    return Server(
        "mcp-server-git",
        [program, "--repository", str(folder)],
        ("git_status", dict(where)),
        ("git_add", lambda _n: {**where, "files": ["file.txt"]}),
    )


def interleaved(calls: list[Callable[[int], object]], count: int, warm: int) -> list[float]:
    """Return the median of each call in milliseconds, measured in turn."""
    times: list[list[float]] = [[] for _ in calls]
    for n in range(count + warm):
        for call, mine in zip(calls, times, strict=True):
            begun = time.perf_counter()
            call(n)
            if n >= warm:
                mine.append(time.perf_counter() - begun)
    return [statistics.median(mine) * 1e3 for mine in times]


def synced_insert(folder: Path) -> Callable[[int], object]:
    """Return one row in one transaction that is on the disk afterwards."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body TEXT)")
    return lambda _n: connection.execute("INSERT INTO t (body) VALUES (?)", ("x" * 400,))


def measure(chosen: argparse.Namespace) -> Iterator[Figure]:
    """Yield the figures."""
    count = 400 if chosen.quick else 3_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "data").mkdir()
        (folder / "handrail.yaml").write_text(POLICY)
        server = filesystem(chosen.filesystem, folder / "data") if chosen.filesystem else git(folder / "data")
        proxy = [sys.executable, "-m", "handrail", "mcp", "serve", "--agent", "bench", "--", *server.command]
        direct, through = Client(server.command, folder), Client(proxy, folder)
        clients = [direct, through]
        if chosen.fastmcp_python:
            clients.append(Client([chosen.fastmcp_python, "-c", FASTMCP, *server.command], folder))
        tool, args = server.read
        reads = [lambda _n, client=client: client.call(tool, args) for client in clients]
        base, ours, *theirs = interleaved(reads, count, 50)
        label = f"{server.name} {tool}, p50"
        yield at_most(f"{label}: added by the proxy", ours - base, "ms", 1.0, base)
        yield at_most(f"{label}: through the proxy over direct", ours / base, "x", 1.6, 1.0)
        if theirs:
            yield Figure(f"{label}: added by FastMCP's proxy", theirs[0] - base, "ms", base)
            yield Figure(f"{label}: through FastMCP's proxy over direct", theirs[0] / base, "x", 1.0)
        tool, make = server.write
        insert = synced_insert(folder)
        writes = [
            lambda n: (direct.call(tool, make(n)), insert(n)),
            lambda n: through.call(tool, make(n)),
        ]
        base, ours = interleaved(writes, max(count // 4, 100), 20)
        yield Figure(f"{server.name} {tool}, p50: through the proxy over call + synced insert", ours / base, "x", 1.0)
        yield Figure(f"{server.name} {tool}, p50: through the proxy", ours, "ms", base)
        for client in clients:
            client.close()


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")
    parser.add_argument("--quick", action="store_true", help="under 40 s")
    parser.add_argument("--filesystem", default=shutil.which("mcp-server-filesystem"), help="its dist/index.js")
    parser.add_argument("--fastmcp-python", help="a Python that has fastmcp")
    return parser.parse_args()


if __name__ == "__main__":
    chosen = options()
    report(measure(chosen), as_json=chosen.json)
