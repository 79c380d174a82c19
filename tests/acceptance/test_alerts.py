"""What a person must hear of reaches the policy's webhooks, through a real server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import handrail
from handrail.core.store import Query

POLICY = """
version: 1
four_eyes: false
reviewers: [dana]
alerts: [http://127.0.0.1:{port}/hook?token=s3cret]
agents: {{bot: {{access: write}}}}
tools:
  crm.drop: {{do: delete, resource: "lead/{{args.id}}"}}
  crm.get:  {{do: read, resource: "lead/{{args.id}}", retry: {{base_s: 0.001, cap_s: 0.001}}}}
"""


@pytest.fixture
def receiver():
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, got
    server.shutdown()
    thread.join()
    server.server_close()


def open_at(tmp_path, port):
    path = tmp_path / "handrail.yaml"
    path.write_text(POLICY.format(port=port))
    return handrail.open(path)


def test_reviews_retries_and_drift_are_told(receiver, tmp_path):
    """A pending review, used-up retries and drifting results reach the webhook, each once, with what to do next."""
    port, got = receiver
    with open_at(tmp_path, port) as hr:
        fails = [False]

        @hr.tool("crm.drop")
        def drop(id: str) -> None:
            raise AssertionError

        @hr.tool("crm.get")
        def get(id: int, size: int | None = 1) -> dict[str, int | None]:
            if fails[0]:
                raise OSError("away")
            return {"id": id, "size": size}

        with hr.run("bot"):
            for _ in range(2):
                with pytest.raises(handrail.ReviewRequired):
                    drop("1")
            for n in range(400):
                get(n)
            for n in range(400, 500):
                get(n, None)
            fails[0] = True
            with pytest.raises(handrail.ReviewRequired):
                get(999)
    kinds = [alert["kind"] for alert in got]
    assert kinds == ["review", "drift", "retries"]
    assert "handrail review show T-" in got[0]["text"]
    assert "size" in got[1]["text"]


def test_what_cannot_be_delivered_stands_in_the_journal(tmp_path):
    """An alert that nobody receives is not swallowed, and the webhook's secret is not written down."""
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_port
    server.server_close()
    hr = open_at(tmp_path, port)

    @hr.tool("crm.drop")
    def drop(id: str) -> None:
        raise AssertionError

    with hr.run("bot"), pytest.raises(handrail.ReviewRequired):
        drop("1")
    store = hr.store
    for close in hr._closing:
        close()
    events = store.read(lambda tx: [r.record for r in tx.records(Query(kinds=("event",)))])
    assert [event.reason for event in events] == ["alert_failed"]
    assert "s3cret" not in str(events)
    hr.close()
