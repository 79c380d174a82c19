"""The proxy as a process: how a connection begins and ends, whoever ends it, and what is left behind."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.mcp.wire import FAKE, POLICY, Wire, text


def call(id, name, /, **args):
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": args}}


def waits_for(condition, s=10.0):
    """Wait until a condition holds."""
    until = time.monotonic() + s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def runs(pid):
    """Whether a process lives."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_the_end_of_the_clients_input_ends_everything(wire):
    """With 0; nothing of ours was on stdout."""
    assert wire.end() == 0
    assert wire.raw() is None


def test_what_is_under_way_may_finish(wire):
    """A client that closes its input still gets the answer."""
    wire.send(call(1, "write", do="slow", s=0.4, id="a"))
    wire.process.stdin.close()
    assert text(wire.answer(1)["result"]) == "late"
    assert wire.end() == 0
    assert wire.ended("write") == [("success", "")]


def test_what_does_not_finish_is_settled(wire):
    """In doubt for a write; the client is told."""
    wire.send(call(1, "write", do="never", id="a"))
    waits_for(lambda: wire.heard("tools/call"))
    wire.process.stdin.close()
    assert "may have happened" in text(wire.answer(1)["result"])
    assert wire.end() == 0
    assert wire.ended("write") == [("failed", "in_doubt")]


def test_a_server_that_dies_ends_the_connection(wire):
    """Every request that waits gets an error; the exit code says so."""
    wire.send(call(1, "echo", do="never"), call(2, "write", do="never", id="a"))
    waits_for(lambda: len(wire.heard("tools/call")) == 2)
    wire.send(call(3, "echo", do="die"))
    for id in (1, 2, 3):
        result = wire.answer(id)["result"]
        assert result["isError"] is True
        assert "it ended with code 3" in text(result)
    assert wire.raw() is None
    assert wire.end() == 1
    assert wire.ended("write") == [("failed", "in_doubt")]
    assert wire.ended("echo") == [("failed", "error")] * 2
    assert "it ended with code 3" in wire.said()


def test_a_server_that_reads_no_more_ends_the_connection(wire):
    """Nothing hangs."""
    wire.send(call(1, "echo", do="deaf"))
    waits_for(lambda: wire.heard("tools/call"))
    time.sleep(0.2)
    wire.send(call(2, "echo"), {"jsonrpc": "2.0", "id": 3, "method": "ping"})
    answers = {message["id"]: message for message in (wire.next(), wire.next(), wire.next())}
    assert answers[1]["result"]["isError"] is True
    assert answers[2]["result"]["isError"] is True
    assert "gone" in answers[3]["error"]["message"]
    assert wire.end() == 1


def test_sigterm_ends_everything_soon(wire):
    """Also a server that ignores it is asked first and killed then."""
    wire.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    assert wire.end() == 0
    assert time.monotonic() - begun < 3


def test_a_server_that_will_not_end_is_killed(serve):
    """After its input is closed, and SIGTERM."""
    wire = serve(mode="stubborn")
    wire.begin()
    wire.process.send_signal(signal.SIGTERM)
    assert wire.end() == 0


def test_what_the_server_started_is_ended_too(serve):
    """Its whole process group."""
    wire = serve(mode="child")
    wire.begin()
    pid = wire.heard()[0]["pid"]
    assert runs(pid)
    wire.end()
    waits_for(lambda: not runs(pid))


def test_the_servers_stderr_is_ours(serve):
    """It passes through."""
    wire = serve(sys.executable, "-c", "import sys; print('from the server', file=sys.stderr)")
    assert wire.raw() is None
    assert wire.end() == 1
    assert "from the server" in wire.said()


def test_a_killed_proxy_leaves_the_write_in_doubt(wire):
    """The intent was on disk before the server was told; `handrail log` shows it, and it is not made again."""
    wire.send(call(1, "write", do="never", id="a"))
    waits_for(lambda: wire.heard("tools/call"))
    wire.kill()
    shown = subprocess.run(
        [sys.executable, "-m", "handrail", "log", "--status", "begun", "--json"],
        cwd=wire.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert json.loads(shown.stdout)["tool"] == "write"
    again = Wire(wire.folder, policy=None)
    again.begin()
    assert "it may have happened" in text(again.call("write", do="never", id="a"))
    again.end()


def test_the_run_can_be_named(serve):
    """And is the connection otherwise."""
    wire = serve(options=("--run", "nightly"))
    wire.begin()
    wire.call("echo")
    assert {one.run for one in wire.records() if one.tool == "echo"} == {"nightly"}


def test_a_line_from_the_client_that_is_too_long_ends_the_connection(wire):
    """Whoever waits for its answer learns that there is none."""
    wire.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"y" * (65 * 1024 * 1024) + b'"}}')
    assert "64 MiB" in wire.next(60)["error"]["message"]
    assert wire.raw() is None
    assert wire.end() == 0


def test_stdin_may_be_a_file_and_stdout_too(tmp_path):
    """Files cannot be watched as pipes can; a script of requests works all the same."""
    (tmp_path / "handrail.yaml").write_text(POLICY)
    hello = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
    (tmp_path / "in").write_text("\n".join(json.dumps(one) for one in (hello, call(2, "echo", id="a"))))
    with (tmp_path / "in").open() as taken, (tmp_path / "out").open("w") as given:
        ended = subprocess.run(
            [sys.executable, "-m", "handrail", "mcp", "serve", "--agent", "bot", "--", sys.executable, FAKE, "log"],
            cwd=tmp_path, stdin=taken, stdout=given, stderr=subprocess.PIPE, check=False, timeout=30,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    answers = {one["id"]: one for one in map(json.loads, (tmp_path / "out").read_text().splitlines())}
    assert text(answers[2]["result"]) == '{"id": "a"}'


def test_a_client_that_reads_slowly_holds_the_server_back(wire):
    """And loses nothing."""
    for id in range(1, 41):
        wire.send(call(id, "echo", do="big", size=1_000_000))
    time.sleep(1)
    assert sorted(wire.next(60)["id"] for _ in range(40)) == list(range(1, 41))


def test_a_client_that_is_gone_ends_everything(tmp_path):
    """Nobody reads our output any more, though our input stays open."""
    (tmp_path / "handrail.yaml").write_text(POLICY)
    words = [sys.executable, "-m", "handrail", "mcp", "serve", "--agent", "bot", "--", sys.executable, FAKE, "log"]
    with subprocess.Popen(
        words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        process.stdout.close()
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode() + b"\n")
        process.stdin.flush()
        assert process.wait(20) == 0


def test_what_waits_at_the_end_is_answered(wire):
    """Not only calls: every request gets an answer, if only that there is none."""
    id = wire.request("completion/complete", {"never": True})
    waits_for(lambda: wire.heard("completion/complete"))
    wire.process.stdin.close()
    assert "connection ended" in wire.answer(id)["error"]["message"]


def test_a_changed_policy_is_in_force_at_the_next_call(wire):
    """Tools come and go; what no longer compiles changes nothing, loudly."""
    assert "isError" not in wire.call("echo")
    (wire.folder / "handrail.yaml").write_text(POLICY.replace('  echo: {do: read, resource: "echo/all"}\n', ""))
    time.sleep(0.6)
    assert "not declared" in text(wire.call("echo"))
    assert "echo" not in [tool["name"] for tool in wire.ask("tools/list")["result"]["tools"]]
    (wire.folder / "handrail.yaml").write_text("version: 1\ntools: [")
    time.sleep(0.6)
    assert "isError" not in wire.call("typed")
    assert "stays in force" in wire.said()
    assert [one.reason for one in wire.records() if one.kind == "event"] == ["policy_reloaded", "policy_refused"]


def test_a_held_call_goes_stale_with_its_rules(wire):
    """The policy is part of the plan: the same call opens a new ticket."""
    first = wire.call("update", id="a")["_meta"]["handrail/ticket"]
    assert wire.call("update", id="a")["_meta"]["handrail/ticket"] == first
    (wire.folder / "handrail.yaml").write_text(POLICY.replace('"prod"', '"live"'))
    time.sleep(0.6)
    second = wire.call("update", id="a")["_meta"]["handrail/ticket"]
    assert second != first
    states = [(one.body["ticket"], one.reason) for one in wire.records() if one.kind == "review"]
    assert states == [(first, "pending"), (first, "stale"), (second, "pending")]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--agent", "nobody"), "agent 'nobody' is not declared"),
        (("--policy", "other.yaml"), "is not a file"),
    ],
)
def test_what_cannot_begin_says_why(serve, options, why):
    """Before the server is started."""
    wire = serve(options=options)
    assert wire.raw() is None
    assert wire.end() in (2, 3)
    assert why in wire.said()
    assert wire.heard() == []


def test_a_server_that_cannot_be_started_is_told(serve):
    """With what to do."""
    wire = serve("/no/such/program")
    assert wire.raw() is None
    assert wire.end() == 3
    assert "cannot be started: /no/such/program: No such file" in wire.said()


def test_a_broken_lock_stops_the_start(serve, tmp_path):
    """Nobody can tell which tools are as they were."""
    (tmp_path / "handrail.lock").write_text("{")
    wire = serve()
    assert wire.raw() is None
    assert wire.end() == 3
    assert "handrail.lock cannot be used" in wire.said()
