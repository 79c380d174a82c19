"""Workspaces: guarded functions, runs, hand-offs."""

import asyncio
import inspect

import pytest
from pydantic import BaseModel, ConfigDict

import handrail
from handrail.core.outcome import Reason, Status
from handrail.core.record import RecordKind
from handrail.core.store import Query
from handrail.policy import loads
from handrail.stores.memory import MemoryStore
from handrail.workspace import Workspace

POLICY = """
version: 1
agents: {bot: {access: write}, reader: {}}
tools:
  get:  {do: read, resource: "vm/{args.id}", args: {schema: {properties: {id: {maxLength: 3}}}}}
  set:  {do: create, resource: "vm/{args.id}"}
  drop: {do: delete, resource: "vm/{args.id}"}
"""


@pytest.fixture
def hr():
    with Workspace(loads(POLICY, source="w.yaml"), MemoryStore()) as opened:
        yield opened


def rows(hr, *kinds):
    return hr.store.read(lambda tx: [row.record for row in tx.records(Query(kinds=kinds))])


def test_the_wrapper_looks_like_the_function(hr):
    """Name, signature and docstring stay, blocking and async."""

    @hr.tool("get")
    def get(id: str, *, deep: bool = False) -> str:
        """Get one."""
        return id

    @hr.tool("set")
    async def put(id: str) -> None:
        """Set one."""

    assert (get.__name__, get.__doc__) == ("get", "Get one.")
    assert list(inspect.signature(get).parameters) == ["id", "deep"]
    assert inspect.iscoroutinefunction(put)
    assert not inspect.iscoroutinefunction(get)


async def test_blocking_and_async(hr):
    """Both return the function's own value."""
    got = object()
    get = hr.tool("get")(lambda id: got)

    @hr.tool("set")
    async def put(id):
        await asyncio.sleep(0)
        return got

    with hr.run("bot"):
        assert get("1") is got
        assert await put("1") is got


def test_outside_a_run(hr):
    """Denied, journalled, never run; the same in a run of another workspace."""
    ran = []
    get = hr.tool("get")(ran.append)
    with Workspace(loads(POLICY, source="o.yaml"), MemoryStore()) as other:
        with pytest.raises(handrail.Denied, match="outside a run"):
            get("1")
        with other.run("bot"), pytest.raises(handrail.Denied, match="another workspace"):
            get("1")
    assert ran == []
    assert [(row.status, row.reason) for row in rows(hr)] == [("denied", "no_run")] * 2


def generator(id):
    yield id


async def async_generator(id):
    yield id


@pytest.mark.parametrize("function", [generator, async_generator], ids=lambda f: f.__name__)
def test_generators_are_refused(hr, function):
    """When they are declared: their effects have no end to verify."""
    with pytest.raises(handrail.ConfigurationError, match="generator"):
        hr.tool("get")(function)


def test_one_function_a_tool(hr):
    """A second one under the same name is refused; an unknown injected name too."""
    hr.tool("get")(lambda id: id)
    with pytest.raises(handrail.ConfigurationError, match="Two functions"):
        hr.tool("get")(lambda id: id)
    with pytest.raises(handrail.ConfigurationError):
        hr.tool("set", inject=["session"])(lambda id: id)


def test_injected_arguments_are_no_part_of_the_action(hr):
    """They reach the function, and nobody sees them."""
    seen = []
    get = hr.tool("get", inject=["session"])(lambda session, id: seen.append((session, id)))
    session = object()
    with hr.run("bot"):
        get(session, id="1")
    assert seen == [(session, "1")]
    assert rows(hr, RecordKind.ATTEMPT)[0].body["args"] == {"id": "1"}


def test_invalid_arguments_do_not_reach_the_tool(hr):
    """Wrong types, values without a JSON form, and what the policy's schema forbids."""
    ran = []

    @hr.tool("get")
    def get(id: str, extra: object = None) -> None:
        ran.append(id)

    with hr.run("bot"):
        for args in ((1,), ("1", float("nan")), ("1", object()), ("1", 2**70), ("\ud800",), ("long one",)):
            with pytest.raises(handrail.ValidationFailed):
                get(*args)
    assert ran == []
    assert {(row.status, row.reason) for row in rows(hr)} == {("failed_validation", "arguments")}


def test_a_python_call_that_does_not_fit(hr):
    """A missing or unknown argument is Python's own TypeError, as without Handrail."""
    get = hr.tool("get")(lambda id: id)
    with hr.run("bot"):
        for call in (get, lambda: get("1", "2"), lambda: get(uid="1")):
            with pytest.raises(TypeError):
                call()


def test_the_spelling_of_a_call_does_not_count(hr):
    """By position and by name it is the same action."""
    get = hr.tool("get")(lambda id: id)
    with hr.run("bot") as run, run.call("c"):
        assert get("1") == get(id="1") == "1"
    assert len(rows(hr, RecordKind.ATTEMPT)) == 1


def test_arguments_changed_after_the_decision(hr):
    """What runs is what was decided: a list that somebody changes meanwhile is refused."""
    ran, items = [], ["1"]

    class Changing:
        name = "changing"

        def judge(self, case):
            items.append("2")
            return ()

    hr.host.desk = type(hr.host.desk)(
        hr.policy, (*hr.host.desk.gates, Changing()), hr.host.desk.genuine, hr.host.desk.fresh
    )

    @hr.tool("set")
    def put(id: str, items: list[str]) -> None:
        ran.append(items)

    with hr.run("bot"), pytest.raises(RuntimeError, match="changed after the decision"):
        put("1", items)
    assert ran == []


def test_a_tools_own_exception(hr):
    """It comes out as it was."""

    @hr.tool("set")
    def put(id: str) -> None:
        raise KeyError("boom")

    with hr.run("bot"), pytest.raises(KeyError, match="boom"):
        put("1")
    assert rows(hr, RecordKind.OUTCOME)[0].status == "failed"


def test_the_return_annotation_is_a_contract(hr):
    """A result of another type is never handed on."""

    @hr.tool("set")
    def put(id: str) -> int:
        return "many"

    with hr.run("bot"), pytest.raises(handrail.ValidationFailed):
        put("1")


def test_methods(hr):
    """`self` is injected."""

    class Client:
        def __init__(self):
            self.seen = []

        @hr.tool("set", inject=["self"])
        def put(self, id: str) -> None:
            self.seen.append(id)

    client = Client()
    with hr.run("bot"):
        client.put("1")
    assert client.seen == ["1"]


def test_run_ids(hr):
    """One's own, or a new one each time."""
    assert hr.run("bot", id="mine").id == "mine"
    assert hr.run("bot").id != hr.run("bot").id


def test_own_calls_need_a_body_without_injection(hr):
    """Handrail can call a function whose arguments it knows, and no other."""
    hr.tool("get")(lambda id: id)
    hr.tool("set", inject=["session"])(lambda session, id: id)
    assert hr.host.bodies("get", {"id": "1"}).call() == "1"
    assert hr.host.bodies("set", {"id": "1"}) is None
    assert hr.host.bodies("nowhere", {}) is None


class Lead(BaseModel):
    id: int


def test_handoff(hr):
    """What keeps the contract goes on as the contract's type; what breaks it does not, and both are journalled."""
    contract = handrail.Contract("lead", Lead)
    with hr.run("bot"):
        assert hr.handoff(contract, {"id": 1}) == Lead(id=1)
        with pytest.raises(handrail.ValidationFailed) as caught:
            hr.handoff(contract, {"id": "x"})
    assert caught.value.outcome.violations
    assert [(row.tool, row.status, row.reason) for row in rows(hr, RecordKind.OUTCOME)] == [
        ("handoff:lead", Status.SUCCESS, Reason.NONE),
        ("handoff:lead", Status.FAILED_VALIDATION, Reason.CHECKS),
    ]
    with pytest.raises(handrail.Denied, match="outside a run"):
        hr.handoff(contract, {"id": 1})


def test_closing(hr):
    """What was learned is stored, whoever asked is called, then the store closes."""
    store, order = MemoryStore(), []
    closing = Workspace(hr.policy, store)
    get = closing.tool("get")(lambda id: {"n": 1})
    with closing.run("bot"):
        for _ in range(3):
            get("1")
    closing.on_close(lambda: order.append(store.read(lambda tx: tx.shape("get"))))
    closing.close()
    assert '"results":3' in order[0]
    with pytest.raises(handrail.StoreError, match="closed"):
        store.read(lambda tx: None)


class Loose(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    value: object


def test_a_model_without_a_json_form_as_argument(hr):
    """It is an invalid argument like any other: refused and journalled."""

    @hr.tool("set")
    def put(id: str, value: Loose) -> None:
        """Never runs."""

    with hr.run("bot"), pytest.raises(handrail.ValidationFailed):
        put("1", Loose(value=object()))


def test_redacted_arguments_do_not_cost_the_result():
    """Where nothing of the result is secret, a repeated call gets it again."""
    policy = loads(POLICY + "redact: [args.password]\n", source="w.yaml")
    with Workspace(policy, MemoryStore()) as hr:
        put = hr.tool("set")(lambda id: {"n": 1})
        with hr.run("bot") as run, run.call("c"):
            assert put("1") == {"n": 1}
            assert put("1") == {"n": 1}


def test_a_function_is_no_tool_of_guarded_data(tmp_path):
    """What the policy says of such a name is what Handrail itself does."""
    (tmp_path / "handrail.yaml").write_text("version: 1\nagents: {bot: {access: write}}\ndatabases: {shop: }\n")
    with handrail.open(tmp_path / "handrail.yaml", store="memory:") as hr:
        with pytest.raises(handrail.ConfigurationError, match="tool of the guarded data 'shop'"):
            hr.tool("shop.query")(lambda sql: sql)
        hr.tool("shop.other")(lambda: 1)
