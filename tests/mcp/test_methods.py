"""What is gated, what passes, and how a request is read."""

import pytest
from mcp_types.methods import CLIENT_REQUESTS

from handrail.mcp import methods


def test_every_request_of_the_protocol_is_known():
    """Of all revisions that the SDK knows; none is denied by oversight, none is gated and passed."""
    known = {method for method, _ in CLIENT_REQUESTS}
    assert known <= methods.GATED | methods.PASSED
    assert not methods.GATED & methods.PASSED
    assert methods.PASSED - known == {"tasks/cancel", "tasks/get", "tasks/list", "tasks/result", "tasks/update"}


def test_the_name_of_a_tool():
    """Is the tool's, or the method's."""
    assert methods.tool_of("tools/call", {"name": "x"}) == "x"
    assert methods.tool_of("resources/read", {"name": "x"}) == "resources/read"
    for wrong in ({}, {"name": ""}, {"name": 1}):
        with pytest.raises(ValueError, match="name"):
            methods.tool_of("tools/call", wrong)


def test_what_a_request_is_judged_by():
    """The arguments of a tool; of the others, the parameters without what belongs to the protocol."""
    assert methods.args_of("tools/call", {"name": "x"}) == {}
    assert methods.args_of("tools/call", {"name": "x", "arguments": None}) == {}
    assert methods.args_of("tools/call", {"name": "x", "arguments": {"a": 1}, "_meta": {}}) == {"a": 1}
    with pytest.raises(ValueError, match="arguments"):
        methods.args_of("tools/call", {"arguments": []})
    params = {"uri": "u", "_meta": {}, "requestState": "s", "inputResponses": {}}
    assert methods.args_of("resources/read", params) == {"uri": "u"}


def test_what_is_judged_is_sent():
    """Beside what belongs to the protocol."""
    params = {"name": "x", "arguments": {}, "_meta": {"progressToken": 1}, "task": {}}
    assert methods.with_args("tools/call", params, {"a": 1}) == {**params, "arguments": {"a": 1}}
    assert methods.with_args("resources/read", {"uri": "u", "_meta": {}}, {"uri": "v"}) == {"uri": "v", "_meta": {}}


def test_parameters_in_other_case():
    """Only what could be taken for a known one; extensions pass."""
    assert methods.misspelled("tools/call", {"name": "x", "Arguments": {}}) == "Arguments"
    assert methods.misspelled("resources/read", {"uri": "x", "URI": "y"}) == "URI"
    assert methods.misspelled("tools/call", {"name": "x", "extension": 1}) == ""


def test_the_stateless_era_is_told_by_its_envelope():
    """Our own requests carry the reserved part of it, and nothing else of the client's."""
    meta = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "progressToken": 1}
    assert methods.is_stateless({"_meta": meta})
    assert not methods.is_stateless({"_meta": {"progressToken": 1}})
    assert not methods.is_stateless({"_meta": 1})
    assert methods.envelope_of({"_meta": meta}) == {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    assert methods.envelope_of({}) == {}
