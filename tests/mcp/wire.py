"""A raw client of the proxy: lines in, lines out, and a project to run it in."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

from handrail.core.store import Query
from handrail.stores import connect

FAKE = Path(__file__).with_name("fake_server.py")

POLICY = """\
version: 1
four_eyes: false
reviewers: [dana@example.com]
agents: {bot: {access: write, owner: kim@example.com, tokens_per_day: 1000}}
tools:
  echo: {do: read, resource: "echo/all"}
  write: {do: create, resource: "file/{args.id}"}
  update: {do: update, resource: "file/{args.id}"}
  typed: {do: read, resource: "typed/{args.id}"}
  resources/read: {do: read, resource: "{args.uri}"}
  prompts/get: {do: read, resource: "prompt/{args.name}"}
rules:
  - {id: production, when: 'args.env == "prod"', for: typed, then: deny}
"""
END = object()


class Wire:
    """The proxy as a child process, spoken to line by line."""

    def __init__(self, folder, *server, options=(), policy=POLICY, env=None):
        self.folder = folder
        if policy is not None:
            (folder / "handrail.yaml").write_text(policy)
        self.log = folder / "server.log"
        command = server or (sys.executable, str(FAKE), str(self.log))
        self.stderr = (folder / "stderr.txt").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "handrail", "mcp", "serve", "--agent", "bot", *options, "--", *command],
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr,
            env={**os.environ, **(env or {})},
        )  # fmt: skip
        self._listen()

    def _listen(self):
        self.lines = queue.Queue()
        self.count = 0
        self._kept = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        stream = self.process.stdout
        for line in iter(stream.readline, b""):
            self.lines.put(line)
        self.lines.put(END)

    def send(self, *messages):
        """Write messages; bytes as they are."""
        for one in messages:
            line = one if isinstance(one, bytes) else json.dumps(one).encode()
            self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def raw(self, timeout=20):
        """Return the next line; None at the end."""
        line = self.lines.get(timeout=timeout)
        return None if line is END else line

    def next(self, timeout=20):
        """Return the next message."""
        line = self.raw(timeout)
        assert line is not None, f"the proxy ended: {self.said()}"
        return json.loads(line)

    def answer(self, id, timeout=20):
        """Return the answer to a request; others are kept for later."""
        for index, message in enumerate(self._kept):
            if message.get("id") == id and "method" not in message:
                return self._kept.pop(index)
        while True:
            message = self.next(timeout)
            if isinstance(message, dict) and message.get("id") == id and "method" not in message:
                return message
            self._kept.append(message)

    def request(self, method, params=None, id=None):
        """Send a request; return its id."""
        self.count += 1
        id = self.count if id is None else id
        self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params or {}})
        return id

    def ask(self, method, params=None, id=None):
        """Send a request and return its answer."""
        return self.answer(self.request(method, params, id))

    def call(self, name, /, **args):
        """Call a tool; return the result."""
        return self.ask("tools/call", {"name": name, "arguments": args})["result"]

    def begin(self, version="2025-11-25"):
        """Shake hands."""
        hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "wire", "version": "1"}}
        answer = self.ask("initialize", hello)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def end(self, timeout=20):
        """Close stdin; return the exit code."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        code = self.process.wait(timeout)
        self._reader.join(timeout)
        self.process.stdout.close()
        self.stderr.close()
        return code

    def kill(self):
        """Kill the proxy as an operating system does."""
        self.process.send_signal(signal.SIGKILL)
        self.end()

    def said(self):
        """Return what was written to stderr."""
        return (self.folder / "stderr.txt").read_text()

    def heard(self, method=None):
        """Return what the fake server was sent."""
        if not self.log.exists():
            return []
        found = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [one for one in found if method is None or one.get("method") == method]

    def records(self):
        """Return the journal's rows, oldest first."""
        store = connect("sqlite:///.handrail/handrail.db", self.folder)
        try:
            return [stored.record for stored in store.read(lambda tx: list(tx.records(Query())))]
        finally:
            store.close()

    def ended(self, tool):
        """Return (status, reason) of every outcome and refusal of a tool, oldest first."""
        return [(one.status, one.reason) for one in self.records() if one.tool == tool and one.status]


def text(result):
    """Return the text of a result."""
    return "\n".join(block["text"] for block in result["content"])
