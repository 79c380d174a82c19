"""One effect for each thing in a text: for every path that a shell command names, for every table of a statement."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from handrail.core.digest import Json
from handrail.core.names import did_you_mean
from handrail.policy import shell, sqltext
from handrail.policy.document import Node
from handrail.policy.problems import Problems, quoted

ITEMS = {"command": ("commands", shell.MEMBERS), "statement": ("statements", sqltext.MEMBERS)}
"""What `each` can start with: the name of one thing, the variable that holds all, and its members."""

LISTS = frozenset({"words", "flags", "targets", "writes", "sets", "tables", "functions"})
"""Members that are lists."""


@dataclass(frozen=True, slots=True)
class Each:
    """What an effect is repeated for.

    Attributes:
        item: `command` or `statement`.
        view: The variable that holds all of them.
        member: The list of each of them to go through as well, `""` for the thing itself.
    """

    item: str
    view: str
    member: str = ""

    def items(self, scope: Mapping[str, Json]) -> Iterator[dict[str, Json]]:
        """Yield what each effect is told from: the scope, the thing under its name, and `each`."""
        things = scope.get(self.view)
        for thing in things if isinstance(things, list) else []:
            assert isinstance(thing, dict)
            values = thing[self.member] if self.member else [thing]
            for value in values if isinstance(values, list) else []:
                yield {**scope, self.item: thing, "each": value}


def each_of(node: Node, problems: Problems) -> Each | None:
    """Compile `each`; None after noting what is wrong with it."""
    item, _, member = str(node.value).partition(".")
    if item not in ITEMS:
        hint = did_you_mean(item, ITEMS) or " It is command, statement, or a list of one: command.targets."
        problems.add(node.at, f"'each' cannot be {quoted(node.value)}.{hint}")
        return None
    view, members = ITEMS[item]
    lists = sorted(members & LISTS)
    if member and member not in lists:
        hint = did_you_mean(member, lists) or f" Lists: {', '.join(lists)}."
        problems.add(node.at, f"'each' cannot go through {quoted(member)} of a {item}.{hint}")
        return None
    return Each(item, view, member)
