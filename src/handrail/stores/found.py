"""The rows of the one statement that reads all facts of a decision, as `Facts`: the same for every SQL store.

A row is (kind, one, two, number, three); what the four mean stands beside each kind in `queries.sql`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from handrail.core.facts import Call, Facts, Latch, Resource
from handrail.core.tool import Access

FactRow = tuple[str, str, str, int, str]


def facts_of(
    now_us: int, rows: Iterable[FactRow], call: Call | None, doubtful: Callable[[str, str, str], Call | None]
) -> Facts:
    """Return the facts that rows tell.

    Args:
        now_us: The store's clock.
        rows: What was found.
        call: The call itself, if it was seen before.
        doubtful: Takes run, call id and owner of a running write with the same action key; returns it when it is in
            doubt and is not the call itself.
    """
    count = failed_us = 0
    latches: list[Latch] = []
    access: Access | None = None
    found: Call | None = None
    zones: dict[str, str] = {}
    labels: dict[str, dict[str, int]] = {}
    denials: dict[str, list[tuple[str, str]]] = {}
    marks: dict[str, int] = {}
    sums: dict[str, int] = {}
    for kind, one, two, number, three in rows:
        match kind:
            case "failures":
                count, failed_us = int(two), number
            case "latch":
                latches.append(Latch(one, three, two, number))
            case "access":
                access = Access(two)
            case "zone":
                zones[one] = two
            case "label":
                labels.setdefault(one, {})[two] = number
            case "denial":
                denials.setdefault(one, []).append((two, three))
            case "other":  # of another lineage: it only shows that something is remembered there
                denials.setdefault(one, [])
            case "mark":
                marks[one] = number
            case "sum":
                sums[one] = number
            case "running":
                found = doubtful(one, two, three) if found is None else found
            case _:
                raise AssertionError(f"a statement gives rows of kind '{kind}', which nobody reads")
    resources = {
        name: Resource(zones.get(name), labels.get(name, {}), tuple(denials.get(name, ())))
        for name in {**zones, **labels, **denials}
    }
    return Facts(now_us, call, found, count, failed_us, tuple(latches), access, resources, marks, sums)
