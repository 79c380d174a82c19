"""An office: a compiled policy, the default gates, and a store in memory whose clock the test moves."""

import functools
import itertools

import pytest

from handrail.core.action import Action, action_key
from handrail.core.admission import Desk, admit
from handrail.core.case import propose
from handrail.core.commands import Admit, Settle
from handrail.core.outcome import Outcome, Status
from handrail.core.record import RecordKind
from handrail.core.settlement import settle
from handrail.core.store import Query
from handrail.gates import default_gates
from handrail.policy import loads
from handrail.review import decide, keys
from handrail.stores.memory import MemoryStore
from handrail.testing import Clock

POLICY = """
version: 1
four_eyes: true
reviewers: [dana, kim, bot]
zones: {production: [prod], staging: [stage]}
agents:
  bot: {access: write, owner: dana}
  bot/worker: {access: write, parent: bot}
  reader: {}
tools:
  vm.get:    {do: read, resource: "vm/{args.id}"}
  vm.tag:    {do: update, resource: "vm/{args.id}", zone: args.env?, ask: never}
  vm.drop:   {do: delete, resource: "vm/{args.id}"}
  vm.make:   {do: create, resource: "vm/{result.id}", zone: args.env}
  vm.put:    {do: update, resource: "vm/{args.id}", undo: {call: vm.put, args: {id: args.id, value: args.value}}}
  vm.login:  {do: execute, resource: "vm/{args.id}"}
redact: [args.password, result.token]
rules:
  - {id: production, when: effect.zone == "production", then: ask}
  - {id: never-core, when: effect.resource == "vm/core" && effect.verb != "read", then: deny}
"""

unlock = functools.cache(keys.unlock)
enroll = functools.cache(keys.enroll)


class Office:
    """What a driver does with admissions and settlements, by hand."""

    def __init__(self, policy=POLICY, gates=None, store=None):
        self.clock = Clock()
        self.store = MemoryStore(self.clock) if store is None else store
        self.ids = itertools.count(1)
        self.fresh = itertools.count(1)
        self.desk = Desk(
            loads(policy, source="office.yaml"),
            default_gates() if gates is None else gates,
            keys.genuine,
            lambda: f"{next(self.fresh):08d}{'N' * 16}",
        )

    def load(self, policy):
        """Decide by another policy from now on."""
        self.desk = Desk(loads(policy, source="office.yaml"), self.desk.gates, self.desk.genuine, self.desk.fresh)

    def action(self, tool, args, agent="bot", run="run", call=None, parent=None):
        id = f"a-{next(self.ids)}"
        key = action_key(agent, tool, args)
        return Action(id, agent, run, call or id, tool, args, key, call is not None, parent)

    def admit(self, tool, args, agent="bot", run="run", call=None, parent=None, **fields):
        """Admit one action, as a driver does."""
        command = Admit(self.action(tool, args, agent, run, call, parent), **fields)
        proposed = propose(self.desk.policy, command.action)
        return self.store.transact(lambda tx: admit(tx, command, self.desk, proposed))

    def settle(self, go, status=Status.SUCCESS, result=None, **fields):
        """Settle an admitted attempt."""
        settle_fields = {name: fields.pop(name) for name in ("opaque", "size", "began") if name in fields}
        outcome = Outcome(status, action=go.action.id, attempt=go.attempt, **fields)
        command = Settle(go, outcome, result, returned=status is Status.SUCCESS, **settle_fields)
        return self.store.transact(lambda tx: settle(tx, command, self.desk.policy))

    def rows(self, *kinds):
        """Return the journal's records, without anchors."""
        wanted = kinds or tuple(kind for kind in RecordKind if kind is not RecordKind.ANCHOR)
        return self.store.read(lambda tx: [row.record for row in tx.records(Query(kinds=wanted))])

    def ticket(self, id):
        return self.store.read(lambda tx: tx.ticket(id))

    def enroll(self):
        for name in self.desk.policy.reviewers:
            person = enroll(name, f"the secret of {name}")
            self.store.transact(lambda tx, person=person: tx.put_reviewer(person))

    def approve(self, ticket, by="kim", **fields):
        secret = f"the secret of {by}"
        return decide.approve(self.store, self.desk.policy, ticket, reviewer=by, secret=secret, **fields)

    def deny(self, ticket, by="kim", **fields):
        secret = f"the secret of {by}"
        return decide.deny(self.store, self.desk.policy, ticket, reviewer=by, secret=secret, **fields)


@pytest.fixture(autouse=True)
def fast_keys(monkeypatch):
    """Deriving a key is slow on purpose; each is derived once."""
    monkeypatch.setattr(keys, "unlock", unlock)


@pytest.fixture
def new_office():
    """Makes offices."""

    def make(*args, **fields):
        office = Office(*args, **fields)
        office.enroll()
        return office

    return make


@pytest.fixture
def office(new_office):
    """An office with enrolled reviewers."""
    return new_office()


@pytest.fixture
def policy_text():
    """The office's policy."""
    return POLICY
