"""One call of the data server, without its process: whatever ends it becomes a line that says what happened."""

import contextlib
import json
import threading
import time

import pytest
from tests.mcp.guarded import guarded, policy
from tests.mcp.wire import text

import handrail
from handrail.data.database import Database
from handrail.data.rows import CommitInDoubt
from handrail.errors import StoreError
from handrail.mcp import data_call
from handrail.mcp.data_call import Abandoned, DataCall
from handrail.mcp.data_place import Meant, OpenDatabase
from handrail.mcp.message import read


@pytest.fixture
def ask(tmp_path):
    """Return a function that calls a tool and returns the result."""
    with guarded("sqlite", tmp_path, (("error", 3),)) as shop:
        shop.install()
        (tmp_path / "handrail.yaml").write_text(policy("sqlite:///shop.db"))
        with contextlib.ExitStack() as stack:
            workspace = stack.enter_context(handrail.open(tmp_path / "handrail.yaml", alerts=False))
            stack.enter_context(workspace.run(agent="bot"))
            place = OpenDatabase(workspace, Meant("shop"))

            def ask(params, before=lambda call: None):
                line = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
                call = DataCall(workspace, place, read(line.encode()))
                before(call)
                answer = json.loads(call.line())
                assert answer["id"] == 1
                return answer["result"]

            yield ask


def query(sql="SELECT 1 AS a"):
    return {"name": "query", "arguments": {"sql": sql}}


def test_an_answer_is_told_twice(ask):
    """Structured, and as text for clients that know no other."""
    result = ask(query())
    assert json.loads(text(result)) == result["structuredContent"]
    assert result["structuredContent"]["columns"] == ["a"]
    assert "isError" not in result


@pytest.mark.parametrize(
    ("error", "status", "reason", "why"),
    [
        (CommitInDoubt("It may be there.", "0" * 64), "failed", "in_doubt", "It may be there."),
        (StoreError("The disk is full."), "failed", "store", "The disk is full."),
        (ZeroDivisionError("\x1b[31m"), "failed", "gate_error", r"Handrail failed (ZeroDivisionError: \x1b[31m)"),
        (Abandoned(), "failed", "cancelled", "waits no longer"),
    ],
)
def test_whatever_fails_is_told(ask, monkeypatch, error, status, reason, why):
    """As an error result with a status; nothing gets past as a crash."""

    def fail(self, sql):
        raise error

    monkeypatch.setattr(Database, "query", fail)
    result = ask(query())
    assert result["isError"] is True
    assert (result["_meta"]["handrail/status"], result["_meta"]["handrail/reason"]) == (status, reason)
    assert why in text(result)


def test_a_parameter_in_other_letters_is_refused(ask):
    """Some would read `Arguments` as `arguments`."""
    result = ask({"name": "query", "Arguments": {"sql": "SELECT 1"}, "arguments": {"sql": "SELECT 2"}})
    assert "'Arguments' is spelled" in text(result)


@pytest.mark.parametrize("params", [{}, {"name": ""}, {"name": 7}, {"name": "query", "arguments": "SELECT 1"}])
def test_what_is_no_call_is_refused(ask, params):
    """With what is wrong."""
    result = ask(params)
    assert result["isError"] is True
    assert (
        "'name' has to be" in text(result) or "'arguments' has to be" in text(result) or "not declared" in text(result)
    )


def test_a_call_that_nobody_waits_for_does_not_begin(ask):
    """It was cancelled before its thread came to it."""
    result = ask(query(), lambda call: call.abandoned.set())
    assert result["_meta"]["handrail/reason"] == "cancelled"


def test_a_pause_ends_when_nobody_waits():
    """At once; and by itself otherwise."""
    data_call.pause(0.01)
    event = threading.Event()
    token = data_call.WAITED_FOR.set(event)
    try:
        threading.Timer(0.1, event.set).start()
        begun = time.monotonic()
        with pytest.raises(Abandoned):
            data_call.pause(30)
        assert time.monotonic() - begun < 5
    finally:
        data_call.WAITED_FOR.reset(token)
