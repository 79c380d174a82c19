"""What the proxy lets through, what it judges, and what it refuses: a raw client, the real proxy, a scripted server."""

import json
import time

import pytest
from tests.mcp.wire import POLICY, text

from handrail.mcp.lock import Lock, pins_of


def line(**message):
    return {"jsonrpc": "2.0", **message}


def call(id, name, /, **args):
    return line(id=id, method="tools/call", params={"name": name, "arguments": args})


# --- what is gated ----------------------------------------------------------------------------------------------------


def test_an_allowed_call_runs_and_is_journalled(wire):
    """The server's line comes back as it is; intent and outcome stand in the journal."""
    assert wire.call("echo", id="a", n=1)["content"] == [{"type": "text", "text": '{"id": "a", "n": 1}'}]
    (heard,) = wire.heard("tools/call")
    assert heard["params"] == {"name": "echo", "arguments": {"id": "a", "n": 1}}
    attempt, outcome = [one for one in wire.records() if one.tool == "echo"]
    assert (attempt.resource, attempt.agent, attempt.status) == ("echo/all", "bot", "")
    assert outcome.status == "success"
    assert outcome.body["result"] == {"id": "a", "n": 1}


def test_an_undeclared_tool_is_denied_in_words(wire):
    """As an error result that a model can act on; the server hears nothing."""
    result = wire.call("secret", id="a")
    assert result["isError"] is True
    assert "not declared in the policy" in text(result)
    assert result["_meta"]["handrail/status"] == "denied"
    assert "structuredContent" not in result
    assert "resultType" not in result
    assert wire.heard("tools/call") == []
    assert wire.ended("secret") == [("denied", "not_declared")]


def test_a_sensitive_call_is_held_with_its_ticket(wire):
    """It says so, names the ticket, and has not run."""
    result = wire.call("update", id="a")
    assert result["isError"] is True
    assert result["_meta"]["handrail/ticket"] in text(result)
    assert "make the same call again with the same arguments" in text(result)
    assert wire.heard("tools/call") == []


def test_resources_and_prompts_are_gated(serve):
    """As tools of the method's name; a refusal is an error, since they have no error result."""
    policy = POLICY.replace('  resources/read: {do: read, resource: "{args.uri}"}\n', "")
    wire = serve(policy=policy)
    wire.begin()
    assert wire.ask("prompts/get", {"name": "p", "_meta": {"progressToken": 5}})["result"] == {"messages": []}
    assert wire.heard("prompts/get")[0]["params"] == {"name": "p", "_meta": {"progressToken": 5}}
    error = wire.ask("resources/read", {"uri": "file:///x"})["error"]
    assert error["code"] == -32010
    assert "'resources/read' is not declared" in error["message"]
    assert error["data"]["handrail/status"] == "denied"
    assert wire.heard("resources/read") == []
    assert wire.ended("prompts/get") == [("success", "")]


def test_contents_are_the_result_of_a_resource(wire):
    """Policy paths see them."""
    assert wire.ask("resources/read", {"uri": "file:///x"})["result"]["contents"][0]["text"] == "text"
    outcome = next(one for one in wire.records() if one.tool == "resources/read" and one.status)
    assert outcome.body["result"] == [{"uri": "file:///x", "text": "text"}]


def test_a_server_name_is_a_prefix_in_the_policy(serve):
    """`--server files` makes `echo` `files.echo`; without its prefix it is not declared."""
    policy = POLICY.replace("  echo:", "  files.echo:").replace("  prompts/get:", "  files.prompts/get:")
    wire = serve(policy=policy, options=("--server", "files"))
    wire.begin()
    assert "isError" not in wire.call("echo", id="a")
    assert wire.call("write", id="a")["isError"] is True
    assert "result" in wire.ask("prompts/get", {"name": "p"})
    assert [tool["name"] for tool in wire.ask("tools/list")["result"]["tools"]] == ["echo"]


def test_observe_mode_lets_run_and_shows_all(serve):
    """Undeclared tools too; arguments that break their schema still do not run."""
    wire = serve(policy="mode: observe\n" + POLICY)
    wire.begin()
    assert len(wire.ask("tools/list")["result"]["tools"]) == 5
    assert "isError" not in wire.call("secret", id="a")
    assert wire.call("typed", size=0)["isError"] is True


# --- arguments --------------------------------------------------------------------------------------------------------


def test_the_servers_schema_validates_arguments(wire):
    """Before the gates; nothing is sent."""
    result = wire.call("typed", size="3")
    assert result["_meta"]["handrail/status"] == "failed_validation"
    assert "size must be an integer" in text(result)
    assert wire.heard("tools/call") == []
    assert wire.heard("tools/list")[0]["id"].startswith("handrail-")


def test_defaults_are_judged_and_sent(serve):
    """What nobody wrote is no way around a rule, and what is decided is what runs."""
    wire = serve()
    wire.begin()
    assert wire.call("typed")["structuredContent"] == {"n": 1}
    assert wire.heard("tools/call")[0]["params"]["arguments"] == {"id": "one", "env": "dev"}
    assert "production" in text(wire.call("typed", env="prod"))


def test_a_default_trips_a_rule(serve):
    """The schema says `env: prod`, so a call without `env` is one in production."""
    wire = serve(mode="prod")
    wire.begin()
    result = wire.call("typed")
    assert result["isError"] is True
    assert "production" in text(result)
    assert "isError" not in wire.call("typed", env="dev")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (b'{"id":"a","id":"b"}', "stands twice"),
        (b'{"id":NaN}', "no number"),
        (b'{"id":1e999}', "no number"),
        (b'{"id":"a","ID":"b"}', "differ in case only"),
        (b'{"deep":{"a":[{"k":1,"K":2}]}}', "differ in case only"),
        (b'{"id":"a\\u0000b"}', "U+0000"),
        (b'{"id":"\\ud800"}', "lone surrogate"),
        (b'{"id":123456789012345678901234567890}', "64 bits"),
        (b"[1]", "has to be a JSON object"),
        (b"{" + b'"a":{' * 70 + b"}" * 71, "nested deeper"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(wire, arguments, why):
    """As arguments that are not valid, journalled, and never sent."""
    wire.send(b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"echo","arguments":' + arguments + b"}}")
    result = wire.answer(9)["result"]
    assert result["isError"] is True
    assert why in text(result)
    assert wire.heard("tools/call") == []
    assert wire.ended("echo") == [("failed_validation", "arguments")]


@pytest.mark.parametrize(
    "params", [b'"name":"echo","Name":"write","arguments":{"id":"a"}', b'"name":"echo","Arguments":{"id":"b"}']
)
def test_a_parameter_in_other_case_is_refused(wire, params):
    """Some servers ignore case, and would read another tool or other arguments."""
    wire.send(b'{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{' + params + b"}}")
    assert wire.answer(9)["result"]["isError"] is True
    assert wire.heard("tools/call") == []


def test_an_argument_in_other_case_than_the_schemas_is_refused(serve):
    """A rule on `env` does not see `Env`, and a server that ignores case does."""
    wire = serve()
    wire.begin()
    assert "in case only" in text(wire.call("typed", Env="prod"))
    assert "ignore case" in text(wire.call("typed", Size=1))
    assert wire.heard("tools/call") == []


def test_a_tool_that_the_server_does_not_list_is_not_called(serve):
    """Hidden tools have no schema and no pin."""
    wire = serve(policy=POLICY.replace("  echo:", "  ghost: {do: read}\n  echo:"))
    wire.begin()
    assert "does not list a tool 'ghost'" in text(wire.call("ghost"))
    assert wire.heard("tools/call") == []


# --- lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (b"{", -32700),
        (b"\xff{}", -32700),
        (b"3", -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"1.0","method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","method":"ping","result":{}}', -32600),
        (b'{"jsonrpc":"2.0","method":"ping","params":[]}', -32600),
        (b'{"jsonrpc":"2.0","method":7}', -32600),
        (b"[" * 100_000, -32700),
    ],
)
def test_a_malformed_line_is_answered_with_an_error(shared_wire, bad, code):
    """And the connection goes on."""
    shared_wire.send(bad)
    answer = shared_wire.next()
    assert (answer["id"], answer["error"]["code"]) == (None, code)
    assert shared_wire.ask("ping")["result"] == {"heard": "ping"}


def test_a_request_hidden_behind_a_carriage_return_is_refused(wire):
    """Servers that read with universal newlines would see a tools/call of their own in this ping."""
    inner = b'{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"secret"}}'
    wire.send(b'{"jsonrpc":"2.0","id":9,"method":"ping","params":\r' + inner + b"\r}")
    assert wire.next()["error"]["code"] == -32700
    wire.ask("ping")
    assert [one["method"] for one in wire.heard()][-1:] == ["ping"]
    assert wire.heard("tools/call") == []


@pytest.mark.parametrize("key", ["Method", "ID", "Params", "Result"])
def test_an_envelope_in_other_case_is_refused(shared_wire, key):
    """The request is answered, under its own id."""
    shared_wire.send({"jsonrpc": "2.0", "id": 9, "method": "ping", key: "tools/call"})
    answer = shared_wire.next()
    assert (answer["id"], answer["error"]["code"]) == (9, -32600)


def test_a_method_named_twice_is_refused(wire):
    """A reader that takes the first sees another request than one that takes the last."""
    wire.send(b'{"jsonrpc":"2.0","id":9,"method":"tools/call","method":"ping","params":{"name":"secret"}}')
    assert "stands twice" in wire.answer(9)["error"]["message"]
    assert wire.heard("ping") == []


def test_a_line_with_a_carriage_return_at_its_end_is_a_line(wire):
    """As Windows ends lines."""
    wire.send(json.dumps(line(id=9, method="ping")).encode() + b"\r")
    assert wire.answer(9)["result"] == {"heard": "ping"}


def test_ids_are_of_two_kinds_and_in_flight_once(wire):
    """1 and "1" are two; a second request under an id that waits is refused without touching the first."""
    wire.send(call(7, "echo", do="slow", id="a"), call("7", "echo", id="b"), call(7, "echo", id="c"))
    refused = wire.answer(None)
    assert "in flight" in refused["error"]["message"]
    assert text(wire.answer("7")["result"]) == '{"id": "b"}'
    assert text(wire.answer(7)["result"]) == "late"
    wire.send(call(7, "echo", id="d"))
    assert text(wire.answer(7)["result"]) == '{"id": "d"}'


def test_an_unknown_method_is_denied(wire):
    """And journalled; as a notification it is dropped."""
    assert wire.ask("tools/delete_all")["error"]["code"] == -32601
    wire.send(line(method="tools/call", params={"name": "secret"}))
    assert wire.ask("ping")["result"]
    assert [one.get("method") for one in wire.heard()] == ["initialize", "notifications/initialized", "ping"]
    assert wire.ended("tools/delete_all") == [("denied", "not_declared")]
    assert wire.ended("tools/call") == [("denied", "not_declared")]


def test_what_is_not_gated_passes_as_it_is(wire):
    """Byte for byte, in both directions."""
    odd = b'{"method":"ping",  "id":"x\\u0041", "params":{"z":1.50,"a":1},"jsonrpc":"2.0"}'
    wire.send(odd)
    assert wire.raw() == b'{"jsonrpc": "2.0", "id": "xA", "result": {"heard": "ping"}}\n'
    assert wire.log.read_text().splitlines()[-1] == json.dumps(json.loads(odd))


def test_calls_run_beside_each_other(wire):
    """Eight slow ones take as long as one; answers come in any order."""
    begun = time.monotonic()
    for n in range(8):
        wire.send(call(100 + n, "echo", do="slow", s=1.0, id=str(n)))
    wire.send(call(99, "echo", id="quick"))
    assert wire.next()["id"] == 99
    assert {wire.next()["id"] for _ in range(8)} == set(range(100, 108))
    assert time.monotonic() - begun < 3


def test_server_requests_and_answers_to_them_pass(wire):
    """Each direction has its own ids: the server may ask under the id of the call."""
    wire.send(call(5, "echo", do="elicit"))
    question = wire.next()
    assert (question["id"], question["method"]) == (5, "elicitation/create")
    wire.send(line(id=5, result={"action": "accept"}))
    assert text(wire.answer(5)["result"]) == '{"action": "accept"}'


def test_a_batch_is_answered_in_one(wire):
    """Each request by itself: the allowed one runs, the others are refused, notifications pass."""
    wire.send(
        json.dumps(
            [call(1, "echo", id="a"), call(2, "secret"), line(method="notifications/x"), line(id=3, method="ping"), 4]
        ).encode()
    )
    answers = {answer["id"]: answer for answer in wire.next()}
    assert text(answers[1]["result"]) == '{"id": "a"}'
    assert answers[2]["result"]["isError"] is True
    assert answers[3]["result"] == {"heard": "ping"}
    assert answers[None]["error"]["code"] == -32600
    assert [one["method"] for one in wire.heard()][-3:] != []
    assert wire.heard("notifications/x")


def test_a_batch_of_the_server_is_taken_apart(wire):
    """Its answer is one."""
    wire.send(call(1, "echo", do="batch"))
    assert wire.next()["method"] == "notifications/message"
    assert text(wire.next()["result"]) == "in a batch"


# --- tools/list -------------------------------------------------------------------------------------------------------


def test_the_list_shows_what_may_be_called(wire):
    """And nothing of it is changed."""
    tools = wire.ask("tools/list")["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["echo", "write", "update", "typed"]
    assert tools[0]["description"] == "Says what it hears."


def test_pages_are_filtered_one_by_one(serve):
    """A page may be empty; the cursor stays. Our own request reads them all."""
    wire = serve(mode="pages")
    wire.begin()
    assert "isError" not in wire.call("typed")
    names, cursor = [], None
    for _ in range(5):
        page = wire.ask("tools/list", {} if cursor is None else {"cursor": cursor})["result"]
        names.append([tool["name"] for tool in page["tools"]])
        cursor = page.get("nextCursor")
    assert (names, cursor) == ([["echo"], ["write"], ["update"], ["typed"], []], None)


@pytest.mark.parametrize(("mode", "why"), [("endless", "more than 100 pages"), ("no-list", "with a list")])
def test_without_a_list_nothing_is_called(serve, mode, why):
    """What has no schema cannot be checked."""
    wire = serve(mode=mode)
    wire.begin()
    assert why in text(wire.call("echo", id="a"))
    assert wire.heard("tools/call") == []


def test_a_changed_list_is_asked_for_again(wire):
    """The client is told as well."""
    wire.call("echo", id="a")
    wire.send(call(50, "echo", do="change"))
    assert wire.next()["method"] == "notifications/tools/list_changed"
    wire.answer(50)
    wire.call("echo", id="b")
    assert len(wire.heard("tools/list")) == 2


def test_pins_deny_and_hide_a_changed_tool(serve, tmp_path):
    """The lock stands beside the policy; a tool that says something else than it did is not there any more."""
    first = serve()
    first.begin()
    pins = pins_of(first.ask("tools/list")["result"]["tools"])
    first.end()
    assert "no handrail.lock" in first.said()
    Lock().with_pins("", pins).save(tmp_path / "handrail.lock")
    wire = serve(mode="changed")
    wire.begin()
    assert [tool["name"] for tool in wire.ask("tools/list")["result"]["tools"]] == ["write", "update", "typed"]
    result = wire.call("echo", id="a")
    assert text(result).startswith("Tool 'echo' of the server changed since it was pinned")
    assert result["_meta"]["handrail/status"] == "denied"
    assert wire.heard("tools/call") == []
    assert "isError" not in wire.call("typed")


# --- results ----------------------------------------------------------------------------------------------------------


def test_a_result_that_breaks_its_schema_is_an_error(wire):
    """The client never sees it."""
    result = wire.call("typed", size=13)
    assert result["isError"] is True
    assert "its result is not valid" in text(result)
    assert "thirteen" not in json.dumps(result)
    assert "no structuredContent" in text(wire.call("typed", size=14))
    assert wire.ended("typed") == [("failed_validation", "checks")] * 2


def test_a_failure_of_the_tool_passes_as_it_is(wire):
    """And counts as one; nothing is repeated behind the client's back."""
    assert wire.call("echo", do="fails") == {"content": [{"type": "text", "text": "it is broken"}], "isError": True}
    wire.send(call(9, "echo", do="error"))
    assert wire.answer(9)["error"] == {"code": -32050, "message": "it is broken", "data": {"a": 1}}
    assert wire.ended("echo") == [("failed", "error")] * 2
    assert len(wire.heard("tools/call")) == 2


def test_repetitions_of_the_agent_are_counted(wire):
    """After four failures a person is asked."""
    for _ in range(4):
        assert text(wire.call("echo", do="fails")) == "it is broken"
    assert "3 retries are the limit" in text(wire.call("echo", do="fails"))
    assert len(wire.heard("tools/call")) == 4


def test_the_policy_may_have_a_call_repeated(serve):
    """`idempotent: true` says that Handrail may; then the retries are ours."""
    policy = POLICY.replace(
        'resource: "echo/all"}',
        'resource: "echo/all", idempotent: true, retry: {base_s: 0.001, cap_s: 0.001}}',
    )
    wire = serve(policy=policy)
    wire.begin()
    assert wire.call("echo", do="fails", id="a")["isError"] is True
    assert len(wire.heard("tools/call")) == 4


@pytest.mark.parametrize(
    ("do", "why"),
    [
        ("both", "cannot be read"),
        ("twice", "two ways"),
        ("nan", "two ways"),
        ("odd", "does not know"),
        ("nothing", "no result"),
        ("garbage", "cannot be read"),
    ],
)
def test_what_is_no_clear_result_is_a_failure(wire, do, why):
    """Never passed on, never a success."""
    result = wire.call("echo", do=do)
    assert result["isError"] is True
    assert why in text(result)
    assert wire.ended("echo")[-1][0] == "failed"
    assert "isError" not in wire.call("echo", id="a")


def test_a_broken_answer_leaves_a_write_in_doubt(wire):
    """Nobody knows whether it happened."""
    assert "handrail log resolve" in text(wire.call("write", do="garbage", id="a"))
    assert wire.ended("write") == [("failed", "in_doubt")]


def test_other_requests_get_an_error_when_an_answer_is_broken(wire):
    """It may have been theirs."""
    wire.send(call(1, "echo", do="never", id="a"), call(2, "echo", do="garbage"))
    assert wire.answer(1)["result"]["isError"] is True
    assert wire.answer(2)["result"]["isError"] is True


def test_noise_on_stdout_is_dropped_and_told(wire):
    """Some servers print there; no escape sequence reaches the terminal."""
    assert text(wire.call("echo", do="banner")) == "after the banner"
    assert "\\x1b[31mServer started" in wire.said()
    assert "\x1b" not in wire.said()


def test_a_message_hidden_behind_a_carriage_return_is_dropped(wire):
    """Clients that split lines there would read another message than we did."""
    wire.send(call(1, "echo", do="hidden"))
    assert wire.next()["id"] == 1
    assert "carriage return" in wire.said()


def test_a_line_that_is_too_long_fails_what_waits(wire):
    """And the next one is read."""
    assert "64 MiB" in text(wire.call("echo", do="long"))
    assert "isError" not in wire.call("echo", id="a")


def test_large_lines_pass(wire):
    """20 MB each way."""
    assert len(text(wire.call("echo", do="big", size=20_000_000))) == 20_000_000
    assert wire.call("echo", id="a", body="y" * 15_000_000)["content"][0]["text"].count("y") == 15_000_001


# --- cancelling -------------------------------------------------------------------------------------------------------


def test_a_cancelled_write_stays_in_doubt(wire):
    """The server is told, the client gets no answer, and the same action is not made again."""
    wire.send(call(9, "write", do="never", id="a"))
    while not wire.heard("tools/call"):
        pass
    wire.send(line(method="notifications/cancelled", params={"requestId": 9, "reason": "x"}))
    assert wire.ask("ping", id=10)["id"] == 10
    assert wire.heard("notifications/cancelled")[0]["params"] == {"requestId": 9, "reason": "x"}
    assert "it may have happened" in text(wire.call("write", do="never", id="a"))
    assert wire.ended("write")[0] == ("failed", "in_doubt")


def test_a_cancelled_read_is_only_cancelled(wire):
    """Nothing is in doubt. Its id stays in use, since a late answer could be taken for another request's."""
    wire.send(call(9, "echo", do="never", id="a"))
    while not wire.heard("tools/call"):
        pass
    wire.send(line(method="notifications/cancelled", params={"requestId": 9}))
    wire.send(call(9, "echo", id="b"))
    assert "in flight" in wire.answer(None)["error"]["message"]
    assert text(wire.call("echo", id="b")) == '{"id": "b"}'
    assert ("failed", "cancelled") in wire.ended("echo")


def test_cancelling_what_is_not_in_flight_reaches_nobody(wire):
    """Ids of ours cannot be guessed, and are not asked for."""
    for id in (77, "handrail-1", None, [1], 1.5, True):
        wire.send(line(method="notifications/cancelled", params={"requestId": id}))
    wire.ask("ping")
    assert wire.heard("notifications/cancelled") == []


def test_waiting_for_a_person_can_be_cancelled(serve):
    """The server was not told of the call, so it is not told of its end."""
    wire = serve(options=("--wait", "30"))
    wire.begin()
    wire.send(call(9, "update", id="a"))
    while not [one for one in wire.records() if one.kind == "review"]:
        pass
    wire.send(line(method="notifications/cancelled", params={"requestId": 9}))
    wire.ask("ping", id=10)
    assert wire.heard("notifications/cancelled") == []
    assert wire.end(timeout=5) == 0
