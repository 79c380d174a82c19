"""One JSON request over HTTP, with every limit that a foreign server must not stretch.

Nothing is followed or repeated here: no redirect, no retry, no proxy of the environment. Headers that the operator sets
are sent and never shown, and neither is a body.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import math
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from handrail.core.digest import Json, NotJson, canonical, to_json
from handrail.core.text import safe
from handrail.data.resources import etag
from handrail.data.resources.json_change import Present
from handrail.data.resources.results import CannotDo
from handrail.errors import ConfigurationError

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\x20-\x7e]*")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "if-match", "if-none-match"})


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered.

    Attributes:
        status: The HTTP status.
        body: The representation of a 200 to GET; None otherwise.
        etag: Its strong entity tag; "" without.
        retry_after_s: What Retry-After asks for, in seconds; 0 without.
    """

    status: int
    body: Present | None = None
    etag: str = ""
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class NoReply:
    """There was no answer.

    Attributes:
        why: Why not, safe to print and without secrets.
        sent: Whether the server may have got the request.
    """

    why: str
    sent: bool


class JsonClient:
    """Sends requests to resources below one base URL.

    Args:
        base: An http or https URL without credentials, query or fragment.
        headers: Sent with each request, credentials among them; never shown.
        timeout_s: Seconds for connecting, and again for the whole exchange, however slowly it drips.
        bytes_max: Largest answer that is read, in bytes.

    Raises:
        ConfigurationError: The URL or a header cannot be used.
    """

    def __init__(self, base: str, headers: Mapping[str, str], *, timeout_s: float, bytes_max: int) -> None:
        self.base = base if base.endswith("/") else f"{base}/"
        try:
            parts = urlsplit(self.base)
            port = parts.port
        except ValueError:
            raise ConfigurationError("The base URL is no URL; write https://host/path/.") from None
        plain = parts.scheme in ("http", "https") and parts.hostname and _VALUE.fullmatch(base) and " " not in base
        if not plain or parts.username is not None or parts.query or parts.fragment:
            raise ConfigurationError("The base URL must be http(s)://host/path/, without credentials or query.")
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value) or name.lower() in _OURS:
                raise ConfigurationError(f"The header {safe(name)} cannot be set; check its name and characters.")
        self._secure, self._host, self._port = parts.scheme == "https", parts.hostname or "", port
        self._path, self._headers = parts.path, dict(headers)
        self._timeout_s, self._bytes_max = timeout_s, bytes_max

    def __repr__(self) -> str:
        """Show the address, never a header."""
        return f"JsonClient({self.base!r})"

    def send(
        self, method: str, id: str, body: Json = None, headers: Mapping[str, str] | None = None
    ) -> Reply | NoReply:
        """Make one request.

        Args:
            method: GET, PUT, PATCH or DELETE.
            id: The resource's path below the base URL.
            body: What PUT and PATCH send.
            headers: Conditions and keys of this request.

        Raises:
            CannotDo: The id cannot be used, or the answer to a GET is no JSON within the limits.
        """
        path = self._path + path_of(id)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "handrail", **self._headers}
        sent |= {"Connection": "close", **(headers or {})}
        payload = None
        if method in ("PUT", "PATCH"):
            payload, sent["Content-Type"] = canonical(body), kind
        connection = self._connection()
        try:
            connection.connect()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            return NoReply(_no_answer(error, self._timeout_s), sent=False)
        late = threading.Timer(self._timeout_s, _hang_up, [connection.sock])
        late.daemon = True
        late.start()
        try:
            connection.request(method, path, payload, sent)
            return self._reply(method, connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            return NoReply(_no_answer(error, self._timeout_s), sent=True)
        finally:
            late.cancel()
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout_s, context=context)
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)

    def _reply(self, method: str, response: http.client.HTTPResponse) -> Reply:
        wait_s = _retry_after_s(response.headers.get("Retry-After", ""))
        tag = etag.strong(response.headers.get("ETag", ""))
        if method != "GET" or response.status != http.HTTPStatus.OK:
            return Reply(response.status, None, tag, wait_s)
        kind = response.headers.get_content_type()
        if kind != "application/json" and not kind.endswith("+json"):
            raise CannotDo(f"The server answered with {safe(kind)}, not JSON; check the id and the base URL.")
        if response.length is None and not response.chunked:
            raise CannotDo("The server does not say how long its answer is, so a cut-off one would look whole.")
        data = response.read(self._bytes_max + 1)
        if len(data) > self._bytes_max:
            raise CannotDo(f"The representation is larger than {self._bytes_max:,} bytes, the limit; it is not read.")
        if response.length:  # fewer bytes than announced: read(n) does not complain
            raise http.client.IncompleteRead(data, response.length)
        return Reply(response.status, Present(_parsed(data)), tag, wait_s)


def path_of(id: str) -> str:
    """Return an id as a URL path that stays below the base URL.

    Raises:
        CannotDo: It is not in its only spelling: names and '/', no '.', no '..', no empty name.
    """
    if any(part in ("", ".", "..") for part in id.split("/")) or not id.isprintable():
        raise CannotDo(f"The id {safe(id)} must lead down from the base URL: names and '/', no '.', no '..'.")
    return quote(id, safe="/-._~")


def _parsed(data: bytes) -> Json:
    try:
        return to_json(json.loads(data, object_pairs_hook=_object, parse_constant=_constant))
    except (ValueError, RecursionError) as error:
        why = safe(error) if isinstance(error, NotJson) else "it cannot be parsed"
        raise CannotDo(f"The representation is no JSON that can be written back unchanged: {why}") from None


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise NotJson("an object names a member twice.")
    return value


def _constant(word: str) -> object:
    raise NotJson(f"{word} is no JSON.")


def _hang_up(sock: socket.socket) -> None:
    """End an exchange at its deadline; the socket's own timeout restarts with every byte."""
    with suppress(OSError):  # it ended just now
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSLSocket's: that is not safe from another thread


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


def _no_answer(error: Exception, timeout_s: float) -> str:
    match error:
        case TimeoutError():
            return f"no answer within {timeout_s:g} s"
        case ssl.SSLCertVerificationError():
            return f"the TLS certificate was refused: {safe(error.verify_message)}"
        case OSError(strerror=str() as strerror):
            return safe(strerror).lower()
        case _:
            return f"the connection broke off ({type(error).__name__})"
