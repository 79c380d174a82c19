"""A real HTTP server of JSON resources with ETags, that can misbehave in every way a real one does."""

import contextlib
import hashlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """Resources by path; `script` holds what to do with the next writes, `seen` every request."""

    def __init__(self):
        self.docs, self.seen, self.script, self.reads = {}, [], [], []
        self.etags, self.honours, self.reply_etag, self.stamps = "strong", True, True, False
        self.revision = 0
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        self.http.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.http.server_port}/api/"

    def put(self, id, body):
        self.revision += 1
        self.docs[id] = {**body, "revision": self.revision} if self.stamps else body

    def etag(self, id):
        if id not in self.docs or self.etags == "none":
            return None
        tag = f'"{hashlib.sha256(json.dumps(self.docs[id], sort_keys=True).encode()).hexdigest()[:16]}"'
        return f"W/{tag}" if self.etags == "weak" else tag

    def writes(self):
        return [one for one in self.seen if one[0] != "GET"]


def handler(server):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def answer(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in headers.items():
                if value is not None:
                    self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def drop(self):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

        def do_GET(self):
            id = self.path.removeprefix("/api/")
            with server.lock:
                server.seen.append(("GET", id, dict(self.headers), None))
                special = server.reads.pop(0) if server.reads else None
                if special == "drop":
                    self.drop()
                    return
                if special is not None:
                    self.answer(special[0], special[1], **special[2])
                    return
                if id not in server.docs:
                    self.answer(404)
                    return
                body = json.dumps(server.docs[id]).encode()
                self.answer(200, body, Content_Type="application/json", ETag=server.etag(id))

        def do_write(self):
            id = self.path.removeprefix("/api/")
            data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            with server.lock:
                server.seen.append((self.command, id, dict(self.headers), json.loads(data) if data else None))
                special = server.script.pop(0) if server.script else None
                if callable(special):
                    special()
                    special = None
                if special == "drop before":
                    self.drop()
                    return
                if isinstance(special, tuple):
                    self.answer(special[0], **special[1])
                    return
                if server.honours and self.refused(id):
                    self.answer(412)
                    return
                self.commit(id, data)
                if special == "drop after":
                    self.drop()
                    return
                if isinstance(special, int):
                    self.answer(special)
                    return
                tag = '"deleted"' if self.command == "DELETE" else server.etag(id)
                self.answer(200, ETag=tag if server.reply_etag else None)

        do_PUT = do_PATCH = do_DELETE = do_write

        def refused(self, id):
            match, none = self.headers.get("If-Match"), self.headers.get("If-None-Match")
            return (none == "*" and id in server.docs) or (match is not None and match != server.etag(id))

        def commit(self, id, data):
            if self.command == "DELETE":
                server.docs.pop(id, None)
            elif self.command == "PUT":
                server.put(id, json.loads(data))
            else:
                merged = {**server.docs[id], **json.loads(data)}
                server.put(id, {name: value for name, value in merged.items() if value is not None})

    return Handler


@contextlib.contextmanager
def running():
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        thread.join()
        server.http.server_close()
