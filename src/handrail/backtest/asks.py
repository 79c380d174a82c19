"""What becomes, in a trial, of an action that asks a person."""

from __future__ import annotations

from enum import StrEnum


class Asks(StrEnum):
    """The answer that every reviewer gives."""

    APPROVED = "approved"
    REFUSED = "refused"
