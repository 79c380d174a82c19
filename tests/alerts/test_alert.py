"""An alert is a value."""

import dataclasses

import pytest

from handrail.alerts import Alert, AlertKind
from handrail.alerts.alert import AT_US_MAX


def test_an_alert_shares_nothing_mutable(new_alert):
    """Neither the caller's mapping nor a receiver of the alert can change it."""
    fields = {"agent": "a"}
    alert = Alert(AlertKind.TEST, "t", "", 0, fields)
    fields["agent"] = "b"
    assert alert.fields == {"agent": "a"}
    with pytest.raises(TypeError):
        alert.fields["agent"] = "c"
    with pytest.raises(dataclasses.FrozenInstanceError):
        alert.title = "u"


@pytest.mark.parametrize("at_us", [-1, AT_US_MAX + 1])
def test_a_time_without_a_date_is_refused(at_us):
    """It could not be written as RFC 3339."""
    with pytest.raises(ValueError, match="at_us must be from 0"):
        Alert(AlertKind.TEST, "t", "", at_us)


def test_dropped_alerts_are_told_first(new_alert):
    """People read it in the text, machines in a field; a long text cannot hide it."""
    alert = new_alert(text="x" * 10_000, agent="a")
    told = alert.after_dropped(1_204)
    assert told.text.startswith("1,204 alerts were dropped before this one: the queue was full.\nxxx")
    assert told.fields == {"alerts_dropped": "1204", "agent": "a"}
    assert (told.kind, told.title, told.at_us) == (alert.kind, alert.title, alert.at_us)
    assert alert.after_dropped(1).text.startswith("1 alert was dropped before")


def test_kinds_are_plain_words():
    """Receivers route on them: a change here breaks theirs."""
    words = "drift in_doubt policy retries review reviewer stopped test"
    assert " ".join(sorted(AlertKind)) == words
