"""Calls that the server answers in steps: it asks back, or begins a task. One action, one attempt, one outcome."""

import json

import pytest
from tests.mcp.wire import text

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
}


def modern(wire, name, args, **more):
    """Make a request of the stateless era; return its answer."""
    return wire.ask("tools/call", {"name": name, "arguments": args, "_meta": META, **more})


def outcomes(wire, tool):
    return [(one.kind, one.status, one.reason) for one in wire.records() if one.tool == tool]


# --- the stateless era ------------------------------------------------------------------------------------------------


def test_the_stateless_era_needs_no_handshake(serve):
    """Our own question carries the client's envelope; refusals say that they are complete."""
    wire = serve()
    assert text(modern(wire, "echo", {"id": "a"})["result"]) == '{"id": "a"}'
    (asked,) = wire.heard("tools/list")
    assert asked["params"]["_meta"] == META
    refused = modern(wire, "secret", {})["result"]
    assert (refused["isError"], refused["resultType"]) == (True, "complete")


def test_a_call_that_asks_back_is_one_action(serve):
    """The question passes as it is; the repetition with the answer goes on with the same attempt."""
    wire = serve()
    question = modern(wire, "write", {"id": "a", "do": "ask"})["result"]
    assert (question["resultType"], question["requestState"]) == ("input_required", "state-1")
    assert outcomes(wire, "write") == [("attempt", "", "")]
    answer = modern(
        wire, "write", {"id": "a", "do": "ask"}, inputResponses={"q": {"action": "accept"}}, requestState="state-1"
    )
    assert json.loads(text(answer["result"])) == [{"q": {"action": "accept"}}, "state-1"]
    assert outcomes(wire, "write") == [("attempt", "", ""), ("outcome", "success", "")]
    assert [one["params"].get("requestState") for one in wire.heard("tools/call")] == [None, "state-1"]


def test_another_calls_state_is_refused(serve):
    """What was approved for one set of arguments does not carry another."""
    wire = serve()
    modern(wire, "write", {"id": "a", "do": "ask"})
    stolen = modern(wire, "write", {"id": "b", "do": "ask"}, requestState="state-1")["result"]
    assert "belongs to a call with other arguments" in text(stolen)
    assert len(wire.heard("tools/call")) == 1


def test_a_state_that_nobody_waits_for_is_judged_anew(serve):
    """After a reconnect, say: it is a call like any other."""
    wire = serve()
    answer = modern(wire, "write", {"id": "a", "do": "ask"}, requestState="old")["result"]
    assert json.loads(text(answer)) == [None, "old"]
    assert outcomes(wire, "write") == [("attempt", "", ""), ("outcome", "success", "")]
    assert modern(wire, "update", {"id": "a", "do": "ask"}, requestState="old")["result"]["isError"] is True


def test_a_question_that_is_never_answered_leaves_doubt(serve):
    """The server may have done a part of it."""
    wire = serve()
    modern(wire, "write", {"id": "a", "do": "ask"})
    assert wire.end() == 0
    assert outcomes(wire, "write")[-1] == ("outcome", "failed", "in_doubt")


# --- tasks ------------------------------------------------------------------------------------------------------------


def begin_task(wire, **args):
    answer = wire.ask("tools/call", {"name": "write", "arguments": {"id": "a", **args}, "task": {"ttl": 60_000}})
    assert answer["result"]["task"]["status"] == "working"
    return answer["result"]["task"]["taskId"]


def test_a_task_is_settled_by_its_result(wire):
    """2025-11-25: the call is answered with the task, its outcome is known at tasks/result, and stays."""
    task = begin_task(wire)
    assert wire.heard("tools/call")[0]["params"]["task"] == {"ttl": 60_000}
    assert wire.ask("tasks/get", {"taskId": task})["result"]["status"] == "working"
    assert outcomes(wire, "write") == [("attempt", "", "")]
    for _ in range(2):
        assert text(wire.ask("tasks/result", {"taskId": task})["result"]) == "done"
    assert outcomes(wire, "write") == [("attempt", "", ""), ("outcome", "success", "")]


def test_a_task_that_fails_is_a_failure(wire):
    """The server's words pass."""
    task = begin_task(wire, bad=True)
    assert wire.ask("tasks/result", {"taskId": task})["result"] == {
        "content": [{"type": "text", "text": "broken"}],
        "isError": True,
    }
    assert outcomes(wire, "write")[-1] == ("outcome", "failed", "error")


def test_a_cancelled_task_leaves_a_write_in_doubt(wire):
    """Nobody knows how far it came."""
    task = begin_task(wire)
    assert wire.ask("tasks/cancel", {"taskId": task})["result"]["status"] == "cancelled"
    wire.ask("ping")
    assert outcomes(wire, "write")[-1] == ("outcome", "failed", "in_doubt")


def test_a_task_that_is_never_fetched_leaves_a_write_in_doubt(wire):
    """It is settled when the connection ends."""
    begin_task(wire)
    wire.end()
    assert outcomes(wire, "write")[-1] == ("outcome", "failed", "in_doubt")


@pytest.mark.parametrize("method", ["tasks/result", "tasks/get"])
def test_the_result_of_a_foreign_task_is_not_passed(wire, method):
    """Nothing of it could be verified."""
    assert "not begun on this connection" in wire.ask(method, {"taskId": "other"})["error"]["message"]
    assert wire.heard(method) == []


def test_a_task_of_the_stateless_era_is_settled_by_tasks_get(serve):
    """2026-07-28: its result comes inside the answer to tasks/get."""
    wire = serve()
    task = modern(wire, "write", {"id": "a", "do": "task", "inline": True})["result"]
    assert task == {"resultType": "task", "taskId": "a", "status": "working"}
    answer = wire.ask("tasks/get", {"taskId": "a", "_meta": META})["result"]
    assert (answer["status"], text(answer["result"])) == ("completed", "done")
    assert outcomes(wire, "write") == [("attempt", "", ""), ("outcome", "success", "")]


def test_a_task_of_the_stateless_era_that_fails(serve):
    """The answer passes, and the action has failed."""
    wire = serve()
    modern(wire, "write", {"id": "a", "do": "task", "inline": True, "bad": True})
    assert wire.ask("tasks/get", {"taskId": "a", "_meta": META})["result"]["result"]["isError"] is True
    assert outcomes(wire, "write")[-1] == ("outcome", "failed", "error")


def test_two_tasks_under_one_id_are_refused(wire):
    """The second would take the first one's outcome."""
    begin_task(wire)
    second = wire.ask("tools/call", {"name": "write", "arguments": {"id": "a", "n": 2}, "task": {}})["result"]
    assert second["isError"] is True
    assert "id that is in use" in text(second)
