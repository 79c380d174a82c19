"""The text of a drafted `handrail.yaml`: who may act, who decides, and every tool with the reason beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from handrail.core.names import fold
from handrail.draft.entry import ToolEntry
from handrail.draft.scalar import quoted, scalar

TOKENS_PER_DAY = 200_000
"""The daily budget that a draft gives."""

_HEAD = """\
# Who may act, what each tool does to the world, and when a person has to look. Drafted by `handrail init` from what
# the servers say of themselves, which proves nothing: read it line by line and correct it. It is yours from here on.
#
# What is not declared here is denied. `read` passes. `update`, `delete` and `move` ask a person by themselves; every
# other write has `ask: always`. What a hint of a server or a name suggests may be wrong, so look at what passes first.
# After each change: handrail policy check
version: 1
"""

_ALONE = """\
# WARNING: FOUR EYES ARE OFF. You own the agent and are its only reviewer, so you approve what your own agent asks for.
# As soon as there is a second person, add them under `reviewers` and remove this line.
four_eyes: false
"""

_REVIEWERS = """\
# Who may approve. Each sets a secret once, at a terminal: handrail reviewer add NAME
"""

_AGENT = """\
agents:
  # The name that the proxy is given: handrail mcp serve --agent NAME. `access: write`, so that writes ask a person:
  # with `read_only` they would be refused and nobody asked. `owner` is the person behind it. `tokens_per_day` is its
  # daily budget of tokens; this release reads it and does not count yet.
"""


@dataclass(frozen=True, slots=True)
class Server:
    """One server of the draft.

    Attributes:
        title: What its client calls it, or its command; foreign text.
        entries: Its tools.
        left_out: A sentence for each tool that is not declared, safe to print.
        problem: Why it could not be asked, safe to print; `""` when it was.
    """

    title: str
    entries: Sequence[ToolEntry] = ()
    left_out: Sequence[str] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A drafted policy.

    Attributes:
        agent: Name of the agent.
        owner: The person behind it.
        reviewers: Who may approve.
        servers: The servers, in the order of the file.
    """

    agent: str
    owner: str
    reviewers: Sequence[str]
    servers: Sequence[Server]

    @property
    def four_eyes(self) -> bool:
        """Whether somebody other than the owner can decide; otherwise nobody could."""
        return any(fold(name) != fold(self.owner) for name in self.reviewers)

    def text(self) -> str:
        """Return the file."""
        reviewers = ", ".join(map(scalar, self.reviewers))
        agent = f"{{access: write, owner: {scalar(self.owner)}, tokens_per_day: {TOKENS_PER_DAY:_}}}"
        return "\n".join(
            (
                _HEAD,
                *(() if self.four_eyes else (_ALONE,)),
                f"{_REVIEWERS}reviewers: [{reviewers}]\n",
                f"{_AGENT}  {scalar(self.agent)}: {agent}\n",
                "tools:",
                *self._tools(),
                "",
            )
        )

    def _tools(self) -> Iterator[str]:
        for index, server in enumerate(self.servers):
            if index:
                yield ""
            yield f"  # --- {quoted(server.title)} ---"
            if server.problem:
                yield f"  # Nothing of it is declared, since it could not be asked. {_row(server.problem)}"
            for sentence in server.left_out:
                yield f"  # {_row(sentence)}"
            for entry in server.entries:
                yield ""
                yield from (f"  {line}" for line in entry.lines())


def people_problem(agent: str, owner: str, reviewers: Sequence[str]) -> str:
    """Return what is wrong with the names, a sentence without its end; `""` when they can stand in a policy.

    Args:
        agent: Name of the agent.
        owner: The person behind it.
        reviewers: Who may approve.
    """
    for what, name in (("agent", agent), ("owner", owner), *(("reviewer", one) for one in reviewers)):
        if not name.strip() or name != name.strip() or len(name) > 200 or not name.isprintable():
            return f"The name of the {what} is blank, too long, or has blanks around it or characters that do not show"
    folded = [fold(name) for name in reviewers]
    if len(set(folded)) != len(folded):
        return "Two reviewers have one name"
    if fold(agent) in {*folded, fold(owner)}:
        return "The agent has the name of a person, as if it approved itself"
    return ""


def _row(sentence: str) -> str:
    return " ".join(sentence.split())
