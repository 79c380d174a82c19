"""Undoing a planned change where it was made: its place knows what it changed, and who wrote there since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from handrail.core.text import safe
from handrail.data.acting import Recorded
from handrail.errors import NotDone, OutcomeUnknown
from handrail.undo.fate import NotUndone, UndoFate
from handrail.undo.made import Made


class OpenPlace(Protocol):
    """A place whose changes can be undone: a database, files, HTTP resources."""

    @property
    def name(self) -> str:
        """Its name in the policy."""
        ...

    def dispose(self) -> None:
        """Close what was opened for it."""
        ...

    def made(self, change: str) -> bool:
        """Return whether a change was made there. Raises `HandrailError` when nobody can tell now."""
        ...

    def undone(self, change: str) -> bool:
        """Return whether a change was made there and is undone now. Raises as `made`."""
        ...

    def recorded(self, change: str) -> Recorded:
        """Return what the place itself has recorded of a change."""
        ...

    def preview_undo(self, change: str) -> object:
        """Plan to take a change back. Raises as `undo` does."""
        ...

    def undo(self, change: str) -> object:
        """Take a change back.

        Raises:
            ReviewRequired: A person has to decide.
            NotDone: Nothing was done; with reason `stale` when somebody changed what the change left.
        """
        ...


Places = Callable[[str], OpenPlace | None]
"""Finds a place by its name; None when it cannot be reached from here. Raises `HandrailError` when it is broken."""


@dataclass(frozen=True, slots=True)
class PlaceUndo:
    """How a change of a place is undone.

    Attributes:
        made: The action that made it.
        place: Where it was made.
    """

    made: Made
    place: OpenPlace

    def look(self) -> str:
        """Plan the undo, so that what stands in its way is told.

        Raises:
            NotUndone: There is nothing to undo.
            NotDone: It cannot be undone; with reason `stale` when somebody changed what it left.
        """
        self._stands()
        self.place.preview_undo(self.made.change)
        return ""

    def undo(self) -> str:
        """Undo it. Raises as `look`, and `ReviewRequired` when a person has to decide."""
        self._stands()
        self.place.undo(self.made.change)
        return ""

    def _stands(self) -> None:
        try:
            made, undone = self.place.made(self.made.change), self.place.undone(self.made.change)
        except (NotDone, OutcomeUnknown) as error:  # whether there is a way back is another question
            raise NotUndone(str(error), UndoFate.FAILED) from error
        if not made:
            raise NotUndone("It was never made: its place knows no such change.", UndoFate.NOTHING)
        if undone:
            raise NotUndone("It was taken back before.", UndoFate.ALREADY)


def place_undo(places: Places, made: Made, name: str) -> PlaceUndo | None:
    """Return how a change is undone, None when its place cannot be reached from here.

    Args:
        places: Finds places.
        made: The action that made it.
        name: Name of the place.

    Raises:
        NotUndone: It was itself an undo, and its place keeps no way back from one.
        HandrailError: The place cannot be opened.
    """
    place = places(name)
    if place is None:
        return None
    if made.undoes == made.change:
        raise NotUndone(
            f"It took back a change, and '{safe(name)}' keeps no way back from that. Make the change again.",
            UndoFate.IMPOSSIBLE,
        )
    return PlaceUndo(made, place)
