"""The proxy before servers that others wrote, beside a direct connection in the same test."""

import asyncio
import json
import subprocess

import pytest
from mcp_types import ElicitResult
from tests.mcp.sdk import HEAD, connected, handrail, plain, proxied

EVERYTHING = (
    HEAD
    + """\
tools:
  echo: {do: read}
  get-sum: {do: read}
  get-structured-content: {do: read}
  get-annotated-message: {do: read}
  get-tiny-image: {do: read}
  get-resource-links: {do: read}
  get-resource-reference: {do: read}
  trigger-long-running-operation: {do: read}
  trigger-elicitation-request: {do: read}
  resources/read: {do: read, resource: "{args.uri}"}
  prompts/get: {do: read, resource: "prompt/{args.name}"}
"""
)

FILES = (
    HEAD
    + """\
tools:
  read_text_file: {do: read, resource: "file/{args.path}"}
  get_file_info: {do: read, resource: "file/{args.path}"}
  list_directory: {do: read, resource: "file/{args.path}"}
  write_file:
    do: update
    resource: "file/{args.path}"
    ask: never
    verify: {call: read_text_file, args: {path: args.path}, expect: ["seen.content == args.content"]}
  move_file: {do: move, resource: "file/{args.source}", to: "file/{args.destination}"}
"""
)

LEADS = (
    HEAD
    + """\
tools:
  read_query: {do: read, resource: "table/leads"}
  list_tables: {do: read, resource: "table/leads"}
  write_query:
    do: update
    resource: "table/leads"
    ask: never
    before: {call: read_query, args: {query: {value: "SELECT * FROM leads"}}}
  resources/read: {do: read, resource: "{args.uri}"}
  prompts/get: {do: read, resource: "prompt/{args.name}"}
rules:
  - {id: no-drop, for: write_query, when: 'args.query.contains("DROP")', then: deny}
  - {id: no-globex, for: write_query, when: 'before.contains("Globex")', then: ask}
"""
)

CALLS = (
    ("echo", {"message": "x \u00e9 \U0001f600"}),
    ("echo", {}),
    ("get-sum", {"a": 1.5, "b": 2}),
    ("get-structured-content", {"location": "Chicago"}),
    ("get-annotated-message", {"messageType": "success", "includeImage": True}),
    ("get-tiny-image", {}),
    ("get-resource-links", {"count": 2}),
    ("get-resource-reference", {}),
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_everything_is_as_direct(folder, everything, mode):
    """Lists (but for what is denied), contents of every kind, structured content, resources, prompts, completion."""
    (folder / "handrail.yaml").write_text(EVERYTHING)
    async with connected(*everything, mode=mode) as ours, connected(*everything, mode=mode, guarded=False) as direct:
        assert ours.protocol_version == direct.protocol_version
        all_tools = (await direct.list_tools()).tools
        assert (await ours.list_tools()).tools == [tool for tool in all_tools if f"  {tool.name}:" in EVERYTHING]
        for name, args in CALLS:
            through, bare = plain(await ours.call_tool(name, args)), plain(await direct.call_tool(name, args))
            if args or name != "echo":
                assert through == bare
            else:  # the schema's `required` is checked before the server is asked
                assert through["is_error"]
                assert bare["is_error"]
        assert (await ours.call_tool("get-env", {})).is_error
        for listed in ("list_resources", "list_resource_templates", "list_prompts"):
            assert plain(await getattr(ours, listed)()) == plain(await getattr(direct, listed)())
        uri = str((await direct.list_resources()).resources[0].uri)
        assert plain(await ours.read_resource(uri)) == plain(await direct.read_resource(uri))
        prompt = ("args-prompt", {"city": "Chicago"})
        assert plain(await ours.get_prompt(*prompt)) == plain(await direct.get_prompt(*prompt))


async def test_progress_and_elicitation_are_as_direct(folder, everything):
    """Notifications and questions of the server reach the client, and its answers the server."""
    (folder / "handrail.yaml").write_text(EVERYTHING)
    seen = {}

    async def talk(client, name):
        told = seen[name] = []

        async def progress(done, total, message):
            told.append((done, total, message))

        long = ("trigger-long-running-operation", {"duration": 0.4, "steps": 4})
        first = plain(await client.call_tool(*long, progress_callback=progress))
        return first, plain(await client.call_tool("trigger-elicitation-request", {}))

    async def accept(_context, _params):
        return ElicitResult(action="accept", content={"name": "Ada", "check": True})

    async with (
        connected(*everything, elicitation_callback=accept) as ours,
        connected(*everything, guarded=False, elicitation_callback=accept) as direct,
    ):
        assert await talk(ours, "ours") == await talk(direct, "direct")
    assert seen["ours"] == seen["direct"]
    assert len(seen["ours"]) == 4


async def test_a_cancelled_call_is_cancelled_at_the_server(folder, everything):
    """A read is only cancelled, and the connection goes on."""
    (folder / "handrail.yaml").write_text(EVERYTHING)
    async with connected(*everything) as client:
        long = asyncio.create_task(client.call_tool("trigger-long-running-operation", {"duration": 30, "steps": 3}))
        await asyncio.sleep(0.5)
        long.cancel()
        await asyncio.gather(long, return_exceptions=True)
        assert not (await client.call_tool("get-sum", {"a": 1, "b": 2})).is_error
    rows = [json.loads(row) for row in handrail("log", "--json").splitlines()]
    assert ("trigger-long-running-operation", "failed", "cancelled") in [
        (row["tool"], row["status"], row["reason"]) for row in rows
    ]


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_files_are_read_and_written_and_verified(folder, filesystem, mode):
    """A write is read back through the same server; what is not declared is denied; a move waits for a person."""
    (folder / "handrail.yaml").write_text(FILES)
    data = folder / "data"
    data.mkdir()
    (data / "a.txt").write_text("hello " * 50_000)
    server = (*filesystem, str(data))
    async with connected(*server, mode=mode) as ours, connected(*server, mode=mode, guarded=False) as direct:
        for name, path in (("read_text_file", "a.txt"), ("get_file_info", "a.txt"), ("list_directory", ".")):
            args = {"path": str(data / path)}
            through, bare = plain(await ours.call_tool(name, args)), plain(await direct.call_tool(name, args))
            assert through == bare
            assert name != "read_text_file" or through["structured_content"]["content"] == "hello " * 50_000
        assert not (await ours.call_tool("write_file", {"path": str(data / "b.txt"), "content": "b"})).is_error
        assert (data / "b.txt").read_text() == "b"
        assert (await ours.call_tool("create_directory", {"path": str(data / "c")})).is_error
        held = await ours.call_tool("move_file", {"source": str(data / "b.txt"), "destination": str(data / "c.txt")})
        assert "A person has to approve this" in held.content[0].text
        assert (data / "b.txt").exists()
        assert not (data / "c").exists()


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_database_server_behind_rules(folder, sqlite_server, mode):
    """A server of the first SDK: as direct; a before-image is read through it, and rules see what it holds."""
    (folder / "handrail.yaml").write_text(LEADS)
    server = (sqlite_server, "--db-path", str(folder / "leads.db"))
    query = {"query": "SELECT * FROM leads"}
    async with connected(*server, mode=mode, guarded=False) as direct:
        await direct.call_tool("create_table", {"query": "CREATE TABLE leads (id INTEGER, name TEXT)"})
        await direct.call_tool("write_query", {"query": "INSERT INTO leads VALUES (1, 'Acme')"})
    async with connected(*server, mode=mode) as ours, connected(*server, mode=mode, guarded=False) as direct:
        assert [tool.name for tool in (await ours.list_tools()).tools] == ["read_query", "write_query", "list_tables"]
        assert plain(await ours.list_resources()) == plain(await direct.list_resources())
        assert plain(await ours.list_prompts()) == plain(await direct.list_prompts())
        memo = "memo://insights"
        assert plain(await ours.read_resource(memo)) == plain(await direct.read_resource(memo))
        topic = ("mcp-demo", {"topic": "dogs"})
        assert plain(await ours.get_prompt(*topic)) == plain(await direct.get_prompt(*topic))
        assert plain(await ours.call_tool("read_query", query)) == plain(await direct.call_tool("read_query", query))
        assert not (await ours.call_tool("write_query", {"query": "UPDATE leads SET name = 'Globex'"})).is_error
        held = await ours.call_tool("write_query", {"query": "UPDATE leads SET name = 'Initech'"})
        assert held.meta["handrail/ticket"]
        assert (await ours.call_tool("write_query", {"query": "DROP TABLE leads"})).meta["handrail/status"] == "denied"
        assert "Globex" in (await direct.call_tool("read_query", query)).content[0].text


def test_the_inspector_works_through_the_proxy(folder, node_modules, filesystem):
    """A client that others wrote: lists, calls, and is refused."""
    (folder / "handrail.yaml").write_text(FILES)
    (folder / "data").mkdir()
    (folder / "data" / "a.txt").write_text("hello")
    bin = node_modules / ".bin" / "mcp-inspector"

    def inspect(*words):
        command = [str(bin), "--cli", *proxied(*filesystem, str(folder / "data")), *words]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def call(name, **args):
        words = [word for key, value in args.items() for word in ("--tool-arg", f"{key}={value}")]
        return inspect("--method", "tools/call", "--tool-name", name, *words)

    names = [tool["name"] for tool in inspect("--method", "tools/list")["tools"]]
    assert sorted(names) == ["get_file_info", "list_directory", "move_file", "read_text_file", "write_file"]
    read = call("read_text_file", path=folder / "data" / "a.txt")
    assert read["content"][0]["text"] == "hello"
    denied = call("create_directory", path=folder / "data" / "b")
    assert denied["isError"] is True
    assert not (folder / "data" / "b").exists()
