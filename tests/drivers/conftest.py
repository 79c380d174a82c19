"""A host over a real policy and a store in memory; time is moved by the test."""

import itertools

import pytest

from handrail.core.action import Action, action_key
from handrail.core.admission import Desk
from handrail.core.commands import Proposal
from handrail.drivers.host import Body, Host
from handrail.gates import default_gates
from handrail.policy import loads
from handrail.review import keys
from handrail.stores.memory import MemoryStore
from handrail.testing import Clock

POLICY = """
version: 1
agents: {bot: {access: write}}
tools:
  get:  {do: read, resource: "vm/{args.id}", retry: {base_s: 1}}
  set:  {do: create, resource: "vm/{args.id}"}
  sure: {do: create, resource: "vm/{args.id}", idempotent: true}
  drop: {do: delete, resource: "vm/{args.id}"}
  put:
    do: create
    resource: "vm/{args.id}"
    before: {call: get, args: {id: args.id}}
    verify: {call: get, args: {id: args.id}, expect: seen == "there"}
  login: {do: execute, resource: "vm/{args.id}"}
redact: [args.password]
"""


class Room:
    """What a workspace hands to its drivers."""

    def __init__(self):
        self.clock = Clock()
        self.store = MemoryStore(self.clock)
        self.alerts, self.slept, self.found = [], [], {}
        self.ids = itertools.count(1)
        desk = Desk(loads(POLICY, source="room.yaml"), default_gates(), keys.genuine, self.fresh)
        self.host = Host(self.store, desk, lambda name, args: self.found.get(name), self.alerts.append)
        self.host.clock_us, self.host.sleep, self.host.roll = self.clock, self.sleep, lambda: 0.5

    def fresh(self):
        return f"{next(self.ids):08d}{'N' * 16}"

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.clock.forward(seconds)

    def proposal(self, tool, call=None, wait_s=0.0, **args):
        args = {"id": "1", **args}
        id = f"a-{next(self.ids)}"
        action = Action(id, "bot", "run", call or id, tool, args, action_key("bot", tool, args), call is not None)
        return Proposal(action, self.host.desk.policy.tool(tool), wait_s=wait_s)

    def body(self, function, **fields):
        return Body(function, **fields)


@pytest.fixture
def room():
    return Room()
