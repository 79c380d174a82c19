"""Calling a server's tools without a client: a real server of MCP's Python SDK, and servers that misbehave."""

import os
import sys
import threading
import time
from pathlib import Path

import pytest

import handrail
from handrail.mcp import ask, reach
from handrail.mcp.answers import ServerError
from handrail.mcp.ask import Command
from handrail.mcp.lock import Lock, pins_of
from handrail.mcp.reach import reached

REAL = """\
import os, time
from pathlib import Path
from mcp.server.mcpserver import MCPServer
Path("pid").write_text(str(os.getpid()))
app = MCPServer("crm")
@app.tool()
def add(a: int, b: int = 2) -> dict[str, int]: return {"sum": a + b}
@app.tool()
def fail() -> str: raise ValueError("no")
app.run()
"""
ODD = """\
import json, os, sys, time
from pathlib import Path
Path("pid").write_text(str(os.getpid()))
def say(value): print(json.dumps(value).replace('"BIG"', "1e999"), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    id, method = message.get("id"), message.get("method")
    if method == "initialize":
        say({"jsonrpc": "2.0", "id": id, "result": {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "x", "version": "1"}}})
    elif method == "tools/list":
        schema = {"type": "object", "properties": {"x": {"type": "number", "default": DEFAULT}}}
        names = ("slow", "die", "task", "ask", "bad", "twice", "chatty", "well")
        out = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        tools = [{"name": name, "inputSchema": schema, **({"outputSchema": out} if name == "bad" else {})} for name in names]
        say({"jsonrpc": "2.0", "id": id, "result": {"tools": tools}})
    elif method == "tools/call":
        name = message["params"]["name"]
        result = {"content": [{"type": "text", "text": "fine"}]}
        if name == "slow": time.sleep(5)
        if name == "die": os._exit(3)
        if name == "task": result = {"task": {"taskId": "t1", "status": "working"}}
        if name == "ask": result = {"resultType": "input_required", "requestState": "s"}
        if name == "bad": result = {"content": [], "structuredContent": {"n": "many"}}
        if name == "twice":
            print('{"jsonrpc": "2.0", "id": %d, "result": {"content": []}, "result": {"content": []}}' % id, flush=True)
            continue
        if name == "chatty":
            for _ in range(1500): say({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
        say({"jsonrpc": "2.0", "id": id, "result": result})
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ask, "GRACE_S", 0.3)
    return tmp_path


def server(source):
    Path("server.py").write_text(source)
    return Command((sys.executable, "server.py"))


def odd(default="1"):
    return server(ODD.replace("DEFAULT", default))


def call(tools, name, **args):
    return tools.body(name, args).call()


def is_alive():
    try:
        os.kill(int(Path("pid").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


def no_thread():
    return all(thread.name != "handrail-mcp" for thread in threading.enumerate())


def test_a_real_server_is_called_and_ended():
    """Its values are what the proxy's are; an error of its tool is one here."""
    with reached(server(REAL), "", Lock()) as tools:
        assert call(tools, "add", a=1) == {"sum": 3}
        assert call(tools, "add", a=1, b=5) == {"sum": 6}
        with pytest.raises(ServerError, match="Error executing tool fail"):
            call(tools, "fail")
        with pytest.raises(handrail.NotDone, match="arguments are not valid"):
            call(tools, "add", a="one")
        with pytest.raises(handrail.NotDone, match=r"Did you mean 'add'.*--server NAME"):
            call(tools, "ad", a=1)
        assert is_alive()
    assert not is_alive()
    assert no_thread()


def test_tools_have_the_servers_name_before_them():
    """Others are not here, so that the next place is asked for them."""
    with reached(odd(), "crm", Lock()) as tools:
        assert call(tools, "crm.well") == "fine"
        assert tools.body("mail.well", {}) is None
        with pytest.raises(handrail.NotDone) as refused:
            call(tools, "crm.nothing")
        assert "--server" not in str(refused.value)


def test_a_tool_that_is_not_as_it_was_pinned_is_not_called():
    """As the proxy does not show it."""
    with reached(odd(), "crm", Lock()) as tools:
        well = tools.offered("well").definition
    as_pinned = Lock().with_pins("crm", pins_of([well]))
    otherwise = Lock().with_pins("crm", pins_of([{**well, "description": "as it was"}]))
    with reached(odd(), "crm", as_pinned) as tools:
        assert call(tools, "crm.well") == "fine"
    with reached(odd(), "crm", otherwise) as tools, pytest.raises(handrail.NotDone, match="pinned"):
        call(tools, "crm.well")


def test_a_server_that_is_silent_is_asked_no_more(monkeypatch):
    """What it does meanwhile nobody knows; the next calls certainly do nothing."""
    monkeypatch.setattr(reach, "PATIENCE_S", 0.3)
    with reached(odd(), "", Lock()) as tools:
        with pytest.raises(handrail.OutcomeUnknown, match="did not answer within"):
            call(tools, "slow")
        begun = time.monotonic()
        with pytest.raises(handrail.NotDone, match="not asked again"):
            call(tools, "well")
        assert time.monotonic() - begun < 0.2
    assert no_thread()


def test_a_server_that_dies_leaves_one_call_in_doubt():
    """Not the calls after it."""
    with reached(odd(), "", Lock()) as tools:
        with pytest.raises(handrail.OutcomeUnknown, match="It ended with code 3"):
            call(tools, "die")
        with pytest.raises(handrail.NotDone, match="lost since an earlier call"):
            call(tools, "well")


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        ("task", handrail.OutcomeUnknown, "began a task"),
        ("ask", ServerError, "asked something back"),
        ("twice", handrail.OutcomeUnknown, "no answer that can be read"),
    ],
)
def test_an_answer_that_is_no_result(name, error, said):
    """Is told as what it is."""
    with reached(odd(), "", Lock()) as tools, pytest.raises(error, match=said):
        call(tools, name)


def test_a_result_against_its_own_schema_is_found_by_the_check():
    """The tool ran, so this is no failure that did nothing."""
    with reached(odd(), "", Lock()) as tools:
        body = tools.body("bad", {})
        value = body.call()
        (violation,) = body.check(value)
        assert violation.check == "outputSchema"
        good = tools.body("well", {})
        assert good.check(good.call()) == ()


def test_many_calls_of_a_talkative_server():
    """What it may send is counted for each call."""
    with reached(odd(), "", Lock()) as tools:
        for _ in range(5):
            assert call(tools, "chatty") == "fine"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("/nonexistent/server",), "there is no program"),
        ((sys.executable, "-c", "print('hello')"), "something else than a JSON-RPC message"),
        ((sys.executable, "-c", "import sys; sys.exit(4)"), "It ended with code 4"),
    ],
)
def test_what_is_no_server_is_told(command, said):
    """And nothing is left behind."""
    with (
        pytest.raises(handrail.ConfigurationError, match="cannot be used") as refused,
        reached(Command(command), "", Lock()),
    ):
        raise AssertionError
    assert said in str(refused.value)
    assert no_thread()


def test_a_server_that_never_tells_its_tools(monkeypatch):
    """Is ended."""
    monkeypatch.setattr(ask, "TIMEOUT_S", 0.3)
    source = "import os, sys, time\nopen('pid', 'w').write(str(os.getpid()))\nsys.stdin.readline(); time.sleep(60)"
    with (
        pytest.raises(handrail.ConfigurationError, match="did not tell its tools within"),
        reached(server(source), "", Lock()),
    ):
        raise AssertionError
    assert not Path("pid").exists() or not is_alive()


def test_a_list_that_cannot_be_read_hangs_nobody():
    """A number that is no JSON value, in a definition."""
    with pytest.raises(handrail.ConfigurationError, match="cannot be used"), reached(odd('"BIG"'), "", Lock()):
        raise AssertionError
    assert no_thread()


def test_it_is_ended_when_the_block_fails():
    """As when it does not."""
    with pytest.raises(ZeroDivisionError), reached(odd(), "", Lock()):
        1 / 0  # noqa: B018
    assert not is_alive()
    assert no_thread()
