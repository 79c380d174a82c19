"""Zones: the texts that stand for one place, such as `prod`, `prd` and `live` for `production`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handrail.policy.cel import Vocabulary


@dataclass(frozen=True, slots=True)
class Zones:
    """The declared zones.

    Attributes:
        aliases: Every text in lower case that stands for a zone, the zones' own names included.
        names: The zones' names.
    """

    aliases: Mapping[str, str]
    names: frozenset[str]

    def of(self, text: str) -> str:
        """Return the zone that a text stands for; one that no zone claims stays itself, in lower case."""
        folded = text.strip().lower()
        return self.aliases.get(folded, folded)

    def known(self, text: str) -> str | None:
        """Return the declared zone that a text stands for, None when there is none."""
        return self.aliases.get(text.strip().lower())

    @property
    def vocabulary(self) -> Vocabulary:
        """What `effect.zone` can be compared with."""
        aliases = {alias: name for alias, name in self.aliases.items() if alias not in self.names}
        return Vocabulary("zone (see 'zones')", self.names, aliases)


def zones(declared: Mapping[str, tuple[str, ...]]) -> Zones:
    """Return the zones of a document."""
    return Zones({word: name for name, words in declared.items() for word in words}, frozenset(declared))
