"""The example of the design, a small policy, and a case, for all tests of this folder."""

from __future__ import annotations

import itertools

import pytest

from handrail.core.action import Action, action_key
from handrail.core.admission import Desk, admit
from handrail.core.case import propose
from handrail.core.commands import Admit, Ended, Go, Settle
from handrail.core.facts import Facts
from handrail.core.outcome import Outcome, Reason, Status
from handrail.core.policy import Case
from handrail.core.settlement import settle
from handrail.gates import default_gates
from handrail.policy import CompiledPolicy, loads
from handrail.stores.memory import MemoryStore
from handrail.testing import Clock

EXAMPLE = """\
version: 1
mode: enforce                      # observe | enforce
store: sqlite:///.handrail/handrail.db   # or postgresql://…
four_eyes: true
reviewers: [dana@example.com, kim@example.com]
alerts: [https://hooks.example.com/handrail]
zones: {production: [prod, prd, live], staging: [stage, stg]}
agents:
  infra-bot: {access: write, owner: dana@example.com, tokens_per_day: 200_000}
  infra-bot/worker: {parent: infra-bot}
redact: [args.password, result.token]
tools:                             # the allowlist: what is not here is denied
  ec2.describe:     {do: read, resource: "instance/{args.id}"}
  ec2.run_instance: {do: create, resource: "instance/{result.id}", zone: args.env}
  ec2.set_tags:     {do: update, resource: "instance/{args.id}", zone: args.tags.env?}
  files.copy:       {do: copy, resource: "file/{args.from}", to: "file/{args.to}"}
  crm.get_lead:     {do: read, resource: "lead/{args.id}"}
  crm.update_lead:
    do: update
    resource: "lead/{args.id}"
    before: {call: crm.get_lead, args: {id: args.id}}    # before-image by a paired read
    undo:   {call: crm.update_lead, args: before}
    result: {schema: schemas/lead.json}
    checks: [result.company_size != null]
  admin.run:                       # several effects, each with its condition
    effects:
      - {when: args.verb == "show", do: read, resource: "host/{args.host}"}
      - {when: args.verb != "show", do: execute, resource: "host/{args.host}"}
  payments.refund: {do: pay, resource: "order/{args.order}", amount: args.cents}
rules:
  - {id: production, when: effect.zone == "production", then: ask}
  - {id: refunds-add-up, for: payments.refund, at_most: {sum: effect.amount, limit: 50000, per: agent, within: 24h}, then: ask}
  - {id: read-first, for: crm.update_lead, requires: {tool: crm.get_lead, same: resource}, then: deny}
"""
"""The example of the design."""


def policy(tools="", rules="", **top) -> CompiledPolicy:
    """A small policy: one writing agent, the given tools and rules."""
    extra = "".join(f"{key}: {value}\n" for key, value in top.items())
    return loads(
        "version: 1\n"
        + extra
        + (
            ""
            if "agents" in top
            else "agents:\n  bot: {access: write, owner: dana}\n  bot/child: {parent: bot}\n  other:\n"
        )
        + ("" if "zones" in top else "zones: {production: [prod, live], staging: []}\n")
        + (f"tools:\n{tools}\n" if tools else "")
        + (f"rules:\n{rules}\n" if rules else "")
    )


def case(policy, tool, args, agent="bot", **other) -> Case:
    """A case as admission builds it."""
    declared = policy.tool(tool)
    effects = other.pop("effects", None) or declared.effects.of(args)
    action = Action("a1", agent, "run1", "c1", tool, args, "key")
    return Case(action, policy.agent(agent), declared, effects, Facts(now_us=0), policy, **other)


@pytest.fixture
def example(tmp_path):
    """The design's example as a file, with the schema file that it names."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "lead.json").write_text('{"type": "object", "required": ["company_size"]}')
    file = tmp_path / "handrail.yaml"
    file.write_text(EXAMPLE, encoding="utf-8")
    return file


@pytest.fixture
def policy_of():
    """Compiles a small policy."""
    return policy


@pytest.fixture
def case_of():
    """Builds a case."""
    return case


class Room:
    """Where actions are admitted and settled one by one, on a clock that the test moves."""

    def __init__(self, compiled):
        self.clock = Clock()
        self.store = MemoryStore(self.clock)
        self.policy = compiled
        self.ids = itertools.count(1)
        self.pending = {}

    def start(self, tool, args=None, agent="bot", run="r1", parent=None, attempt=0, holds=()):
        """Admit; return the answer."""
        args = {"id": "1"} if args is None else args
        action = Action(
            f"a{next(self.ids)}",
            agent,
            run,
            f"c{next(self.ids)}",
            tool,
            args,
            action_key(agent, tool, args),
            parent=parent,
        )
        desk = Desk(self.policy, default_gates(), lambda *_: False, lambda: f"{next(self.ids):08d}{'N' * 16}")
        command = Admit(action, attempt, holds=holds)
        return self.store.transact(lambda tx: admit(tx, command, desk, propose(self.policy, action)))

    def end(self, go, status=Status.SUCCESS, result=None, reason=Reason.NONE, **fields):
        """Settle."""
        if status is Status.FAILED and reason is Reason.NONE:
            reason = Reason.ERROR
        outcome = Outcome(status, reason, "", go.action.id, go.attempt)
        command = Settle(go, outcome, result, returned=status is Status.SUCCESS, **fields)
        return self.store.transact(lambda tx: settle(tx, command, self.policy))

    def does(self, tool, args=None, status=Status.SUCCESS, result=None, **fields):
        """Admit and settle; return `allow`, `ask` or `deny`."""
        answer = self.start(tool, args, **fields)
        if isinstance(answer, Go):
            self.end(answer, status, result)
            return "allow"
        return "deny" if isinstance(answer, Ended) else "ask"

    def why(self, tool, args=None, **fields):
        """Return the sentence of a refusal, or `""`."""
        answer = self.start(tool, args, **fields)
        return "" if isinstance(answer, Go) else answer.outcome.why


@pytest.fixture
def room():
    """Makes a room for a policy: `room(tools, rules)`."""
    return lambda *args, **top: Room(policy(*args, **top))
