"""Exit codes, in one table: scripts act on them."""

from __future__ import annotations

from enum import IntEnum

from handrail.errors import (
    ActionError,
    ConfigurationError,
    HandrailError,
    Killed,
    NotFoundError,
    ReviewError,
    ReviewRequired,
    StoreError,
)


class UsageError(HandrailError):
    """The command line is wrong. Add --help to see what the command takes."""


class Code(IntEnum):
    """What the process ends with."""

    OK = 0
    """Done, and nothing to object to."""
    FINDINGS = 1
    """Something was found or refused: a fault in the journal, a decision that is not valid, an alert not delivered."""
    USAGE = 2
    """The command line is wrong."""
    CONFIGURATION = 3
    """The policy, pyproject.toml or the store cannot be used."""
    NOT_FOUND = 4
    """There is no such ticket, grant, action or agent."""
    WAITS = 6
    """An action waits for a person."""
    KILLED = 7
    """An agent was stopped, or a breaker is open."""
    BUG = 70
    """Handrail itself failed."""
    INTERRUPTED = 130
    """Ctrl-C."""


CODES: tuple[tuple[type[BaseException], Code], ...] = (
    (UsageError, Code.USAGE),
    (ConfigurationError, Code.CONFIGURATION),
    (StoreError, Code.CONFIGURATION),
    (NotFoundError, Code.NOT_FOUND),
    (ReviewError, Code.FINDINGS),
    (ReviewRequired, Code.WAITS),
    (ActionError, Code.FINDINGS),
    (Killed, Code.KILLED),
    (HandrailError, Code.FINDINGS),
    (KeyboardInterrupt, Code.INTERRUPTED),
)
"""The first class that fits counts."""


def code_of(error: BaseException) -> Code:
    """Return what the process ends with after `error`."""
    return next((code for kind, code in CODES if isinstance(error, kind)), Code.BUG)
