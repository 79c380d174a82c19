"""Bad input ends in a clear error; nothing is lost, and nothing runs unguarded."""

import asyncio
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time

import pytest

import handrail
from handrail.core.store import Query
from handrail.errors import StoreError, StoreVersionError
from handrail.policy import loads
from handrail.stores.memory import MemoryStore
from handrail.stores.sqlite import SqliteStore
from handrail.workspace import Workspace

POLICY = """
version: 1
agents: {bot: {access: write}}
tools:
  thing.get:     {do: read, resource: "thing/{args.id}", retry: {base_s: 0.001, cap_s: 0.001}}
  thing.set:     {do: update, resource: "thing/{args.id}", ask: never}
  thing.checked: {do: create, resource: "thing/{args.id}", checks: [result.size > 0]}
"""


def open_workspace(store) -> Workspace:
    return Workspace(loads(POLICY, source="bad.yaml"), store)


def outcomes(hr):
    return hr.store.read(lambda tx: [r.record for r in tx.records(Query(kinds=("outcome",)))])


@pytest.fixture(params=["memory", "sqlite"])
def hr(request, tmp_path):
    opened = open_workspace(MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "h.db"))
    yield opened
    opened.close()


def test_unwritable_store(tmp_path):
    """A store that cannot be written refuses to open, and says which file."""
    folder = tmp_path / "file"
    folder.write_text("not a folder")
    with pytest.raises(StoreError, match="cannot be used"):
        SqliteStore(folder / "handrail.db")
    (tmp_path / "handrail.db").mkdir()
    with pytest.raises(StoreError, match="cannot be used"):
        SqliteStore(tmp_path / "handrail.db")


def test_not_a_store(tmp_path):
    """A file that is no database refuses to open, and is left as it was."""
    path = tmp_path / "handrail.db"
    path.write_bytes(b"hello, this is not a database" * 100)
    with pytest.raises(StoreError, match="damaged or not a store"):
        SqliteStore(path)
    assert path.read_bytes().startswith(b"hello")


def test_store_of_a_newer_version(tmp_path):
    """A store that a newer Handrail wrote is not touched."""
    path = tmp_path / "handrail.db"
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreVersionError, match="Upgrade"):
        SqliteStore(path)


FULL = """
import resource, sys
from pathlib import Path
sys.path.insert(0, {root!r})
import handrail
from tests.acceptance.test_bad_input import open_workspace
from handrail.stores.sqlite import SqliteStore
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hr = open_workspace(SqliteStore(Path({path!r})))
ran = []
@hr.tool("thing.set")
def set_thing(id: str, text: str) -> None:
    ran.append(id)
with hr.run("bot"):
    set_thing("before", "x")
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    refused = None
    for n in range(100):
        try:
            set_thing(str(n), "x" * 10_000)
        except handrail.Denied as error:
            refused = error
            break
        except handrail.StoreError as error:
            refused = error
            break
print(type(refused).__name__, len(ran), refused)
"""


def test_full_disk(tmp_path):
    """When the disk is full the action is refused with a clear sentence, and what was written stays readable."""
    path = tmp_path / "handrail.db"
    script = FULL.format(root=os.getcwd(), path=str(path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    kind, ran, sentence = done.stdout.split(" ", 2)
    assert kind in {"Denied", "StoreError"}
    assert "The store" in sentence or "could not be recorded" in sentence
    hr = open_workspace(SqliteStore(path))
    assert hr.store.verify().faults == ()
    intents = hr.store.read(lambda tx: [r for r in tx.records(Query(kinds=("attempt",))) if not r.record.status])
    assert len(intents) >= int(ran), "an effect without an intent"
    hr.close()


def test_locked_database(tmp_path):
    """Somebody else's lock is waited for; "database is locked" never surfaces."""
    path = tmp_path / "handrail.db"
    hr = open_workspace(SqliteStore(path))

    @hr.tool("thing.set")
    def set_thing(id: str) -> str:
        return id

    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.5, lambda: other.execute("COMMIT"))
    timer.start()
    begun = time.monotonic()
    with hr.run("bot"):
        assert set_thing("1") == "1"
    assert time.monotonic() - begun > 0.3
    timer.join()
    other.close()
    hr.close()


def test_huge_result(hr):
    """A 50 MB result passes through where nothing is declared about it, and fails validation where a check must read it."""
    big = {"size": 1, "blob": "x" * 50_000_000}

    @hr.tool("thing.set")
    def passed(id: str) -> dict[str, object]:
        return big

    @hr.tool("thing.checked")
    def checked(id: str) -> dict[str, object]:
        return big

    with hr.run("bot"):
        assert passed("1") is big
        with pytest.raises(handrail.ValidationFailed, match="size limit"):
            checked("2")
    assert [r.status for r in outcomes(hr)] == ["success", "failed_validation"]
    assert all(len(str(r.body)) < 10_000 for r in outcomes(hr))


@pytest.mark.parametrize("value", ["\ud800", {"a": float("nan")}, {1: 2}, b"\xff", 2**70, object()])
def test_results_without_a_json_form(hr, value):
    """A result that JSON cannot hold passes through unchecked tools and never passes a check."""

    @hr.tool("thing.set")
    def passed(id):
        return value

    @hr.tool("thing.checked")
    def checked(id):
        return value

    with hr.run("bot"):
        assert passed("1") is value
        with pytest.raises(handrail.ValidationFailed, match="cannot be checked"):
            checked("2")
    assert hr.store.verify().faults == ()


def test_error_text_is_hostile(hr):
    """The text of an exception is journalled safe to print, even when it cannot be read at all."""

    class Unreadable(Exception):
        def __str__(self):
            raise ZeroDivisionError

    @hr.tool("thing.set")
    def fail(id: str, error: object = None) -> None:
        raise {"1": ValueError("\x1b[31m\u202e\ud800" + "x" * 10_000), "2": Unreadable()}[id]

    with hr.run("bot"):
        with pytest.raises(ValueError):
            fail("1")
        with pytest.raises(Unreadable):
            fail("2")
    whys = [r.body["why"] for r in outcomes(hr)]
    assert "\x1b" not in whys[0]
    assert len(whys[0]) < 700
    assert "cannot be read" in whys[1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, type("Own", (BaseException,), {})])
def test_a_tool_that_raises_base_exception(hr, error):
    """What stops the program is journalled and raised again, and is never retried."""
    ran = []

    @hr.tool("thing.get")
    def get(id: str) -> None:
        ran.append(id)
        raise error

    with hr.run("bot"), pytest.raises(error):
        get("1")
    assert ran == ["1"]
    assert [(r.status, r.reason) for r in outcomes(hr)] == [("failed", "cancelled")]
    assert hr.store.read(lambda tx: tx.unsettled()) == ()


async def test_cancellation(hr):
    """A cancelled task settles its action and stays cancelled."""
    begun = asyncio.Event()

    @hr.tool("thing.get")
    async def get(id: str) -> None:
        begun.set()
        await asyncio.sleep(60)

    async def work():
        with hr.run("bot"):
            await get("1")

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(r.status, r.reason) for r in outcomes(hr)] == [("failed", "cancelled")]


async def test_cancellation_while_the_intent_is_written(tmp_path):
    """A cancellation at any moment leaves no intent without an outcome, and a tool that did not run."""
    hr = open_workspace(SqliteStore(tmp_path / "h.db"))
    ran = []

    @hr.tool("thing.set")
    async def set_thing(id: str) -> None:
        ran.append(id)

    async def work(n):
        with hr.run("bot"):
            await set_thing(str(n))

    for n in range(60):
        task = asyncio.create_task(work(n))
        await asyncio.sleep(0.0002 * (n % 12))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert hr.store.read(lambda tx: tx.unsettled()) == ()
    rows = hr.store.read(lambda tx: [r.record for r in tx.records(Query())])
    ended = {r.action for r in rows if r.kind == "outcome"}
    assert {r.action for r in rows if r.kind == "attempt"} == ended
    assert sum(r.status == "success" for r in rows if r.kind == "outcome") <= len(ran)
    hr.close()


def test_clock_that_jumps_back(tmp_path):
    """The journal's time never goes back, in one process or in the next."""
    times = iter([5_000_000, 4_000_000, 6_000_000, 1, 2, 7_000_000, *range(10**7, 10**7 + 100)])
    store = SqliteStore(tmp_path / "h.db", clock_us=lambda: next(times))
    for _ in range(3):
        store.transact(lambda tx: tx.put_failures("k", 1))
        store.transact(lambda tx: tx.append(handrail.core.record.Record("event", reason="x")))
    rows = store.read(lambda tx: [r.at_us for r in tx.records(Query())])
    assert rows == sorted(rows)
    store.close()


def test_a_later_process_with_an_earlier_clock(tmp_path, monkeypatch):
    """A process whose clock is behind the journal goes on from the journal's time."""
    from handrail.core.record import Record, RecordKind

    path = tmp_path / "h.db"
    ahead = time.time_ns() // 1_000 + 3_600 * 1_000_000
    store = SqliteStore(path, clock_us=lambda: ahead)
    store.transact(lambda tx: tx.append(Record(RecordKind.EVENT, reason="x")))
    store.close()
    store = SqliteStore(path)
    assert store.transact(lambda tx: tx.now_us) >= ahead
    store.close()


FORK = """
import os, sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests.acceptance.test_bad_input import open_workspace
from handrail.stores.sqlite import SqliteStore
hr = open_workspace(SqliteStore(Path({path!r})))
@hr.tool("thing.set")
def set_thing(id: str) -> str:
    return id
with hr.run("bot", id="run"):
    set_thing("parent")
    hr.store.read(lambda tx: tx.latches())  # a reading connection is open when the process forks
    children = []
    for n in range(3):
        pid = os.fork()
        if pid == 0:
            for m in range(5):
                set_thing(f"{{n}}.{{m}}")
            hr.close()
            os._exit(0)
        children.append(pid)
    for m in range(5):
        set_thing(f"p.{{m}}")
    hr.store.read(lambda tx: tx.latches())
    assert all(os.waitpid(pid, 0)[1] == 0 for pid in children)
hr.close()
"""


def test_fork(tmp_path):
    """Children of a fork write chains of their own; nothing is lost, and everything verifies."""
    path = tmp_path / "h.db"
    script = FORK.format(root=os.getcwd(), path=str(path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    store = SqliteStore(path)
    verified = store.verify()
    assert verified.faults == ()
    assert verified.chains == 4
    rows = store.read(lambda tx: [r.record for r in tx.records(Query(run="run"))])
    assert sum(r.kind == "outcome" and r.status == "success" for r in rows) == 21
    store.close()


def test_blocking_tool_on_an_event_loop(hr):
    """A blocking tool on a running event loop never sleeps there: it raises and says what to do."""
    tries = []

    @hr.tool("thing.get")
    def get(id: str) -> None:
        tries.append(id)
        raise OSError("away")

    async def work():
        with hr.run("bot"):
            get("1")

    with pytest.raises(OSError, match="away"):
        asyncio.run(work())
    assert tries == ["1"]
    assert [(r.status, r.reason) for r in outcomes(hr)][-1] == ("failed", "would_block")


def test_blocking_and_async_are_the_same(tmp_path):
    """The same calls leave the same journal, blocking or async."""

    def journal(name, is_async):
        hr = open_workspace(SqliteStore(tmp_path / name))
        fails = iter([True, True, False] + [False] * 10)

        def body(id: str) -> dict[str, int]:
            if next(fails):
                raise OSError("away")
            return {"size": -1 if id == "bad" else 1}

        async def body_async(id: str) -> dict[str, int]:
            return body(id)

        chosen = body_async if is_async else body
        get = hr.tool("thing.get")(chosen)
        checked = hr.tool("thing.checked")(chosen)

        async def call(function, id):
            try:
                value = function(id)
                return await value if is_async else value
            except Exception as error:
                return type(error).__name__

        async def work():
            with hr.run("bot"):
                return [await call(get, "1"), await call(checked, "ok"), await call(checked, "bad")]

        if is_async:
            answers = asyncio.run(work())
        else:
            coroutine = work()
            try:
                coroutine.send(None)
            except StopIteration as stop:
                answers = stop.value
        rows = hr.store.read(lambda tx: [r.record for r in tx.records(Query())])
        hr.close()
        told = [
            (r.kind, r.tool, r.status, r.reason, {k: v for k, v in r.body.items() if k != "call"})
            for r in rows
            if r.kind != "anchor"
        ]
        return answers, told

    assert journal("a.db", False) == journal("b.db", True)


def test_arguments_changed_after_the_decision(hr):
    """What runs is what was decided: an argument changed by another thread meanwhile is refused."""
    tags = {"env": "staging"}
    ran = []

    @hr.tool("thing.set")
    def set_thing(id: str, tags: dict[str, str]) -> None:
        ran.append(tags)

    real = hr.host.store.transact

    def meddling(step, **fields):
        answer = real(step, **fields)
        tags["env"] = "production"
        return answer

    hr.host.store.transact = meddling
    with hr.run("bot"), pytest.raises(RuntimeError, match="changed after the decision"):
        set_thing("1", tags)
    assert ran == []


def test_guarded_generators_are_refused(hr):
    """A generator cannot be guarded."""
    with pytest.raises(handrail.ConfigurationError, match="generator"):

        @hr.tool("thing.get")
        def get(id: str):
            yield 1


def test_same_name_twice(hr):
    """Two functions under one name are refused."""
    hr.tool("thing.get")(lambda id: 1)
    with pytest.raises(handrail.ConfigurationError, match="Two functions"):
        hr.tool("thing.get")(lambda id: 2)


def test_signature_survives(hr):
    """The wrapped function keeps its name, signature and docstring."""
    import inspect

    def get(id: str, *, deep: bool = False) -> int:
        """Get a thing."""
        return 1

    guarded = hr.tool("thing.get")(get)
    assert inspect.signature(guarded) == inspect.signature(get)
    assert (guarded.__name__, guarded.__doc__) == ("get", "Get a thing.")


def test_injected_parameters(hr):
    """Injected parameters are passed on and are no part of the action."""
    session = object()

    class Crm:
        @hr.tool("thing.set", inject=["self", "session"])
        def set_thing(self, id: str, session: object = None) -> object:
            return session

    with hr.run("bot"):
        assert Crm().set_thing("1", session) is session
        assert Crm().set_thing("1", session=session) is session
    rows = hr.store.read(lambda tx: [r.record for r in tx.records(Query(kinds=("attempt",)))])
    assert [r.body["args"] for r in rows] == [{"id": "1"}, {"id": "1"}]


def test_repeated_call(hr):
    """The same call gets the first outcome again, refuses other arguments, and runs once."""
    ran = []

    @hr.tool("thing.set")
    def set_thing(id: str) -> dict[str, str]:
        ran.append(id)
        return {"id": id}

    for _ in range(2):
        with hr.run("bot", id="run") as run, run.call("c1"):
            assert set_thing("1") == {"id": "1"}
    with hr.run("bot", id="run") as run, run.call("c1"), pytest.raises(handrail.Denied, match="new call id"):
        set_thing("2")
    assert ran == ["1"]


def test_repeated_call_whose_result_was_not_kept(hr):
    """A repeated call whose result is over 256 KiB says so instead of giving something else."""

    @hr.tool("thing.set")
    def set_thing(id: str) -> str:
        return "x" * 300_000

    with hr.run("bot", id="run") as run, run.call("c1"):
        assert len(set_thing("1")) == 300_000
    with hr.run("bot", id="run") as run, run.call("c1"), pytest.raises(handrail.ResultNotKept):
        set_thing("1")


def test_call_in_progress(hr):
    """While the first is running, the same call is refused as in progress."""
    seen = []

    @hr.tool("thing.set")
    def set_thing(id: str) -> None:
        def again():
            with hr.run("bot", id="run") as run, run.call("c1"):
                try:
                    set_thing(id)
                except handrail.Denied as error:
                    seen.append(error.outcome.reason)

        thread = threading.Thread(target=again)
        thread.start()
        thread.join()

    with hr.run("bot", id="run") as run, run.call("c1"):
        set_thing("1")
    assert seen == ["in_progress"]


def test_retries_are_counted_whatever_the_call_ids(hr):
    """Four failures of the same action, however they were made, and the fifth asks."""
    tries = []

    @hr.tool("thing.set")
    def set_thing(id: str) -> None:
        tries.append(id)
        raise OSError("away")

    for _ in range(4):
        with hr.run("bot"), pytest.raises(OSError):
            set_thing("1")
    with hr.run("bot"), pytest.raises(handrail.ReviewRequired) as caught:
        set_thing("1")
    assert caught.value.outcome.reason == "retries_exhausted"
    assert len(tries) == 4


def test_idempotent_reads_are_retried_three_times(hr):
    """A read that keeps failing is tried four times in all, then a person is asked."""
    tries = []

    @hr.tool("thing.get")
    def get(id: str) -> None:
        tries.append(handrail.current().attempt)
        raise OSError("away")

    with hr.run("bot"), pytest.raises(handrail.ReviewRequired) as caught:
        get("1")
    assert tries == [0, 1, 2, 3]
    assert caught.value.outcome.reason == "retries_exhausted"
    assert isinstance(caught.value.__cause__, OSError)


def test_handoff(hr):
    """A value that breaks its contract is not handed over; one that keeps it arrives typed."""
    from pydantic import BaseModel

    class Quote(BaseModel):
        symbol: str
        price: float

    contract = handrail.Contract("quote", Quote)
    with hr.run("bot"):
        assert hr.handoff(contract, {"symbol": "X", "price": 1.5}) == Quote(symbol="X", price=1.5)
        with pytest.raises(handrail.ValidationFailed, match="quote"):
            hr.handoff(contract, {"symbol": "X", "price": None})
    with pytest.raises(handrail.Denied, match="outside a run"):
        hr.handoff(contract, {"symbol": "X", "price": 1.5})
    assert [(r.tool, r.status) for r in outcomes(hr)] == [
        ("handoff:quote", "success"),
        ("handoff:quote", "failed_validation"),
    ]


def test_observe_mode_runs_everything_and_says_what_it_would_do(tmp_path):
    """Observe mode: undeclared tools and destructive effects run, would-be decisions are journalled, no ticket opens."""
    policy = loads(
        "version: 1\nmode: observe\nagents: {bot: {}}\ntools: {a: {do: delete, resource: x/1}}\n", source="o"
    )
    hr = Workspace(policy, SqliteStore(tmp_path / "h.db"))
    ran = []
    a = hr.tool("a")(lambda: ran.append("a"))
    b = hr.tool("undeclared")(lambda: ran.append("b"))
    with hr.run("bot"):
        a()
        b()
    assert ran == ["a", "b"]
    rows = hr.store.read(lambda tx: [r.record.body for r in tx.records(Query(kinds=("attempt",)))])
    assert [row.get("would") for row in rows] == ["deny", "deny"]
    assert hr.store.read(lambda tx: tx.tickets()) == ()
    hr.store.transact(lambda tx: tx.put_latch(handrail.core.facts.Latch("bot", "dana", "no", 1)))
    with hr.run("bot"), pytest.raises(handrail.Killed):
        a()
    hr.close()


def test_signals_of_the_process_are_left_alone():
    """Opening and using Handrail installs no signal handlers and changes no limits."""
    before = signal.getsignal(signal.SIGINT), resource.getrlimit(resource.RLIMIT_NOFILE)
    open_workspace(MemoryStore()).close()
    assert (signal.getsignal(signal.SIGINT), resource.getrlimit(resource.RLIMIT_NOFILE)) == before
