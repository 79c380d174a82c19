"""The page tells what the code does."""

import json
import re
from pathlib import Path

from handrail.alerts import Alert, AlertKind, url_error
from handrail.alerts.sender import EXIT_FLUSH_S, QUEUE_MAX, URLS_MAX
from handrail.alerts.webhook import FIELDS_MAX, RETRY_AFTER_MAX_S, TIMEOUT_S, payload
from handrail.core.backoff import RETRIES_MAX, Backoff

PAGE = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1]


def test_the_example_is_what_is_sent():
    """Byte for byte, apart from spacing."""
    text = "Order 7, 900 EUR, asked for by support-bot.\nDecide with: handrail review"
    fields = {"agent": "support-bot", "tool": "payments.refund", "ticket": "t-41"}
    alert = Alert(AlertKind.REVIEW, "A refund waits for review", text, 1_772_357_400_000_000, fields)
    assert json.loads(block("json")) == json.loads(payload(alert))


def test_every_kind_has_its_line():
    """No more and no fewer."""
    assert sorted(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)) == sorted(AlertKind)


def test_the_example_url_is_accepted():
    """As it stands in the policy example."""
    assert url_error(re.search(r"alerts: \[(.*?)\]", block("yaml"))[1]) is None


def test_the_numbers():
    """As the constants have them."""
    base = Backoff().base_s
    for said in (
        f"up to {URLS_MAX} URLs",
        f"At most {FIELDS_MAX} fields",
        f"| {TIMEOUT_S:g} s for connecting",
        f"| at most {RETRIES_MAX}, after",
        f"`{base} s * 2^n + random(0, {base} s * 2^n)`; Retry-After up to {RETRY_AFTER_MAX_S:g} s",
        f"| {QUEUE_MAX:,} alerts for each target",
        f"waits up to {EXIT_FLUSH_S:g} s",
    ):
        assert said in PAGE
