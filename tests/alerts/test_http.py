"""One POST ends in time, whatever is at the other end."""

import contextlib
import datetime as dt
import http.server
import math
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from handrail.alerts._http import Answer, _retry_after_s, _Until, post


def send(url, *, timeout_s=5.0, direct=True):
    return post(url, b"{}", timeout_s=timeout_s, direct=direct)


def test_an_answer(receiver):
    """The status; the body stays unread."""
    receiver.script = [lambda handler: handler.wfile.write(b"HTTP/1.1 202 Ok\r\nContent-Length: 9999999\r\n\r\nabc")]
    assert send(receiver.url) == Answer(202)


def test_a_receiver_that_drips_is_given_up(receiver):
    """A byte now and then starts a socket's own timeout anew; the deadline is for the whole answer."""

    def drip(handler):
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100:
                handler.wfile.write(bytes([byte]))
                time.sleep(0.05)

    receiver.script = [drip]
    started = time.perf_counter()
    assert send(receiver.url, timeout_s=0.3) == Answer(0, "no answer within 0.3 s")
    assert time.perf_counter() - started < 1.0


def test_the_deadline_holds_for_every_read():
    """Whether bytes are there or not, and whatever timeout the socket had."""
    ours, theirs = socket.socketpair()
    with ours, theirs, _Until(ours, time.monotonic() + 0.1).makefile("rb") as answer:
        theirs.sendall(b"HTTP/1.1 ")
        assert answer.read(9) == b"HTTP/1.1 "
        started = time.perf_counter()
        with pytest.raises(TimeoutError):
            answer.read(3)
        assert time.perf_counter() - started < 1
    ours, theirs = socket.socketpair()
    with ours, theirs, _Until(ours, time.monotonic()).makefile("rb") as late:
        theirs.sendall(b"200")
        with pytest.raises(TimeoutError):
            late.read(3)


def test_nobody_listens():
    """In the system's words."""
    assert send("http://127.0.0.1:1/x") == Answer(0, "connection refused")


def test_a_name_that_does_not_exist():
    """The resolver's words; retried, since resolvers have bad moments."""
    answer = send("https://nowhere.invalid/x")
    assert (answer.status, answer.again) == (0, True)
    assert answer.why


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "the connection was closed without an answer"),
        (b"SSH-2.0-OpenSSH\r\n", "not an HTTP answer (BadStatusLine)"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n", "not an HTTP answer (HTTPException)"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", "not an HTTP answer (LineTooLong)"),
    ],
)
def test_an_answer_that_is_not_http(receiver, sent, why):
    """Nothing raises, and nothing of it is repeated."""
    receiver.script = [lambda handler: handler.wfile.write(sent)]
    assert send(receiver.url) == Answer(0, why)


def test_redirects_end_there(receiver, other_receiver):
    """The Location header is handed back as it is, even one that is no URL."""
    for location in (other_receiver.url, "http://[", "file:///etc/passwd"):
        receiver.script = [(302, {"Location": location})]
        assert send(receiver.url) == Answer(302, location=location)
    assert other_receiver.requests == []


def test_the_environments_proxy_is_used_for_https_only(receiver, other_receiver, monkeypatch):
    """Past it for loopback; through it for the rest, and its refusal is told."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, f"http://{other_receiver.host}")
    assert send(receiver.url).status == 200
    assert other_receiver.requests == []
    answer = send("https://hooks.example.com/secret", direct=False)
    assert answer.why == "the proxy said: Tunnel connection failed: 407 Proxy Authentication Required"
    assert [path for path, _, _ in other_receiver.requests] == ["hooks.example.com:443"]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("9" * 400, math.inf),
        ("", 0.0),
        ("soon", 0.0),
        ("-5", 0.0),
        ("1.5", 0.0),
        ("٣", 0.0),
    ],
)
def test_retry_after_in_seconds(header, seconds):
    """Only what RFC 9110 allows counts."""
    assert _retry_after_s(header) == seconds


def test_retry_after_as_a_date():
    """The other form of RFC 9110; a date in the past asks for nothing."""
    now = dt.datetime.now(dt.UTC)
    assert 50 < _retry_after_s((now + dt.timedelta(seconds=60)).strftime("%a, %d %b %Y %H:%M:%S GMT")) <= 61
    assert _retry_after_s((now - dt.timedelta(days=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")) == 0.0


@pytest.fixture
def tls_server(tmp_path):
    """An https server on localhost whose certificate nobody has signed."""
    pytest.importorskip("cryptography")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(204)
            self.end_headers()

        def log_message(self, format, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://localhost:{server.server_address[1]}/x", pem
    server.shutdown()
    thread.join()
    server.server_close()


def test_https_needs_a_certificate_that_the_system_trusts(tls_server, receiver, monkeypatch):
    """Trusted: delivered. Not trusted: refused, and no retry would help."""
    url, pem = tls_server
    refused = send(url)
    assert refused.why.startswith("the TLS certificate was refused: self")
    assert (refused.status, refused.again) == (0, False)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    assert send(url) == Answer(204)


def test_importing_alerts_is_light():
    """Nothing heavy is loaded before an alert goes out; what else the package imports is not looked at here."""
    code = """
import importlib.util, sys, types
package = types.ModuleType("handrail")
package.__path__ = importlib.util.find_spec("handrail").submodule_search_locations
sys.modules["handrail"] = package
import handrail.alerts
heavy = "http.client urllib.request urllib.parse ssl subprocess shutil json random ipaddress"
print([name for name in heavy.split() if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
