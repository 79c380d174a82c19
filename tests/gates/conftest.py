"""Cases as admission builds them, over a real policy."""

import pytest

from handrail.core.action import Action, action_key
from handrail.core.case import case_of, propose
from handrail.core.commands import Admit
from handrail.core.facts import Facts
from handrail.policy import loads

POLICY = """
version: 1
zones: {production: [prod], staging: [stage]}
agents:
  bot: {access: write, owner: dana}
  bot/worker: {access: write, parent: bot}
  clerk: {access: write_noncritical}
  reader: {}
tools:
  vm.get:    {do: read, resource: "vm/{args.id}"}
  vm.tag:    {do: update, resource: "vm/{args.id}", zone: args.env?, ask: never}
  vm.note:   {do: create, resource: "note/{args.id}", critical: false}
  vm.drop:   {do: delete, resource: "vm/{args.id}"}
  vm.wipe:   {do: delete}
  vm.make:   {do: create, resource: "vm/{result.id}"}
  vm.copy:   {do: copy, resource: "vm/{args.id}", to: "vm/{args.to}"}
  vm.move:   {do: move, resource: "vm/{args.id}", to: "vm/{args.to}"}
  vm.peek:   {do: read, resource: "vm/{args.id}", ask: always}
  vm.put:    {do: update, resource: "vm/{args.id}", idempotent: true}
  vm.both:
    effects:
      - {do: read, resource: "vm/{args.id}"}
      - {do: delete, resource: "disk/{args.id}"}
databases:
  shop: {tables: {lead: {write: [status], rows_free: 3}}}
rules:
  - {id: production, when: effect.zone == "production", then: ask}
  - {id: never-core, when: effect.resource == "vm/core" && effect.verb != "read", then: deny, why: Core stays.}
  - {id: errs, for: vm.note, when: args.level > 3, then: ask}
"""


@pytest.fixture(scope="session")
def policy():
    return loads(POLICY, source="gates.yaml")


@pytest.fixture
def case(policy):
    """Makes a case: `case("vm.tag", {"id": "1"}, failures=2)`."""

    def make(tool, args=None, agent="bot", invalid=(), before=None, planned=True, **facts):
        args = args or {"id": "1"}
        action = Action("a", agent, "run", "call", tool, args, action_key(agent, tool, args))
        proposed = propose(policy, action)
        known = Facts(facts.pop("now_us", 10**9), **facts)
        command = Admit(action, planned=planned, before=before, invalid=invalid)
        return case_of(policy, command, proposed, known)

    return make
