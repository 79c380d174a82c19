"""A planned change of a file or an HTTP resource: its digest stands for all of it, also for what a person sees of it.

It is kept in the store, so that an approval hours later, or another process, finds it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from handrail.core.digest import Json, canonical
from handrail.core.digest import digest as digest_of
from handrail.core.text import safe
from handrail.data.pieces import Pieces
from handrail.data.resources.errors import ResourceRefused
from handrail.data.resources.kinds import ResourceKind
from handrail.data.resources.receipt import Version
from handrail.data.resources.traits import Precondition

FORMAT = 1

ChangeT = TypeVar("ChangeT")


@dataclass(frozen=True, slots=True)
class ResourcePlan(Generic[ChangeT]):
    """A change that can be applied once, as long as every resource is as it was.

    Attributes:
        digest: SHA-256 over everything below, in hexadecimal digits; it names the plan and, once applied, the change.
        place: Name of the place.
        kind: `files` or `http`.
        where: The root folder or base URL that the ids are relative to.
        operation: What is done.
        ids: The resources; of a move the old path, then the new one.
        versions: The version that each resource has to have, by id.
        precondition: What will keep it from overwriting somebody else's write.
        expires_s: Until when it can be applied, seconds since the epoch.
        nonce: Randomness: the same change planned again is another plan.
        picture: What a person sees of it.
        change: The change itself.
    """

    digest: str
    place: str
    kind: str
    where: str
    operation: str
    ids: tuple[str, ...]
    versions: dict[str, Version]
    precondition: Precondition
    expires_s: int
    nonce: str
    picture: dict[str, Json] = field(repr=False)
    change: ChangeT = field(repr=False)

    def __str__(self) -> str:
        """Return one line for people."""
        names = ", ".join(safe(id, max_chars=100) for id in self.ids)
        return f"{self.operation} {names} (plan {self.digest[:12]})"


@dataclass(frozen=True, slots=True)
class ResourcePlans(Generic[ChangeT]):
    """The plans of one place in the store.

    Attributes:
        pieces: Where they are kept.
        kind: The kind of their resources.
    """

    pieces: Pieces
    kind: ResourceKind[ChangeT]

    def make(
        self,
        change: ChangeT,
        versions: dict[str, Version],
        precondition: Precondition,
        picture: dict[str, Json],
        expires_s: int,
        nonce: str,
    ) -> ResourcePlan[ChangeT]:
        """Make a plan and keep it until it expires."""
        told = self.kind.told(change)
        form: dict[str, Json] = {
            "format": FORMAT,
            "place": self.pieces.place,
            "kind": self.kind.name,
            "where": self.kind.adapter.where,
            "change": told,
            "versions": dict(versions),
            "precondition": precondition.value,
            "expires_s": expires_s,
            "nonce": nonce,
            "seen": digest_of(picture),
        }
        digest = digest_of(form)
        until_us = expires_s * 1_000_000
        self.pieces.put("content", digest, [self.kind.content(change)], until_us)
        self.pieces.put("said", digest, [canonical({"plan": form, "picture": picture})], until_us)
        found = self.find(digest)
        assert found is not None
        return found

    def find(self, digest: str) -> ResourcePlan[ChangeT] | None:
        """Return a plan; None when it is not kept, or has expired.

        Raises:
            ResourceRefused: A byte of it was changed in the store, or it is of another folder or server.
        """
        try:
            said = b"".join(self.pieces.read("said", digest))
            if not said:
                return None
            plan = self._read(digest, json.loads(said))
            if plan is None:
                return None
        except (ValueError, TypeError, KeyError, RecursionError):
            raise ResourceRefused(
                f"The plan {safe(digest[:12])} was changed in the store, so it is not applied. Find out by whom, and "
                "plan the change again."
            ) from None
        if plan.where != self.kind.adapter.where:
            raise ResourceRefused(
                f"The plan {safe(digest[:12])} was made for {safe(plan.where)}, and '{safe(plan.place)}' is at "
                f"{safe(self.kind.adapter.where)} now. Plan the change again."
            )
        return plan

    def _read(self, digest: str, said: Json) -> ResourcePlan[ChangeT] | None:
        match said:
            case {"plan": dict(form), "picture": dict(picture)} if digest_of(form) == digest:
                pass
            case _:
                raise ValueError("It is another plan.")
        match form:
            case {
                "format": 1,
                "place": str(place),
                "kind": str(kind),
                "where": str(where),
                "change": {"operation": str(operation), "ids": list(ids)} as told,
                "versions": dict(versions),
                "precondition": str(precondition),
                "expires_s": int(expires_s),
                "nonce": str(nonce),
                "seen": str(seen),
            } if seen == digest_of(picture) and (place, kind) == (self.pieces.place, self.kind.name):
                if expires_s <= time.time():  # its content may be swept already
                    return None
                change = self.kind.of_told(told, b"".join(self.pieces.read("content", digest)))
                return ResourcePlan(
                    digest, place, kind, where, operation, tuple(map(str, ids)),
                    {id: str(one) for id, one in versions.items()}, Precondition(precondition), expires_s, nonce,
                    picture, change,
                )  # fmt: skip
        raise ValueError("It is another plan.")
