"""Deciding tickets: who may, what is signed, and what follows.

A decision is one transaction: two reviewers who decide at once find one winner, and the other is told who was first.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from handrail.core.admission import barred, review_record
from handrail.core.digest import Json
from handrail.core.effect import Verb
from handrail.core.names import did_you_mean
from handrail.core.note import AFTER, LABELS_FULL
from handrail.core.policy import Policy
from handrail.core.record import Record, RecordKind
from handrail.core.store import Denial, Query, Store, Transaction
from handrail.core.ticket import GRANT_HOURS_MAX, GRANT_USES_MAX, Grant, Reviewer, Ticket, TicketState, flatten
from handrail.errors import NotFoundError, ReviewError
from handrail.review.keys import enroll, unlock_as

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

HOUR_US = 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class Remember:
    """What a reviewer grants beside an approval.

    Attributes:
        uses: Further uses, 1 to 20.
        hours: Validity, more than 0 and at most 24.
        pattern: Dotted argument path to glob; arguments not named must be equal to the ticket's.
        rows_max: Rows that a plan may touch.
    """

    uses: int
    hours: float
    pattern: dict[str, str]
    rows_max: int = 0


def find(tx: Transaction, id: str) -> Ticket:
    """Return a ticket by id, in any case. Raises `NotFoundError` with the nearest id."""
    ticket = tx.ticket(id.strip().upper())
    if ticket is None:
        known = [t.id for t in tx.tickets(states=(TicketState.PENDING,))]
        raise NotFoundError(
            f"There is no ticket {id!r}.{did_you_mean(id.upper(), known)} List them: handrail review list"
        )
    return ticket


def approve(
    store: Store,
    policy: Policy,
    id: str,
    *,
    reviewer: str,
    secret: str | Ed25519PrivateKey,
    note: str = "",
    remember: Remember | None = None,
) -> Ticket:
    """Approve a ticket. Nothing runs: the agent makes the same call again.

    Raises:
        NotFoundError: There is no such ticket.
        ReviewError: The reviewer may not decide it, the secret is wrong, or it is not pending any more.
    """
    person = _person(store, policy, reviewer)
    key = unlock_as(person, secret)

    def step(tx: Transaction) -> Ticket:
        ticket = _decidable(tx, policy, id, person)
        decided = replace(
            ticket,
            state=TicketState.APPROVED,
            by=person.name,
            note=note[:2_000],
            decided_us=tx.now_us,
            valid_until_us=tx.now_us + policy.valid_us,
        )
        decided = replace(decided, signature=key.sign(decided.signed()).hex())
        tx.put_ticket(decided)
        tx.append(review_record(decided))
        if remember is not None:
            grant = _grant(tx, policy, decided, remember)
            grant = replace(grant, signature=key.sign(grant.signed()).hex())
            tx.put_grant(grant)
            tx.append(_granted(grant, "granted"))
        return decided

    return store.transact(step, durable=True)


def deny(store: Store, policy: Policy, id: str, *, reviewer: str, secret: str, note: str = "") -> Ticket:
    """Refuse a ticket; the refusal sticks to the resources that it would have written.

    Raises:
        NotFoundError: There is no such ticket.
        ReviewError: As for `approve`.
    """
    person = _person(store, policy, reviewer)
    key = unlock_as(person, secret)

    def step(tx: Transaction) -> Ticket:
        ticket = _decidable(tx, policy, id, person)
        decided = replace(ticket, state=TicketState.DENIED, by=person.name, note=note[:2_000], decided_us=tx.now_us)
        decided = replace(decided, signature=key.sign(decided.signed()).hex())
        tx.put_ticket(decided)
        tx.append(review_record(decided))
        for resource, verb in written(ticket):
            tx.put_denial(Denial(resource, ticket.root, verb, "review", tx.now_us))
        return decided

    return store.transact(step, durable=True)


def written(ticket: Ticket) -> list[tuple[str, str]]:
    """Return (resource, verb) of everything that the ticket's plan would write."""
    effects = ticket.view.get("effects")
    return [
        (str(effect[name]), str(effect["verb"]))
        for effect in (effects if isinstance(effects, list) else [])
        if isinstance(effect, dict) and effect.get("verb") != Verb.READ.value
        for name in ("resource", "to")
        if effect.get(name)
    ]


def _person(store: Store, policy: Policy, name: str) -> Reviewer:
    if name not in policy.reviewers:
        hint = did_you_mean(name, policy.reviewers)
        raise ReviewError(f"{name!r} is not a reviewer in handrail.yaml.{hint} Nothing was decided.")
    for reviewer in store.read(lambda tx: tx.reviewers()):
        if reviewer.name == name:
            return reviewer
    raise ReviewError(f"{name} has no secret yet. At a terminal, run: handrail reviewer add {name}")


def _decidable(tx: Transaction, policy: Policy, id: str, person: Reviewer) -> Ticket:
    """Return the ticket when this person may decide it now."""
    ticket = find(tx, id)
    why = barred(policy, ticket, person.name)
    if why:
        raise ReviewError(f"{why} Nothing was decided.")
    if ticket.state is not TicketState.PENDING:
        by = f" by {ticket.by}" if ticket.by else ""
        raise ReviewError(f"Ticket {ticket.id} is already {ticket.state}{by}. Nothing was decided.")
    if tx.now_us >= ticket.pending_until_us:
        raise ReviewError(f"Ticket {ticket.id} has expired. The agent has to ask again. Nothing was decided.")
    _untouched(tx, ticket)
    return ticket


_BOUND = ("digest", "view", "rules", "until_us", "owner", "four_eyes")
"""What the journal says of a ticket when it was asked, and what must still be so when it is decided."""


def _untouched(tx: Transaction, ticket: Ticket) -> None:
    """Compare what the reviewer is shown with what the journal says was asked."""
    asked = tx.records(Query(run=ticket.run, tool=ticket.tool, kinds=(RecordKind.REVIEW,), newest_first=True))
    for row in asked:
        body = row.record.body
        if body.get("ticket") == ticket.id and body.get("state") == TicketState.PENDING:
            asked_for = review_record(ticket).body
            if all(body.get(name) == asked_for[name] for name in _BOUND):
                return
            break
    raise ReviewError(f"Ticket {ticket.id} is not what was asked: somebody changed the store. Run: handrail log verify")


def _grant(tx: Transaction, policy: Policy, ticket: Ticket, remember: Remember) -> Grant:
    if not ticket.view.get("undo"):
        raise ReviewError(
            f"'{ticket.tool}' cannot be undone, so it is never granted in advance. Approve without --remember."
        )
    if not 1 <= remember.uses <= GRANT_USES_MAX or not 0 < remember.hours <= GRANT_HOURS_MAX:
        raise ReviewError(f"A grant has 1 to {GRANT_USES_MAX} uses and lasts at most {GRANT_HOURS_MAX} hours.")
    args = ticket.view.get("args")
    exact = {path: _literal(value) for path, value in flatten(args if isinstance(args, dict) else {}).items()}
    pattern = {path if path in exact else f"{path}#": glob for path, glob in remember.pattern.items()}
    unknown = sorted(set(pattern) - set(exact))
    if unknown:
        raise ReviewError(f"The action has no argument {unknown[0]!r}.{did_you_mean(unknown[0], exact)}")
    return Grant(
        id=f"G-{secrets.token_hex(4).upper()}",
        agent=ticket.agent,
        tool=ticket.tool,
        rules=ticket.rules,
        pattern={**exact, **pattern},
        rows_max=remember.rows_max,
        uses_max=remember.uses,
        until_us=tx.now_us + int(remember.hours * HOUR_US),
        by=ticket.by,
        policy=policy.hash,
    )


def _literal(text: str) -> str:
    """Return a glob that matches exactly `text`."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in text)


def _granted(grant: Grant, what: str) -> Record:
    body: dict[str, Json] = {
        "grant": grant.id, "by": grant.by, "rules": list(grant.rules), "pattern": dict(grant.pattern),
        "uses_max": grant.uses_max, "until_us": grant.until_us,
    }  # fmt: skip
    return Record(RecordKind.REVIEW, agent=grant.agent, tool=grant.tool, reason=what, body=body)


def revoke(store: Store, policy: Policy, id: str, *, reviewer: str, secret: str) -> Grant:
    """Take back a grant. Raises `NotFoundError`, `ReviewError`."""
    unlock_as(_person(store, policy, reviewer), secret)

    def step(tx: Transaction) -> Grant:
        known = {grant.id: grant for grant in tx.grants()}
        grant = known.get(id.strip().upper())
        if grant is None:
            raise NotFoundError(f"There is no grant {id!r}.{did_you_mean(id.upper(), known)}")
        grant = replace(grant, revoked=True)
        tx.put_grant(grant)
        tx.append(_granted(grant, "revoked"))
        return grant

    return store.transact(step, durable=True)


class Cleared(NamedTuple):
    """What was forgotten.

    Attributes:
        refusals: Refusals on the resource.
        labels: Labels that were taken off it.
        stops: Agents and others for whom `until_cleared` of the rule was lifted.
    """

    refusals: int = 0
    labels: int = 0
    stops: int = 0


def clear(
    store: Store,
    policy: Policy,
    resource: str = "",
    *,
    labels: tuple[str, ...] = (),
    rule: str = "",
    reviewer: str,
    secret: str,
) -> Cleared:
    """Forget what is held against a resource, or what a rule stops until a person lifts it.

    Args:
        store: The store.
        policy: The policy.
        resource: Normalised id; its refusals are forgotten, and the labels that rules put on it.
        labels: Further labels to take off it.
        rule: Id of a rule with `until_cleared`; it is lifted for everybody.
        reviewer: Who says so.
        secret: Their secret.

    Raises:
        ReviewError: They are nobody who may decide.
    """
    from handrail.policy.scopes import head  # noqa: PLC0415 (needed when somebody clears)

    unlock_as(_person(store, policy, reviewer), secret)

    def step(tx: Transaction) -> Cleared:
        stops = [key for key in (tx.marks(head("until_cleared", rule)) if rule else ()) if tx.drop_mark(key)]
        put = tuple(one for one in tx.resource(resource).labels if one.startswith(AFTER) or one == LABELS_FULL)
        done = Cleared(tx.clear_denials(resource), tx.drop_labels(resource, (*put, *labels)), len(stops))
        if any(done):
            body: dict[str, Json] = {"by": reviewer, **{name: n for name, n in done._asdict().items() if n}}
            if rule:
                body["rule"] = rule
            tx.append(Record(RecordKind.REVIEW, resource=resource, reason="cleared", body=body))
        return done

    return store.transact(step, durable=True)


def add_reviewer(store: Store, policy: Policy, name: str, secret: str, *, old_secret: str | None = None) -> Reviewer:
    """Set the secret of a reviewer whom the policy names.

    Raises:
        ReviewError: The policy does not name them, the secret is too short, or they have one already and `old_secret`
            is not it.
    """
    if name not in policy.reviewers:
        hint = did_you_mean(name, policy.reviewers)
        raise ReviewError(f"{name!r} is not under reviewers: in handrail.yaml.{hint} Add the name there first.")
    for known in store.read(lambda tx: tx.reviewers()):
        if known.name == name:
            if old_secret is None:
                raise ReviewError(f"{name} has a secret already. Replacing it needs the old one: --replace")
            unlock_as(known, old_secret)
    person = enroll(name, secret)

    def step(tx: Transaction) -> None:
        tx.put_reviewer(person)
        body: dict[str, Json] = {"reviewer": name, "public_key": person.public_key}
        tx.append(Record(RecordKind.EVENT, reason="reviewer_added", body=body))

    store.transact(step, durable=True)
    return person
