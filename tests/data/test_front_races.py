"""Many who apply one plan, and two plans of the same rows: one application, and everybody else is told what is."""

import contextlib
import functools
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import handrail
from handrail.data.rows import StaleRows

WORKER = Path(__file__).with_name("front_worker.py")
THREADS, PROCESSES = 8, 4


def together(*calls):
    """Make calls at once, each in a thread; return what each gave or raised."""
    begin, found = threading.Barrier(len(calls)), {}

    def one(number, call):
        begin.wait()
        try:
            found[number] = call()
        except Exception as error:
            found[number] = error

    threads = [threading.Thread(target=one, args=given) for given in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[number] for number in range(len(calls))]


def in_run(hr, call, *args):
    """Return a call in a run of its own."""

    def made():
        with hr.run("bot"):
            return call(*args)

    return made


def approved(shop):
    """Return a plan that was approved."""
    with shop.using() as db:
        plan = db.plan_sql("UPDATE lead SET score = score + 1 WHERE status = 'error'")
        with pytest.raises(handrail.ReviewRequired) as held:
            db.apply(plan)
    shop.decide(held)
    return plan


@pytest.mark.parametrize("free", [True, False])
def test_threads_that_apply_one_plan(shop, free):
    """One makes the change, the others get its receipt or wait for a person; the ticket is spent once."""
    if free:
        with shop.using() as db:
            plan = db.update("lead", [1], {"score": 11})
    else:
        plan = approved(shop)
    with shop.open() as hr:
        db = hr.database("shop")
        found = together(*[in_run(hr, db.apply, plan)] * THREADS)
        receipts = [one for one in found if not isinstance(one, Exception)]
        assert [one.again for one in receipts].count(False) == 1
        others = [one for one in found if isinstance(one, Exception)]
        assert all(isinstance(one, handrail.ReviewRequired) and not free for one in others), others
        with hr.run("bot"):
            assert db.apply(plan).again
    assert (shop.changes(), shop.hole()) == (1, set())
    assert shop.rows("SELECT score FROM lead WHERE id = 1") == [(11,)]
    assert shop.tickets().count("spent") == (not free)


def test_processes_that_apply_one_plan(shop):
    """The same across processes."""
    plan = approved(shop)
    paths = os.pathsep.join(filter(None, (str(WORKER.parents[2]), os.environ.get("PYTHONPATH"))))
    environ = {**os.environ, "PYTHONPATH": paths}
    command = [sys.executable, str(WORKER), str(shop.folder), "apply", plan.digest, "wait"]
    with contextlib.ExitStack() as stack:
        start = functools.partial(
            subprocess.Popen, command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        workers = [stack.enter_context(start()) for _ in range(PROCESSES)]
        assert [worker.stdout.readline() for worker in workers] == ["ready\n"] * PROCESSES
        for worker in workers:
            worker.stdin.write("go\n")
            worker.stdin.flush()
        said = [worker.communicate(timeout=60)[0].strip() for worker in workers]
    assert said.count("made") == 1, said
    assert all(one in ("made", "again") or one.startswith("ReviewRequired") for one in said), said
    assert (shop.changes(), shop.hole()) == (1, set())
    assert shop.tickets().count("spent") == 1


def test_two_plans_of_the_same_rows(shop):
    """One is made, the other is told that the rows changed."""
    for n in range(1, 4):
        with shop.open() as hr:
            db = hr.database("shop")
            with hr.run("bot"):
                plans = [db.update("lead", [n, n + 1], {"status": f"{n}-{who}"}) for who in "ab"]
            found = together(*[in_run(hr, db.apply, plan) for plan in plans])
        stale = [one for one in found if isinstance(one, StaleRows)]
        assert (len(stale), shop.changes()) == (1, n), found
        assert shop.lead(n) == shop.lead(n + 1)
    assert shop.hole() == set()


def test_threads_that_undo_one_change(shop):
    """One takes it back."""
    with shop.using() as db:
        change = db.apply(db.update("lead", [1], {"status": "new"})).change
        with pytest.raises(handrail.ReviewRequired) as held:
            db.undo(change)
    shop.decide(held)
    with shop.open() as hr:
        db = hr.database("shop")
        found = together(*[in_run(hr, db.undo, change)] * 4)
    made = [one for one in found if not isinstance(one, Exception)]
    assert [one.again for one in made].count(False) == 1
    others = (handrail.ReviewRequired, handrail.data.rows.RowConflict)
    assert all(isinstance(one, others) for one in found if isinstance(one, Exception)), found
    assert (shop.changes(), shop.lead(1), shop.hole()) == (2, ["error"], set())
