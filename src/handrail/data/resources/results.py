"""How a verb ended. Each is a value whose `why` is one plain sentence, safe to print, that says what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.data.resources.receipt import Touched, Version


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was changed.

    Attributes:
        why: What happened and what to do.
        retry_after_s: What the other side asks to wait, in seconds; 0 without.
        passing: Whether the other side only cannot be reached or used now, so that it may go later as it is.
    """

    why: str
    retry_after_s: float = 0.0
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Clash:
    """One resource that is not as recorded.

    Attributes:
        id: The resource.
        recorded: The version that was expected.
        current: The version found; `unknown` when the resource only said that it differs.
    """

    id: str
    recorded: Version
    current: Version


@dataclass(frozen=True, slots=True)
class Stale:
    """A resource is not as planned, so nothing was changed.

    Attributes:
        why: What happened and what to do.
        clashes: The resources that differ.
    """

    why: str
    clashes: tuple[Clash, ...]


@dataclass(frozen=True, slots=True)
class NotApplied:
    """The change was cut off, and the resource is as before.

    Attributes:
        why: What happened and what to do.
        retry_after_s: What the other side asks to wait, in seconds; 0 without.
    """

    why: str
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Nobody can tell whether it was done; it is not tried again until a person has looked.

    Attributes:
        why: What happened and what to do.
        clashes: What was found instead of what is recorded.
    """

    why: str
    clashes: tuple[Clash, ...] = ()


@dataclass(frozen=True, slots=True)
class Undone:
    """The change was taken back.

    Attributes:
        touched: The resources, from the version after the change to the version now.
    """

    touched: tuple[Touched, ...]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Somebody else changed a resource since, so the undo left all of them alone.

    Attributes:
        why: What happened and what to do.
        clashes: The resources that differ.
    """

    why: str
    clashes: tuple[Clash, ...]


class CannotDo(Exception):  # noqa: N818 (it says what it is; never leaves the package)
    """Inside an adapter: nothing was changed, and why. The verbs turn it into `Refused`."""

    def __init__(self, why: str, retry_after_s: float = 0.0, *, passing: bool = False) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s
        self.passing = passing

    def refused(self) -> Refused:
        """Return the value that the caller gets."""
        return Refused(str(self), self.retry_after_s, self.passing)
