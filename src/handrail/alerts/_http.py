"""One POST, with every limit a foreign server must not stretch.

Imported when the first webhook is called, because urllib.request costs tens of milliseconds.
"""

from __future__ import annotations

import email.utils
import http.client
import io
import math
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handrail.core.text import safe

if TYPE_CHECKING:
    import socket


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one POST.

    Attributes:
        status: The HTTP status; 0 when there was none.
        why: Without a status, why; safe to print and without any part of the URL.
        again: Without a status, whether another attempt makes sense.
        retry_after_s: What Retry-After asks for, in seconds; 0 without.
        location: The Location header as the server sent it.
    """

    status: int
    why: str = ""
    again: bool = True
    retry_after_s: float = 0.0
    location: str = ""


def post(url: str, body: bytes, *, timeout_s: float, direct: bool) -> Answer:
    """POST JSON once. Redirects are not followed and the answer's body is not read.

    Args:
        url: A URL that `webhook.url_error` accepts.
        body: JSON in UTF-8.
        timeout_s: Seconds for connecting and for the whole answer, however slowly it drips; name resolution
            and the TLS handshake may add to it.
        direct: Whether to go past the proxies of the environment; for loopback hosts.
    """
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "handrail"}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310 (scheme checked)
    try:
        opener = _opener(time.monotonic() + timeout_s, direct=direct)
        with opener.open(request, timeout=timeout_s) as response:
            return Answer(response.status)
    except urllib.error.HTTPError as error:
        with error:
            wait_s = _retry_after_s(error.headers.get("Retry-After", ""))
            return Answer(error.code, retry_after_s=wait_s, location=error.headers.get("Location", ""))
    except (OSError, http.client.HTTPException) as error:
        return _no_answer(error.reason if isinstance(error, urllib.error.URLError) else error, timeout_s)


def _opener(deadline: float, *, direct: bool) -> urllib.request.OpenerDirector:
    """Return an opener that knows http, https and proxies, and nothing else: no redirects, no files."""

    def respond(sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_Until(sock, deadline), *args, **kwargs)  # type: ignore[arg-type]

    def plain(host: str, **kwargs: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(host, **kwargs)
        connection.response_class = respond  # type: ignore[assignment]
        return connection

    def secure(host: str, **kwargs: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPSConnection(host, **kwargs)
        connection.response_class = respond  # type: ignore[assignment]
        return connection

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(plain, req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(secure, req, context=ssl.create_default_context())

    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler({} if direct else None))
    opener.add_handler(Http())
    opener.add_handler(Https())
    opener.add_handler(urllib.request.HTTPErrorProcessor())
    opener.add_handler(urllib.request.HTTPDefaultErrorHandler())
    return opener


class _Until:
    """A socket whose answer must be complete at a deadline; its own timeout restarts with every byte."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._deadline = deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb"
        return io.BufferedReader(_RawUntil(self._sock, self._deadline))


class _RawUntil(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError
        self._sock.settimeout(left_s)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


def _retry_after_s(header: str) -> float:
    """Return the seconds that a Retry-After header asks for; 0 when it says nothing intelligible.

    Source: RFC 9110, section 10.2.3: seconds, or a date.
    """
    if header.isascii() and header.isdigit():
        return float(header) if len(header) < 10 else math.inf
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _no_answer(error: object, timeout_s: float) -> Answer:
    """Return why there was no answer, in words that hold no part of the URL."""
    match error:
        case TimeoutError():
            return Answer(0, f"no answer within {timeout_s:g} s")
        case ssl.SSLCertVerificationError():
            return Answer(0, f"the TLS certificate was refused: {safe(error.verify_message)}", again=False)
        case http.client.RemoteDisconnected():
            return Answer(0, "the connection was closed without an answer")
        case OSError(strerror=str() as strerror):
            return Answer(0, safe(strerror).lower())
        case OSError() if str(error).startswith("Tunnel connection failed"):
            return Answer(0, f"the proxy said: {safe(error)}")
        case _:
            return Answer(0, f"not an HTTP answer ({type(error).__name__})")
