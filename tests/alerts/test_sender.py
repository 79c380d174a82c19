"""Raising an alert costs the caller nothing, and no failure is swallowed."""

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from handrail.alerts import Delivery, Sender
from handrail.alerts.sender import URLS_MAX
from handrail.core.backoff import Backoff

QUICK = Backoff(base_s=0.01)


@pytest.fixture
def make(failures):
    """Return a function that makes senders; they are closed at the end."""
    made = []

    def make(*urls, desktop=False, timeout_s=5.0, **more):
        sender = Sender(urls, desktop, on_failure=failures, backoff=QUICK, timeout_s=timeout_s, **more)
        made.append(sender)
        return sender

    yield make
    for sender in made:
        sender.close(0.1)


def alert_threads():
    return [thread for thread in threading.enumerate() if thread.name == "handrail-alerts"]


def test_an_alert_reaches_every_target(make, receiver, other_receiver, alert, failures, tmp_path, monkeypatch):
    """Webhooks and the desktop."""
    (tmp_path / "notify-send").write_text(f"#!/bin/sh\necho > {tmp_path}/shown\n")
    (tmp_path / "notify-send").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    sender = make(receiver.url, other_receiver.url, receiver.url, desktop=True)
    assert sender.targets == (f"http://{receiver.host}/…", f"http://{other_receiver.host}/…", "desktop")
    sender.send(alert)
    assert sender.close() == 0
    assert [len(receiver.requests), len(other_receiver.requests)] == [1, 1]
    assert receiver.bodies[0]["title"] == "A refund waits"
    assert (tmp_path / "shown").exists()
    assert failures == []


def test_nothing_runs_before_the_first_alert(make, receiver, alert):
    """No thread, no connection; and none after closing."""
    sender = make(receiver.url)
    assert alert_threads() == []
    sender.send(alert)
    assert len(alert_threads()) == 1
    assert all(thread.daemon for thread in alert_threads())
    sender.close()
    assert alert_threads() == []


def test_without_targets_nothing_happens(make, alert):
    """No alerts configured is not an error here."""
    sender = make()
    sender.send(alert)
    assert alert_threads() == []
    assert sender.deliver_now(alert) == []
    assert sender.close() == 0


def test_a_slow_receiver_holds_up_neither_the_caller_nor_the_other(make, receiver, other_receiver, alert):
    """Each target has its own thread."""
    release = threading.Event()
    receiver.script = [lambda handler: release.wait(10)]
    sender = make(receiver.url, other_receiver.url)
    started = time.perf_counter()
    for _ in range(100):
        sender.send(alert)
    assert time.perf_counter() - started < 0.5
    other_receiver.wait_for(100)
    assert len(receiver.requests) == 1
    release.set()


def test_a_receiver_that_recovers(make, receiver, alert, failures):
    """500, 500, 500, 200: delivered, nothing to report."""
    receiver.script = [500, 500, 500]
    sender = make(receiver.url)
    sender.send(alert)
    receiver.wait_for(4)
    assert sender.close() == 0
    assert failures == []


def test_a_failure_is_reported_without_secrets(make, receiver, alert, failures, secret):
    """After the last retry, with the target and the reason."""
    receiver.script = [500] * 4
    sender = make(receiver.url, f"http://127.0.0.1:1/{secret}")
    sender.send(alert)
    failures.wait_for(2)
    told = {target: reason for _, target, reason in failures}
    assert told == {
        f"http://{receiver.host}/…": "HTTP 500 after 4 attempts",
        "http://127.0.0.1:1/…": "connection refused after 4 attempts",
    }
    assert secret not in str([(target, reason) for _, target, reason in failures])


def test_a_full_queue_is_told_by_the_next_alert(make, receiver, new_alert, failures):
    """The receiver learns how many it missed."""
    release = threading.Event()
    receiver.script = [lambda handler: (release.wait(10), handler.send_response(200), handler.end_headers())]
    sender = make(receiver.url, queue_max=2)
    sender.send(new_alert("first"))
    receiver.wait_for(1)
    for number in range(7):
        sender.send(new_alert(f"a{number}"))
    release.set()
    receiver.wait_for(3)
    assert [body["title"] for body in receiver.bodies] == ["first", "a0", "a1"]
    assert [body["fields"].get("alerts_dropped") for body in receiver.bodies] == [None, "5", None]
    assert "5 alerts were dropped before this one: the queue was full." in receiver.bodies[1]["text"]
    sender.close()
    assert failures == []


def test_deliver_now_tells_what_became_of_it(make, receiver, other_receiver, alert, failures, monkeypatch):
    """One attempt a target unless asked for more; failures are in the answer only."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "platform", "linux")
    other_receiver.script = [404, 503, 200]
    sender = make(receiver.url, other_receiver.url, desktop=True)
    first, second, third = sender.deliver_now(alert)
    assert first == Delivery(f"http://{receiver.host}/…", True, "accepted with HTTP 200")
    assert second == Delivery(f"http://{other_receiver.host}/…", False, "HTTP 404")
    assert (third.target, third.ok) == ("desktop", False)
    assert "is not installed" in third.detail
    assert sender.deliver_now(alert, retries_max=1)[1].ok
    assert alert_threads() == []
    assert failures == []


def test_closing_takes_no_longer_than_asked(make, receiver, other_receiver, alert, failures):
    """In all, not for each target; what is left is reported and counted."""
    receiver.script = [lambda handler: time.sleep(2)]
    other_receiver.script = [lambda handler: time.sleep(2)]
    sender = make(receiver.url, other_receiver.url)
    sender.send(alert)
    sender.send(alert)
    receiver.wait_for(1)
    other_receiver.wait_for(1)
    started = time.perf_counter()
    assert sender.close(0.3) == 4
    assert time.perf_counter() - started < 0.8
    assert len(failures) == 4
    assert sender.close() == 0
    sender.send(alert)
    assert failures[-1][2] == "it was sent after closing"


def test_urls_are_checked_when_the_sender_is_made(failures, secret):
    """A typing error is found at the start, not at the first alarm, and told without its secret."""
    with pytest.raises(ValueError, match=r"The alert URL http://h\.example/… must be https") as raised:
        Sender([f"http://h.example/{secret}"], False, on_failure=failures)
    assert secret not in str(raised.value)
    with pytest.raises(ValueError, match="at most 20 URLs, not 21"):
        Sender([f"https://h.example/{n}" for n in range(URLS_MAX + 1)], False, on_failure=failures)


def run(code, *args, **env):
    """Run Python code in a process of its own; return what it printed and its seconds."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", textwrap.dedent(code), *args],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **env},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr, time.perf_counter() - started


SETUP = """
import os, sys, time
from handrail.alerts import Alert, AlertKind, Sender
def told(alert, target, reason):
    print("FAILED", alert.title, reason, flush=True)
sender = Sender([sys.argv[1]], False, on_failure=told)
def alert(title):
    return Alert(AlertKind.TEST, title, "", 0)
"""


def test_alerts_are_sent_before_the_process_ends(receiver):
    """Even one raised on the last line."""
    out, err, _ = run(SETUP + "for n in range(20): sender.send(alert(str(n)))", receiver.url)
    assert [body["title"] for body in receiver.bodies] == [str(n) for n in range(20)]
    assert (out, err) == ("", "")


def test_the_end_of_the_process_waits_a_short_time_only(receiver):
    """And what it could not send is reported first."""
    release = threading.Event()
    receiver.script = [lambda handler: release.wait(20)]
    out, err, seconds = run(SETUP + "sender.send(alert('a')); sender.send(alert('b'))", receiver.url)
    release.set()
    assert out.splitlines() == [
        "FAILED a it was still being sent when time was up; it may yet arrive",
        "FAILED b it was not sent before time was up",
    ]
    assert err == ""
    assert 1.9 < seconds < 5


def test_a_forked_child_sends_its_own_alerts_and_not_the_parents(receiver):
    """Threads do not survive a fork, and locks may be held in it; each alert arrives once."""
    release = threading.Event()
    receiver.script = [lambda handler: (release.wait(10), handler.send_response(200), handler.end_headers())]
    code = (
        SETUP
        + """
for n in range(5): sender.send(alert(f"parent {n}"))
time.sleep(0.3)  # the first is under way, four are waiting
lane = sender._lanes[0]
lane._changed.acquire()  # as if another thread held it
child = os.fork()
if child == 0:
    for n in range(3): sender.send(alert(f"child {n}"))
    assert sender.close(10) == 0
    os._exit(0)
lane._changed.release()
assert os.waitpid(child, 0)[1] == 0
assert sender.close(10) == 0
"""
    )
    threading.Timer(1.0, release.set).start()
    out, err, _ = run(code, receiver.url)
    assert (out, err) == ("", "")
    titles = [body["title"] for body in receiver.bodies]
    assert sorted(titles) == [f"child {n}" for n in range(3)] + [f"parent {n}" for n in range(5)]


def test_a_closed_sender_can_be_collected(receiver, failures, alert):
    """Neither the fork hook nor atexit keeps it alive."""
    import weakref

    sender = Sender([receiver.url], False, on_failure=failures)
    sender.send(alert)
    sender.close()
    gone = weakref.ref(sender)
    del sender
    gc.collect()
    assert gone() is None
