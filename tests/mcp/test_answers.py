"""What an answer is, and what it means in the policy."""

import json

import pytest

from handrail.core.outcome import Outcome, Reason, Status
from handrail.mcp.answers import AnswerKind, ServerAnswer, is_clear, kind_of_answer, refusal, task_of, text_of, value_of
from handrail.mcp.message import read


def answer(**member):
    line = json.dumps({"jsonrpc": "2.0", "id": 1, **member}).encode()
    return ServerAnswer(line, read(line))


TEXT = {"content": [{"type": "text", "text": "x"}]}


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (TEXT, AnswerKind.DONE),
        ({**TEXT, "isError": False, "resultType": "complete"}, AnswerKind.DONE),
        ({**TEXT, "isError": True}, AnswerKind.FAILED),
        ({**TEXT, "isError": "no"}, AnswerKind.FAILED),
        ({**TEXT, "resultType": "new"}, AnswerKind.FAILED),
        ({**TEXT, "resultType": 1}, AnswerKind.FAILED),
        (None, AnswerKind.FAILED),
        ([], AnswerKind.FAILED),
        ({"resultType": "input_required"}, AnswerKind.INPUT),
        ({"resultType": "task", "taskId": "t"}, AnswerKind.TASK),
        ({"resultType": "task"}, AnswerKind.FAILED),
        ({"task": {"taskId": "t", "status": "working"}}, AnswerKind.TASK),
        ({**TEXT, "taskId": "t"}, AnswerKind.DONE),
    ],
)
def test_kinds(result, kind):
    """What is not clearly a result is a failure."""
    assert kind_of_answer(answer(result=result))[0] is kind


def test_errors_are_failures_with_the_servers_words():
    """Whatever shape they have."""
    assert kind_of_answer(answer(error={"code": 1, "message": "why"})) == (AnswerKind.FAILED, "why")
    assert kind_of_answer(answer(error="odd"))[0] is AnswerKind.FAILED
    assert is_clear(answer(error={"code": 1, "message": "why"}))
    assert is_clear(answer(result={**TEXT, "isError": True}))
    assert not is_clear(answer(result={**TEXT, "isError": "no"}))
    assert not is_clear(answer(result=None))


def test_what_can_be_read_in_two_ways_is_a_failure():
    """And is not passed on."""
    line = b'{"jsonrpc":"2.0","id":1,"result":{"isError":true,"isError":true,"content":[]}}'
    found = ServerAnswer(line, read(line))
    assert kind_of_answer(found)[0] is AnswerKind.FAILED
    assert not is_clear(found)


@pytest.mark.parametrize(
    ("result", "value"),
    [
        ({"content": [], "structuredContent": {"a": 1}}, {"a": 1}),
        ({"content": [{"type": "text", "text": "[1]"}], "structuredContent": [2]}, [1]),
        ({"content": [{"type": "text", "text": ' {"a": 1}'}]}, {"a": 1}),
        ({"content": [{"type": "text", "text": "12"}]}, "12"),
        ({"content": [{"type": "text", "text": "{broken"}]}, "{broken"),
        ({"content": [{"type": "text", "text": '{"a": NaN}'}]}, '{"a": NaN}'),
        ({"content": [{"type": "text", "text": "[" * 100_000}]}, "[" * 100_000),
        ({"content": [{"type": "image", "data": ""}]}, [{"type": "image", "data": ""}]),
        ({"content": [1, 2]}, [1, 2]),
        ({}, None),
    ],
)
def test_the_result_of_a_tool(result, value):
    """Structured content, else JSON in the only text, else the text, else the content."""
    assert value_of("tools/call", result) == value


def test_the_result_of_the_others():
    """Contents, and the prompt."""
    assert value_of("resources/read", {"contents": [1]}) == [1]
    assert value_of("prompts/get", {"messages": [], "_meta": {}, "resultType": "complete"}) == {"messages": []}


def test_texts_and_tasks():
    """Whatever else there is."""
    assert (
        text_of({"content": [{"type": "text", "text": "a"}, {"type": "image"}, 3, {"type": "text", "text": "b"}]})
        == "a\nb"
    )
    assert text_of({"content": 3}) == ""
    assert task_of(answer(result={"task": {"taskId": "t"}})) == "t"
    assert task_of(answer(result={"taskId": 3})) == ""


def test_a_refusal_is_never_a_success():
    """An error result for a tool, an error for the rest; the ticket only of what waits."""
    held = Outcome(Status.HUMAN_REVIEW_REQUIRED, Reason.RULE, "why", "a", 0, "T-1")
    result = json.loads(refusal(1, "tools/call", held, stateless=False))["result"]
    assert result == {
        "content": [{"type": "text", "text": "why"}],
        "isError": True,
        "_meta": {
            "handrail/status": "human_review_required",
            "handrail/reason": "rule",
            "handrail/action": "a",
            "handrail/ticket": "T-1",
        },
    }
    assert json.loads(refusal(1, "tools/call", held, stateless=True))["result"]["resultType"] == "complete"
    rejected = held._replace(status=Status.DENIED)
    error = json.loads(refusal("x", "prompts/get", rejected, stateless=True))["error"]
    assert (error["code"], error["message"]) == (-32010, "why")
    assert "handrail/ticket" not in error["data"]
