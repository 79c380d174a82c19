"""From what a person names (an action, a change, a run) to the actions that are to be taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable

from handrail.core.record import RecordKind
from handrail.core.store import Query, Store, Transaction
from handrail.core.text import safe
from handrail.errors import ConfigurationError, NotFoundError
from handrail.undo.made import RECENT_MAX, Made, change_in, changes, made_by_action, made_by_change, made_in_run
from handrail.undo.places import OpenPlace, Places

_DIGEST = re.compile(r"[0-9a-f]{64}")
_BEGINNING = re.compile(r"[0-9a-f]{8,63}")


def found(
    store: Store, places: Places, *, action: str | None = None, run: str | None = None, change: str | None = None
) -> list[Made]:
    """Return what is to be taken back, newest first.

    Args:
        store: The store.
        places: Finds places.
        action: Id of an action.
        run: Id of a run.
        change: `PLACE/DIGEST` of a change.

    Raises:
        ConfigurationError: Not exactly one of the three is named, or the place cannot be reached.
        NotFoundError: There is no such thing.
    """
    if sum(one is not None for one in (action, run, change)) != 1:
        raise ConfigurationError("Name one thing to undo: an action, a run, or a change.")
    if run is not None:
        return store.read(lambda tx: made_in_run(tx, run))
    if action is not None:
        made = store.read(lambda tx: made_by_action(tx, action))
        if made is None:
            raise NotFoundError(f"The journal knows no action {safe(action)} that changed something. See: handrail log")
        return [made]
    assert change is not None
    name, slash, digest = change.rpartition("/")
    place = places(name) if slash else None
    if place is None:
        raise ConfigurationError(f"'{safe(change)}' names no place that can be reached. Write: PLACE/DIGEST")
    if not place.made(digest):
        raise NotFoundError(f"The place '{safe(name)}' knows no change {safe(digest)}. Nothing was undone.")
    return [_of_place(store, place, name, digest)]


def found_by_name(store: Store, places: Places, names: Iterable[str], said: str) -> list[Made]:
    """Return what somebody means by one word: `PLACE/DIGEST`, a digest, the id of an action, or how one of them begins.

    Args:
        store: The store.
        places: Finds places.
        names: Names of the places that a digest is looked for in.
        said: The word. A beginning has 8 characters or more, and is looked for in what was done last.

    Raises:
        NotFoundError: There is no such thing, or several.
        HandrailError: A place that it may be in cannot be reached.
    """
    name, slash, word = said.rpartition("/")
    whole = word
    if _BEGINNING.fullmatch(word) and (slash or store.read(lambda tx: made_by_action(tx, word)) is None):
        begun = store.read(lambda tx: _begun(tx, word, name))
        if len(begun) > 1:
            what = f"changes of '{safe(name)}'" if slash else "actions or changes"
            raise NotFoundError(f"{len(begun)} {what} begin with {safe(word)}. Write more of it.")
        whole = begun.pop() if begun else word
    if slash:
        return found(store, places, change=f"{name}/{whole}")
    if _DIGEST.fullmatch(whole):
        return [_change(store, places, names, whole)]
    return found(store, places, action=whole)


def _of_place(store: Store, place: OpenPlace, name: str, digest: str) -> Made:
    recorded = place.recorded(digest)
    return store.read(lambda tx: made_by_change(tx, name, digest, recorded))


def _change(store: Store, places: Places, names: Iterable[str], digest: str) -> Made:
    """Return a change by its digest alone. A place that cannot be asked keeps nobody from finding it elsewhere."""
    silent, knowing = "", dict[str, OpenPlace]()
    for name in names:
        try:
            place = places(name)
            if place is not None and place.made(digest):
                knowing[name] = place
        except Exception as error:  # noqa: BLE001 (whatever a database raises that is not there)
            silent += f" The place '{safe(name)}' could not be asked: {safe(error)}"
    if len(knowing) > 1:
        which = " or ".join(f"{safe(name)}/{digest[:12]}" for name in knowing)
        raise NotFoundError(f"{len(knowing)} places know this change. Nothing was undone. Say which one: {which}")
    for name, place in knowing.items():
        return _of_place(store, place, name, digest)
    raise NotFoundError(
        f"No place that can be reached from here knows a change {safe(digest)}. Nothing was undone.{silent}"
    )


def _begun(tx: Transaction, said: str, place: str) -> set[str]:
    """Return the ids of recent actions and changes that begin so; of a place, where one is named, only its changes."""
    known: set[str] = set()
    for row in tx.records(Query(kinds=(RecordKind.ATTEMPT,), newest_first=True, limit=RECENT_MAX)):
        record = row.record
        change = change_in(record)
        if change.startswith(said) and place in ("", record.tool.rpartition(".")[0]):
            known.add(change)
        elif not place and record.action.startswith(said) and changes(record):
            known.add(record.action)
    return known
