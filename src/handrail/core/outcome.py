"""How an action ended: the brief's four statuses, three more, and one list of reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from handrail.core.digest import Json


class Status(StrEnum):
    """The tag of every attempt. The first four are the brief's."""

    SUCCESS = "success"
    RETRY = "retry"
    FAILED_VALIDATION = "failed_validation"
    HUMAN_REVIEW_REQUIRED = "human_review_required"
    DENIED = "denied"
    FAILED = "failed"
    KILLED = "killed"


class Reason(StrEnum):
    """Why a status was given. This is the one list; every surface prints these words."""

    NONE = ""
    ACCESS = "access"
    ARGUMENTS = "arguments"
    CALL_REUSED = "call_reused"
    CANCELLED = "cancelled"
    CHECKS = "checks"
    DENIAL_MEMORY = "denial_memory"
    DESTRUCTIVE = "destructive"
    ERROR = "error"
    EXPIRED = "expired"
    GATE_ERROR = "gate_error"
    IN_DOUBT = "in_doubt"
    IN_PROGRESS = "in_progress"
    LIMIT = "limit"
    NO_RUN = "no_run"
    NOT_CLEARED = "not_cleared"
    NOT_DECLARED = "not_declared"
    PRECONDITION = "precondition"
    PREVIEW = "preview"
    READ_BACK = "read_back"
    REJECTED = "rejected"
    RESOURCE_UNKNOWN = "resource_unknown"
    RETRIES_EXHAUSTED = "retries_exhausted"
    RULE = "rule"
    STALE = "stale"
    STOPPED = "stopped"
    STORE = "store"
    WOULD_BLOCK = "would_block"


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which arguments or a result break their contract.

    Attributes:
        check: Name of the contract or check (`result`, `checks[0]`, `fresh`, `read_back`, …).
        path: Dotted path of the value, `""` for the whole.
        why: One sentence.
    """

    check: str
    path: str
    why: str

    def to_json(self) -> dict[str, Json]:
        """Return the violation as the journal keeps it."""
        return {"check": self.check, "path": self.path, "why": self.why}


class Outcome(NamedTuple):
    """The end of an action, or of one attempt.

    Attributes:
        status: The tag.
        reason: The code, from one list.
        why: One sentence for agents and people; empty on success.
        action: Id of the action.
        attempt: Which attempt ended so, counted from 0.
        ticket: Id of the ticket that the action waits for, if any.
        value: The tool's own return value; only meaningful on success.
        kept: False when a replayed outcome's value was not kept (over 256 KiB, redacted, or not JSON).
        violations: What the contracts found.
        replayed: True when this is the first terminal outcome of the same call again.
        error: The exception that the tool raised, if any; never journalled as an object.
        retry_after_s: What the upstream asked for before another attempt, in seconds.
    """

    status: Status
    reason: Reason = Reason.NONE
    why: str = ""
    action: str = ""
    attempt: int = 0
    ticket: str | None = None
    value: object = None
    kept: bool = True
    violations: tuple[Violation, ...] = ()
    replayed: bool = False
    error: BaseException | None = None
    retry_after_s: float = 0.0

    def __repr__(self) -> str:
        """Show how it ended, without the tool's value and exception, which may hold secrets."""
        return f"Outcome({self.status}, {self.reason or None}, action={self.action!r}, attempt={self.attempt})"
