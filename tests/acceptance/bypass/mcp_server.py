"""An MCP server whose every answer is told to it: JSON-RPC on stdio, and a socket on which a test says what to answer.

Each gated request is announced on the socket with a number; its answer is sent once the test has said it.
"""

import json
import selectors
import socket
import sys


class Server:
    """One server; `path` is where the test listens."""

    def __init__(self, path):
        self.test = socket.socket(socket.AF_UNIX)
        self.test.connect(path)
        self.tools = []
        self.waiting = {}
        self.count = 0

    def write(self, message):
        sys.stdout.buffer.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        sys.stdout.buffer.flush()

    def request(self, message):
        """Take one line of the client."""
        method, id = message.get("method"), message.get("id")
        if id is None:
            return
        if method == "initialize":
            hello = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}, "resources": {}}}
            self.write({"id": id, "result": {**hello, "serverInfo": {"name": "told", "version": "1"}}})
        elif method == "tools/list":
            self.write({"id": id, "result": {"tools": self.tools}})
        else:
            self.count += 1
            self.waiting[self.count] = id
            self.say({"reached": self.count, "method": method, "params": message.get("params", {})})

    def say(self, message):
        self.test.sendall(json.dumps(message).encode() + b"\n")

    def tell(self, message):
        """Take one line of the test."""
        if "tools" in message:
            self.tools = message["tools"]
            self.say({"ready": True})
        else:
            self.write({"id": self.waiting.pop(message["answer"]), "result": message["result"]})

    def serve(self):
        """Serve until either side is gone."""
        with selectors.DefaultSelector() as selector:
            selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self.request)
            selector.register(self.test, selectors.EVENT_READ, self.tell)
            rest = {key.data: b"" for key in selector.get_map().values()}
            while True:
                for key, _ in selector.select():
                    data = self.test.recv(1 << 16) if key.fileobj is self.test else sys.stdin.buffer.raw.read(1 << 16)
                    if not data:
                        return
                    *lines, rest[key.data] = (rest[key.data] + data).split(b"\n")
                    for line in lines:
                        key.data(json.loads(line))


if __name__ == "__main__":
    Server(sys.argv[1]).serve()
