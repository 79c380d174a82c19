"""Every alert let into a lane is delivered or reported, once; the queue is bounded; nobody waits for a target."""

import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.alerts.alert import Alert, AlertKind, Delivery
from handrail.alerts.lane import Lane, deliver


class Target:
    """Answers with `script` in turn, then accepts; stops at a closed gate."""

    shown = "target"

    def __init__(self, *script):
        self.script = list(script)
        self.got = []
        self.retries_max = None
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def deliver(self, alert, *, retries_max, wait):
        self.retries_max = retries_max
        self.entered.release()
        assert self.gate.wait(10)
        answer = self.script.pop(0) if self.script else True
        if isinstance(answer, Exception):
            raise answer
        if answer is True:
            self.got.append(alert)
        elif answer == "wait":
            answer = wait(60.0)
        return Delivery(self.shown, answer, "fine" if answer else "refused")


def numbered(number):
    return Alert(AlertKind.TEST, str(number), "", number)


def titles(alerts):
    return [alert.title for alert in alerts]


def close(lane, timeout_s=10.0):
    lane.start_closing(time.monotonic() + timeout_s)
    return lane.finish_closing()


def test_alerts_arrive_in_order(failures):
    """One thread, one queue; three retries are the target's to use."""
    target = Target()
    lane = Lane(target, failures, queue_max=1000)
    for number in range(500):
        lane.put(numbered(number))
    assert close(lane) == 0
    assert titles(target.got) == [str(number) for number in range(500)]
    assert target.retries_max == 3
    assert failures == []


def test_a_failed_delivery_is_reported_and_the_next_is_tried(failures):
    """A target that raises included; of the exception only the type is told, since its text may hold the URL."""
    target = Target(False, ValueError("https://h/secret"), True)
    lane = Lane(target, failures, queue_max=10)
    for number in range(3):
        lane.put(numbered(number))
    assert close(lane) == 0
    assert [(a.title, t, r) for a, t, r in failures] == [
        ("0", "target", "refused"),
        ("1", "target", "ValueError while sending"),
    ]
    assert titles(target.got) == ["2"]


def test_a_full_queue_drops_the_newest_and_says_so_in_the_next_alert(failures):
    """The count is in the alert taken out next, once, and never holds up whoever puts."""
    target = Target()
    target.gate.clear()
    lane = Lane(target, failures, queue_max=3)
    lane.put(numbered(0))
    target.entered.acquire()
    started = time.perf_counter()
    for number in range(1, 1_208):
        lane.put(numbered(number))
    assert time.perf_counter() - started < 1
    target.gate.set()
    assert close(lane) == 0
    assert titles(target.got) == ["0", "1", "2", "3"]
    assert [alert.fields.get("alerts_dropped") for alert in target.got] == [None, "1204", None, None]
    assert target.got[1].text.startswith("1,204 alerts were dropped before this one")
    assert failures == []


def test_what_time_does_not_allow_is_reported(failures):
    """The one under way may yet arrive; its later success or failure is not reported again. Drops are told too."""
    target = Target(False)
    target.gate.clear()
    lane = Lane(target, failures, queue_max=2)
    lane.put(numbered(0))
    target.entered.acquire()
    for number in range(1, 5):
        lane.put(numbered(number))
    started = time.perf_counter()
    assert close(lane, 0.1) == 3
    assert time.perf_counter() - started < 1
    expected = [
        ("0", "it was still being sent when time was up; it may yet arrive"),
        ("1", "it was not sent before time was up"),
        ("2", "it was not sent before time was up"),
    ]
    assert [(a.title, r) for a, _, r in failures] == expected
    assert failures[1][0].fields == {"alerts_dropped": "2"}
    thread = lane._thread
    target.gate.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(failures) == 3
    assert close(lane) == 0


def test_closing_does_not_sit_out_a_wait_it_has_no_time_for(failures):
    """Neither one that has begun nor a new one; what is left is still tried."""
    target = Target("wait", "wait", True)
    lane = Lane(target, failures, queue_max=10)
    lane.put(numbered(0))
    target.entered.acquire()
    time.sleep(0.05)
    lane.put(numbered(1))
    lane.put(numbered(2))
    started = time.perf_counter()
    assert close(lane, 5.0) == 0
    assert time.perf_counter() - started < 2
    assert [(a.title, r) for a, _, r in failures] == [("0", "refused"), ("1", "refused")]
    assert titles(target.got) == ["2"]


def test_a_wait_lasts_as_long_as_it_should(failures):
    """Whatever else arrives in the meantime."""
    lane = Lane(Target(), failures, queue_max=10)
    started = time.perf_counter()
    threading.Timer(0.05, lane.put, [numbered(0)]).start()
    assert lane._wait(0.2)
    assert time.perf_counter() - started >= 0.2
    close(lane)


def test_a_queue_without_room_is_refused(failures):
    """It could say nothing about what it drops."""
    with pytest.raises(ValueError, match="at least 1, not 0"):
        Lane(Target(), failures, queue_max=0)


def test_after_closing_alerts_fail_at_once(failures):
    """They are reported, not swallowed."""
    lane = Lane(Target(), failures, queue_max=10)
    assert close(lane) == 0
    lane.put(numbered(0))
    assert [(a.title, r) for a, _, r in failures] == [("0", "it was sent after closing")]


def test_a_report_that_fails_goes_to_stderr_and_the_lane_lives_on(capfd):
    """The last place there is; the alert's text is made safe."""

    def broken(alert, target, reason):
        raise RuntimeError("secret")

    target = Target(False, True)
    lane = Lane(target, broken, queue_max=10)
    lane.put(Alert(AlertKind.TEST, "a\x1b", "", 0))
    lane.put(numbered(1))
    close(lane)
    assert titles(target.got) == ["1"]
    assert capfd.readouterr().err == (
        "handrail: the alert 'a\\\\x1b' did not reach target (refused), and recording that failed with RuntimeError\n"
    )


def test_without_threads_alerts_wait_and_closing_reports_them(failures, monkeypatch):
    """A process at its thread limit, or at its end: put raises nothing and the next put tries again."""
    target = Target()
    lane = Lane(target, failures, queue_max=10)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no thread")))
        lane.put(numbered(0))
    lane.put(numbered(1))
    assert close(lane) == 0
    assert titles(target.got) == ["0", "1"]

    lane = Lane(target, failures, queue_max=10)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError("no thread")))
        lane.put(numbered(2))
        assert close(lane) == 1
    assert [(a.title, r) for a, _, r in failures] == [("2", "it was not sent before time was up")]


def test_the_callback_may_close_and_send(failures):
    """It runs in the lane's thread, with no lock held."""
    lane = None
    done = threading.Event()

    def on_failure(alert, target, reason):
        failures(alert, target, reason)
        if reason == "refused":
            lane.put(numbered(9))
            close(lane)
            done.set()

    lane = Lane(Target(False), on_failure, queue_max=10)
    lane.put(numbered(0))
    assert done.wait(5)
    assert [(a.title, r) for a, _, r in failures] == [("0", "refused"), ("9", "it was not sent before time was up")]


def test_deliver_turns_an_exception_into_a_failure():
    """For callers that deliver without a lane."""
    delivery = deliver(Target(OSError("x")), numbered(0), retries_max=0, wait=lambda _: True)
    assert delivery == Delivery("target", False, "OSError while sending")


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from([True, False, ValueError("x")]), max_size=30),
    st.integers(1, 40),
    st.integers(1, 4),
    st.floats(0, 0.003),
)
def test_every_alert_is_accounted_for_exactly_once(script, queue_max, senders, timeout_s):
    """Delivered, reported, or counted as dropped; from any number of threads, whenever it closes."""
    reported = []
    target = Target(*script)
    lane = Lane(target, lambda *told: reported.append(told), queue_max=queue_max)
    threads = [threading.Thread(target=lambda: [lane.put(numbered(n)) for n in range(20)]) for _ in range(senders)]
    for thread in threads:
        thread.start()
    close(lane, timeout_s)
    for thread in threads:
        thread.join()
    if lane._thread:
        lane._thread.join()
    maybe = [r for _, _, r in reported if "may yet arrive" in r]
    told = target.got + [alert for alert, _, _ in reported]
    dropped = sum(int(d) for d in {id(a): a.fields.get("alerts_dropped", 0) for a in told}.values())
    accounted = len(target.got) + len(reported) + dropped
    assert 20 * senders <= accounted <= 20 * senders + len(maybe)


@pytest.mark.parametrize("closed", [False, True])
def test_a_reset_forgets_the_parents_queue(failures, closed):
    """What a forked child does: nothing is sent twice, and closed stays closed."""
    target = Target()
    target.gate.clear()
    lane = Lane(target, failures, queue_max=10)
    lane.put(numbered(0))
    lane.put(numbered(1))
    if closed:
        lane.start_closing(time.monotonic() + 10)
    parents_thread, parents_changed = lane._thread, lane._changed
    child = Lane.__new__(Lane)
    child.__dict__.update(lane.__dict__)
    child.reset()
    target.gate.set()
    child.put(numbered(2))
    close(child)
    assert ("2" in titles(target.got)) is not closed
    with parents_changed:
        lane._closed = True
        parents_changed.notify_all()
    parents_thread.join(10)
    assert sorted(titles(target.got)) == (["0", "1"] if closed else ["0", "1", "2"])
