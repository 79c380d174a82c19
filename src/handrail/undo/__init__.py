"""Taking back what was done: one action, one change, or everything that a run did, newest first (promise 4.5)."""

from __future__ import annotations

from handrail.undo.fate import LEFT, READY, TakenBack, UndoFate
from handrail.undo.finding import found, found_by_name
from handrail.undo.made import Made, Reached
from handrail.undo.places import OpenPlace
from handrail.undo.taking_back import Reach, look, take_back

__all__ = [
    "LEFT",
    "READY",
    "Made",
    "OpenPlace",
    "Reach",
    "Reached",
    "TakenBack",
    "UndoFate",
    "found",
    "found_by_name",
    "look",
    "take_back",
]
