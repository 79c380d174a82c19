"""What an action does to the world: a verb on a resource, the zone it enters, an amount.

Rules speak of effects; tools only declare them. Retagging a staging machine to production *is* entering production,
whichever tool does it.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from handrail.core.digest import Json


class Verb(StrEnum):
    """The ten things an action can do to a resource."""

    READ = "read"
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    COPY = "copy"
    MOVE = "move"
    SEND = "send"
    PAY = "pay"
    GRANT = "grant"
    EXECUTE = "execute"


DESTRUCTIVE = frozenset({Verb.UPDATE, Verb.DELETE, Verb.MOVE})
"""Verbs that overwrite or remove what was there: they ask unless the policy relaxes them (promise 4.1)."""

PLACEHOLDER = "{?}"
"""How a resource ends whose id must still be read from the result."""


class Effect(NamedTuple):
    """One effect of one action.

    Attributes:
        verb: What is done.
        resource: Normalised id of what it is done to; `""` when the tool declares none.
        bound: False while the id must still be read from the result; the resource then ends in `{?}`.
        to: Normalised id of the target of a copy or a move.
        zone: The zone the resource enters or stands in; None when unknown.
        amount: Whole units (cents, items) for sums; None when the tool declares none.
        labels: Labels that the resource carried when the effect was decided, or what it stands in or holds.
        puts: Labels that it puts on the resource (on a copy's or move's target) when it succeeds.
    """

    verb: Verb
    resource: str = ""
    bound: bool = True
    to: str | None = None
    zone: str | None = None
    amount: int | None = None
    labels: tuple[str, ...] = ()
    puts: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether the effect changes anything."""
        return self.verb is not Verb.READ

    def told(self) -> dict[str, Json]:
        """Return the effect as the journal keeps it: what is not known is left out."""
        if self.zone is None and self.to is None and self.amount is None and not self.labels and not self.puts:
            return {"verb": self.verb, "resource": self.resource}
        told: dict[str, Json] = {**self.to_json(), "puts": list(self.puts)}
        return {name: value for name, value in told.items() if value is not None and value != []}

    @classmethod
    def from_told(cls, told: Mapping[str, Json]) -> Effect | None:
        """Return the effect that the journal keeps; None where it cannot be read, or names nothing yet."""
        verb, resource, to, zone = (told.get(name) for name in ("verb", "resource", "to", "zone"))
        labels, puts = (told.get(name) for name in ("labels", "puts"))
        if not isinstance(verb, str) or verb not in set(Verb) or not isinstance(resource, str):
            return None
        if resource.endswith(PLACEHOLDER):
            return None
        return cls(
            Verb(verb),
            resource,
            to=to if isinstance(to, str) else None,
            zone=zone if isinstance(zone, str) else None,
            labels=tuple(str(label) for label in labels) if isinstance(labels, list) else (),
            puts=tuple(str(label) for label in puts) if isinstance(puts, list) else (),
        )

    def to_json(self) -> dict[str, Json]:
        """Return the effect as digests and rules see it: every member, known or not."""
        return {
            "verb": self.verb.value,
            "resource": self.resource,
            "to": self.to,
            "zone": self.zone,
            "amount": self.amount,
            "labels": list(self.labels),
        }
