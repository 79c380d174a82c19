"""One request, against real sockets that misbehave."""

import contextlib
import socket
import threading
import time

import pytest

from handrail.data.resources.json_change import Present
from handrail.data.resources.json_client import JsonClient, NoReply, Reply, path_of
from handrail.data.resources.results import CannotDo
from handrail.errors import ConfigurationError


@contextlib.contextmanager
def speaking(*pieces, pause_s=0.0):
    """Serve one connection: read the request, then send the pieces, slowly."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                seen.append(connection.recv(65536))
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause_s)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1", seen
    finally:
        listener.close()
        thread.join()


def client(base, **more):
    return JsonClient(base, {"X-Key": "s3cret"}, timeout_s=0.5, **{"bytes_max": 100, **more})


def answer(body, kind="application/json", status="200 OK", more=""):
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def test_a_representation_and_its_tag():
    """And the request goes below the base, with our headers."""
    with speaking(answer(b'{"a": 1}', more='ETag: "t"\r\n')) as (base, seen):
        assert client(base).send("GET", "x/ü") == Reply(200, Present({"a": 1}), '"t"')
    head = seen[0].decode()
    assert head.startswith("GET /v1/x/%C3%BC HTTP/1.1\r\n")
    assert "X-Key: s3cret" in head


@pytest.mark.parametrize(
    ("raw", "word"),
    [
        (answer(b'{"a": 1, "a": 2}'), "twice"),
        (answer(b"NaN"), "NaN"),
        (answer(b"{"), "parsed"),
        (answer(b"[" * 90), "parsed"),
        (answer(b"\xff"), "parsed"),
        (answer(b"9" * 40), "64 bits"),
        (answer(b"<p>", "text/html"), "text/html"),
        (answer(b'"' + b"x" * 100 + b'"'), "limit"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n12", "cut-off"),
    ],
)
def test_what_is_no_representation(raw, word):
    """Nothing is guessed, and nothing without end is read."""
    with speaking(raw) as (base, _), pytest.raises(CannotDo, match=word):
        client(base).send("GET", "x")


def test_a_redirect_is_not_followed():
    """Not to another host, and not to the same."""
    raw = answer(b"", status="302 Found", more="Location: http://127.0.0.1:9/x\r\n")
    with speaking(raw) as (base, _):
        assert client(base).send("GET", "x") == Reply(302)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
        b"HTTP",
    ],
)
def test_a_broken_answer_is_none(raw):
    """The request was sent, so nobody knows."""
    with speaking(raw) as (base, _):
        reply = client(base).send("GET", "x")
    assert isinstance(reply, NoReply)
    assert reply.sent


@pytest.mark.parametrize("slow", ["head", "body"])
def test_a_dripping_answer_ends_at_the_deadline(slow):
    """However often a byte comes."""
    head = answer(b'"' + b"x" * 50 + b'"')
    pieces = [head[i : i + 1] for i in range(60)] if slow == "head" else [head[:-40], *([b"x"] * 39)]
    begun = time.monotonic()
    with speaking(*pieces, pause_s=0.05) as (base, _):
        reply = client(base).send("GET", "x")
        took_s = time.monotonic() - begun
    assert isinstance(reply, NoReply)
    assert 0.4 < took_s < 1.5


def test_nobody_there():
    """Certainly nothing was sent."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    reply = client(f"http://127.0.0.1:{port}").send("PUT", "x", {})
    assert reply == NoReply("connection refused", sent=False)


def test_a_plain_server_is_no_tls_server():
    """The handshake fails before anything is sent."""
    with speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (base, _):
        reply = client(base.replace("http:", "https:")).send("PUT", "x", {})
    assert isinstance(reply, NoReply)
    assert not reply.sent


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("5", 5), ("-1", 0), ("soon", 0), ("9" * 20, float("inf")), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)
def test_retry_after(header, wait_s):
    """Seconds or a date; nonsense asks for nothing."""
    with speaking(answer(b"", status="429 Slow Down", more=f"Retry-After: {header}\r\n")) as (base, _):
        assert client(base).send("PUT", "x", {}).retry_after_s == wait_s


@pytest.mark.parametrize(
    "base",
    [
        "ftp://h/",
        "file:///etc/",
        "h/x",
        "http://",
        "http://u:p@h/",
        "http://h/?q",
        "http://h/#f",
        "http://h:x/",
        "http://h/a b",
        "http://h/\r\nX",
        "http://[",
    ],
)
def test_a_base_that_is_refused(base):
    """Only http and https, no credentials, and the message repeats none."""
    with pytest.raises(ConfigurationError) as caught:
        client(base)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("X\r\n", "v"), ("X", "s3cret\r\nY: z"), ("If-Match", "*"), ("host", "x"), ("", "v"), ("X", "ü")],
)
def test_a_header_that_is_refused(name, value):
    """Its value is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        JsonClient("http://h/", {name: value}, timeout_s=1, bytes_max=1)
    assert "s3cret" not in str(caught.value)


def test_paths():
    """Quoted whole; one spelling only."""
    assert path_of("a b/%2e/c?d#e;f") == "a%20b/%252e/c%3Fd%23e%3Bf"
    for id in ("", "/", "a/", "/a", "a//b", "..", "a/../b", ".", "a\n", "\ud800"):
        with pytest.raises(CannotDo):
            path_of(id)
