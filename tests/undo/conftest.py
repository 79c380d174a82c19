"""A CRM behind guarded functions, whose updates a paired tool takes back."""

import pytest

import handrail
from handrail.policy import loads
from handrail.stores.sqlite import SqliteStore
from handrail.undo import found, look
from handrail.undo.taking_back import Reach, take_back
from handrail.workspace import Workspace

POLICY = """
version: 1
four_eyes: true
reviewers: [dana, kim]
agents:
  bot: {access: write, owner: dana}
  op: {access: write, owner: dana}
redact: [args.password, before.password, result.token]
tools:
  crm.get: {do: read, resource: "lead/{args.id}"}
  crm.set:
    do: update
    resource: "lead/{args.id}"
    ask: never
    before: {call: crm.get, args: {id: args.id}}
    undo: {call: crm.set, args: {id: args.id, size: before.size}}
  crm.add:                                   # its undo is another tool, and twice is not once
    do: update
    resource: "lead/{args.id}"
    ask: never
    before: {call: crm.get, args: {id: args.id}}
    undo: {call: crm.take, args: {id: args.id, amount: args.amount}}
  crm.take: {do: update, resource: "lead/{args.id}", ask: never}
  crm.login:
    do: update
    resource: "lead/{args.id}"
    ask: never
    before: {call: crm.get, args: {id: args.id}}
    undo: {call: crm.login, args: {id: args.id, password: before.password}}
  crm.make: {do: create, resource: "lead/{result.id}", undo: {call: crm.drop, args: {id: result.id}}}
  crm.drop: {do: delete, resource: "lead/{args.id}", ask: never}
  crm.asks:
    do: update
    resource: "lead/{args.id}"
    ask: always
    before: {call: crm.get, args: {id: args.id}}
    undo: {call: crm.asks, args: {id: args.id, size: before.size}}
  crm.put:
    do: update
    resource: "lead/{args.id}"
    ask: never
    idempotent: true
    before: {call: crm.get, args: {id: args.id}}
    undo: {call: crm.put, args: {id: args.id, size: before.size}}
  crm.note: {do: create, resource: "note/{args.id}"}
"""


class Crm:
    """The leads, the guarded functions, and what goes wrong in them next."""

    def __init__(self, folder, mode="enforce", secrets=True):
        self.leads = {id: {"id": id, "size": 10, "password": f"secret-{id}"} for id in "123"}
        self.next = {}
        self.calls = []
        self.stamped = False
        self.store = SqliteStore(folder / "store.db")
        self.hr = self.workspace(mode, secrets)
        self.hr.host.sleep = lambda delay_s: None
        guard = {"get": self._get, "set": self._set, "add": self._add, "take": self._take, "login": self._login}
        guard |= {"put": self._put, "make": self._make, "drop": self._drop, "asks": self._asks, "note": self._note}
        for name, function in guard.items():
            setattr(self, name, self.hr.tool(f"crm.{name}")(function))

    def workspace(self, mode, secrets):
        policy = POLICY.replace("version: 1", f"version: 1\nmode: {mode}")
        if not secrets:
            policy = policy.replace("redact: [args.password, before.password, result.token]\n", "")
        return Workspace(loads(policy, source="handrail.yaml"), self.store)

    def _go(self, name, id):
        self.calls.append((name, id))
        happens = self.next.pop(name, None)
        if callable(happens):
            happens()
        elif happens is not None:
            raise happens

    def _write(self, id, size):
        self.leads[id]["size"] = size
        if self.stamped:
            self.leads[id]["version"] = self.leads[id].get("version", 0) + 1

    def _get(self, id: str) -> dict[str, object]:
        self._go("get", id)
        return dict(self.leads[id])

    def _set(self, id: str, size: int) -> dict[str, object]:
        self._go("set", id)
        self._write(id, size)
        happens = self.next.pop("set after", None)
        if happens is not None:
            raise happens
        return {"id": id}

    def _put(self, id: str, size: int) -> None:
        if self.next.get("put"):
            happens = self.next["put"].pop(0)
            if isinstance(happens, TimeoutError):
                self._write(id, size)
            raise happens
        self._write(id, size)

    def _add(self, id: str, amount: int) -> dict[str, object]:
        self._go("add", id)
        self._write(id, self.leads[id]["size"] + amount)
        return {"id": id}

    def _take(self, id: str, amount: int) -> dict[str, object]:
        self._go("take", id)
        self._write(id, self.leads[id]["size"] - amount)
        return {"id": id}

    def _login(self, id: str, password: str) -> dict[str, object]:
        self.leads[id]["password"] = password
        return {}

    def _make(self, text: str) -> dict[str, object]:
        self.leads["9"] = {"id": "9", "size": 0, "text": text}
        return {"id": "9", "text": text}

    def _drop(self, id: str) -> None:
        del self.leads[id]

    def _asks(self, id: str, size: int) -> dict[str, object]:
        return self._set(id, size)

    def _note(self, id: str) -> str:
        self._go("note", id)
        return "ok"

    def sizes(self):
        return [lead["size"] for lead in self.leads.values()]

    def run(self, *calls, run="R1", agent="bot"):
        """Make calls as an agent in one run; return the ids of the actions that changed something, oldest first."""
        with self.hr.run(agent=agent, id=run):
            for name, *args in calls:
                try:
                    getattr(self, name)(*args)
                except (handrail.HandrailError, RuntimeError, TimeoutError):
                    pass
        return [one.action for one in reversed(self.made(run))]

    def made(self, run="R1"):
        return found(self.store, lambda name: None, run=run)

    def undo(self, run="R1", agent="op", unchecked=False, sign=None):
        """Take a run back as an agent; return (tool, fate) of each action, newest first."""
        self.told = []
        with self.hr.run(agent=agent):
            reach = Reach(self.hr.edge, self.hr.place, unchecked, sign)
            self.told = list(take_back(reach, self.made(run)))
        return [(one.made.tool.removeprefix("crm."), one.fate.value) for one in self.told]

    def look(self, run="R1", unchecked=False):
        with self.hr.run(agent="op"):
            self.told = list(look(Reach(self.hr.edge, self.hr.place, unchecked), self.made(run)))
        return [(one.made.tool.removeprefix("crm."), one.fate.value) for one in self.told]

    def whys(self):
        return [one.why for one in self.told]


@pytest.fixture
def crm(tmp_path):
    made = Crm(tmp_path)
    yield made
    made.hr.close()


@pytest.fixture
def watched(tmp_path):
    """The same, where the policy only observes."""
    made = Crm(tmp_path, mode="observe")
    yield made
    made.hr.close()
