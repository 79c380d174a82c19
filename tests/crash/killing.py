"""Kill a real process at a random moment, again and again on one store, and check what it left."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import handrail
from handrail.core.facts import CallState
from handrail.core.record import RecordKind
from handrail.core.store import Query, Store
from tests.crash.worker import open_tools

WORKER = Path(__file__).with_name("worker.py")


def kill_once(url: str, effects: Path, seed: int, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Start a worker, let it work for a random time, kill -9 it.

    Args:
        url: Address of the store.
        effects: File of the effects.
        seed: What is random.
        meanwhile: Called while the worker works, before it is killed.
    """
    chance = random.Random(seed)
    command = [sys.executable, str(WORKER), url, str(effects), str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(chance.uniform(0.0, 0.12))
        meanwhile()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def until_dead(store: Store) -> None:
    """Wait until the store has seen that whoever held an intent is gone.

    A server notices a moment after a kill, and gives writers from before its own restart half a minute.
    """
    until = time.monotonic() + 40
    while time.monotonic() < until and any(call.alive for call in store.read(lambda tx: tx.unsettled())):
        time.sleep(0.01)


def check(url: str, effects: Path, *, crashed: bool = False) -> dict[str, int]:
    """Check the promises on what was left; resolve by repeating. Returns counts.

    Args:
        url: Address of the store.
        effects: File of the effects.
        crashed: Whether the server itself crashed meanwhile, which may lose the last moments of reads.
    """
    lines = [line.split() for line in effects.read_text().splitlines()] if effects.exists() else []
    hr, tools = open_tools(url, effects)
    get, write, put = tools
    try:
        until_dead(hr.store)
        rows = hr.store.read(lambda tx: list(tx.records(Query(limit=10_000_000))))
        intents = {r.record.action for r in rows if r.record.kind is RecordKind.ATTEMPT and not r.record.status}
        done = {
            r.record.action
            for r in rows
            if r.record.kind is RecordKind.OUTCOME and not (crashed and r.record.tool == "lead.get")
        }
        keys = Counter(key for _, _, key in lines)
        assert set(keys) <= intents, "an effect has no intent"
        assert max(keys.values(), default=1) == 1, "an effect happened twice"
        assert done <= intents, "an outcome has no intent"
        verified = hr.store.verify()
        assert verified.faults == (), verified.faults
        unsettled = hr.store.read(lambda tx: tx.unsettled())
        durable = {r.record.action for r in rows if r.record.tool != "lead.get"} & intents
        assert {call.action for call in unsettled if call.durable} == durable - done, "an open intent is not shown"
        assert not any(call.alive for call in unsettled if call.state is CallState.RUNNING)
        doubted = repeated = 0
        for call in unsettled:
            n = next(r.record.body["args"]["n"] for r in rows if r.record.action == call.action)
            with hr.run("bot", id="after"):
                if call.tool == "lead.write":
                    try:
                        write(n)
                    except handrail.ReviewRequired as error:
                        assert error.outcome.reason == "in_doubt"
                        doubted += 1
                    else:
                        raise AssertionError("an action in doubt ran again silently")
                elif call.tool == "lead.put":
                    put(n)
                    repeated += 1
                elif call.call != call.action:
                    with hr.run("bot", id="run") as same, same.call(call.call):
                        get(n)
        after = [line.split() for line in effects.read_text().splitlines()] if effects.exists() else []
        ran_again = [key for name, _, key in after[len(lines) :] if name == "lead.put"]
        assert all(key in intents for key in ran_again), "an idempotent tool was repeated with a new key"
        return {"effects": len(lines), "rows": len(rows), "doubted": doubted, "repeated": repeated}
    finally:
        hr.close()
