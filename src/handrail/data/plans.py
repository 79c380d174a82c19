"""Planned changes in the store, in pieces: an agent gets the digest, a person decides, whoever applies finds it.

What the plan says by itself (which rows, in which tables) is told anew from the plan each time. What it does not say
(how the rows were named, the statement, the rows before and after) is kept beside it, and bound to it: the plan's nonce
is a digest over it. So a changed store shows and applies nothing but what was planned, or nothing at all.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace

from handrail.core.digest import Json, canonical, digest
from handrail.core.store import Store
from handrail.data.pieces import Pieces
from handrail.data.rows import ChangeRefused, Part, RowPlan
from handrail.data.sql.change import Operation
from handrail.data.summary import picture, plan_args, seen_of


@dataclass(frozen=True, slots=True)
class Kept:
    """A plan with what is said of it.

    Attributes:
        plan: The plan; its digest was checked when it was read.
        args: The arguments of the action that applies it.
        picture: What a person sees.
    """

    plan: RowPlan
    args: dict[str, Json]
    picture: dict[str, Json]


@dataclass(frozen=True, slots=True)
class Plans:
    """The plans of one database in the store.

    Attributes:
        store: The store.
        place: Name of the database.
    """

    store: Store
    place: str

    def keep(self, plan: RowPlan, by: str, statement: str = "") -> Kept:
        """Keep a plan until it expires. Its pieces are written one by one, so that nobody waits for a large one.

        Args:
            plan: The plan, with its preview.
            by: How its rows were named: `key`, `predicate`, `insert` or `undo`.
            statement: What the agent wrote, `""` when it wrote none.

        Returns:
            The plan as it is kept: bound to what is said of it, so its digest is another one.
        """
        said: dict[str, Json] = {"by": by, "statement": statement, "seen": seen_of(plan), "nonce": plan.nonce}
        bound = replace(plan, nonce=digest(said))
        until_us = bound.expires_s * 1_000_000
        self._pieces.put("rows", bound.digest, bound.write(), until_us)
        self._pieces.put("said", bound.digest, [canonical(said)], until_us)  # last: what has it is whole
        return self._kept(bound, said)

    def find(self, change: str) -> Kept | None:
        """Return a plan, None when it is not kept or has expired.

        Raises:
            ChangeRefused: A byte of it was changed, or pieces of it are missing.
        """
        try:
            said = json.loads(b"".join(self._pieces.read("said", change)) or b"null")
            if said is None:
                return None
            plan = RowPlan.from_lines(self._pieces.read("rows", change))
            if plan.digest != change or digest(said) != plan.nonce or not all(map(_is_possible, plan.parts)):
                raise ValueError(change)
            return None if plan.expires_s <= time.time() else self._kept(plan, said)
        except (ChangeRefused, ValueError, TypeError, KeyError, RecursionError):
            raise ChangeRefused(
                "The plan is not kept as it was made: somebody changed the store. Run: handrail log verify. Then plan "
                "the change again."
            ) from None

    def _kept(self, plan: RowPlan, said: dict[str, Json]) -> Kept:
        args = plan_args(self.place, plan, str(said["by"]), str(said["statement"]))
        return Kept(plan, args, picture(plan, said["seen"]))

    def note_undo(self, kept: Kept) -> None:
        """Note which plan undoes a change, so that asking again finds the plan that a person looks at."""
        plan = kept.plan
        self._pieces.put("undo", plan.undo_of, [plan.digest.encode()], plan.expires_s * 1_000_000)

    def undo_of(self, change: str) -> Kept | None:
        """Return the plan that was noted for undoing a change; a damaged one counts as none, and is planned anew."""
        try:
            noted = b"".join(self._pieces.read("undo", change)).decode()
            kept = self.find(noted) if noted else None
        except (ChangeRefused, ValueError):
            return None
        return kept if kept is not None and kept.plan.undo_of == change else None

    def forget_undo(self, change: str) -> None:
        """Forget that plan: it was applied, or cannot be."""
        self._pieces.drop("undo", change)

    @property
    def _pieces(self) -> Pieces:
        return Pieces(self.store, self.place)


def _is_possible(part: Part) -> bool:
    """Return whether we could have planned a part: a cascade only removes rows, and the limits do not count there."""
    return not part.cascade or part.operation is Operation.DELETE
