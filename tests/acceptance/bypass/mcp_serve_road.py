"""The same road through the whole `handrail mcp serve`: a proxy process that starts its server, on the real clock."""

import json
import os
import selectors
import subprocess
import sys

from tests.acceptance.bypass.corpus import Call
from tests.acceptance.bypass.mcp_road import PATIENCE_S, answer_of, content, name_of, offered, request, stopped
from tests.acceptance.bypass.road import Road, Taken


class McpServeRoad(Road):
    """Takes steps of one agent in one run, in which nothing overlaps and nobody decides."""

    def __init__(self, case, folder, server):
        super().__init__(case, folder)
        (folder / "handrail.yaml").write_text(case.policy, encoding="utf-8")
        first = next(step for step in (*case.attack, *case.twin) if isinstance(step, Call))
        command = [sys.executable, "-m", "handrail", "mcp", "serve", "--agent", first.agent, "--", *server.command()]
        self.server = server
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )
        server.accept()
        self.count = 0
        self.rest = {"client": b"", "test": b""}
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ, "client")
        self.selector.register(server.test, selectors.EVENT_READ, "test")
        server.say({"tools": offered(case)})
        assert self.next() == {"ready": True}

    def next(self):
        """Return the next line of either side."""
        while True:
            for side, rest in self.rest.items():
                text, found, left = rest.partition(b"\n")
                if found:
                    self.rest[side] = left
                    return json.loads(text)
            ready = self.selector.select(PATIENCE_S)
            assert ready, "nobody says anything"
            for key, _ in ready:
                data = os.read(key.fileobj.fileno(), 1 << 16)
                assert data, f"the {key.data}'s side has ended"
                self.rest[key.data] += data

    def take(self, call):
        """Send one request, and say what the server answers."""
        self.count += 1
        self.process.stdin.write(request(call, self.count) + b"\n")
        taken = Taken(call)
        while "reached" in (found := self.next()):
            own = name_of(found) != call.tool
            if not own:
                taken.decision = "allow"
            value = content(call.seen if taken.decision else call.before) if own else answer_of(call)
            self.server.say({"answer": found["reached"], "result": value})
        if not taken.decision:
            taken.ticket, taken.why = stopped(found)
            taken.decision = "ask" if taken.ticket else "deny"
        return taken

    def land(self, until_us):
        """Nothing is in flight, and the clock is the real one."""

    def close(self):
        """End the client; the proxy ends its server."""
        self.selector.close()
        self.process.stdin.close()
        assert self.process.wait(PATIENCE_S) == 0
        self.process.stdout.close()
