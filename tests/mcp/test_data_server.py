"""The data server as a process: both eras of the protocol, several calls at once, and an orderly end."""

import json
import signal
import time

import pytest
from tests.mcp.guarded import DataWire, guarded, handrail, policy
from tests.mcp.wire import text

from handrail.mcp.data_server import CALLS_MAX, HANDSHAKE_VERSIONS, STATELESS_VERSIONS

SECRET = "a secret of dana's"
ENDLESS = f"SELECT count(*) AS n FROM {', '.join(f'lead AS t{number}' for number in range(12))}"
SLOW = f"SELECT count(*) AS n FROM {', '.join(f'lead AS t{number}' for number in range(7))}"
MANY = "UPDATE lead SET status = 'new' WHERE status = 'error'"
VERSION = "io.modelcontextprotocol/protocolVersion"
TOOLS = ["query", "describe", "plan_change", "apply_change", "undo_change"]


@pytest.fixture
def shop(tmp_path):
    """A small database with its history, and a policy that declares it."""
    with guarded("sqlite", tmp_path, (("error", 5), ("won", 2))) as made:
        made.install()
        (tmp_path / "handrail.yaml").write_text(policy("sqlite:///shop.db"))
        yield made


@pytest.fixture
def serve(shop, tmp_path):
    """Return a function that starts the server."""
    wires = []

    def start(*options, **more):
        wires.append(DataWire(tmp_path, *options, **more))
        return wires[-1]

    yield start
    for wire in wires:
        if wire.process.poll() is None:
            wire.process.kill()
        wire.end()


@pytest.fixture
def wire(serve):
    """A connection whose handshake is done."""
    made = serve()
    made.begin()
    return made


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One connection for the tests that leave nothing behind."""
    folder = tmp_path_factory.mktemp("shared")
    with guarded("sqlite", folder, (("error", 5), ("won", 2))) as shop:
        shop.install()
        made = DataWire(folder, policy=policy("sqlite:///shop.db"))
        made.begin()
        yield made
        assert made.end() == 0


def call(id, name, /, **args):
    return {"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": args}}


def modern(**params):
    return {**params, "_meta": {VERSION: STATELESS_VERSIONS[-1]}}


def planned(wire, sql=MANY):
    return wire.call("plan_change", sql=sql)["structuredContent"]["change"]


def waits_for(condition, s=10.0):
    """Wait until a condition holds."""
    until = time.monotonic() + s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_handshake(shared):
    """Each version is spoken; whoever knows none of them is offered the newest."""
    for version in HANDSHAKE_VERSIONS:
        assert shared.begin(version)["result"]["protocolVersion"] == version
    result = shared.begin("1999-01-01")["result"]
    assert result["protocolVersion"] == HANDSHAKE_VERSIONS[-1]
    assert list(result["capabilities"]) == ["tools"]
    assert result["serverInfo"]["name"] == "handrail-data"
    assert "plan_change" in result["instructions"]
    assert shared.ask("ping")["result"] == {}


def test_the_stateless_era(shared):
    """Without a handshake: discovered, listed and called, each answer with what the era wants."""
    found = shared.ask("server/discover", modern())["result"]
    assert found["supportedVersions"] == list(STATELESS_VERSIONS)
    listed = shared.ask("tools/list", modern())["result"]
    assert [tool["name"] for tool in listed["tools"]] == TOOLS
    for result in (found, listed):
        assert (result["resultType"], result["ttlMs"], result["cacheScope"]) == ("complete", 0, "private")
    args = {"name": "query", "arguments": {"sql": "SELECT count(*) FROM lead"}}
    done = shared.ask("tools/call", modern(**args))["result"]
    assert (done["resultType"], done["structuredContent"]["rows"]) == ("complete", [[7]])
    args["arguments"] = {"sql": "DROP TABLE lead"}
    assert shared.ask("tools/call", modern(**args))["result"]["resultType"] == "complete"
    error = shared.ask("tools/list", {"_meta": {VERSION: "2099-01-01"}})["error"]
    assert error["code"] == -32022
    assert error["data"] == {"supported": [*HANDSHAKE_VERSIONS, *STATELESS_VERSIONS], "requested": "2099-01-01"}


def test_the_tools_are_exactly_five(shared):
    """No resources, no prompts, nothing that the policy declares beside it."""
    result = shared.ask("tools/list")["result"]
    assert list(result) == ["tools"]
    assert [tool["name"] for tool in result["tools"]] == TOOLS
    for method in ("resources/list", "prompts/list", "completion/complete", "logging/setLevel", "no/such"):
        assert shared.ask(method)["error"]["code"] == -32601


def test_a_tool_that_is_not_there_is_refused(shared):
    """And the attempt stands in the journal."""
    result = shared.call("drop_everything", now=True)
    assert result["isError"] is True
    assert "'shop.drop_everything' is not declared" in text(result)
    assert shared.ended("shop.drop_everything") == [("denied", "not_declared")]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", -32700),
        (b'{"jsonrpc":"2.0","id":5,"method":7}', -32600),
        (b'{"jsonrpc":"1.0","id":5,"method":"ping"}', -32600),
        (b"[]", -32600),
        (b'{"jsonrpc":"2.0","id":5,"method":"ping","params":{"a":1,"a":2}}', -32600),
        (b"\xff\xfe", -32700),
    ],
)
def test_lines_that_are_no_message_are_answered(shared, line, code):
    """And the connection goes on."""
    shared.send(line)
    assert shared.next()["error"]["code"] == code
    assert shared.ask("ping")["result"] == {}


def test_arguments_that_can_be_read_in_two_ways_are_refused(shared):
    """A key that stands twice: nothing is planned, and it is journalled."""
    said = b'{"sql":"SELECT 1","sql":"SELECT 2"}'
    shared.send(b'{"jsonrpc":"2.0","id":"t","method":"tools/call","params":{"name":"query","arguments":' + said + b"}}")
    assert "stands twice" in text(shared.answer("t")["result"])
    assert shared.ended("shop.query")[-1] == ("failed_validation", "arguments")


@pytest.mark.parametrize("args", [{}, {"sql": 1}, {"sql": "SELECT 1", "more": 2}, {"sql": "SELECT 1", "n": 2**70}, []])
def test_arguments_that_are_not_valid_are_refused(shared, args):
    """With a sentence, and a row in the journal."""
    result = shared.ask("tools/call", {"name": "query", "arguments": args})["result"]
    assert result["isError"] is True
    assert shared.ended("shop.query")[-1] == ("failed_validation", "arguments")


def test_a_batch_is_answered_together(shared):
    """As 2025-03-26 has it."""
    ping = {"jsonrpc": "2.0", "id": "c", "method": "ping"}
    calls = [call("a", "query", sql="SELECT 1 AS a"), call("b", "query", sql="DROP TABLE lead")]
    shared.send([*calls, ping, {"jsonrpc": "2.0"}])
    answers = shared.next()
    assert sorted(one["id"] or "" for one in answers) == ["", "a", "b", "c"]


def test_a_long_query_holds_nobody_up(wire):
    """Others are answered meanwhile; a cancelled one is answered no more, and its id is free again."""
    wire.send(call(1, "query", sql=ENDLESS))
    time.sleep(0.3)
    begun = time.monotonic()
    assert wire.ask("ping", id=2)["result"] == {}
    assert time.monotonic() - begun < 2
    wire.send(call(3, "query", sql="SELECT 1 AS a"))
    assert wire.answer(3)["result"]["structuredContent"]["rows"] == [[1]]
    wire.send(call(1, "query", sql="SELECT 2 AS a"))
    assert "in flight" in wire.next()["error"]["message"]
    wire.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})
    wire.send(call(1, "query", sql="SELECT 3 AS a"))
    assert wire.answer(1)["result"]["structuredContent"]["rows"] == [[3]]
    begun = time.monotonic()
    assert wire.end() == 0
    assert time.monotonic() - begun < 5


def test_only_so_many_calls_at_once(serve):
    """Further ones are refused with what to do; requests that are no calls are answered as before."""
    wire = serve("--wait", "60")
    wire.begin()
    change = planned(wire)
    wire.send(*(call(f"w{number}", "apply_change", change=change) for number in range(CALLS_MAX)))
    wire.send(call("late", "query", sql="SELECT 1"))
    assert "Wait for some to end" in wire.answer("late")["error"]["message"]
    assert wire.ask("ping")["result"] == {}
    wire.process.send_signal(signal.SIGTERM)
    assert wire.end() == 0


def approve(folder, ticket):
    handrail(folder, "review", "approve", ticket, "--as", "dana@example.com", "--secret-stdin", input=SECRET)


def tickets(folder):
    return [word for word in handrail(folder, "review", "list").split() if word.startswith("T-")]


def test_a_held_call_waits_for_a_person(serve, shop, tmp_path):
    """`--wait`: the approval comes while the client waits, and it runs; one that is cancelled waits no longer."""
    handrail(tmp_path, "reviewer", "add", "dana@example.com", "--secret-stdin", input=SECRET)
    wire = serve("--wait", "60")
    wire.begin()
    change = planned(wire)
    wire.send(call("a", "apply_change", change=change))
    waits_for(lambda: tickets(tmp_path))
    approve(tmp_path, tickets(tmp_path)[0])
    assert wire.answer("a")["result"]["structuredContent"]["rows"] == 5
    assert shop.counts() == {"new": 5, "won": 2}
    wire.send(call("b", "undo_change", change=change))
    waits_for(lambda: tickets(tmp_path))
    wire.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "b"}})
    wire.process.stdin.close()
    begun = time.monotonic()
    assert wire.end() == 0
    assert time.monotonic() - begun < 3
    assert shop.counts() == {"new": 5, "won": 2}


@pytest.mark.parametrize("how", ["eof", "sigterm"])
def test_the_end_waits_for_nobody(serve, tmp_path, how):
    """A call that waits for a person is answered, that it waits no longer; the ticket stays."""
    wire = serve("--wait", "600")
    wire.begin()
    change = planned(wire)
    wire.send(call("a", "apply_change", change=change))
    waits_for(lambda: tickets(tmp_path))
    begun = time.monotonic()
    if how == "eof":
        wire.process.stdin.close()
    else:
        wire.process.send_signal(signal.SIGTERM)
    result = wire.answer("a")["result"]
    assert result["isError"] is True
    assert result["_meta"]["handrail/reason"] == "cancelled"
    assert wire.end() == 0
    assert time.monotonic() - begun < 5
    assert len(tickets(tmp_path)) == 1


def test_what_is_under_way_may_finish(wire):
    """A client that closes its input still gets the answer."""
    wire.send(call(8, "query", sql=SLOW))
    wire.process.stdin.close()
    assert "isError" not in wire.answer(8)["result"]
    assert wire.end() == 0


def test_a_change_under_way_is_made(wire, shop):
    """Also where the process is told to end at once."""
    change = planned(wire, "UPDATE lead SET status = 'x' WHERE id IN (1, 2)")
    wire.send(call(7, "apply_change", change=change), {"jsonrpc": "2.0", "id": 8, "method": "ping"})
    wire.answer(8)
    wire.process.send_signal(signal.SIGTERM)
    assert wire.answer(7)["result"]["structuredContent"]["rows"] == 2
    assert wire.end() == 0
    assert shop.counts()["x"] == 2


def test_many_calls_at_once_apply_a_plan_once(wire, shop):
    """Sixteen of them: one receipt is new."""
    change = planned(wire, "UPDATE lead SET status = 'x' WHERE id IN (1, 2)")
    wire.send(*(call(f"c{number}", "apply_change", change=change) for number in range(16)))
    results = [wire.answer(f"c{number}")["result"] for number in range(16)]
    done = [one["structuredContent"]["again"] for one in results if "structuredContent" in one]
    assert done.count(False) == 1
    assert all("in progress" in text(one) for one in results if "structuredContent" not in one)
    assert shop.counts()["x"] == 2


def test_a_changed_policy_is_in_force_at_the_next_call(wire, tmp_path):
    """Tables come and go; a policy that does not compile changes nothing, loudly."""
    narrow = policy("sqlite:///shop.db", "{secret: {write: [word]}}")
    (tmp_path / "handrail.yaml").write_text(narrow)
    time.sleep(0.6)
    assert "lead is not declared" in text(wire.call("plan_change", sql=MANY))
    (tmp_path / "handrail.yaml").write_text("version: 1\ndatabases: [")
    time.sleep(0.6)
    assert "lead is not declared" in text(wire.call("plan_change", sql=MANY))
    assert "stays in force" in wire.said()
    (tmp_path / "handrail.yaml").write_text(policy("sqlite:///shop.db"))
    time.sleep(0.6)
    assert "isError" not in wire.call("plan_change", sql=MANY)
    (tmp_path / "handrail.yaml").write_text(policy("sqlite:///gone.db"))
    time.sleep(0.6)
    assert "gone.db" in text(wire.call("query", sql="SELECT 1"))
    assert wire.ended("shop.query")[-1] == ("failed_validation", "arguments")


def test_a_change_of_few_rows_by_key_needs_nobody(wire, shop):
    """As the policy relaxes it; the undo is a person's to decide all the same."""
    plan = wire.call("plan_change", sql="UPDATE lead SET status = 'x' WHERE id IN (1, 2)")["structuredContent"]
    assert plan["asks"] == []
    assert "held" not in plan["next"]
    assert "rules of the policy and earlier refusals may" in plan["next"]
    assert "makes another plan" in plan["next"]
    done = wire.call("apply_change", change=plan["change"])["structuredContent"]
    assert "undo_change" in done["next"]
    assert shop.counts() == {"x": 2, "error": 3, "won": 2}
    assert "handrail/ticket" in wire.call("undo_change", change=plan["change"])["_meta"]


def test_the_keys_of_new_rows_come_back(wire):
    """In the answer of the call that made them, and when it is made again."""
    sql = "INSERT INTO lead (status) VALUES ('a'), ('b')"
    change = planned(wire, sql)
    for again in (False, True):
        done = wire.call("apply_change", change=change)["structuredContent"]
        assert (done["again"], list(done["made"].values())) == (again, [[8, 9]])


def test_what_was_never_applied_is_not_undone(wire):
    """A plan that waits is told from a change that nobody knows; the refusal names its action."""
    change = planned(wire)
    result = wire.call("undo_change", change=change)
    assert "is planned and was not applied: apply_change was not called yet" in text(result)
    assert result["_meta"]["handrail/status"] == "failed"
    assert result["_meta"]["handrail/action"]
    assert "There is no change 000000000000 in this database, and no plan" in text(
        wire.call("undo_change", change="0" * 64)
    )


def test_more_conflicts_than_a_sentence_takes_are_listed(wire, shop, tmp_path):
    """The keys of all, up to a hundred."""
    handrail(tmp_path, "reviewer", "add", "dana@example.com", "--secret-stdin", input=SECRET)
    shop.run(*(f"INSERT INTO lead VALUES ({number}, 'error', 'n')" for number in range(100, 130)))
    change = planned(wire)
    wire.call("apply_change", change=change)
    approve(tmp_path, tickets(tmp_path)[0])
    assert wire.call("apply_change", change=change)["structuredContent"]["rows"] == 35
    shop.run("UPDATE lead SET status = 'mine' WHERE id >= 100")
    result = wire.call("undo_change", change=change)
    assert json.loads(text(result).partition("Keys of the first 30: ")[2]) == list(range(100, 130))
    assert result["_meta"]["handrail/reason"] == "stale"


def test_cells_are_shown_plainly(wire, shop):
    """Reals as numbers, bytes in hexadecimal digits; of the picture as of the answer."""
    shop.run("UPDATE lead SET note = 2.5 WHERE id = 1", "UPDATE lead SET note = x'00ff' WHERE id = 2")
    samples = wire.call("plan_change", sql=MANY)["structuredContent"]["samples"]
    assert [one["before"]["note"] for one in samples[:3]] == ["2.5", "\\x00ff", "n"]


def test_a_stopped_agent_is_told(wire, tmp_path):
    """Each call, until somebody starts it again."""
    handrail(tmp_path, "stop", "bot", "--why", "a look first")
    result = wire.call("query", sql="SELECT 1")
    assert result["_meta"]["handrail/status"] == "killed"
    handrail(tmp_path, "start", "bot")
    assert "isError" not in wire.call("query", sql="SELECT 1")


def test_an_agent_that_may_only_read_plans_and_does_not_apply(serve):
    """The policy's access counts here as everywhere."""
    wire = serve(agent="reader")
    wire.begin()
    change = planned(wire, "UPDATE lead SET status = 'x' WHERE id = 1")
    result = wire.call("apply_change", change=change)
    assert result["_meta"]["handrail/reason"] == "access"


def test_without_a_history_it_is_told_what_to_run(serve, shop):
    """At the start and in the refusal; queries go."""
    shop.run("DROP TABLE handrail_row", "DROP TABLE handrail_change", "DROP TABLE handrail_meta")
    wire = serve()
    wire.begin()
    assert wire.call("query", sql="SELECT 1 AS a")["structuredContent"]["rows"] == [[1]]
    assert "handrail data install" in text(wire.call("plan_change", sql=MANY))
    assert "handrail data install shop --apply" in wire.said()


def test_a_database_that_is_not_declared_is_read_only(serve, shop, tmp_path):
    """`--url` without `databases:`; the refusal of a change says what to add."""
    (tmp_path / "handrail.yaml").write_text(policy("x").partition("databases:")[0])
    wire = serve("--url", "sqlite:///shop.db")
    wire.begin()
    assert wire.call("query", sql="SELECT count(*) FROM lead")["structuredContent"]["rows"] == [[7]]
    said = text(wire.call("plan_change", sql=MANY))
    assert "databases: {shop: {tables: {TABLE: {write: [COLUMN]}}}}" in said
    assert wire.call("describe", table="lead")["structuredContent"]["tables"][0]["may"] == "read"
    assert "declares no table" in wire.said()
    (tmp_path / "handrail.yaml").write_text(policy("sqlite:///elsewhere.db"))
    time.sleep(0.6)
    assert "isError" not in wire.call("plan_change", sql=MANY)


def test_the_run_can_be_named(serve):
    """And is the connection otherwise."""
    wire = serve("--run", "nightly")
    wire.begin()
    wire.call("describe")
    assert {one.run for one in wire.records() if one.tool == "shop.describe"} == {"nightly"}


def test_a_line_that_is_too_long_ends_the_connection(wire):
    """Whoever waits for its answer learns that there is none."""
    wire.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"' + b"y" * (65 * 1024 * 1024) + b'"}}')
    assert "64 MiB" in wire.next(60)["error"]["message"]
    assert wire.end() == 0


def test_a_superuser_is_refused(tmp_path):
    """At the start: no transaction holds such a role."""
    with guarded("postgres", tmp_path, (("error", 1),)) as shop:
        wire = DataWire(tmp_path, policy=policy(shop.owner))
        assert wire.raw() is None
        assert wire.end() == 3
        assert "superuser" in wire.said()
