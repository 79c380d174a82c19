"""Why a change of a file or an HTTP resource was not made, or is not known to be made."""

from __future__ import annotations

from handrail.core.outcome import Reason
from handrail.core.text import safe
from handrail.data.resources.results import Clash, Conflict, InDoubt, NotApplied, Refused, Stale
from handrail.errors import NotDone, OutcomeUnknown

SHOWN = 10
"""Resources that a message names."""


class ResourceRefused(NotDone):
    """The change was refused, and nothing was changed. Plan it differently.

    Attributes:
        passing: Whether the other side only cannot be reached or used now, so that it may go later as it is.
    """

    passing = False


class ResourceStale(ResourceRefused):
    """A resource is not as it was planned for, or as the change left it, so nothing was changed.

    Attributes:
        clashes: The resources that differ, with the recorded version and the one that was found.
    """

    reason = Reason.STALE

    def __init__(self, message: str, clashes: tuple[Clash, ...] = ()) -> None:
        super().__init__(message)
        self.clashes = clashes

    @property
    def keys(self) -> tuple[str, ...]:
        """The ids of those resources."""
        return tuple(clash.id for clash in self.clashes)


class ResourceInDoubt(OutcomeUnknown):
    """Nobody knows yet whether the change was made. Apply the same plan again: that finishes it, or tells.

    Attributes:
        clashes: What was found instead of what is recorded.
        retry_after: Seconds that the other side asks to wait; 0 without.
    """

    def __init__(self, message: str, clashes: tuple[Clash, ...] = (), retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.clashes = clashes
        self.retry_after = retry_after


Failed = Stale | Conflict | Refused | NotApplied | InDoubt
"""How a verb ends that did not do it."""


def error_of(ended: Failed, *, begun: bool = False) -> ResourceRefused | ResourceInDoubt:
    """Return what is raised for a verb that did not do it.

    Args:
        ended: How it ended.
        begun: Whether the ledger still says that it was begun: then a refusal does not show that nothing was done.
    """
    match ended:
        case Stale(why, clashes) | Conflict(why, clashes):
            return ResourceStale(f"{why} ({_listed(clashes)})" if clashes else why, clashes)
        case Refused(why, _, passing) if not begun:
            error = ResourceRefused(why)
            error.passing = passing
            return error
        case Refused(why, wait_s) | NotApplied(why, wait_s):  # a request may still arrive, so it is not: nothing
            return ResourceInDoubt(why, retry_after=wait_s)
        case InDoubt(why, clashes):
            return ResourceInDoubt(f"{why} ({_listed(clashes)})" if clashes else why, clashes)


def _listed(clashes: tuple[Clash, ...]) -> str:
    names = ", ".join(safe(clash.id, max_chars=100) for clash in clashes[:SHOWN])
    return f"{names} and {len(clashes) - SHOWN:,} more" if len(clashes) > SHOWN else names
