"""Taking actions back, newest first: each undo is itself an action, strict, and what cannot be undone is listed.

Nothing of a change is touched when somebody has changed what it left; the others are still taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from handrail.core.change import ReadEffects
from handrail.core.effect import PLACEHOLDER, Verb
from handrail.core.outcome import Reason
from handrail.core.text import safe
from handrail.core.tool import Tool
from handrail.data.acting import Edge
from handrail.errors import Denied, HandrailError, Killed, NotDone, OutcomeUnknown, ReviewRequired, StoreError
from handrail.policy.effects import DeclaredEffects
from handrail.policy.guarded import Act
from handrail.run import CALL
from handrail.undo.fate import LEFT, READY, NotUndone, TakenBack, UndoFate
from handrail.undo.made import Made, Reached
from handrail.undo.paired import Left, paired_undo
from handrail.undo.places import Places, place_undo
from handrail.undo.standing import undone_in

Sign = Callable[[str], None]
"""Approves the ticket of that id in a person's name. Raises `HandrailError` when it cannot."""

SIGNED_MAX = 3
"""Times that one undo is signed: what it would change may change while it is."""

WHY_CHARS = 600
"""Characters of the sentences about one action."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where undos are made from.

    Attributes:
        edge: Where actions begin, in the run that is open.
        places: Finds places.
        unchecked: Whether to undo also what nobody can tell whether it was changed since.
        sign: Approves what waits for a person, when that person is here.
    """

    edge: Edge
    places: Places
    unchecked: bool = False
    sign: Sign | None = None


def look(reach: Reach, made: Iterable[Made]) -> Iterator[TakenBack]:
    """Tell of each action whether it can be undone, without undoing any.

    Args:
        reach: Where undos are made from.
        made: The actions, newest first.

    Raises:
        Denied: No run is open.
    """
    ready = _Resources()
    for one, find in _ways(reach, made):
        taken = _try(one, lambda f=find: f().look(), UndoFate.READY)  # type: ignore[misc]
        if taken.fate is UndoFate.CONFLICT and ready.cover(one):
            why = "A later action changed it again. Once that is taken back, it shows whether somebody else did too."
            taken = TakenBack(one, UndoFate.READY_AFTER, why)
        if taken.fate in READY:
            ready.add(one)
        yield taken


def take_back(reach: Reach, made: Iterable[Made]) -> Iterator[TakenBack]:
    """Undo actions one by one, in the order given; what cannot be undone is told, and the next is tried.

    Args:
        reach: Where undos are made from.
        made: The actions, newest first.

    Raises:
        Denied: No run is open.
    """
    left = _Resources()
    for one, find in _ways(reach, made):
        taken = _undone(reach, one, find)
        if taken.fate is UndoFate.CONFLICT and left.cover(one):
            why = "A later action changed it and was not taken back, so this one was left as it is, too."
            taken = replace(taken, why=f"{taken.why} {why}")
        if taken.fate in LEFT:
            left.add(one)
        yield taken


class _Way(Protocol):
    """How one action is undone; both say a sentence, or raise."""

    def look(self) -> str: ...

    def undo(self) -> str: ...


_Find = Callable[[], _Way]
"""Finds the way, or raises what says that there is none."""


def _undone(reach: Reach, made: Made, find: _Find) -> TakenBack:
    """Undo one action; what waits for a person is signed when that person is here."""
    taken = _try(made, lambda: find().undo(), UndoFate.UNDONE)
    for _ in range(SIGNED_MAX):
        if taken.fate is not UndoFate.HELD or reach.sign is None:
            break
        refused = ""
        try:
            reach.sign(taken.ticket)
        except HandrailError as error:
            refused = _said(error)
        taken = _try(made, lambda: find().undo(), UndoFate.UNDONE)  # if refused: perhaps somebody else decided
        if refused and taken.fate is UndoFate.HELD:
            return replace(taken, why=refused)
    return taken


def _ways(reach: Reach, made: Iterable[Made]) -> Iterator[tuple[Made, _Find]]:
    """Find for each action how it is undone. What took back another action of the list is no harm to undo."""
    listed = list(made)
    undoing = reach.edge.host.store.read(lambda tx: undone_in(tx, listed))
    changes = {one.change for one in listed if one.change and one.change != one.undoes}
    times = Counter(id for one in listed for id in one.resources)
    left: Left = {}
    for one in listed:
        own = one.action in undoing or one.undoes in changes
        if own and one.reached is Reached.DONE:
            yield one, _refusing("It took back another action of the list.", UndoFate.ALREADY)
        else:
            again = any(times[id] > 1 for id in one.resources)
            yield one, partial(_way, reach, one, left if again else None)


def _refusing(why: str, fate: UndoFate) -> _Find:
    def refuse() -> _Way:
        raise NotUndone(why, fate)

    return refuse


def _way(reach: Reach, made: Made, left: Left | None) -> _Way:
    """Return how an action is undone.

    Raises:
        NotUndone: There is no way, or not from here.
        HandrailError: Its place is broken.
    """
    tool = reach.edge.host.desk.policy.tool(made.tool)
    if made.pruned:
        if tool is not None and _only_reads(tool):
            raise NotUndone("Retention removed what it did; its tool only reads.", UndoFate.NOTHING)
        why = "Retention removed from the journal what it changed and what its undo would need. Undo it by hand."
    elif made.reached is Reached.RUNNING:
        why = f"{made.why} Wait for it to end, or stop it."
    else:
        name, _, act = made.tool.rpartition(".")
        change = bool(made.change) and act in (Act.APPLY, Act.UNDO)
        place = place_undo(reach.places, made, name) if change else None
        if place is not None:
            return place
        if made.reached is Reached.MAYBE:
            more = "" if "handrail log resolve" in made.why else f" Look, then run: handrail log resolve {made.action}"
            why = f"{made.why}{more}"
        elif change and (tool is None or tool.asks is not None):
            why = (
                f"The place '{safe(name)}' cannot be reached from here. Declare it in the policy with its address, or "
                "call hr.undo in the program that opens it."
            )
        elif tool is None:
            why = f"'{safe(made.tool)}' is not declared in the policy any more, so nothing says how to undo it."
        elif tool.undo is None:
            why = f"The policy names no 'undo' for '{safe(made.tool)}'."
        else:
            return paired_undo(reach.edge, made, tool, left, unchecked=reach.unchecked)
    raise NotUndone(why, UndoFate.IMPOSSIBLE)


def _only_reads(tool: Tool) -> bool:
    effects = tool.effects
    if isinstance(effects, DeclaredEffects):
        return bool(effects.declared) and all(one.verb is Verb.READ for one in effects.declared)
    return isinstance(effects, ReadEffects)


class _Resources:
    """Ids of resources, and what they stand in."""

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._around: set[str] = set()

    def add(self, made: Made) -> None:
        """Take up what an action changes."""
        for id in map(_known, made.resources):
            self._ids.add(id)
            self._around.update(_around(id))

    def cover(self, made: Made) -> bool:
        """Return whether an action changes one of them, something in one, or what holds one."""
        return any(
            id in self._ids or id in self._around or not self._ids.isdisjoint(_around(id))
            for id in map(_known, made.resources)
        )


def _known(id: str) -> str:
    """Return what holds a resource that only the result named."""
    return id.partition(PLACEHOLDER)[0].rstrip("/")


def _around(id: str) -> set[str]:
    parts = id.split("/")
    return {"/".join(parts[:count]) for count in range(2, len(parts))}


# --- what became of it ------------------------------------------------------------------------------------------------


def _try(made: Made, do: Callable[[], str], done: UndoFate) -> TakenBack:
    """Do it, and name what became of it."""
    try:
        with _no_call():
            return TakenBack(made, done, do())
    except ReviewRequired as held:
        fate = UndoFate.FAILED if held.ticket is None else UndoFate.HELD
        return TakenBack(made, fate, _said(held), held.ticket or "")
    except NotUndone as error:
        return TakenBack(made, error.fate, _said(error))
    except NotDone as error:
        if error.reason is Reason.STALE:
            return TakenBack(made, UndoFate.CONFLICT, _said(error), keys=_keys(error))
        fate = UndoFate.FAILED if _may_pass(error) else UndoFate.IMPOSSIBLE
        return TakenBack(made, fate, _retold(_said(error)) if fate is UndoFate.FAILED else _said(error))
    except (OutcomeUnknown, StoreError, TimeoutError) as error:
        fate = UndoFate.FAILED if done is UndoFate.READY else UndoFate.IN_DOUBT
        return TakenBack(made, fate, _said(error))
    except Denied as error:
        if error.outcome.reason is Reason.NO_RUN:
            raise
        return TakenBack(made, UndoFate.FAILED, _said(error))
    except (Exception, Killed) as error:  # noqa: BLE001 (also whatever a database or a server raises: it is told)
        return TakenBack(made, UndoFate.FAILED, _said(error))


@contextmanager
def _no_call() -> Iterator[None]:
    """An undo makes several calls, so the caller's name for the next call is none of them."""
    token = CALL.set(None)
    try:
        yield
    finally:
        CALL.reset(token)


def _said(error: BaseException) -> str:
    """Return what an error says, safe to print; what it has escaped already stays as it is."""
    text = str(error) if isinstance(error, HandrailError | Killed) else f"{type(error).__name__}: {error}"
    said = "\\".join(safe(part, max_chars=WHY_CHARS) for part in " ".join(text.split()).split("\\"))
    return said if len(said) <= WHY_CHARS else f"{said[:WHY_CHARS]}…"


def _may_pass(error: NotDone) -> bool:
    """Return whether the place itself said no (it is locked, away, keeps a row back), and not what we know of it."""
    cause = error.__cause__
    return getattr(error, "passing", False) is True or (cause is not None and not isinstance(cause, HandrailError))


def _retold(said: str) -> str:
    """Return what a place says of a change as what is said of its undo, which nobody corrects."""
    for end in ("Correct the change.", "Correct the change and plan it again."):
        if said.endswith(end):
            return f"{said.removesuffix(end)}See to that, then undo it again."
    return said


def _keys(error: NotDone) -> tuple[str, ...]:
    keys = getattr(error, "keys", ())
    keys = keys if isinstance(keys, tuple | list) else ()
    return tuple("/".join(map(str, key)) if isinstance(key, tuple) else str(key) for key in keys)
