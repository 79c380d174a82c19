"""Runs: where guarded calls belong."""

import asyncio
import contextvars
import threading

import pytest

from handrail.run import CALL, RUN, Run


@pytest.fixture
def run():
    return Run("workspace", "run-1", "bot", 0.0)


def test_inside_and_outside(run):
    """Calls inside belong to the run; outside there is none."""
    assert RUN.get() is None
    with run as entered:
        assert entered is run
        assert RUN.get() is run
    assert RUN.get() is None


def test_an_exception_ends_it(run):
    """Whatever is raised goes on, and the run is over."""
    with pytest.raises(ZeroDivisionError), run:
        raise ZeroDivisionError
    assert RUN.get() is None


def test_runs_nest(run):
    """The innermost counts, the outer one afterwards; the same run may be entered again."""
    inner = Run("workspace", "run-2", "bot/worker", 0.0)
    with run:
        with inner, run:
            assert RUN.get() is run
        assert RUN.get() is run
        with inner:
            assert RUN.get() is inner
    assert RUN.get() is None


def test_calls_are_named_for_a_while(run):
    """A call id holds inside its block, an inner one inside its own."""
    with run, run.call("a"):
        with run.call("b"):
            assert CALL.get() == "b"
        assert CALL.get() == "a"
    assert CALL.get() is None
    with pytest.raises(ZeroDivisionError), run.call("a"):
        raise ZeroDivisionError
    assert CALL.get() is None


def test_another_thread_is_outside(run):
    """A thread begins without a run, unless its context is handed to it."""
    seen = []
    with run:
        for target in (lambda: seen.append(RUN.get()),):
            thread = threading.Thread(target=target)
            thread.start()
            thread.join()
        context = contextvars.copy_context()
        context.run(lambda: seen.append(RUN.get()))
    assert seen[-1] is run
    assert len(seen) == 2


async def test_tasks_inherit_the_run(run):
    """A task made inside belongs to the run; tasks do not disturb each other."""

    async def look():
        await asyncio.sleep(0)
        return RUN.get()

    async def other():
        with Run("workspace", "run-2", "x", 0.0):
            await asyncio.sleep(0)
            return RUN.get().id

    with run:
        inside = asyncio.create_task(look())
        beside = asyncio.create_task(other())
        assert await inside is run
        assert await beside == "run-2"
        assert RUN.get() is run
    assert await look() is None
