"""Which client requests are gated, which pass, and what they are called in the policy."""

from __future__ import annotations

from handrail.core.digest import Json
from handrail.mcp.message import Object

CALL, READ, PROMPT = "tools/call", "resources/read", "prompts/get"

LIST, TASK_GET, TASK_RESULT, TASK_CANCEL = "tools/list", "tasks/get", "tasks/result", "tasks/cancel"

GATED = frozenset({CALL, READ, PROMPT})
"""Requests that are actions: each is decided, journalled and verified."""

PASSED = frozenset(
    {
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "ping",
        "prompts/list",
        "resources/list",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "server/discover",
        "subscriptions/listen",
        "tasks/cancel",
        "tasks/get",
        "tasks/list",
        "tasks/result",
        "tasks/update",
        "tools/list",
    }
)
"""Requests that change nothing by themselves. What is in neither set is denied."""

ENVELOPE_PREFIX = "io.modelcontextprotocol/"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
"""In `_meta` of every request of the stateless era (2026-07-28 and later)."""

_PROTOCOL_PARAMS = frozenset({"_meta", "inputResponses", "requestState", "task"})
"""Parameters that belong to the protocol and not to the action."""

_KNOWN_PARAMS = {
    CALL: _PROTOCOL_PARAMS | {"name", "arguments"},
    READ: _PROTOCOL_PARAMS | {"uri"},
    PROMPT: _PROTOCOL_PARAMS | {"name", "arguments"},
}


def tool_of(method: str, params: Object) -> str:
    """Return the server's own name of what a gated request runs: the tool's, or the method. Raises `ValueError`."""
    if method != CALL:
        return method
    name = params.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("The parameter 'name' has to be the name of a tool.")
    return name


def args_of(method: str, params: Object) -> Object:
    """Return what a gated request is judged by: a tool's arguments, or the parameters. Raises `ValueError`."""
    if method != CALL:
        return {key: value for key, value in params.items() if key not in _PROTOCOL_PARAMS}
    found = params.get("arguments")
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ValueError("The parameter 'arguments' has to be a JSON object.")  # noqa: TRY004 (the client's fault)
    return found


def with_args(method: str, params: Object, args: Object) -> Object:
    """Return the parameters that carry `args` and, beside them, what belongs to the protocol."""
    if method == CALL:
        return {**params, "arguments": args}
    return {**{key: value for key, value in params.items() if key in _PROTOCOL_PARAMS}, **args}


def misspelled(method: str, params: Object) -> str:
    """Return the parameter that some servers would take for a known one; `""` when there is none."""
    known = _KNOWN_PARAMS[method]
    if params.keys() <= known:
        return ""
    folded = {name.casefold() for name in known}
    return next((key for key in params if key not in known and key.casefold() in folded), "")


def is_stateless(params: Object) -> bool:
    """Whether a request carries the envelope of the stateless era."""
    meta = params.get("_meta")
    return isinstance(meta, dict) and VERSION_KEY in meta


def envelope_of(params: Object) -> dict[str, Json]:
    """Return the reserved part of `_meta`, which our own requests have to carry as well."""
    meta = params.get("_meta")
    if not isinstance(meta, dict):
        return {}
    return {key: value for key, value in meta.items() if key.startswith(ENVELOPE_PREFIX)}
