"""A webhook gets the alert, or the operator learns why not; a secret in its URL is never told."""

import datetime as dt
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.alerts.alert import AT_US_MAX, Alert, AlertKind
from handrail.alerts.webhook import FIELDS_MAX, Webhook, payload, shown, url_error
from handrail.core.backoff import Backoff

ANY_TEXT = st.text(st.characters(), max_size=200)


def deliver(receiver_or_url, alert, *, retries_max=3, timeout_s=5.0, time_left=True):
    """Deliver without waiting; return the delivery and the waits asked for."""
    waits = []

    def wait(delay_s):
        waits.append(delay_s)
        return time_left

    url = getattr(receiver_or_url, "url", receiver_or_url)
    webhook = Webhook(url, timeout_s, Backoff(), lambda: 0.5)
    return webhook.deliver(alert, retries_max=retries_max, wait=wait), waits


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/handrail",
        "https://hooks.example.com",
        "https://hooks.example.com:8443/a?b=c#d",
        "https://[2001:db8::1]/a",
        "HTTPS://hooks.example.com/a",
        "http://localhost/a",
        "http://localhost:8080/a",
        "http://127.0.0.1/a",
        "http://127.3.2.1/a",
        "http://[::1]:8080/a",
    ],
)
def test_urls_that_alerts_can_go_to(url):
    """Anything https, and plain http on this machine."""
    assert url_error(url) is None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://hooks.example.com/a", "must be https"),
        ("http://localhost.example.com/a", "must be https"),
        ("http://127.0.0.1.example.com/a", "must be https"),
        ("http://10.0.0.1/a", "must be https"),
        ("http://0.0.0.0/a", "must be https"),
        ("http://127.0.0.1@example.com/a", "user name"),
        ("https://user:password@example.com/a", "user name"),
        ("https://example.com\\@localhost/a", "backslash"),
        ("ht\ntps://example.com/a", "percent-encode"),
        ("https://example.com/a b", "percent-encode"),
        ("https://example.com/ü", "percent-encode"),
        ("https://example.com/a\r\nX: y", "percent-encode"),
        ("ftp://example.com/a", "not a URL"),
        ("file:///etc/passwd", "not a URL"),
        ("example.com/a", "not a URL"),
        ("https:///a", "not a URL"),
        ("https://[::1/a", "not a URL"),
        ("https://example.com:99999/a", "not a URL"),
        ("", "not a URL"),
        ("https://example.com/" + "a" * 2048, "longer than 2,048"),
    ],
)
def test_urls_that_alerts_cannot_go_to(url, problem):
    """The reason holds nothing of the URL; making a webhook of it fails the same way."""
    assert problem in url_error(url)
    with pytest.raises(ValueError, match="The alert URL .*" + problem) as raised:
        Webhook(url)
    assert "passw" not in str(raised.value)


@given(st.text(st.characters(), max_size=60) | st.from_regex(r"https?://[^/]*/.*"))
def test_any_text_is_judged_and_shown(url):
    """Neither raises, whatever an operator pastes; what is shown is safe to print."""
    url_error(url)
    assert shown(url).isprintable()


def test_only_scheme_and_host_are_shown(secret):
    """Not path, query, user or fragment."""
    assert shown(f"https://{secret}:{secret}@h.example:1/{secret}?{secret}#{secret}") == "https://h.example:1/…"
    assert shown("nonsense") == "(not a URL)"
    assert secret not in repr(Webhook(f"https://h.example/{secret}"))


def test_the_payload(receiver, new_alert):
    """One JSON object: kind, title, text, at and fields."""
    delivery, waits = deliver(receiver, new_alert(agent="infra-bot", ticket="t-1"))
    assert (delivery.ok, delivery.detail, waits) == (True, "accepted with HTTP 200", [])
    [(path, headers, body)] = receiver.requests
    assert path == receiver.url.removeprefix(f"http://{receiver.host}")
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["User-Agent"] == "handrail"
    assert json.loads(body) == {
        "kind": "review",
        "title": "A refund waits",
        "text": "A refund waits\nOrder 7: 900 EUR.\nhandrail review",
        "at": "2023-11-14T22:13:20.123456Z",
        "fields": {"agent": "infra-bot", "ticket": "t-1"},
    }


@given(ANY_TEXT, ANY_TEXT, st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=5), st.integers(0, AT_US_MAX))
def test_any_alert_becomes_valid_utf8_json_of_safe_text(title, text, fields, at_us):
    """Lone surrogates, control characters and floods of marks included."""
    sent = json.loads(payload(Alert(AlertKind.TEST, title, text, at_us, fields)).decode("utf-8"))
    assert sent["title"].isprintable()
    assert all(line.isprintable() for line in sent["text"].split("\n"))
    assert all(name.isprintable() and value.isprintable() for name, value in sent["fields"].items())
    at = dt.datetime.fromisoformat(sent["at"])
    assert (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1) == at_us


def test_the_payload_has_a_bounded_size(new_alert):
    """And says what it leaves out."""
    alert = new_alert("t" * 10**6, "x" * 10**6 + "\n" * 10**6, **{f"f{n}": "v" * 10**6 for n in range(FIELDS_MAX + 5)})
    body = payload(alert)
    assert len(body) < 50_000
    sent = json.loads(body)
    assert sent["fields"]["fields_hidden"] == "5"
    assert "chars)" in sent["text"]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        (
            "<!channel> <https://evil.example|Approve> &lt;",
            "&lt;!channel&gt; &lt;https://evil.example|Approve&gt; &amp;lt;",
        ),
        ("[Approve](https://evil.example) [a][b]", "[Approve] (https://evil.example) [a] [b]"),
        ("[b]: https://evil.example", "[b] : https://evil.example"),
        (
            "@channel @All @here @everyone dana@example.com @allan",
            "@ channel @ All @ here @ everyone dana@example.com @allan",
        ),
        ("x[0] and (1)", "x[0] and (1)"),
    ],
)
def test_an_agent_can_neither_page_a_channel_nor_hide_a_link(new_alert, text, sent):
    """What a chat would act upon is taken apart in `text`, the part that chats show."""
    assert json.loads(payload(new_alert("t", text)))["text"] == "t\n" + sent
    assert json.loads(payload(new_alert(text, "")))["text"] == sent


def test_a_receiver_that_recovers_gets_it_in_the_end(receiver, alert):
    """Three retries at most, with the brief's delay: base * 2^attempt + random(0, jitter)."""
    receiver.script = [500, 503, 429, 204]
    delivery, waits = deliver(receiver, alert)
    assert delivery.ok
    assert delivery.detail == "accepted with HTTP 204"
    assert waits == [0.5 * 2**n * 1.5 for n in range(3)]
    assert len({body for _, _, body in receiver.requests}) == 1


def test_after_three_retries_it_is_a_failure(receiver, alert, secret):
    """Never a fourth, and never a success."""
    receiver.script = [500] * 9
    delivery, waits = deliver(receiver, alert)
    assert not delivery.ok
    assert delivery.detail == "HTTP 500 after 4 attempts"
    assert delivery.target == f"http://{receiver.host}/…"
    assert (len(receiver.requests), len(waits)) == (4, 3)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_what_a_retry_would_not_change_is_not_retried(receiver, alert, status):
    """The caller's own errors."""
    receiver.script = [status]
    delivery, _ = deliver(receiver, alert)
    assert (delivery.ok, delivery.detail, len(receiver.requests)) == (False, f"HTTP {status}", 1)


def test_retry_after_is_honoured_up_to_a_bound(receiver, alert):
    """Waiting less than asked would make it worse; waiting an hour would help nobody."""
    receiver.script = [(429, {"Retry-After": "7"}), 200]
    assert deliver(receiver, alert)[1] == [7.0]
    receiver.script = [(429, {"Retry-After": "3600"})]
    delivery, waits = deliver(receiver, alert)
    assert (delivery.ok, waits) == (False, [])
    assert delivery.detail == "HTTP 429, which asks to wait 3,600 s"


def test_no_time_left_for_a_retry(receiver, alert):
    """It is said, and nothing more is tried."""
    receiver.script = [500]
    delivery, _ = deliver(receiver, alert, time_left=False)
    assert delivery.detail == "HTTP 500; no time was left for another attempt"
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(receiver, other_receiver, alert, status, secret):
    """Neither to another host nor to this one; the address is shown without its secrets."""
    receiver.script = [(status, {"Location": other_receiver.url})]
    delivery, _ = deliver(receiver, alert)
    where = f"http://{other_receiver.host}/…"
    assert delivery.detail == f"HTTP {status} to {where}: redirects are not followed; configure the final address"
    receiver.script = [(status, {"Location": f"/{secret}"})]
    delivery, _ = deliver(receiver, alert)
    assert delivery.detail == f"HTTP {status} to elsewhere: redirects are not followed; configure the final address"
    assert other_receiver.requests == []
    assert len(receiver.requests) == 2


def test_no_failure_tells_a_secret(receiver, other_receiver, alert, secret):
    """Path and query of a webhook are its password."""
    closed = f"http://127.0.0.1:1/{secret}"
    nowhere = f"https://nowhere.invalid/{secret}"
    receiver.script = [
        (302, {"Location": other_receiver.url}),
        (302, {"Location": f"//{secret}@[bad/{secret}"}),
        404,
        lambda handler: handler.wfile.write(f"garbage /{secret}\r\n\r\n".encode()),
        lambda handler: handler.connection.close(),
    ]
    for url in [receiver.url] * 5 + [closed, nowhere]:
        delivery, _ = deliver(url, alert, retries_max=0)
        assert not delivery.ok
        assert delivery.detail
        assert secret not in repr(delivery)


def test_a_slow_receiver_is_given_up(receiver, alert):
    """Each attempt has its time."""
    receiver.script = [lambda handler: time.sleep(1.0)]
    started = time.perf_counter()
    delivery, _ = deliver(receiver, alert, retries_max=0, timeout_s=0.2)
    assert delivery.detail == "no answer within 0.2 s"
    assert time.perf_counter() - started < 0.9
