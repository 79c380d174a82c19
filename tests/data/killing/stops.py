"""Moments at which a process can be stopped: before and after everything that it tells the database, COMMIT included."""

import os
import random
import signal
import traceback

import psycopg
import sqlalchemy as sa
from psycopg.waiting import Wait


def seeded():
    """Return what is random in this run, and its seed, which is printed; `KILLING_SEED` repeats a run."""
    seed = int(os.environ.get("KILLING_SEED") or random.SystemRandom().randrange(2**32))
    print(f"KILLING_SEED={seed}")
    return random.Random(seed)


def die(*_):
    """End this process as the kernel does when it is out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


class Stops:
    """Counts moments, and acts at one of them.

    On PostgreSQL each exchange with the server has three: before it, when the request is out and no answer is in, and
    after it. On SQLite a moment stands before each statement; what follows the last one is the caller's.

    Attributes:
        seen: Moments so far.
        counts: Whether they are counted now.
    """

    def __init__(self, at=0, act=die):
        self.seen, self.counts, self._at, self._act = 0, True, at, act

    def reach(self, what, text=""):
        """Be at a moment: `before`, `sent` or `after` something."""
        if self.counts:
            self.seen += 1
            if self.seen == self._at:
                self._act(what, text)

    def at_commit(self, number, what):
        """Act at a COMMIT instead, `before`, `sent` or `after` it; what comes `after` the last is the caller's."""
        commits, reach = [0], self.reach

        def reached(now, text=""):
            commit = text == "COMMIT" or "_commit_gen" in text
            commits[0] += self.counts and commit and now == "before"
            if self.counts and commits[0] == number and now == what and (commit or now == "after"):
                self._act(what, text)
            reach(now, text)

        self.reach = reached

    def on_sqlite(self, engine):
        """Count the statements of the connections that an engine opens from now on."""
        sa.event.listen(engine, "connect", lambda raw, _: raw.set_trace_callback(lambda sql: self.reach("before", sql)))

    def on_postgres(self, patch=setattr):
        """Count the exchanges of all connections of this process from now on; `patch` sets an attribute."""
        wait = psycopg.Connection.wait

        def watched(connection, gen, *args, **options):
            return wait(connection, self._watched(gen), *args, **options)

        patch(psycopg.Connection, "wait", watched)

    def _watched(self, gen):
        text = getattr(gen, "__qualname__", "")
        self.reach("before", text)
        try:
            found = next(gen)
            while True:
                if found is Wait.R:
                    self.reach("sent", text)
                found = gen.send((yield found))
        except StopIteration as stop:
            self.reach("after", text)
            return stop.value


def forked(work):
    """Do work in a process of its own; return its id. Connections that are open now are not for it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def ended(child):
    """Wait for a process; return its exit code, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
