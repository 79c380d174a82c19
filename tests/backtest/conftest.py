"""A small policy, attempts in it, and traces, for all tests of this folder."""

import io
import json

import pytest

from handrail.backtest.asks import Asks
from handrail.backtest.flight import Flight
from handrail.backtest.times import instant
from handrail.backtest.trace import Attempt, Trace
from handrail.backtest.trial import Trial
from handrail.policy import loads

POLICY = """\
version: 1
zones: {production: [prod]}
reviewers: [dana]
agents:
  bot: {access: write, owner: dana}
  bot/child: {access: write, parent: bot}
  loner: {access: write}
  reader:
tools:
  crm.get: {do: read, resource: "lead/{args.id}"}
  crm.set: {do: update, resource: "lead/{args.id}", zone: args.env?, ask: never}
  crm.drop: {do: delete, resource: "lead/{args.id}"}
  crm.new: {do: create, resource: "lead/{result.id}", zone: args.env?}
  crm.edit:
    do: update
    ask: never
    resource: "lead/{args.id}"
    before: {call: crm.get, args: {id: args.id}}
    verify: {call: crm.get, args: {id: args.id}, expect: seen.size == args.size}
    checks: [result.size != null]
  crm.typed: {do: read, args: {schema: {type: object, required: [id]}}}
  pay: {do: pay, resource: "order/{args.order}", amount: args.cents}
rules:
  - {id: production, when: effect.zone == "production", then: ask}
  - {id: no-boss, when: effect.resource == "lead/boss", then: deny}
  - {id: adds-up, for: pay, at_most: {sum: effect.amount, limit: 500, per: agent, within: 24h}, then: ask}
  - {id: read-first, for: crm.drop, requires: {tool: crm.get, same: resource}, then: deny}
  - {id: shrinks, for: crm.edit, when: before.size > args.size, then: ask}
"""


class World:
    """One policy, and attempts in it."""

    def __init__(self, text=POLICY, asks=Asks.APPROVED):
        self.policy = loads(text)
        self.trial = Trial(self.policy, asks)
        self.calls = 0

    def attempt(self, tool, agent="bot", run="r", call=None, at=None, ended=None, **rest):
        """Build an attempt; what is no field of it is an argument of the tool."""
        self.calls += 1
        fields = {name: rest.pop(name) for name in tuple(rest) if name in ("error", "before", "parent", "invalid")}
        known = "result" in rest
        result = rest.pop("result", None)
        at_us, ended_us = (None if time is None else instant(time) for time in (at, ended))
        call = call or f"c{self.calls}"
        return Attempt(
            agent, run, call, tool, rest, known=known, result=result, at_us=at_us, ended_us=ended_us, **fields
        )

    def run(self, *attempts):
        """Run attempts through one flight; return their courses."""
        return list(Flight(self.trial).run(attempts))

    def one(self, tool, **rest):
        """Run one attempt; return its course."""
        return self.run(self.attempt(tool, **rest))[0]

    def said(self, *attempts):
        """Return what was decided, by what, and how it ended, of each."""
        return [(course.decision, course.rule, course.status) for course in self.run(*attempts)]


@pytest.fixture
def world():
    """Attempts in the small policy."""
    return World()


@pytest.fixture
def world_of():
    """Attempts in another policy, or with other answers."""
    return World


@pytest.fixture
def read():
    """Reads a trace from lines; each is text, or an object that the usual keys are added to."""

    def lines(*said, warn=None):
        texts = []
        for number, one in enumerate(said):
            if isinstance(one, dict):
                usual = {"agent": "bot", "run": "r", "call": f"c{number}", "tool": "crm.get", "args": {"id": "a"}}
                texts.append(json.dumps({key: value for key, value in {**usual, **one}.items() if value != "-"}))
            else:
                texts.append(one)
        stream = io.BytesIO("\n".join(texts).encode())
        return list(Trace(stream, "t.jsonl", (lambda _: None) if warn is None else warn))

    return lines
