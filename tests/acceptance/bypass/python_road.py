"""The road of `handrail.open()`: real guarded functions on a real store; what overlaps runs in threads."""

import threading
from contextlib import nullcontext
from dataclasses import dataclass, field

import handrail
from handrail.stores.memory import MemoryStore
from handrail.stores.sqlite import SqliteStore
from tests.acceptance.bypass.corpus import Flood
from tests.acceptance.bypass.road import Road, Taken, with_defaults

PATIENCE_S = 20
HERE = threading.local()


@dataclass(eq=False)
class Flight:
    """One call under way, in a thread where others come in between.

    Attributes:
        taken: What it was answered.
        begun: Set once the tool runs, or the call was answered.
        go: Set when the tool may end.
        thread: Its thread, None in the caller's own.
        crash: What no call should raise.
    """

    taken: Taken
    begun: threading.Event = field(default_factory=threading.Event)
    go: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    crash: BaseException | None = None


class PythonRoad(Road):
    """Takes steps with guarded functions that return what the step says."""

    def __init__(self, case, folder):
        super().__init__(case, folder)
        self.flying = []
        floods = any(isinstance(step, Flood) for step in (*case.attack, *case.twin))
        self.memory = MemoryStore(clock_us=self.clock) if floods else None
        self.clock.now_us = case.attack[0].call.at_us if isinstance(case.attack[0], Flood) else case.attack[0].at_us
        self.open()

    def open(self):
        """Open the policy and guard every tool that the case names."""
        (self.folder / "handrail.yaml").write_text(self.policy, encoding="utf-8")
        self.store = self.memory or SqliteStore(self.folder / "handrail.db", clock_us=self.clock)
        self.hr = handrail.open(self.folder / "handrail.yaml", store=self.store, alerts=False)
        self.hr.host.clock_us = self.clock
        self.hr.host.sleep = lambda seconds: None
        self.enroll(self.store, self.hr.policy)
        self.tools = {name: self.hr.tool(name)(self.function(name)) for name in self.case.tools}

    def function(self, tool):
        """Return a function that does what the step under way says; of a tool with defaults, with these in its head."""
        defaults = self.case.defaults.get(tool)
        if defaults is None:
            return lambda **args: self.act(tool, args)
        calls = [step for step in (*self.case.attack, *self.case.twin) if getattr(step, "tool", "") == tool]
        needed = sorted({name for call in calls for name in call.args} - defaults.keys())
        head = ", ".join([*needed, *(f"{name}={value!r}" for name, value in defaults.items())])
        scope = {"act": lambda args: self.act(tool, args)}
        exec(f"def body({head}): return act(dict(locals()))", scope)
        return scope["body"]

    def act(self, tool, args):
        """Be the tool: end as the step says, when it says so."""
        flight = HERE.flight
        call = flight.taken.call
        if tool != call.tool:  # one of Handrail's own reads
            return call.seen if flight.taken.decision else call.before
        assert args == with_defaults(self.case, call), f"{call.where}: what ran is not what was asked: {args}"
        flight.taken.decision = "allow"
        flight.begun.set()
        if flight.thread is not None:
            assert flight.go.wait(PATIENCE_S)
        if call.cut_off:
            raise TimeoutError("no answer")
        if call.error is not None:
            raise RuntimeError(call.error)
        return call.result if call.known else {}

    def take(self, call):
        """Make one call; one that others overlap goes on in a thread."""
        self.clock.now_us = call.at_us
        flight = Flight(Taken(call))
        if call.ended_us == call.at_us:
            self.perform(flight)
        else:
            flight.thread = threading.Thread(target=self.perform, args=(flight,), daemon=True)
            flight.thread.start()
            assert flight.begun.wait(PATIENCE_S)
            self.flying.append(flight)
        if flight.crash is not None:
            raise flight.crash
        return flight.taken

    def perform(self, flight):
        """Call the guarded function, and note what it was answered."""
        HERE.flight, taken, call = flight, flight.taken, flight.taken.call
        try:
            with self.hr.run(call.agent, id=call.run) as run, run.call(call.call) if call.call else nullcontext():
                self.tools[call.tool](**call.args)
        except (handrail.ActionError, handrail.Killed) as stop:
            outcome = stop.outcome
            taken.why = f"{outcome.reason}: {outcome.why}"
            taken.ticket = outcome.ticket if isinstance(stop, handrail.ReviewRequired) else None
        except (RuntimeError, TimeoutError) as error:
            if taken.decision != "allow":
                flight.crash = error
        except BaseException as error:
            flight.crash = error
        taken.decision = taken.decision or ("ask" if taken.ticket else "deny")
        flight.begun.set()

    def land(self, until_us):
        """Let what ends until then end, in order; everything where no time is said."""
        for flight in sorted(self.flying, key=lambda one: one.taken.call.ended_us):
            if until_us is None or flight.taken.call.ended_us <= until_us:
                self.flying.remove(flight)
                self.clock.now_us = max(self.clock.now_us, flight.taken.call.ended_us)
                flight.go.set()
                flight.thread.join(PATIENCE_S)
                assert not flight.thread.is_alive()
        if until_us is not None:
            self.clock.now_us = max(self.clock.now_us, until_us)

    def live_policy(self):
        """Return the policy that decides now."""
        return self.hr.policy

    def restart(self, _value):
        """End this process's part and begin anew on the same file."""
        assert not self.flying
        assert self.memory is None, "a store in memory does not survive"
        self.hr.close()
        self.open()

    def close(self):
        """Close the store."""
        self.hr.close()
