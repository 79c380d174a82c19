"""The desktop's own command shows an alert; nothing in the alert becomes an option, a script or markup."""

import stat
import sys
import time

import pytest

from handrail.alerts.desktop import Desktop, command


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a command on PATH that writes its arguments down; return a function that does, and one that reads."""
    monkeypatch.setenv("PATH", str(tmp_path))
    recorded = tmp_path / "argv"

    def install(name, then="exit 0"):
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\nfor a in "$@"; do printf "%s\\0" "$a"; done > {recorded}\n{then}\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return lambda: recorded.read_text().split("\0")[:-1]

    return install


def show(alert, platform="linux", timeout_s=5.0):
    return Desktop(timeout_s, platform).deliver(alert, retries_max=3, wait=lambda _: True)


def test_notify_send_is_called(fake, new_alert):
    """Title and text are its two operands, after the end of its options."""
    argv = fake("notify-send")
    delivery = show(new_alert("A refund waits", "Order 7\nhandrail review"))
    assert (delivery.target, delivery.ok, delivery.detail) == ("desktop", True, "shown by notify-send")
    assert argv() == ["--app-name=Handrail", "--", "Handrail: A refund waits", "Order 7\nhandrail review"]


@pytest.mark.parametrize("hostile", ["--icon=/etc/passwd", "-h", "$(touch pwned)", "`id`", "; rm -rf /", "'\"", "--"])
def test_nothing_in_an_alert_is_an_option_or_a_command(fake, new_alert, hostile):
    """It arrives as the text that it is."""
    argv = fake("notify-send")
    assert show(new_alert(hostile, hostile)).ok
    assert argv()[1:] == ["--", f"Handrail: {hostile}", hostile]


def test_escapes_and_markup_stay_text(fake, new_alert):
    """notify-send undoes one level of backslashes in the body, and servers read markup there."""
    argv = fake("notify-send")
    show(new_alert("\x1b<b>\n", '\x1b\\n<a href="x">y</a>&'))
    assert argv()[2] == r"Handrail: \x1b<b>\n"
    assert argv()[3] == r'\\x1b\\\\n&lt;a href="x"&gt;y&lt;/a&gt;&amp;'


def test_osascript_is_called_on_macos(fake, new_alert):
    """Title and text are arguments of a fixed script, not part of it; the title never looks like an option."""
    argv = fake("osascript")
    assert show(new_alert('-x" & (do shell script "id")', 'a"\\b'), "darwin").ok
    assert argv()[6:] == ['Handrail: -x" & (do shell script "id")', 'a"\\\\b']
    assert argv()[::2][:3] == ["-e", "-e", "-e"]
    assert "id" not in "".join(argv()[:6])


def test_long_alerts_are_cut(new_alert):
    """A notification is small; the cut is told."""
    *_, title, body = command(new_alert("t" * 9999, "x\n" * 9999), "linux")
    assert title == "Handrail: " + "t" * 120 + "… (+9,879 chars)"
    assert body.split("\n")[8:] == ["… (+9,992 lines, 19,982 chars)"]


def test_a_desktop_without_the_command_is_a_failure(fake, new_alert):
    """Asked for and not possible is worth a line in the journal."""
    delivery = show(new_alert())
    assert (delivery.ok, delivery.detail) == (False, "notify-send is not installed")
    assert show(new_alert(), "darwin").detail == "osascript is not installed"


def test_a_command_that_fails_says_why(fake, new_alert):
    """In its own words, safe to print."""
    fake("notify-send", 'printf "no display\\033[31m\\n" >&2; exit 3')
    assert show(new_alert()).detail == r"notify-send ended with code 3: no display\x1b[31m"


def test_a_command_that_hangs_is_ended(fake, new_alert):
    """Within its time."""
    fake("notify-send", "while :; do :; done")
    started = time.perf_counter()
    assert show(new_alert(), timeout_s=0.3).detail == "notify-send did not end within 0.3 s"
    assert time.perf_counter() - started < 3


def test_a_command_that_cannot_be_run(fake, new_alert, tmp_path):
    """The system's reason."""
    fake("notify-send")
    (tmp_path / "notify-send").write_bytes(b"\x00\x01not a program")
    assert show(new_alert()).detail == "notify-send cannot be run: Exec format error"


def test_the_platform_is_this_one():
    """Unless a test says otherwise."""
    assert Desktop().platform == sys.platform
