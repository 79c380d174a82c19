"""Alerts as JSON to a URL."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from handrail.alerts.alert import Alert, Delivery
from handrail.core.backoff import Backoff
from handrail.core.text import safe, safe_block

if TYPE_CHECKING:
    from collections.abc import Callable

    from handrail.alerts._http import Answer

TIMEOUT_S = 5.0
"""Seconds for one attempt."""

RETRY_AFTER_MAX_S = 30.0
"""A receiver that asks for more than this many seconds gets no further attempt."""

URL_MAX = 2_048
"""Characters of a URL."""

FIELDS_MAX = 50
"""Fields that are sent; `fields_hidden` counts the rest."""

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_AGAIN = frozenset({408, 425, 429})
_CHAT_ACTS = re.compile(r"\](?=[(\[:])|@(?=(?:all|channel|everyone|here)\b)", re.IGNORECASE)


def url_error(url: str) -> str | None:
    """Return why alerts cannot go to `url`, as the end of a sentence that starts with it; None if they can.

    The answer holds no part of the URL, whose path is usually a secret.
    """
    from urllib.parse import urlsplit  # noqa: PLC0415 (light import)

    if len(url) > URL_MAX:
        return f"is longer than {URL_MAX:,} characters."
    if any(not "!" <= char <= "~" or char == "\\" for char in url):
        return "holds a space, a backslash or a character beyond ASCII: percent-encode it."
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a URL."
    if parts.scheme not in {"http", "https"} or not host:
        return "is not a URL: write https://host/path."
    if "@" in parts.netloc:
        return "holds a user name: put the secret in the path or the query instead."
    if parts.scheme == "http" and not _is_loopback(host):
        return "must be https; plain http is for localhost only."
    return None


def shown(url: str) -> str:
    """Return `scheme://host/…`: as much of a URL as may be logged. Safe to print, whatever `url` is."""
    from urllib.parse import urlsplit  # noqa: PLC0415 (light import)

    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "(not a URL)"
    return safe(f"{parts.scheme}://{host}/…") if parts.scheme and host else "(not a URL)"


def payload(alert: Alert) -> bytes:
    """Return the JSON that is sent, in UTF-8; its size is bounded.

    `kind`, `title`, `text`, `at` (RFC 3339, UTC) and `fields`. All of it is safe to print. `text` is for
    people and chats: the title, then the text, with `&`, `<` and `>` as entities, which is how Slack wants
    them, and with links and mentions that an agent may have written taken apart.
    """
    import json  # noqa: PLC0415 (light import)

    title = safe(alert.title)
    lines = [title, *safe_block(alert.text)] if alert.text else [title]
    at = _EPOCH + dt.timedelta(microseconds=alert.at_us)
    first = islice(alert.fields.items(), FIELDS_MAX)
    fields = {safe(name, max_chars=100): safe(value, max_chars=500) for name, value in first}
    if len(alert.fields) > FIELDS_MAX:
        fields["fields_hidden"] = str(len(alert.fields) - FIELDS_MAX)
    document = {
        "kind": safe(alert.kind),
        "title": title,
        "text": _for_chat("\n".join(lines)),
        "at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "fields": fields,
    }
    return json.dumps(document, ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True)
class Webhook:
    """One URL that takes alerts.

    Attributes:
        url: Where to POST; not part of the repr, because its path is usually a secret.
        timeout_s: Seconds for one attempt, > 0.
        backoff: The waits between attempts.
        roll: Returns a random number in [0, 1); None for the random module's.

    Raises:
        ValueError: The URL is none that alerts can go to; the message holds no secret.
    """

    url: str = field(repr=False)
    timeout_s: float = TIMEOUT_S
    backoff: Backoff = field(default_factory=Backoff)
    roll: Callable[[], float] | None = None

    def __post_init__(self) -> None:
        """Refuse what `url_error` refuses."""
        if problem := url_error(self.url):
            raise ValueError(f"The alert URL {shown(self.url)} {problem}")

    @property
    def shown(self) -> str:
        """The URL without secrets."""
        return shown(self.url)

    def deliver(self, alert: Alert, *, retries_max: int, wait: Callable[[float], bool]) -> Delivery:
        """POST the alert, and again after a failure that may pass. A receiver may therefore get it twice.

        Args:
            alert: What to send.
            retries_max: Attempts after the first, from 0.
            wait: Waits that many seconds; False when there is no time for it.
        """
        from random import random  # noqa: PLC0415 (light import)

        from handrail.alerts._http import post  # noqa: PLC0415 (light import)

        body = payload(alert)
        roll = self.roll or random
        direct = self.url.startswith("http:")
        for attempt in range(retries_max + 1):
            answer = post(self.url, body, timeout_s=self.timeout_s, direct=direct)
            if 200 <= answer.status < 300:
                return Delivery(self.shown, True, f"accepted with HTTP {answer.status}")
            detail = _detail(answer) + (f" after {attempt + 1} attempts" if attempt else "")
            if attempt == retries_max or not _may_pass(answer):
                break
            if not wait(self.backoff.delay_s(attempt, roll(), answer.retry_after_s)):
                detail += "; no time was left for another attempt"
                break
        return Delivery(self.shown, False, detail)


def _may_pass(answer: Answer) -> bool:
    if answer.status == 0:
        return answer.again
    return (answer.status in _AGAIN or answer.status >= 500) and answer.retry_after_s <= RETRY_AFTER_MAX_S


def _detail(answer: Answer) -> str:
    if answer.status == 0:
        return answer.why
    if 300 <= answer.status < 400:
        where = shown(answer.location) if "//" in answer.location else "elsewhere"
        return f"HTTP {answer.status} to {where}: redirects are not followed; configure the final address"
    asked = f", which asks to wait {answer.retry_after_s:,.0f} s" if answer.retry_after_s else ""
    return f"HTTP {answer.status}{asked}"


def _for_chat(text: str) -> str:
    """Return the text with what chats act upon taken apart: tags, links behind words, calls to everyone."""
    quoted = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _CHAT_ACTS.sub(r"\g<0> ", quoted)


def _is_loopback(host: str) -> bool:
    import ipaddress  # noqa: PLC0415 (light import)

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
