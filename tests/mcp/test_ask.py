"""Asking a server: real child processes, those that behave and those that do not."""

import asyncio
import json
import os
import sys
import time
from pathlib import Path

import pytest

from handrail.mcp import ask as module
from handrail.mcp.ask import TOOLS_MAX, Command, NoAnswer, ask, usable

SERVER = Path(__file__).with_name("scripted_server.py")


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Servers that do not end by themselves are ended sooner."""
    monkeypatch.setattr(module, "GRACE_S", 0.3)


def scripted(*args, **more):
    return Command((sys.executable, str(SERVER), *map(str, args)), **more)


async def refusal(*args, timeout_s=10.0):
    """Return why a scripted server could not be asked."""
    with pytest.raises(NoAnswer) as caught:
        await ask(scripted(*args), timeout_s=timeout_s)
    message = str(caught.value)
    assert message.isprintable()
    assert message.startswith("It")
    return message


def names(listing):
    return [tool["name"] for tool in listing.tools]


async def test_all_pages_in_order():
    """The list is followed to its end."""
    listing = await ask(scripted("paged"))
    assert names(listing) == ["one", "two", "three"]
    assert listing.left_out == ()
    assert listing.gated == ()


async def test_a_server_of_the_stateless_era():
    """The handshake is refused, so every request carries its envelope."""
    assert names(await ask(scripted("stateless"))) == ["modern1", "modern0"]


async def test_a_server_that_asks_back_and_talks_on_stderr():
    """A ping is answered, anything else refused, and stderr cannot block it."""
    assert names(await ask(scripted("curious"))) == ["after"]


async def test_a_child_that_escapes_with_the_output_holds_up_nothing(monkeypatch):
    """It cannot be found any more, but the server's answer counts, and its own end is enough."""
    monkeypatch.setattr(module, "GRACE_S", 4.0)
    started = time.monotonic()
    assert len((await ask(scripted("leaves"))).tools) == 3
    assert time.monotonic() - started < 4


async def test_what_it_announces_and_does_not_have_is_not_offered():
    """Resources refuse with an error, a prompt is there."""
    assert (await ask(scripted("offering"))).gated == ("prompts/get",)


async def test_environment_and_folder_reach_the_server(tmp_path):
    """As its config says; the process's own environment is there too."""
    script = (
        "import json, os, sys; from pathlib import Path; "
        "Path('seen').write_text(json.dumps([os.environ['ADDED'], 'PATH' in os.environ]))"
    )
    with pytest.raises(NoAnswer):
        await ask(Command((sys.executable, "-c", script), {"ADDED": "yes"}, tmp_path))
    assert json.loads((tmp_path / "seen").read_text()) == ["yes", True]


async def test_a_server_that_never_answers_is_ended_with_its_children(tmp_path):
    """Even one that ignores TERM; the sentence names the way to give it longer."""
    started = time.monotonic()
    message = await refusal("deaf", tmp_path / "pid", timeout_s=1.5)
    assert "did not answer initialize within 1.5 s" in message
    assert "--timeout 3" in message
    assert time.monotonic() - started < 10
    child = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not running(child):
            return
        await asyncio.sleep(0.05)
    pytest.fail("its child is still running")


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
    except OSError:
        os.kill(pid, 0)
        return True


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["garbage"], r"something else than a JSON-RPC message to stdout: 'Listening on port 80 \x1b[2J'"),
        (["flood"], "more than 5,000 messages"),
        (["long"], "a line of more than 16 MiB"),
        (["dies"], r"ended with code 3 before it answered initialize. It last said: 'KeyError: 'API_KEY \x1b[31m''"),
        (["refuses"], "ended with code 0 before it answered tools/list"),
        (["endless"], "does not end within 100 pages"),
        (["circle"], "never ends"),
        (["many", TOOLS_MAX + 1], "more than 500 tools"),
        (["many", 10_000], "more than 500 tools"),
        (["said", '{"jsonrpc": "2.0", "id": 1, "id": 1, "result": {}}'], "something else than a JSON-RPC message"),
        (["said", '{"jsonrpc": "2.0", "id": 1, "result": NaN}'], "something else than a JSON-RPC message"),
        (["said", "[" * 100_000], "something else than a JSON-RPC message"),
        (["said", "[1]"], "JSON without an object"),
        (["result", "[]"], "without a list of tools"),
        (["result", '{"tools": {}}'], "without a list of tools"),
        (["result", '{"tools": [], "nextCursor": 7}'], "never ends"),
        (["hello", "[]"], "no capabilities"),
        (["hello", '{"capabilities": []}'], "no capabilities"),
    ],
)
async def test_what_a_server_may_not_do(args, said):
    """Each has a sentence of its own, safe to print, and ends soon."""
    message = await refusal(*args, timeout_s=5.0)
    assert said in message


async def test_an_error_in_both_eras_tells_the_first(tmp_path):
    """What the server said is shown, escaped."""
    script = tmp_path / "s.py"
    script.write_text(
        "import json, sys\n"
        "for line in sys.stdin:\n"
        "    print(json.dumps({'id': json.loads(line)['id'], 'error': {'message': 'go \\x1b away'}}), flush=True)\n"
    )
    with pytest.raises(NoAnswer, match=r"^It answered initialize with an error: go \\x1b away$"):
        await ask(Command((sys.executable, str(script))))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (Command(("no-such-program-here",)), "there is no program 'no-such-program-here'"),
        (Command((str(SERVER),)), "Permission denied"),
        (Command(("a\0b",)), r"'a\x00b' gives: embedded null byte"),
        (Command((sys.executable,), folder=Path("/no/such/folder")), "its folder /no/such/folder does not exist"),
    ],
)
async def test_what_cannot_be_started(command, said):
    """Says what is missing."""
    with pytest.raises(NoAnswer, match="It cannot be started: ") as caught:
        await ask(command)
    assert said in str(caught.value)


def tool(name, **more):
    return {"name": name, "inputSchema": {"type": "object"}, **more}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (7, "without a name"),
        ({"inputSchema": {}}, "without a name"),
        (tool(""), "blank"),
        (tool(" padded"), "blanks around it"),
        (tool("x" * 201), "more than 200 characters"),
        (tool("lone \ud800"), "not valid Unicode"),
        (tool("resources/read"), "the name of a method of MCP"),
        ({"name": "bare"}, "no object as its input schema"),
        ({"name": "list", "inputSchema": []}, "no object as its input schema"),
        (tool("huge", description="x" * 2_000_000), "larger than its size limit"),
        (tool("number", outputSchema={"maximum": 2**70}), "an integer beyond 64 bits"),
        (tool("surrogate", description="\udfff"), "not valid Unicode"),
    ],
)
def test_a_tool_that_cannot_be_declared_is_left_out(bad, said):
    """The others stay, and a sentence says why."""
    good, left_out = usable([tool("first"), bad, tool("last")])
    assert [one["name"] for one in good] == ["first", "last"]
    assert len(left_out) == 1
    assert said in left_out[0]
    assert left_out[0].isprintable()


def test_a_tool_that_is_listed_twice_is_left_out_as_a_whole():
    """Nobody knows which of the two would run."""
    good, left_out = usable([tool("same"), tool("other"), tool("same", description="evil")])
    assert [one["name"] for one in good] == ["other"]
    assert left_out == (
        "Its tool 'same' is listed twice, so nobody knows which one would run. It is left out, and so denied.",
    )
