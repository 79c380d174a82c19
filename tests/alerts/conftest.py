"""A real HTTP server on the loopback, whose answers a test writes down beforehand."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from handrail.alerts import Alert, AlertKind

SECRET = "T0KEN-in-the-path"


def make_alert(title="A refund waits", text="Order 7: 900 EUR.\nhandrail review", **fields):
    """Return an alert; one thing a test does not care about less."""
    return Alert(AlertKind.REVIEW, title, text, 1_700_000_000_123_456, fields)


class Receiver:
    """Records what it is sent; answers with `script` in turn, then with 200."""

    def __init__(self):
        self.requests = []  # (path, headers, body)
        self.script = []  # status | (status, headers) | callable(handler)
        self.arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with receiver.arrived:
                    receiver.requests.append((self.path, dict(self.headers), body))
                    answer = receiver.script.pop(0) if receiver.script else 200
                    receiver.arrived.notify_all()
                if callable(answer):
                    answer(self)
                    return
                status, headers = answer if isinstance(answer, tuple) else (answer, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()

            do_GET = do_POST

            def do_CONNECT(self):
                receiver.requests.append((self.path, dict(self.headers), b""))
                self.send_response(407)
                self.end_headers()

            def log_message(self, format, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # clients that hang up are part of the tests
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.port = self.server.server_address[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}/{SECRET}?token={SECRET}"

    @property
    def bodies(self):
        return [json.loads(body) for _, _, body in self.requests]

    def wait_for(self, count, timeout_s=10.0):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, timeout_s)

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    found = Receiver()
    yield found
    found.stop()


@pytest.fixture
def other_receiver():
    found = Receiver()
    yield found
    found.stop()


@pytest.fixture
def alert():
    return make_alert(agent="infra-bot", ticket="t-1")


@pytest.fixture
def new_alert():
    return make_alert


class Failures(list):
    """What `on_failure` was told, in order; waits for a number of them."""

    def __init__(self):
        super().__init__()
        self.changed = threading.Condition()

    def __call__(self, alert, target, reason):
        with self.changed:
            self.append((alert, target, reason))
            self.changed.notify_all()

    def wait_for(self, count, timeout_s=10.0):
        with self.changed:
            assert self.changed.wait_for(lambda: len(self) >= count, timeout_s), list(self)


@pytest.fixture
def failures():
    return Failures()


@pytest.fixture
def secret():
    return SECRET
