"""Calls that the server has answered and not done. Their life is in test_call.py; here are the limits and odd answers."""

import json

import pytest

from handrail.mcp.answers import ServerAnswer, ServerLost
from handrail.mcp.message import read
from handrail.mcp.unfinished import SUSPENDED_MAX, TASKS_MAX, Unfinished


class Call:
    """What the list of unfinished calls knows of one."""

    def __init__(self, key="k", state=None, task_id=""):
        self.key, self.state, self.task_id = key, state, task_id
        self.task_failed = False
        self.failed, self.got, self.status = [], [], []

    def fail(self, error):
        self.failed.append(error)

    def fetched(self, method, answer):
        self.got.append((method, answer.message.value))

    def task_is(self, status):
        self.status.append(status)


@pytest.fixture
def written():
    """What the client was answered."""
    return []


@pytest.fixture
def unfinished(written):
    """An empty list."""
    return Unfinished(lambda id, line: written.append((id, line)))


def answer(line):
    return ServerAnswer(line, read(line))


def test_a_call_is_found_by_its_arguments_and_state(unfinished):
    """Without a state, by its arguments alone; the state of another is refused."""
    first, second = Call("a", "s"), Call("b")
    unfinished.suspend(first)
    unfinished.suspend(second)
    assert unfinished.repeated("a", {"requestState": "s"}) is first
    assert unfinished.repeated("b", {"inputResponses": {}}) is second
    assert unfinished.repeated("a", {}) is None
    assert "other arguments" in unfinished.foreign("b", {"requestState": "s"})
    assert unfinished.foreign("a", {"requestState": "s"}) == ""
    assert unfinished.foreign("b", {"requestState": "unknown"}) == ""
    unfinished.unsuspend(first)
    assert unfinished.foreign("b", {"requestState": "s"}) == ""


def test_there_are_limits(unfinished):
    """The oldest ends first, in doubt."""
    calls = [Call(task_id=str(n)) for n in range(TASKS_MAX + 1)]
    assert all(unfinished.begin(call) for call in calls)
    assert isinstance(calls[0].failed[0], ServerLost)
    assert calls[1].failed == []
    waiting = [Call() for _ in range(SUSPENDED_MAX + 1)]
    for call in waiting:
        unfinished.suspend(call)
    assert [len(call.failed) for call in waiting[:2]] == [1, 0]


@pytest.mark.parametrize(
    "result",
    [b'{"taskId":"t","status":"completed","result":{},"error":{}}', b'{"status":"working","status":"completed"}'],
)
def test_an_answer_that_can_be_read_in_two_ways_is_refused(unfinished, written, result):
    """It could carry a result that was not verified."""
    call = Call(task_id="t")
    unfinished.answered(1, "tasks/get", call, answer(b'{"jsonrpc":"2.0","id":1,"result":' + result + b"}"))
    ((id, line),) = written
    assert (id, "error" in json.loads(line)) == (1, True)
    assert call.got == call.status == []


def test_an_error_of_tasks_result_is_the_outcome_of_a_failed_task_only(unfinished, written):
    """Otherwise it may mean that the result is gone, and nobody knows what it was."""
    call = Call(task_id="t")
    error = answer(b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"x"}}')
    unfinished.answered(1, "tasks/result", call, error)
    assert (call.got, written) == ([], [(1, error.line)])
    call.task_failed = True
    unfinished.answered(1, "tasks/result", call, error)
    assert [method for method, _ in call.got] == ["tasks/result"]


def test_notifications_tell_of_a_task(unfinished):
    """Of one that was begun here."""
    call = Call(task_id="t")
    unfinished.begin(call)
    for id in ("t", "other", 3):
        told = json.dumps(
            {"jsonrpc": "2.0", "method": "notifications/tasks", "params": {"taskId": id, "status": "failed"}}
        )
        unfinished.told(read(told.encode()))
    assert call.status == ["failed"]
    unfinished.fail("gone.")
    assert str(call.failed[0]) == "gone."
