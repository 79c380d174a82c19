"""What a server answered to a gated request: a result, a failure, a question back, or a task that goes on."""

from __future__ import annotations

import json
from enum import Enum
from typing import NamedTuple

from handrail.core.digest import Json
from handrail.core.outcome import Outcome, Status
from handrail.core.text import safe
from handrail.mcp.message import REFUSED, Id, Message, Object, error_answer, write
from handrail.mcp.methods import CALL, READ


class AnswerKind(Enum):
    """What an answer is."""

    DONE = "done"
    FAILED = "failed"
    INPUT = "input"
    TASK = "task"


class ServerAnswer(NamedTuple):
    """One answer of the server.

    Attributes:
        line: Its bytes.
        message: The same, read.
    """

    line: bytes
    message: Message

    @property
    def result(self) -> Object:
        """The result; empty when there is none that is an object."""
        found = self.message.value.get("result")
        return found if isinstance(found, dict) else {}


class ServerError(Exception):
    """The server's tool failed; the text is what it said."""


class ServerLost(TimeoutError):  # noqa: N818 (it says what happened)
    """The server stopped answering in the middle of a call: as after a timeout, nobody knows what it did."""


def kind_of_answer(answer: ServerAnswer) -> tuple[AnswerKind, str]:
    """Return what an answer is, and why where it is a failure.

    Whatever is not clearly a result is a failure: a wrong shape, a type of result that we do not know.
    """
    value = answer.message.value
    if answer.message.faults:
        return AnswerKind.FAILED, f"The server's answer can be read in two ways: {answer.message.faults[0]}"
    error = value.get("error")
    if "error" in value:
        said = error.get("message") if isinstance(error, dict) else None
        return AnswerKind.FAILED, said if isinstance(said, str) else "The server answered with an error."
    result = value.get("result")
    if not isinstance(result, dict):
        return AnswerKind.FAILED, "The server's answer is no result."
    kind = result.get("resultType", "complete")
    if kind == "input_required":
        return AnswerKind.INPUT, ""
    if kind == "task" or (kind == "complete" and _task_id(result) and "content" not in result):
        if _task_id(result):
            return AnswerKind.TASK, ""
        return AnswerKind.FAILED, "The server began a task without an id."
    if kind != "complete":
        return AnswerKind.FAILED, f"The server's answer is of a type that Handrail does not know: {safe(kind)}."
    if result.get("isError") not in (None, False):
        return AnswerKind.FAILED, text_of(result) or "The tool failed and did not say why."
    return AnswerKind.DONE, ""


def is_clear(answer: ServerAnswer) -> bool:
    """Whether a failed answer may be passed on as it is: the server said, in one way, that it failed."""
    value = answer.message.value
    if answer.message.faults:
        return False
    return "error" in value or answer.result.get("isError") is True


def _task_id(result: Object) -> str:
    task = result.get("task")
    found = task.get("taskId") if isinstance(task, dict) else result.get("taskId")
    return found if isinstance(found, str) else ""


def task_of(answer: ServerAnswer) -> str:
    """Return the id of the task that an answer tells of, `""` without one."""
    return _task_id(answer.result)


def task_status(value: Object) -> str:
    """Return the status in an answer or notification about a task, `""` without one."""
    found = value.get("status")
    return found if isinstance(found, str) else ""


def text_of(result: Object) -> str:
    """Return the text blocks of a tool's result, together."""
    content = result.get("content")
    blocks = content if isinstance(content, list) else []
    texts = [block.get("text") for block in blocks if isinstance(block, dict) and block.get("type") == "text"]
    return "\n".join(text for text in texts if isinstance(text, str))


def value_of(method: str, result: Object) -> Json:
    """Return what `result` means in policy paths.

    Of a tool: its structuredContent if that is an object; else, of a single text block, the JSON object or array that
    it holds, or the text; else the content. Of a resource: its contents. Of a prompt: the result.
    """
    if method == READ:
        return result.get("contents")
    if method != CALL:
        return {key: value for key, value in result.items() if key not in {"_meta", "resultType"}}
    structured = result.get("structuredContent")
    if isinstance(structured, dict):
        return structured
    content = result.get("content")
    if not isinstance(content, list) or len(content) != 1:
        return content
    block = content[0]
    if not isinstance(block, dict) or block.get("type") != "text" or not isinstance(block.get("text"), str):
        return content
    return _parsed(str(block["text"]))


def _parsed(text: str) -> Json:
    """Return the object or array that a text holds, else the text."""
    if text[:100].lstrip()[:1] not in {"{", "["}:
        return text
    try:
        found: Json = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text
    return found


def _refuse(name: str) -> Json:
    raise ValueError(name)


def refusal(id: Id, method: str, outcome: Outcome, *, stateless: bool) -> bytes:
    """Return the line that tells a client how an action ended that has no result to show.

    A tool's is an error result, which models read and act on; the other methods have no such thing.
    """
    told: dict[str, object] = {"handrail/status": outcome.status.value, "handrail/reason": outcome.reason.value}
    if outcome.action:
        told["handrail/action"] = outcome.action
    if outcome.ticket is not None and outcome.status is Status.HUMAN_REVIEW_REQUIRED:
        told["handrail/ticket"] = outcome.ticket
    if method != CALL:
        return error_answer(id, REFUSED, outcome.why, told)
    result: dict[str, object] = {"content": [{"type": "text", "text": outcome.why}], "isError": True, "_meta": told}
    if stateless:
        result["resultType"] = "complete"
    return write({"jsonrpc": "2.0", "id": id, "result": result})
