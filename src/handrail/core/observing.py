"""Observe mode keeps what it remembers apart: a trial neither restricts nor relaxes what is enforced later."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from handrail.core.facts import Facts, Need, Resource
from handrail.core.store import Denial, Transaction

REALM = "observe\x1f"
"""How the names of all that was only observed start in the store."""


class _Apart:
    """A transaction whose labels, zones, refusals, marks and tallies are those of observe mode."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """Everything else is shared: the journal, calls, stops, tickets."""
            return getattr(self._tx, name)

    def facts(self, need: Need) -> Facts:
        """Return the facts of observe mode."""
        facts = self._tx.facts(
            need._replace(
                resources=tuple(REALM + name for name in need.resources),
                trees=tuple(REALM + tree for tree in need.trees),
                marks=tuple(REALM + key for key in need.marks),
                tallies=tuple((REALM + key, since) for key, since in need.tallies),
            )
        )
        cut = len(REALM)
        return facts._replace(
            resources={name[cut:]: found for name, found in facts.resources.items()},
            marks={key[cut:]: at_us for key, at_us in facts.marks.items()},
            sums={key[cut:]: amount for key, amount in facts.sums.items()},
        )

    def resource(self, resource: str) -> Resource:
        return self._tx.resource(REALM + resource)

    def put_zone(self, resource: str, zone: str) -> None:
        self._tx.put_zone(REALM + resource, zone)

    def put_label(self, resource: str, label: str) -> None:
        self._tx.put_label(REALM + resource, label)

    def drop_labels(self, resource: str, labels: tuple[str, ...]) -> int:
        return self._tx.drop_labels(REALM + resource, labels)

    def put_denial(self, denial: Denial) -> None:
        self._tx.put_denial(
            Denial(REALM + denial.resource, denial.root, denial.verb, denial.rule, denial.at_us)
        )  # fmt: skip

    def put_mark(self, key: str, until_us: int) -> None:
        self._tx.put_mark(REALM + key, until_us)

    def drop_mark(self, key: str) -> bool:
        return self._tx.drop_mark(REALM + key)

    def add_tally(self, key: str, bucket: int, amount: int, until_us: int) -> None:
        self._tx.add_tally(REALM + key, bucket, amount, until_us)


def apart(tx: Transaction) -> Transaction:
    """Return the transaction with the memory of observe mode."""
    return cast("Transaction", _Apart(tx))
