"""Reviews: a ticket is a question to a person, bound to one plan; a grant is an answer given in advance.

A ticket moves only along `NEXT`. An approval is a signature over the ticket, its nonce and the plan's digest, made
with a key that only the reviewer's secret unlocks: whoever merely writes to the store cannot forge one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from handrail.core.digest import Json, canonical


class TicketState(StrEnum):
    """Where a ticket stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    SPENT = "spent"
    EXPIRED = "expired"
    STALE = "stale"


NEXT: Mapping[TicketState, frozenset[TicketState]] = {
    TicketState.PENDING: frozenset({TicketState.APPROVED, TicketState.DENIED, TicketState.EXPIRED, TicketState.STALE}),
    TicketState.APPROVED: frozenset({TicketState.SPENT, TicketState.EXPIRED, TicketState.STALE}),
    TicketState.DENIED: frozenset(),
    TicketState.SPENT: frozenset(),
    TicketState.EXPIRED: frozenset(),
    TicketState.STALE: frozenset(),
}
"""Every transition there is. An approval is spent by the one action that it lets run."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One question to a person.

    Attributes:
        id: Short id, typed by people.
        nonce: Random text that makes the signature of this ticket unlike any other's.
        digest: Digest of the plan.
        key: Action key; tickets of the same action with another digest are stale.
        agent: Name of the agent.
        root: Root of the agent's lineage; no name in it may decide.
        owner: The person behind the agent.
        four_eyes: Whether the owner is barred from deciding.
        run: Run that asked first.
        tool: Name of the tool.
        rules: The Ask rules that it answers; it satisfies no others.
        view: What the reviewer is shown, redacted: args, effects, before, findings, undoable.
        state: Where it stands.
        asked_us: When it was opened.
        pending_until_us: Until when it can be decided.
        decided_us: When it was decided, 0 before.
        valid_until_us: Until when an approval can be used, 0 before.
        by: Reviewer who decided, `""` before.
        note: The reviewer's words.
        signature: Signature of the decision, hexadecimal, `""` before.
        action: The action that spent it, `""` before.
    """

    id: str
    nonce: str
    digest: str
    key: str
    agent: str
    root: str
    owner: str | None
    four_eyes: bool
    run: str
    tool: str
    rules: tuple[str, ...]
    view: Mapping[str, Json]
    state: TicketState
    asked_us: int
    pending_until_us: int
    decided_us: int = 0
    valid_until_us: int = 0
    by: str = ""
    note: str = ""
    signature: str = ""
    action: str = ""

    def answers(self, rules: frozenset[str]) -> bool:
        """Return whether it names every rule that asks now."""
        return rules <= frozenset(self.rules)

    def signed(self) -> bytes:
        """Return the bytes that a decision signs: everything that must not be changed afterwards."""
        return canonical(
            {
                "ticket": self.id,
                "nonce": self.nonce,
                "digest": self.digest,
                "agent": self.agent,
                "rules": list(self.rules),
                "verdict": TicketState.DENIED.value if self.state is TicketState.DENIED else "approved",
                "by": self.by,
                "decided_us": self.decided_us,
                "valid_until_us": self.valid_until_us,
            }
        )


GRANT_USES_MAX = 20
GRANT_HOURS_MAX = 24


@dataclass(frozen=True, slots=True)
class Grant:
    """Approve and remember: up to 20 uses, at most 24 hours, revocable, never for what cannot be undone.

    Attributes:
        id: Short id.
        agent: Name of the agent.
        tool: Name of the tool.
        rules: The Ask rules that it answers.
        pattern: Dotted argument path to glob; every named path must match, and every argument must be named.
        rows_max: Rows that a plan may touch; 0 when the plan has no rows.
        uses_max: Uses given.
        uses: Uses so far.
        until_us: When it ends.
        by: Reviewer.
        signature: The reviewer's signature, hexadecimal.
        policy: Hash of the policy it was given under; another policy ends it.
        revoked: Whether a reviewer took it back.
    """

    id: str
    agent: str
    tool: str
    rules: tuple[str, ...]
    pattern: Mapping[str, str]
    rows_max: int
    uses_max: int
    until_us: int
    by: str
    policy: str
    signature: str = ""
    uses: int = 0
    revoked: bool = False

    def covers(self, args: Mapping[str, Json], rules: frozenset[str], policy: str, now_us: int) -> bool:
        """Return whether it answers an action with `args` for which `rules` ask."""
        return (
            not self.revoked
            and self.uses < min(self.uses_max, GRANT_USES_MAX)
            and now_us < self.until_us
            and policy == self.policy
            and rules <= frozenset(self.rules)
            and _matches(self.pattern, args)
        )

    def signed(self) -> bytes:
        """Return the bytes that the reviewer signs."""
        return canonical(
            {
                "grant": self.id,
                "agent": self.agent,
                "tool": self.tool,
                "rules": list(self.rules),
                "pattern": dict(self.pattern),
                "rows_max": self.rows_max,
                "uses_max": self.uses_max,
                "until_us": self.until_us,
                "by": self.by,
                "policy": self.policy,
            }
        )


def _matches(pattern: Mapping[str, str], args: Mapping[str, Json]) -> bool:
    flat = flatten(args)
    return flat.keys() == pattern.keys() and all(fnmatchcase(flat[path], glob) for path, glob in pattern.items())


def flatten(args: Mapping[str, Json], prefix: str = "") -> dict[str, str]:
    """Return every leaf of `args` by its path, so that no two different arguments look alike.

    A path is dotted; a backslash stands before a dot, a backslash or a `#` of a name. Texts stand as they are; of every
    other leaf the path ends in `#` and the canonical JSON stands.
    """
    out: dict[str, str] = {}
    for name, value in args.items():
        path = prefix + re.sub(r"([\\.#])", r"\\\1", name)
        if isinstance(value, dict) and value:
            out.update(flatten(value, f"{path}."))
        elif isinstance(value, str):
            out[path] = value
        else:
            out[f"{path}#"] = canonical(value).decode()
    return out


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A person who may decide, as the store knows them.

    Attributes:
        name: Name, as in the policy.
        salt: Salt of the key derivation, hexadecimal.
        public_key: Ed25519 public key, hexadecimal.
        added_us: When.
    """

    name: str
    salt: str
    public_key: str
    added_us: int = field(default=0)
