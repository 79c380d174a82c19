"""A watchdog that ends a query of PostgreSQL from outside, for a session can switch its own time limit off.

It has three stages: it asks the backend to cancel; a function may catch that, so it terminates the session; and on a
server that answers nobody it hangs up.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from typing import Self

GRACE_S = 2.0
"""How long each stage has before the next one."""


class Watchdog:
    """Watches over what is done inside of `with`.

    Args:
        connection: Whose query is ended.
        time_s: After how long.
        another: Opens a second connection of the same role.

    Attributes:
        bit: Whether it had to. The connection is not to be used any more then, since a cancel may arrive late.
    """

    def __init__(
        self,
        connection: psycopg.Connection[tuple[object, ...]],
        time_s: float,
        another: Callable[[], psycopg.Connection[tuple[object, ...]]],
    ) -> None:
        self.bit = False
        self._connection, self._time_s, self._another = connection, time_s, another
        self._pid, self._fileno = connection.info.backend_pid, connection.fileno()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="handrail-watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._done.wait(self._time_s):
            return
        self.bit = True
        for stage in (self._cancel, self._terminate, self._hang_up):
            stage()
            if self._done.wait(GRACE_S):
                return

    def _cancel(self) -> None:
        try:
            self._connection.cancel_safe(timeout=GRACE_S)
        except psycopg.Error:
            return  # the next stage follows

    def _terminate(self) -> None:
        try:
            connection = self._another()
        except Exception:  # noqa: BLE001 (whatever connecting raises, the next stage follows)
            return
        try:
            connection.execute("SELECT pg_catalog.pg_terminate_backend(%s)", (self._pid,))
        except psycopg.Error:
            return
        finally:
            connection.close()

    def _hang_up(self) -> None:
        try:
            with socket.fromfd(self._fileno, socket.AF_UNIX, socket.SOCK_STREAM) as own:
                own.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it is closed already
