"""Clients of MCP's Python SDK, through the proxy or directly, and the command line beside them."""

import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from mcp.client.stdio import StdioServerParameters, stdio_client

from mcp import Client

SECRET = "a secret of dana's"
HEAD = """\
version: 1
four_eyes: false
reviewers: [dana@example.com]
agents: {bot: {access: write, owner: kim@example.com, tokens_per_day: 1000}}
"""


def command(name):
    """Return a program of this environment."""
    return str(Path(sys.executable).parent / name)


def handrail(*args, input=None):
    """Run the command line in a process of its own; return its stdout."""
    ended = subprocess.run(
        [sys.executable, "-m", "handrail", *args], input=input, capture_output=True, text=True, check=False, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def proxied(*server, options=()):
    """Return the words that start the proxy before a server."""
    return [sys.executable, "-m", "handrail", "mcp", "serve", "--agent", "bot", *options, "--", *server]


@asynccontextmanager
async def connected(*server, mode="auto", guarded=True, options=(), **callbacks):
    """A client of a server, through the proxy or directly."""
    words = proxied(*server, options=options) if guarded else server
    with Path("stderr.txt").open("a") as errors:  # noqa: ASYNC230 (a file of the test)
        parameters = StdioServerParameters(command=words[0], args=list(words[1:]), env=dict(os.environ))
        async with Client(stdio_client(parameters, errlog=errors), mode=mode, **callbacks) as client:
            yield client


def plain(result):
    """Return a result as JSON, without what names the process."""
    return result.model_dump(mode="json", exclude={"meta"})
