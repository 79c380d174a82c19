"""The road of `handrail policy backtest`: the same flow, driven by a trace; tickets wait until the case decides them."""

import json
from collections import defaultdict
from datetime import UTC, datetime

from handrail.backtest.asks import Asks
from handrail.backtest.flight import Flight
from handrail.backtest.trace import Attempt
from handrail.backtest.trial import Trial
from tests.acceptance.bypass.corpus import Call
from tests.acceptance.bypass.road import Road, Taken, compiled, with_defaults


class HoldingTrial(Trial):
    """A trial that leaves every ticket waiting, and knows whether the last attempt ran."""

    def __init__(self, policy):
        super().__init__(policy)
        self.ran = False

    def begin(self, attempt, *, held=True):
        """Decide about an attempt, and ask nobody."""
        course = super().begin(attempt, held=True)
        self.ran = course.in_flight
        return course


class BacktestRoad(Road):
    """Takes steps as attempts of one flight."""

    flood_max = 200_000

    def __init__(self, case, folder):
        super().__init__(case, folder)
        self.numbers = defaultdict(int)
        self.trial = HoldingTrial(compiled(case.policy))
        self.store = self.trial.store
        self.aloft = Flight(self.trial)

    def take(self, call):
        """Attempt one call."""
        course = self.aloft.start(self.attempt(call))
        stopped = "ask" if course.ticket else "deny"
        return Taken(call, "allow" if self.trial.ran else stopped, course.ticket, f"{course.rule}: {course.why}")

    def flood(self, flood):
        """Make many calls alike, from one attempt: making each anew would take longer than deciding it."""
        first = self.attempt(flood.call)
        for number in range(min(flood.count, self.flood_max)):
            at_us = first.at_us + number
            attempt = first._replace(
                call=f"{first.call}.{number}", args=flood.args(number), at_us=at_us, ended_us=at_us
            )
            course = self.aloft.start(attempt)
            if course.decision != flood.call.expect:
                self.taken.append(Taken(flood.call, course.decision, None, course.why))
                return

    def attempt(self, call):
        """Return a call as a line of a trace holds it: with its final arguments and an id."""
        self.numbers[call.run] += 1
        id = call.call or f"c{self.numbers[call.run]}"
        return Attempt(
            call.agent,
            call.run,
            id,
            call.tool,
            with_defaults(self.case, call),
            known=call.known,
            result=call.result,
            error=call.error,
            before=call.before,
            at_us=call.at_us,
            ended_us=call.ended_us,
            parent=call.parent,
        )

    def land(self, until_us):
        """Settle what has ended by then."""
        self.aloft.land(until_us)
        if until_us is not None:
            self.trial.advance(until_us)

    def approve(self, _value):
        """Have the simulated reviewer approve the ticket of the call before."""
        self.trial.decide(self.last.ticket, Asks.APPROVED)

    def refuse(self, _value):
        """Have the simulated reviewer refuse the ticket of the call before."""
        self.trial.decide(self.last.ticket, Asks.REFUSED)

    def restart(self, _value):
        """Nothing: a trace does not know of processes."""

    def close(self):
        """Nothing is open."""


def line(case, call, number):
    """Return a call as a line of a trace file."""
    told = {
        "agent": call.agent,
        "run": call.run,
        "call": call.call or f"c{number}",
        "tool": call.tool,
        "args": with_defaults(case, call),
        "at": _time(call.at_us),
        "ended_at": _time(call.ended_us),
    }
    if call.known:
        told["result"] = call.result
    for key, value in (("error", call.error), ("before", call.before), ("parent", call.parent)):
        if value is not None:
            told[key] = value
    return json.dumps(told)


def _time(at_us):
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat().replace("+00:00", "Z")


def is_plain(case, side):
    """Whether a side is a trace and nothing else: no person in between, and nothing asked before the last step."""
    steps = [step for step in case.steps(side) if getattr(step, "what", "") != "restart"]
    return all(isinstance(step, Call) for step in steps) and all(step.expect != "ask" for step in steps[:-1])
