"""Newline-delimited bytes over pipes, on an event loop: bounded lines in, buffered writes out, no byte changed.

Reading never switches a descriptor that we were given to non-blocking (others may share it); what a loop cannot watch
(files, terminals) is pumped through a pipe by a thread.
"""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

LINE_MAX = 64 * 1024 * 1024
"""Bytes of one line."""

CHUNK = 256 * 1024
"""Bytes of one read."""

BUFFER_HIGH, BUFFER_LOW = 4 * 1024 * 1024, 1024 * 1024
"""Unwritten bytes above which the other side is not read any more, and below which it is again."""


class LineSource:
    """Reads lines from a descriptor and hands each one on, without its line end.

    Args:
        fd: What to read; closed at the end.
        on_line: Takes a line; None for one that was longer than `line_max`, whose bytes are dropped.
        on_end: Called once, when nothing more comes.
        line_max: Bytes that a line may have.
    """

    def __init__(
        self, fd: int, on_line: Callable[[bytes | None], None], on_end: Callable[[], None], line_max: int = LINE_MAX
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd = watchable_in(fd)
        self._on_line = on_line
        self._on_end = on_end
        self._line_max = line_max
        self._parts: list[bytes] = []
        self._size = 0
        self._skipping = False
        self._reading = False
        self._ended = False

    def resume(self) -> None:
        """Read, or go on reading."""
        if not self._reading and not self._ended:
            self._reading = True
            self._loop.add_reader(self._fd, self._ready)

    def pause(self) -> None:
        """Stop reading until `resume`."""
        if self._reading:
            self._reading = False
            self._loop.remove_reader(self._fd)

    def close(self) -> None:
        """Read nothing more; `on_end` is not called."""
        if not self._ended:
            self.pause()
            self._ended = True
            os.close(self._fd)

    def _ready(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self.feed(data)
            return
        self.close()
        if self._parts:
            self._hand_over(self._take(b""))
        self._on_end()

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        first, *rest = data.split(b"\n")
        if not rest:
            self._keep(first)
            return
        *whole, last = rest
        self._hand_over(self._take(first))
        for line in whole:
            self._hand_over(None if len(line) > self._line_max else line)
        self._keep(last)

    def _keep(self, part: bytes) -> None:
        if self._skipping or not part:
            return
        self._parts.append(part)
        self._size += len(part)
        if self._size > self._line_max:
            self._skipping = True
            self._parts = [b""]

    def _take(self, last: bytes) -> bytes | None:
        """Return the line that `last` completes."""
        self._keep(last)
        line = None if self._skipping else b"".join(self._parts)
        self._parts, self._size, self._skipping = [], 0, False
        return line

    def _hand_over(self, line: bytes | None) -> None:
        self._on_line(line if line is None else line.removesuffix(b"\r"))


class LineSink:
    """Writes to a descriptor without waiting; what it does not take now is kept.

    Args:
        fd: What to write to; closed at the end.
        on_broken: Called once, when nobody reads it any more.
        on_full: Called with True when too much is kept, with False when that is over.
    """

    def __init__(
        self, fd: int, on_broken: Callable[[], None], on_full: Callable[[bool], None] = lambda _full: None
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._fd, self._pump = watchable_out(fd)
        os.set_blocking(self._fd, False)
        self._on_broken = on_broken
        self._on_full = on_full
        self._kept: deque[memoryview] = deque()
        self._size = 0
        self._full = False
        self._closed = False
        self._drained = asyncio.Event()
        self._drained.set()

    def write(self, line: bytes) -> None:
        """Write a line and its end."""
        if self._closed:
            return
        data = memoryview(line + b"\n")
        if not self._kept:
            data = data[self._try(data) :]
            if not data or self._closed:
                return
            self._loop.add_writer(self._fd, self._ready)
            self._drained.clear()
        self._kept.append(data)
        self._size += len(data)
        if self._size > BUFFER_HIGH and not self._full:
            self._full = True
            self._on_full(True)

    async def close(self, patience_s: float = 0.0) -> None:
        """Close, once what is kept is written or the patience is over."""
        if not self._closed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), patience_s)
            self._end()
        if self._pump is not None:
            await asyncio.to_thread(self._pump.join, patience_s)

    def _try(self, data: memoryview) -> int:
        try:
            return os.write(self._fd, data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            self._end()
            self._loop.call_soon(self._on_broken)
            return 0

    def _ready(self) -> None:
        data = self._kept[0]
        taken = self._try(data)
        if self._closed:
            return
        self._size -= taken
        if taken == len(data):
            self._kept.popleft()
        else:
            self._kept[0] = data[taken:]
        if self._full and self._size < BUFFER_LOW:
            self._full = False
            self._on_full(False)
        if not self._kept:
            self._loop.remove_writer(self._fd)
            self._drained.set()

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_writer(self._fd)
        self._kept.clear()
        self._drained.set()
        os.close(self._fd)


def _is_pipe(fd: int) -> bool:
    kind = os.fstat(fd).st_mode
    return stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)


def watchable_in(fd: int) -> int:
    """Return a descriptor that an event loop can watch and that gives what `fd` gives."""
    if _is_pipe(fd):
        return fd
    ours, theirs = os.pipe()
    threading.Thread(target=_pump, args=(fd, theirs), name="handrail-mcp-in", daemon=True).start()
    return ours


def watchable_out(fd: int) -> tuple[int, threading.Thread | None]:
    """Return a descriptor that may be switched to non-blocking and leads to `fd`, and the thread that pumps, if any.

    A pipe that is our stderr as well (`2>&1`) stays blocking: whoever else writes there does not expect otherwise.
    """
    if _is_pipe(fd) and not _same(fd, 2):
        return fd, None
    theirs, ours = os.pipe()
    pump = threading.Thread(target=_pump, args=(theirs, fd), name="handrail-mcp-out", daemon=True)
    pump.start()
    return ours, pump


def _same(one: int, other: int) -> bool:
    try:
        return os.path.samestat(os.fstat(one), os.fstat(other))
    except OSError:
        return False


def _pump(source: int, target: int) -> None:
    """Copy until one of the two ends; then close both, which the other side sees."""
    with suppress(OSError):
        while data := os.read(source, CHUNK):
            view = memoryview(data)
            while view:
                view = view[os.write(target, view) :]
    for fd in (source, target):
        with suppress(OSError):
            os.close(fd)
