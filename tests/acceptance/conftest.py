"""A guarded world with counted effects, on a store whose clock the test moves."""

import functools

import pytest

from handrail.policy import loads
from handrail.review import keys
from handrail.stores.memory import MemoryStore
from handrail.stores.sqlite import SqliteStore
from handrail.testing import Clock
from handrail.workspace import Workspace

POLICY = """
version: 1
four_eyes: true
reviewers: [dana, kim, bot]
zones: {production: [prod, prd, live], staging: [stage, stg]}
agents:
  bot: {access: write, owner: dana}
  bot/worker: {access: write, parent: bot, owner: dana}
  reader: {}
tools:
  vm.get:    {do: read, resource: "vm/{args.id}"}
  vm.create: {do: create, resource: "vm/{result.id}", zone: args.env}
  vm.tag:    {do: update, resource: "vm/{args.id}", zone: args.env?, ask: never}
  vm.drop:   {do: delete, resource: "vm/{args.id}"}
  vm.put:
    do: update
    resource: "vm/{args.id}"
    undo: {call: vm.put, args: before}
    before: {call: vm.get, args: {id: args.id}}
  vm.login:  {do: execute, resource: "vm/{args.id}"}
redact: [args.password]
rules:
  - {id: production, when: effect.zone == "production", then: ask}
  - {id: never-core, for: "vm.*", when: effect.resource == "vm/core" && effect.verb != "read", then: deny}
  - {id: broken, for: vm.login, when: args.level > 3, then: deny}
"""

SECRET = "correct horse"
enroll = functools.cache(keys.enroll)  # deriving a key is slow on purpose; the tests need it a thousand times
unlock = functools.cache(keys.unlock)


@pytest.fixture(autouse=True)
def fast_keys(monkeypatch):
    monkeypatch.setattr(keys, "unlock", unlock)


class World:
    def __init__(self, store, clock, policy=POLICY, gates=None):
        self.clock = clock
        self.ran = []
        self.state = {"1": "old", "2": "old"}
        self.hr = Workspace(loads(policy, source="world.yaml"), store, gates=gates)
        self.build()

    def build(self):
        hr = self.hr

        @hr.tool("vm.get")
        def get(id: str) -> str:
            return self.state[id]

        @hr.tool("vm.create")
        def create(env: str) -> dict[str, str]:
            self.ran.append(("create", env))
            return {"id": str(len(self.ran) + 10)}

        @hr.tool("vm.tag")
        def tag(id: str, env: str | None = None) -> None:
            self.ran.append(("tag", id, env))

        @hr.tool("vm.drop")
        def drop(id: str) -> None:
            self.ran.append(("drop", id))

        @hr.tool("vm.put")
        def put(id: str, value: str = "new") -> None:
            self.ran.append(("put", id, value))
            self.state[id] = value

        @hr.tool("vm.login")
        def login(id: str, password: str, level: object = 1) -> None:
            self.ran.append(("login", id))
            raise OSError(f"cannot log in with {password}")

        self.get, self.create, self.tag, self.drop, self.put, self.login = get, create, tag, drop, put, login

    def enroll(self):
        for name in self.hr.policy.reviewers:
            person = enroll(name, self.secret(name))
            self.hr.store.transact(lambda tx, person=person: tx.put_reviewer(person))

    def secret(self, name):
        return f"{SECRET} {name}"


@pytest.fixture(params=["memory", "sqlite"])
def make_world(request, tmp_path):
    opened = []

    def make(policy=POLICY, gates=None, *, enroll=True):
        clock = Clock()
        store = (
            MemoryStore(clock)
            if request.param == "memory"
            else SqliteStore(tmp_path / f"{len(opened)}.db", clock_us=clock)
        )
        world = World(store, clock, policy, gates)
        world.hr.host.clock_us = clock
        if enroll:
            world.enroll()
        opened.append(world)
        return world

    yield make
    for world in opened:
        world.hr.close()


@pytest.fixture
def world(make_world):
    return make_world()
