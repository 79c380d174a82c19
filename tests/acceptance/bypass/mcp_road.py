"""The road of `handrail mcp serve`: the real proxy before a real server process, one connection a run.

The proxy runs inside this process, on a store with the case's clock; the server is a child that speaks JSON-RPC.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from handrail.mcp.catalogue import Catalogue
from handrail.mcp.lock import Lock
from handrail.mcp.proxy import Proxy
from handrail.stores.memory import MemoryStore
from handrail.stores.sqlite import SqliteStore
from handrail.workspace import Workspace
from tests.acceptance.bypass.corpus import Special
from tests.acceptance.bypass.road import Road, Taken, compiled, with_defaults

SERVER = Path(__file__).with_name("mcp_server.py")
PATIENCE_S = 20
RESOURCE = "resources/read"


class ToldServer:
    """A server process, and the socket on which it is told what to answer."""

    def __init__(self, folder):
        self.path = str(Path(folder) / "told.sock")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(1)
        self.listener.settimeout(PATIENCE_S)
        self.process = None
        self.test = None

    def start(self):
        """Start the process; the proxy of another process may do so instead, with the same command."""
        self.process = subprocess.Popen(self.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self.accept()

    def command(self):
        """Return the command that starts it."""
        return [sys.executable, "-S", "-E", str(SERVER), self.path]

    def accept(self):
        """Wait until it has started."""
        self.test, _ = self.listener.accept()

    def say(self, message):
        """Tell it something."""
        self.test.sendall(json.dumps(message).encode() + b"\n")

    def close(self):
        """End it."""
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(PATIENCE_S)
            self.process.stdout.close()
        if self.test is not None:
            self.test.close()
        self.listener.close()


class Pool:
    """Servers that are used again, since starting one takes longer than a case."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="told-")
        self.free = []
        self.all = []

    def take(self):
        """Return a server that nobody uses."""
        if self.free:
            return self.free.pop()
        place = Path(self.folder.name) / str(len(self.all))
        place.mkdir()
        self.all.append(ToldServer(place))
        self.all[-1].start()
        return self.all[-1]

    def close(self):
        """End all of them."""
        for server in self.all:
            server.close()
        self.folder.cleanup()


def offered(case):
    """Return the tools as the server lists them: open schemas, with the case's defaults."""
    return [
        {
            "name": name,
            "inputSchema": {
                "type": "object",
                "properties": {key: {"default": value} for key, value in case.defaults.get(name, {}).items()},
            },
        }
        for name in case.tools
    ]


def answer_of(call):
    """Return what the server answers when a step is carried out."""
    if call.tool == RESOURCE:
        return {"contents": [{"uri": call.args["uri"], "text": "text"}]}
    if call.error is not None:
        return {"content": [{"type": "text", "text": call.error}], "isError": True}
    return content(call.result if call.known else {})


def content(value):
    """Return a tool's result that holds a value."""
    told = {"content": [{"type": "text", "text": json.dumps(value)}]}
    return {**told, "structuredContent": value} if isinstance(value, dict) else told


def request(call, id):
    """Return the client's line."""
    params = call.args if call.tool == RESOURCE else {"name": call.tool, "arguments": call.args}
    method = RESOURCE if call.tool == RESOURCE else "tools/call"
    return json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).encode()


def name_of(reached):
    """Return the tool that the server was asked for."""
    return RESOURCE if reached["method"] == RESOURCE else reached["params"]["name"]


def stopped(answer):
    """Return (ticket, why) of an answer that is a refusal; None where it is the server's own."""
    told = answer.get("result", {}).get("_meta") or answer.get("error", {}).get("data") or {}
    if "handrail/status" not in told:
        return None
    why = answer["error"]["message"] if "error" in answer else answer["result"]["content"][0]["text"]
    return told.get("handrail/ticket"), f"{told.get('handrail/reason')}: {why}"


@dataclass
class Flown:
    """One call that reached the server and has not been answered."""

    taken: Taken
    connection: object
    number: int
    id: int


class Connection:
    """One client, its proxy and its server."""

    def __init__(self, road, agent, run):
        self.road = road
        self.server = road.pool.take()
        self.reached = asyncio.Queue()
        self.answers = {}
        self.changed = asyncio.Event()
        self.count = 0
        self.rest = {}
        lock = Lock.load(road.folder / "handrail.lock")
        self.proxy = Proxy(
            road.hr, agent, run, Catalogue("", lock),
            to_client=self.from_proxy, to_server=self.to_server, say=lambda sentence: None,
        )  # fmt: skip
        self.bodies = road.hr.host.bodies  # the proxy's own reads go to its own server
        self._wire(self.server.process.stdout.fileno(), lambda data: self.proxy.from_server(data))
        self._wire(self.server.test.fileno(), self.from_test)

    def _wire(self, fd, take):
        self.rest[fd] = b""

        def ready():
            *lines, self.rest[fd] = (self.rest[fd] + os.read(fd, 1 << 16)).split(b"\n")
            for line in lines:
                take(line)

        self.road.loop.add_reader(fd, ready)

    def to_server(self, line):
        data = line if line.endswith(b"\n") else line + b"\n"
        self.server.process.stdin.write(data)

    def from_proxy(self, line):
        answer = json.loads(line)
        self.answers[answer.get("id")] = answer
        self.changed.set()

    def from_test(self, line):
        self.reached.put_nowait(json.loads(line))
        self.changed.set()

    async def wait(self, found):
        """Wait until `found()` gives something; return it."""
        while (value := found()) is None:
            self.changed.clear()
            await asyncio.wait_for(self.changed.wait(), PATIENCE_S)
        return value

    async def answer(self, id):
        """Wait for the answer to one request; return it."""
        return await self.wait(lambda: self.answers.get(id))

    def next_reached(self):
        """Return what reached the server next, None when nothing did."""
        return None if self.reached.empty() else self.reached.get_nowait()

    def close(self):
        """Give the server back."""
        for fd in self.rest:
            self.road.loop.remove_reader(fd)
        self.road.pool.free.append(self.server)


class McpRoad(Road):
    """Takes steps as requests of MCP clients."""

    flood_max = 300

    def __init__(self, case, folder, pool):
        super().__init__(case, folder)
        self.pool = pool
        self.loop = asyncio.new_event_loop()
        self.flying = []
        every = (*case.attack, *case.twin)
        restarts = any(isinstance(step, Special) and step.what in ("restart", "edit") for step in every)
        self.memory = None if restarts else MemoryStore(clock_us=self.clock)
        self.clock.now_us = every[0].call.at_us if hasattr(every[0], "count") else every[0].at_us
        self.open()

    def open(self):
        """Open the policy; clients connect when they act."""
        self.store = self.memory or SqliteStore(self.folder / "handrail.db", clock_us=self.clock)
        self.hr = Workspace(compiled(self.policy), self.store, folder=self.folder)
        self.hr.host.clock_us = self.clock
        self.enroll(self.store, self.hr.policy)
        self.connections = {}

    def live_policy(self):
        """Return the policy that decides now."""
        return self.hr.policy

    def take(self, call):
        """Send one request, and wait for what becomes of it."""
        self.clock.now_us = call.at_us
        return self.loop.run_until_complete(self._take(call))

    async def _connect(self, call):
        place = (call.agent, call.run)
        if place not in self.connections:
            made = self.connections[place] = Connection(self, call.agent, call.run)
            made.server.say({"tools": offered(self.case)})
            assert await made.wait(made.next_reached) == {"ready": True}
        return self.connections[place]

    async def _take(self, call):
        connection = await self._connect(call)
        self.hr.host.bodies = connection.bodies
        connection.count += 1
        id, taken = connection.count, Taken(call)
        connection.proxy.from_client(request(call, id))
        while True:
            found = await connection.wait(lambda: connection.answers.get(id) or connection.next_reached())
            if "reached" not in found:
                break
            if name_of(found) != call.tool:  # one of Handrail's own reads
                value = call.seen if taken.decision else call.before
                connection.server.say({"answer": found["reached"], "result": content(value)})
                continue
            if call.tool != RESOURCE:
                ran = found["params"]["arguments"]
                assert ran == with_defaults(self.case, call), f"{call.where}: what ran is not what was asked: {ran}"
            taken.decision = taken.decision or "allow"
            if call.ended_us > call.at_us:
                self.flying.append(Flown(taken, connection, found["reached"], id))
                return taken
            connection.server.say({"answer": found["reached"], "result": answer_of(call)})
        if not taken.decision:
            refused = stopped(found)
            assert refused is not None, f"{call.where}: the client was answered what the server never said: {found}"
            taken.ticket, taken.why = refused
            taken.decision = "ask" if taken.ticket else "deny"
        return taken

    def land(self, until_us):
        """Let the server answer what ends until then, in order; everything where no time is said."""
        for flown in sorted(self.flying, key=lambda one: one.taken.call.ended_us):
            call = flown.taken.call
            if until_us is None or call.ended_us <= until_us:
                self.flying.remove(flown)
                self.clock.now_us = max(self.clock.now_us, call.ended_us)
                flown.connection.server.say({"answer": flown.number, "result": answer_of(call)})
                self.loop.run_until_complete(flown.connection.answer(flown.id))
        if until_us is not None:
            self.clock.now_us = max(self.clock.now_us, until_us)

    def restart(self, _value):
        """Every client reconnects to a new proxy."""
        self._end()
        self.open()

    def _end(self):
        for connection in self.connections.values():
            self.loop.run_until_complete(connection.proxy.end(PATIENCE_S))
            connection.close()
        self.hr.close()

    def close(self):
        """End every connection."""
        self._end()
        self.loop.close()
