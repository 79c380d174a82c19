"""Alerts as desktop notifications, where the desktop has a command for them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handrail.alerts.alert import Alert, Delivery
from handrail.core.text import safe, safe_block

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_S = 5.0
"""Seconds that the command may take."""

_APPLESCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)


def command(alert: Alert, platform: str) -> list[str]:
    """Return the arguments that show the alert; its texts are arguments, never options, script or markup.

    Args:
        alert: What to show: its title, and of its text up to 8 lines and 500 characters.
        platform: As in `sys.platform`.

    The title never starts with a dash, for osascript, which has no end-of-options mark. notify-send takes the
    body through `g_strcompress`, which would turn our escapes back into control characters, and hands it to
    servers that read markup.
    Source: libnotify, tools/notify-send.c; the Desktop Notifications Specification, "Markup".
    """
    title = f"Handrail: {safe(alert.title, max_chars=120)}"
    body = "\n".join(safe_block(alert.text, 500, 8))
    if platform == "darwin":
        script = [argument for line in _APPLESCRIPT for argument in ("-e", line)]
        return ["osascript", *script, title, body]
    for plain, quoted in (("\\", "\\\\"), ("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        body = body.replace(plain, quoted)
    return ["notify-send", "--app-name=Handrail", "--", title, body]


@dataclass(frozen=True, slots=True)
class Desktop:
    """The desktop of the user whom the process runs as.

    Attributes:
        timeout_s: Seconds that the command may take, > 0; then it is ended.
        platform: As in `sys.platform`.
    """

    timeout_s: float = TIMEOUT_S
    platform: str = sys.platform

    @property
    def shown(self) -> str:
        """The target's name in messages."""
        return "desktop"

    def deliver(self, alert: Alert, *, retries_max: int, wait: Callable[[float], bool]) -> Delivery:
        """Show the alert once; a missing command or desktop is a failure, and no retry would find it."""
        import shutil  # noqa: PLC0415 (light import)
        import subprocess  # noqa: PLC0415 (light import)

        del retries_max, wait
        name, *arguments = command(alert, self.platform)
        path = shutil.which(name)
        if path is None:
            return Delivery(self.shown, False, f"{name} is not installed")
        try:
            done = subprocess.run(  # noqa: S603 (no shell; the texts are arguments)
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=self.timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Delivery(self.shown, False, f"{name} did not end within {self.timeout_s:g} s")
        except OSError as error:
            return Delivery(self.shown, False, f"{name} cannot be run: {safe(error.strerror)}")
        if done.returncode == 0:
            return Delivery(self.shown, True, f"shown by {name}")
        said = safe(done.stderr.decode(errors="replace").strip())
        return Delivery(self.shown, False, f"{name} ended with code {done.returncode}: {said}")
