"""The server's tools between its own list and the policy."""

import asyncio
import json

import pytest

import handrail
from handrail.mcp.answers import ServerAnswer, ServerError
from handrail.mcp.catalogue import Catalogue
from handrail.mcp.link import ServerLink
from handrail.mcp.message import read
from handrail.mcp.tools import ServerTools

POLICY = """\
version: 1
agents: {bot: {access: write}}
tools:
  db.get: {do: read}
  db.again: {do: read, idempotent: true}
  db.put: {do: update, idempotent: true}
  other.get: {do: read}
"""
LISTED = [
    {
        "name": "get",
        "inputSchema": {"type": "object", "properties": {"env": {"default": "prod"}, "id": {"type": "string"}}},
        "outputSchema": {"type": "object", "required": ["n"]},
    },
    {"name": "hidden", "inputSchema": {"type": "object"}},
]


class Project:
    """An open policy, and a server that answers at once."""

    def __init__(self, folder):
        (folder / "handrail.yaml").write_text(POLICY)
        self.workspace = handrail.open(folder / "handrail.yaml", store="memory:")
        self.catalogue = Catalogue("db")
        self.sent = []
        self.result = {"content": [], "structuredContent": {"n": 1}}
        self.link = ServerLink(self.send)
        self.tools = ServerTools(self.workspace, self.catalogue, self.link)

    def send(self, line):
        message = json.loads(line)
        self.sent.append(message)
        result = {"tools": LISTED} if message["method"] == "tools/list" else self.result
        asyncio.get_running_loop().call_soon(
            lambda: self.link.answered(answer({"jsonrpc": "2.0", "id": message["id"], "result": result}))
        )

    async def call(self, name, **args):
        return await self.tools.body(name, args).call()


def answer(message):
    line = json.dumps(message).encode()
    return ServerAnswer(line, read(line))


@pytest.fixture
def project(tmp_path):
    """Closed afterwards."""
    found = Project(tmp_path)
    yield found
    found.workspace.close()


def test_only_what_the_policy_says_is_repeated_by_handrail(project):
    """Of the rest the agent is told; another policy is another answer."""
    tools = project.tools
    assert not tools.declared("db.get").repeatable
    assert tools.declared("db.again").repeatable
    assert tools.declared("db.put").repeatable
    assert tools.declared("db.unknown") is None
    from handrail.policy import loads

    project.workspace.adopt(
        loads(POLICY.replace("db.get: {do: read}", "db.get: {do: read, idempotent: true}"), source="x")
    )
    assert tools.declared("db.get").repeatable


async def test_the_list_is_asked_for_once(project):
    """For all who wait, and not again for what is not in it."""
    found = await asyncio.gather(*(project.tools.offered(name) for name in ("get", "get", "hidden", "none")))
    assert [one and one.name for one in found] == ["get", "get", "hidden", None]
    assert await project.tools.offered("none") is None
    assert len(project.sent) == 1


async def test_own_calls_are_checked_as_any(project):
    """Defaults, schema of the arguments, schema of the result."""
    assert await project.call("db.get", id="a") == {"n": 1}
    assert project.sent[-1]["params"] == {"name": "get", "arguments": {"env": "prod", "id": "a"}}
    with pytest.raises(ServerError, match="arguments are not valid: id must be a string"):
        await project.call("db.get", id=1)
    with pytest.raises(ServerError, match="does not list a tool 'none'"):
        await project.call("db.none")
    project.result = {"content": [], "structuredContent": {}}
    with pytest.raises(ServerError, match="result is not valid: n is required"):
        await project.call("db.get")
    project.result = {"content": [{"type": "text", "text": "why"}], "isError": True}
    with pytest.raises(ServerError, match="why"):
        await project.call("db.get")
    project.result = {"resultType": "input_required"}
    with pytest.raises(ServerError, match="asked back"):
        await project.call("db.get")


async def test_own_reads_of_resources(project):
    """By the method's name; tools of other servers are not ours."""
    project.result = {"contents": [1]}
    assert await project.call("db.resources/read", uri="u") == [1]
    assert project.sent[-1]["method"] == "resources/read"
    assert project.tools.body("other.get", {}) is None


def test_a_page_without_a_list_is_an_error(project):
    """The server's own error passes; what can be read in two ways does not."""
    error = answer({"jsonrpc": "2.0", "id": 1, "error": {"code": 5, "message": "x"}})
    assert project.tools.shown(error) == error.line
    assert b'"error"' in project.tools.shown(answer({"jsonrpc": "2.0", "id": 1, "result": {"tools": 3}}))
    line = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[]}}'
    assert b'"error"' in project.tools.shown(ServerAnswer(line, read(line)))
    page = answer({"jsonrpc": "2.0", "id": 1, "result": {"tools": LISTED, "nextCursor": "x"}})
    assert json.loads(project.tools.shown(page))["result"] == {"tools": LISTED[:1], "nextCursor": "x"}
