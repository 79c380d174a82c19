"""The server's process: started in a group of its own, spoken to over pipes, and ended with everything it started."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from handrail.core.text import safe
from handrail.errors import ConfigurationError
from handrail.mcp.lines import LINE_MAX, LineSink, LineSource

GRACE_S = 2.0
"""Seconds that the server has to end by itself after its stdin was closed, and again after SIGTERM."""


class Child:
    """The running server. Its stderr is ours.

    Args:
        command: Program and arguments.
        on_line: Takes each line of its stdout; None for one that is too long.
        on_end: Called when its stdout has ended, or it reads no more.
        on_full: Told whether it reads more slowly than it is written to.
        line_max: Bytes that a line may have.

    Raises:
        ConfigurationError: It cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        on_line: Callable[[bytes | None], None],
        on_end: Callable[[], None],
        on_full: Callable[[bool], None],
        line_max: int = LINE_MAX,
    ) -> None:
        try:
            self._process = subprocess.Popen(  # noqa: S603 (the operator names the command)
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, bufsize=0
            )
        except OSError as error:
            why = error.strerror or str(error)
            raise ConfigurationError(
                f"The server cannot be started: {safe(command[0])}: {safe(why)}. Name its program after '--'."
            ) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._gone = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.source = LineSource(os.dup(self._process.stdout.fileno()), on_line, on_end, line_max)
        self.sink = LineSink(os.dup(self._process.stdin.fileno()), on_end, on_full)
        self._process.stdin.close()
        self._process.stdout.close()
        threading.Thread(target=self._wait, args=(loop,), name="handrail-mcp-child", daemon=True).start()

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._process.wait()
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(self._gone.set)

    @property
    def ended(self) -> str:
        """How it ended, for messages."""
        code = self._process.returncode
        if code is None:
            return "it closed its output"
        return f"it was ended by signal {-code}" if code < 0 else f"it ended with code {code}"

    async def gone(self, patience_s: float) -> bool:
        """Wait until it has ended; return whether it has."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), patience_s)
        return self._gone.is_set()

    async def end(self, grace_s: float = GRACE_S) -> None:
        """End it: close its stdin and wait, then SIGTERM to its group and wait, then SIGKILL to what is left of it."""
        await self.sink.close(grace_s)
        if not await self.gone(grace_s):
            self.signal(signal.SIGTERM)
            await self.gone(grace_s)
        self.signal(signal.SIGKILL)  # also what it started and left behind
        await self.gone(grace_s)
        self.source.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to its whole process group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
