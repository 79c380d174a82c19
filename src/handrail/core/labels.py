"""What actions leave on resources: zones, labels that stick, and who created what.

Labels that restrict are put before an action runs (`ahead`) and again when it may have happened (`perhaps`), so that
they are there whatever becomes of it; what certainly did nothing takes back what it put ahead. Who created a thing
relaxes, so it is only told after a success (`happened`), and only where nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Iterable

from handrail.core.case import CREATED_BY, EXISTED, PERHAPS_IN, WILDCARDS, Known, creator, known_of_name
from handrail.core.effect import Effect, Verb
from handrail.core.facts import Need, Resource
from handrail.core.note import Label, put_ahead, put_label
from handrail.core.policy import Case, Policy
from handrail.core.store import Transaction

ORIGIN = "origin:"
"""How a label starts that names a zone which a resource, or what it was copied from, came from."""


def ahead(tx: Transaction, case: Case) -> tuple[Label, ...]:
    """Put the labels that a change leaves if it happens, before it does; return those that were not there.

    Args:
        tx: The transaction that lets the change run.
        case: The change.
    """
    put: tuple[Label, ...] = ()
    by = creator(case.action.run, case.agent, case.action.agent)
    for effect in _changes(case.stated):
        target = effect.to or effect.resource
        labels = effect.puts
        if effect.to:
            labels += tuple(label for label in effect.labels if _follows(label))
        known = case.known.get(target)
        if effect.zone is not None and (known is None or known.zone != effect.zone):
            labels += (f"{PERHAPS_IN}{effect.zone}",)
        if case.policy.watches_creation and (known is None or by not in known.created_by):
            labels += (EXISTED,)
        if labels:
            put += put_ahead(tx, target, labels)
    return put


def perhaps(tx: Transaction, policy: Policy, effects: tuple[Effect, ...]) -> None:
    """Put the labels that restrict once more, after a change of which nobody knows whether it happened."""
    for effect in _changes(effects):
        target = effect.to or effect.resource
        for label in (*effect.puts, *(_of_source(look(tx, policy, effect.resource)) if effect.to else ())):
            put_label(tx, target, label)
        if policy.watches_creation:
            put_label(tx, target, EXISTED)


def leaves(policy: Policy, effects: tuple[Effect, ...]) -> bool:
    """Return whether effects leave anything: a read does not, unless it labels or somebody asks what was there."""
    for effect in effects:
        if effect.verb is not Verb.READ or effect.puts:
            return True
    return policy.watches_creation


def happened(tx: Transaction, policy: Policy, by: str, effects: tuple[Effect, ...]) -> None:
    """Remember what an action did to its resources.

    Args:
        tx: The transaction.
        policy: The policy.
        by: The label of who creates what it creates (`case.creator`).
        effects: What it did.
    """
    for effect in effects:
        if not (effect.bound and (effect.resource or effect.to)):
            continue
        if effect.writes:
            _zone(tx, policy, effect)
            _created(tx, policy, by, effect)
        elif policy.watches_creation and not _made(tx.resource(effect.resource)):
            put_label(tx, effect.resource, EXISTED)
        for label in effect.puts:
            put_label(tx, effect.to or effect.resource, label)


def look(tx: Transaction, policy: Policy, name: str) -> Known:
    """Return what is remembered now of a resource and of what is around it."""
    above, below = policy.around(name)
    facts = tx.facts(Need("", "", "", ("",), (name, *above), doubt=False, trees=(below,) if below else ()))
    return known_of_name(policy, facts, name)


def _changes(effects: Iterable[Effect]) -> Iterable[Effect]:
    return (effect for effect in effects if effect.writes and effect.bound and (effect.to or effect.resource))


def _follows(label: str) -> bool:
    """Return whether a label goes along with a copy or a move: those that restrict do."""
    return label != EXISTED and not label.startswith(CREATED_BY)


def _of_source(known: Known) -> tuple[str, ...]:
    return tuple(label for label in known.labels if _follows(label))


def _made(resource: Resource) -> tuple[str, ...]:
    """Return the labels of who created a resource; `existed` counts as one."""
    return tuple(label for label in resource.labels if not _follows(label))


def _zone(tx: Transaction, policy: Policy, effect: Effect) -> None:
    """Remember the zone that a change brought its resource to, and the labels of what it was copied from."""
    source = tx.resource(effect.resource) if effect.resource else Resource()
    target = effect.to or effect.resource
    origin = source.zone if effect.to or effect.verb is not Verb.CREATE else effect.zone
    if effect.to:
        for label in _of_source(look(tx, policy, effect.resource)):
            put_label(tx, effect.to, label)
    if effect.zone is not None:
        tx.put_zone(target, effect.zone)
        carried = tx.resource(target).labels
        tx.drop_labels(target, tuple(label for label in carried if label.startswith(PERHAPS_IN)))
    moved = effect.zone is not None and origin != effect.zone
    if origin is not None and (effect.to or moved or effect.verb is Verb.CREATE):
        put_label(tx, target, f"{ORIGIN}{origin}")


def _created(tx: Transaction, policy: Policy, by: str, effect: Effect) -> None:
    """Remember who created what."""
    made = _made(tx.resource(effect.resource)) if effect.resource else ()
    if effect.verb is Verb.CREATE:
        clean = all(label == by for label in made) and EXISTED not in effect.labels
        tx.drop_labels(effect.resource, made)
        put_label(tx, effect.resource, by if clean and WILDCARDS.isdisjoint(effect.resource) else EXISTED)
    elif policy.watches_creation and effect.verb is Verb.MOVE and effect.to:
        _moved(tx, policy, by, effect, made)
    elif policy.watches_creation and effect.verb is Verb.COPY and effect.to:
        if not made:
            put_label(tx, effect.resource, EXISTED)
        _forget_below(tx, policy, effect.to, by=by, instead=True)
        if by not in look(tx, policy, effect.to).created_by:
            _nobodys(tx, effect.to)
    elif effect.verb is Verb.DELETE:
        tx.drop_labels(effect.resource, tuple(label for label in made if label != EXISTED))
        if policy.watches_creation:
            _forget_below(tx, policy, effect.resource)
    elif policy.watches_creation and made not in {(by,), (EXISTED,)} and by not in effect.labels:
        _nobodys(tx, effect.resource)


def _moved(tx: Transaction, policy: Policy, by: str, effect: Effect, made: tuple[str, ...]) -> None:
    """A move takes its own along to where nothing was; what was there, and what comes from elsewhere, is nobody's."""
    assert effect.to
    onto = _made(tx.resource(effect.to))
    free = EXISTED not in effect.labels and all(label == by for label in onto) and WILDCARDS.isdisjoint(effect.to)
    tx.drop_labels(effect.to, onto)
    _forget_below(tx, policy, effect.to, instead=True)
    if by in made and free:
        put_label(tx, effect.to, by)
    elif by not in effect.labels:
        put_label(tx, effect.to, EXISTED)
    tx.drop_labels(effect.resource, made)  # what comes there later is something else
    _forget_below(tx, policy, effect.resource)


def _nobodys(tx: Transaction, resource: str) -> None:
    tx.drop_labels(resource, _made(tx.resource(resource)))
    put_label(tx, resource, EXISTED)


def _forget_below(tx: Transaction, policy: Policy, resource: str, *, by: str = "", instead: bool = False) -> None:
    """End who created what lies below, but for one creator.

    Args:
        tx: The transaction.
        policy: The policy.
        resource: The folder.
        by: The one creator, `""` for none.
        instead: Whether something else may stand there now; otherwise nothing does.
    """
    for name, found in look(tx, policy, resource).below:
        others = tuple(label for label in found.labels if label.startswith(CREATED_BY) and label != by)
        tx.drop_labels(name, others)
        if others and instead:
            put_label(tx, name, EXISTED)
