"""Ways in which somebody got something through once; each was seen to work before it was stopped."""

import asyncio

import pytest
from pydantic import BaseModel, Field, RootModel

import handrail
from handrail.core.store import Query
from handrail.policy import loads
from handrail.review import decide, keys
from handrail.stores.memory import MemoryStore
from handrail.testing import Clock
from handrail.workspace import Workspace

SECRET = "correct horse battery"

POLICY = """
version: 1
four_eyes: false
reviewers: [kim]
zones: {production: [prod], staging: [stage]}
agents:
  bot: {access: write, owner: dana}
  bot/child: {access: write, parent: bot, owner: lee}
tools:
  get:     {do: read, resource: "x/{args.id}", retry: {base_s: 0.001, cap_s: 0.001}}
  pay:     {do: pay, resource: "order/{args.id}"}
  make:    {do: create, resource: "vm/{result.id}"}
  put:     {do: update, resource: "x/{args.id}", ask: never, before: {call: get, args: {id: args.id}}}
  proven:
    {do: update, resource: "x/{args.id}", ask: never, verify: {call: get, args: {id: args.id}, expect: seen == 1}}
  change:
    do: update
    resource: "x/{args.id}"
    idempotent: true
    retry: {base_s: 0.001, cap_s: 0.001}
    before: {call: get, args: {id: args.id}}
    undo: {call: change, args: before}
  copy:    {do: copy, resource: "file/{args.a}", to: "file/{args.b}"}
  write:   {do: create, resource: "file/{args.a}", zone: args.env?}
  drop:    {do: delete, resource: "file/{args.a}", ask: never}
  run:     {do: execute, resource: "file/{args.a}", zone: args.env?}
  grant:   {do: delete, resource: "db/{args.where.env.name}", undo: {call: grant, args: {where: args.where}}}
rules:
  - {id: production, when: effect.zone == "production" && effect.verb != "create", then: ask}
"""


@pytest.fixture
def hr(monkeypatch):
    derived = {}

    def unlock(secret, salt):
        if (secret, salt) not in derived:
            derived[secret, salt] = real(secret, salt)
        return derived[secret, salt]

    real = keys.unlock
    monkeypatch.setattr(keys, "unlock", unlock)
    opened = Workspace(loads(POLICY, source="attack.yaml"), MemoryStore(Clock()))
    opened.host.sleep = lambda seconds: None
    decide.add_reviewer(opened.store, opened.policy, "kim", SECRET)
    yield opened
    opened.close()


def approve(hr, ticket, **fields):
    return decide.approve(hr.store, hr.policy, ticket, reviewer="kim", secret=SECRET, **fields)


def asks(hr, call, agent="bot"):
    with hr.run(agent), pytest.raises(handrail.ReviewRequired) as caught:
        call()
    return caught.value


@pytest.mark.parametrize("tool", ["put", "proven"])
@pytest.mark.parametrize("is_async", [False, True])
def test_an_own_read_that_keeps_failing_ends(hr, tool, is_async):
    """A `before` or `verify` read that keeps failing is tried four times; then the action ends, and nothing loops."""
    reads, ran = [], []

    def get(id: str) -> int:
        reads.append(id)
        raise KeyError(id)

    async def write_async(id: str) -> None:
        ran.append(id)

    def write(id: str) -> None:
        ran.append(id)

    hr.tool("get")(get)
    guarded = hr.tool(tool)(write_async if is_async else write)

    async def work():
        with hr.run("bot"):
            await guarded("1")

    with pytest.raises(handrail.Denied if tool == "put" else handrail.ValidationFailed):
        if is_async:
            asyncio.run(work())
        else:
            with hr.run("bot"):
                guarded("1")
    assert len(reads) == 4
    assert ran == ([] if tool == "put" else ["1"])


class Bomb(BaseModel):
    x: int = 1

    def __getattribute__(self, name):
        if name == "x":
            raise ZeroDivisionError
        return super().__getattribute__(name)


class BadError(Exception):
    @property
    def response(self):
        raise ZeroDivisionError


def _raise(error):
    raise error


@pytest.mark.parametrize(
    "body",
    [
        lambda: Bomb(),
        lambda: _raise(BadError()),
        lambda: _raise(type("Huge", (Exception,), {"retry_after": 10**400})()),
        lambda: _raise(StopIteration()),
        lambda: (n for n in ()),
        lambda: asyncio.sleep(0),
    ],
    ids=["result", "response", "retry_after", "stop", "generator", "awaitable"],
)
def test_no_outcome_is_lost(hr, body):
    """Whatever a tool returns or raises, its outcome is recorded, counted, and never a success that was none."""
    pay = hr.tool("pay")(lambda id: body())
    kinds = set()
    for _ in range(6):
        with hr.run("bot"):
            try:
                pay("1")
                kinds.add("success")
            except BaseException as error:
                kinds.add(type(error).__name__)
    rows = hr.store.read(lambda tx: [r.record for r in tx.records(Query(kinds=("outcome",)))])
    if kinds == {"success"}:  # the value cannot be looked at, and nothing is declared about it
        pytest.fail("a value that cannot be looked at must not pass")
    assert len(rows) == 4, "four attempts, then a person"
    assert "ReviewRequired" in kinds
    assert hr.store.read(lambda tx: tx.unsettled()) == ()


def test_a_retry_runs_only_the_plan_that_was_approved(hr):
    """When what is there changes between two attempts, the approval of the first does not cover the second."""
    state = ["old"]
    sent = []

    @hr.tool("get")
    def get(id: str) -> str:
        return state[0]

    @hr.tool("change")
    def change(id: str) -> None:
        sent.append(state[0])
        state[0] = "somebody else's"
        raise OSError("away")

    approve(hr, asks(hr, lambda: change("1")).ticket)
    asks(hr, lambda: change("1"))
    assert sent == ["old"]


def test_zones_are_not_laundered(hr):
    """What stands in production is in production, whatever a call says, and so is what a copy overwrites."""
    write = hr.tool("write")(lambda a, env=None: None)
    copy = hr.tool("copy")(lambda a, b: None)
    run = hr.tool("run")(lambda a, env=None: None)
    drop = hr.tool("drop")(lambda a: None)
    with hr.run("bot"):
        write("prod.cfg", "prod")
        write("mine.cfg", "stage")
    asks(hr, lambda: copy("mine.cfg", "prod.cfg"))
    asks(hr, lambda: run("prod.cfg", "stage"))
    asks(hr, lambda: drop("prod.cfg"))
    with hr.run("bot"):
        drop("mine.cfg")


@pytest.mark.parametrize(
    "where",
    [
        {"env": {"name": "production"}, "env.name": "dev"},
        {"env.name": "dev"},
        {"env": {"name": ["dev"]}},
    ],
)
def test_a_grant_names_every_argument(hr, where):
    """No other arguments look like those that were granted."""
    grant = hr.tool("grant")(lambda where: None)
    ticket = asks(hr, lambda: grant({"env": {"name": "dev"}})).ticket
    approve(hr, ticket, remember=decide.Remember(uses=5, hours=1, pattern={}))
    with hr.run("bot"):
        grant({"env": {"name": "dev"}})
        grant({"env": {"name": "dev"}})
        with pytest.raises((handrail.ReviewRequired, handrail.Denied)):
            grant(where)


async def test_cancelled_writes_stay_in_doubt(hr):
    """A write that was cut off is not made again: nobody knows whether it happened."""
    sent = []

    @hr.tool("pay")
    async def pay(id: str) -> None:
        sent.append(id)
        await asyncio.sleep(60)

    for _ in range(3):
        with hr.run("bot"), pytest.raises((TimeoutError, handrail.ReviewRequired)):
            await asyncio.wait_for(pay("1"), 0.01)
    assert sent == ["1"]


def test_a_write_that_timed_out_stays_in_doubt(hr):
    """The same for a tool that stopped waiting for its upstream."""
    sent = []

    @hr.tool("pay")
    def pay(id: str) -> None:
        sent.append(id)
        raise TimeoutError("no answer")

    with hr.run("bot"), pytest.raises(TimeoutError) as caught:
        pay("1")
    assert "in_doubt" in str(caught.value.__notes__)
    assert asks(hr, lambda: pay("1")).outcome.reason == "in_doubt"
    with hr.run("bot"), pytest.raises(TimeoutError):
        pay("2")
    assert sent == ["1", "2"]


def test_a_create_that_names_nothing_is_not_repeated(hr):
    """When the id of what was made cannot be read from the result, the same call is not made again."""
    made = []
    make = hr.tool("make")(lambda size: made.append(size))
    assert asks(hr, lambda: make(1)).outcome.reason == "resource_unknown"
    for _ in range(3):
        assert asks(hr, lambda: make(1)).outcome.reason == "in_doubt"
    assert made == [1]


class Order(BaseModel):
    id: str
    amount: int = Field(exclude=True)


class Name(RootModel[str]):
    pass


def test_what_is_decided_is_what_runs(hr):
    """Excluded fields are part of the action, and a model changed after the decision is refused."""
    pay = hr.tool("pay")(lambda id, order: None)
    first = asks_or_runs(hr, lambda: pay("1", Order(id="1", amount=1)))
    second = asks_or_runs(hr, lambda: pay("1", Order(id="1", amount=1_000_000)))
    assert first["order"] != second["order"]
    name = Name("good")
    ran = []
    write = hr.tool("write")(lambda a, env=None: ran.append(a.root))
    real = hr.store.transact

    def meddling(step, **fields):
        answer = real(step, **fields)
        name.root = "evil"
        return answer

    hr.host.store.transact = meddling
    with hr.run("bot"), pytest.raises(RuntimeError, match="changed"):
        write(name)
    assert ran == []


def asks_or_runs(hr, call):
    with hr.run("bot"):
        try:
            call()
        except handrail.ActionError:
            pass
    rows = hr.store.read(lambda tx: [r.record.body for r in tx.records(Query(kinds=("attempt",)))])
    return rows[-1]["args"]


def test_a_run_cannot_begin_inside_a_generator(hr):
    """Two interleaved generators cannot act in each other's name."""

    def chat():
        with hr.run("bot"):
            yield

    with pytest.raises(handrail.ConfigurationError, match="generator"):
        next(chat())


async def test_a_task_cannot_outlive_its_run(hr):
    """What goes on after the run has ended may do nothing more."""
    get = hr.tool("get")(lambda id: 1)
    go = asyncio.Event()

    async def later():
        await go.wait()
        get("1")

    with hr.run("bot"):
        task = asyncio.create_task(later())
        await asyncio.sleep(0)
    go.set()
    with pytest.raises(handrail.Denied, match="ended"):
        await task


def test_owners_are_barred_by_any_spelling_and_for_their_whole_lineage(monkeypatch):
    """Under four eyes neither another spelling of the owner nor the owner of a parent may decide."""
    policy = POLICY.replace("four_eyes: false", "four_eyes: true").replace("[kim]", "[kim, dana, LEE]")
    hr = Workspace(loads(policy, source="eyes.yaml"), MemoryStore())
    drop = hr.tool("drop")(lambda a: None)
    hr.tool("write")(lambda a, env=None: None)
    hr.store.transact(lambda tx: tx.put_zone("file/p", "production"))
    ticket = asks(hr, lambda: drop("p"), "bot/child").ticket
    for name in ("dana", "LEE"):
        decide.add_reviewer(hr.store, hr.policy, name, SECRET)
        with pytest.raises(handrail.ReviewError, match="four_eyes"):
            decide.approve(hr.store, hr.policy, ticket, reviewer=name, secret=SECRET)
    hr.close()


def test_a_refused_copy_is_remembered_on_its_target_too(hr):
    """Another write to what a refused copy would have overwritten asks."""
    copy = hr.tool("copy")(lambda a, b: None)
    run = hr.tool("run")(lambda a, env=None: None)
    hr.store.transact(lambda tx: tx.put_zone("file/b", "production"))
    ticket = asks(hr, lambda: copy("a", "b")).ticket
    decide.deny(hr.store, hr.policy, ticket, reviewer="kim", secret=SECRET)
    hr.store.transact(lambda tx: tx.put_zone("file/b", "staging"))
    assert asks(hr, lambda: run("b")).outcome.reason == "denial_memory"


def test_an_empty_call_id_is_refused(hr):
    """An empty call id would make every call the same, or none."""
    with hr.run("bot") as run, pytest.raises(handrail.ConfigurationError), run.call(""):
        pass


def test_a_gate_that_gives_no_answer_denies(hr):
    """A gate that forgets to return anything denies."""
    from dataclasses import replace

    class Silent:
        name = "silent"

        def judge(self, case):
            pass

    hr.host.desk = replace(hr.host.desk, gates=(*hr.host.desk.gates, Silent()))
    get = hr.tool("get")(lambda id: 1)
    with hr.run("bot"), pytest.raises(handrail.Denied, match="silent"):
        get("1")


def test_attempts_while_held_keep_the_count(hr):
    """Retries are forgotten after ten minutes without an attempt, not after ten minutes of hammering."""
    sent = []

    @hr.tool("pay")
    def pay(id: str) -> None:
        sent.append(id)
        raise OSError("away")

    for _ in range(60):
        hr.store._clock_us.forward(60)
        with hr.run("bot"), pytest.raises((OSError, handrail.ReviewRequired)):
            pay("1")
    assert len(sent) == 4
    hr.store._clock_us.forward(601)
    with hr.run("bot"), pytest.raises(OSError):
        pay("1")


def test_a_reviewer_sees_one_effect_and_every_zone_that_it_touches(hr):
    """What stands in production and is said to enter staging is told as one effect, with both zones."""
    from handrail.review.replay import sentence

    run = hr.tool("run")(lambda a, env=None: None)
    hr.store.transact(lambda tx: tx.put_zone("file/p", "production"))
    id = asks(hr, lambda: run("p", "stage")).ticket
    ticket = hr.store.read(lambda tx: tx.ticket(id))
    assert sentence(ticket) == (
        "bot wants to execute file/p in zone staging (what stands in zone production) with run."
    )
