"""A small world for crash tests: a policy, tools with counted effects, and a store that can lose its process."""

from collections import Counter
from pathlib import Path

import pytest

from handrail.policy import loads
from handrail.stores import connect
from handrail.workspace import Workspace
from tests.crash.killing import until_dead
from tests.stores.postgres.server import server

STORES = {
    "sqlite": lambda folder: f"sqlite:///{folder}/handrail.db",
    "postgres": lambda folder: server().url(server().new_database()),
}

POLICY = """
version: 1
reviewers: [dana, kim]
agents: {bot: {access: write, owner: kim}}
tools:
  lead.get:    {do: read, resource: "lead/{args.id}", retry: {base_s: 0.001, cap_s: 0.001}}
  lead.write:  {do: update, resource: "lead/{args.id}", ask: never}
  lead.put:    {do: update, resource: "lead/{args.id}", ask: never, idempotent: true, retry: {base_s: 0.001, cap_s: 0.001}}
  lead.proven:
    do: update
    resource: "lead/{args.id}"
    ask: never
    before: {call: lead.get, args: {id: args.id}}
    verify: {call: lead.get, args: {id: args.id}, expect: seen.size == args.size}
  lead.asked:  {do: update, resource: "lead/{args.id}"}
"""


class World:
    """What survives a crash: a store, and what the tools did to the outside."""

    def __init__(self, folder: Path, kind: str = "sqlite") -> None:
        self.url = STORES[kind](folder)
        self.sizes = {"1": 0}
        self.effects: Counter[str] = Counter()
        self.policy = loads(POLICY, source="crash.yaml")

    def open(self) -> Workspace:
        """Open the store as a new process would."""
        hr = Workspace(self.policy, connect(self.url, Path("/")))
        until_dead(hr.store)

        @hr.tool("lead.get")
        def get(id: str) -> dict[str, object]:
            return {"id": id, "size": self.sizes[id]}

        def change(name):
            @hr.tool(name)
            def write(id: str, size: int) -> None:
                from handrail import current

                self.effects[current().idempotency_key] += 1
                self.sizes[id] = size

            return write

        self.tools = {"lead.get": lambda: get("1")}
        for name in ("lead.write", "lead.put", "lead.proven", "lead.asked"):
            write = change(name)
            self.tools[name] = lambda write=write: write("1", 7)
        return hr

    @staticmethod
    def die(hr: Workspace) -> None:
        """Leave everything as a killed process leaves it."""
        hr.store.die()


@pytest.fixture
def world(tmp_path) -> World:
    return World(tmp_path)
