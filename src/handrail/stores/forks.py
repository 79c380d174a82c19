"""What a forked child must not inherit is put away before the fork, or forgotten in the child.

SQLite keeps, for all connections of a process to one file, one table of the locks they hold. A child that is
forked while a connection is open inherits the table, but not the locks: even a connection that the child
opens itself would then believe in locks that nobody holds, or wait for ever for one that the parent has long
released. Therefore connections are closed *before* the fork, and opened again on their next use
(https://sqlite.org/howtocorrupt.html, section 2.6).
"""

import os
import threading
from functools import cache
from typing import Protocol
from weakref import WeakSet


class Forgetful(Protocol):
    """Holds files or locks of which a forked child gets a copy that it must not use."""

    def after_fork_in_child(self) -> None:
        """Drop what belongs to the parent without touching it; reopen on the next use."""


class Pausable(Forgetful, Protocol):
    """Holds what must not be open during a fork."""

    def before_fork(self) -> None:
        """Wait until it is unused, close it, and let nobody open it."""

    def after_fork_in_parent(self) -> None:
        """Let it be used again."""


_forgetful: WeakSet[Forgetful] = WeakSet()
_pausable: WeakSet[Pausable] = WeakSet()


class _Paused(threading.local):
    """What the fork that this thread is making has paused."""

    things: tuple[Pausable, ...] = ()


_paused = _Paused()


def watch(thing: Forgetful) -> None:
    """Have `after_fork_in_child` called in every child forked while `thing` is alive.

    The hooks are installed at the first call and not at import: importing the package has no effects.
    """
    _install()
    _forgetful.add(thing)


def pause(thing: Pausable) -> None:
    """Have `thing` paused during every fork, in addition."""
    watch(thing)
    _pausable.add(thing)


@cache
def _install() -> None:
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)


def _before() -> None:
    _paused.things = tuple(sorted(_pausable, key=id))  # two forks at once: in the same order
    for thing in _paused.things:
        thing.before_fork()


def _in_parent() -> None:
    things, _paused.things = _paused.things, ()
    for thing in things:
        thing.after_fork_in_parent()


def _in_child() -> None:
    _paused.things = ()
    for thing in list(_forgetful):
        thing.after_fork_in_child()
