"""Changes of guarded data as actions: what their arguments say, what they do to the world, and what of it asks.

A change is planned first; the action that applies the plan carries a summary of it, which the edge makes and no agent
writes: the digest of the plan, and for each table or kind of resource what happens to how many, the first of them by
name. Approvals are bound to the digest through the arguments. Rules see the summary as `args`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from handrail.core.decision import Finding, Verdict
from handrail.core.digest import Json, canonical
from handrail.core.effect import PLACEHOLDER, Effect, Verb
from handrail.core.outcome import Reason
from handrail.core.text import safe
from handrail.core.tool import EffectError

NAMED_MAX = 20
"""Rows that are resources of their own, named by key; of more, the table they stand in is the resource."""

TOUCHES_MAX = 100
"""Tables or resources that one change may touch."""

KIND = "row"
"""The kind of resource that rows are: `row/shop/lead/17` stands in `row/shop/lead`, and that in `row/shop`."""

ID_MAX = 2_000
"""Characters of a resource's id."""

SEGMENT_MAX = 200
"""Characters of a table's name or a key in an id; of a longer one its SHA-256 stands there."""

GATE = "changes"
"""The gate that asks about changes."""


class Touch(NamedTuple):
    """What a change does to one table, or to one resource.

    Attributes:
        place: The table (`row/shop/lead`), or the whole id of a resource that is no row.
        verb: What is done.
        rows: To how many.
        keys: The rows by key, as the end of their ids; empty when there are more than `NAMED_MAX`, or the keys are
            not known yet.
        cascade: Whether the database itself removes them along with others.
        to: The id of the target of a move.
    """

    place: str
    verb: Verb
    rows: int = 1
    keys: tuple[str, ...] = ()
    cascade: bool = False
    to: str | None = None

    def to_json(self) -> dict[str, Json]:
        """Return it as arguments say it; what is not there is left out."""
        told: dict[str, Json] = {"do": self.verb.value, "at": self.place, "rows": self.rows}
        if self.keys:
            told["keys"] = list(self.keys)
        if self.cascade:
            told["cascade"] = True
        if self.to is not None:
            told["to"] = self.to
        return told


def change_args(change: str, touches: Iterable[Touch], **said: Json) -> dict[str, Json]:
    """Return the arguments of an action that applies a plan.

    Args:
        change: Digest of the plan.
        touches: What it does.
        said: Whatever else rules may ask about: `by`, `table`, `columns`.
    """
    listed = tuple(touches)
    rows = sum(touch.rows for touch in listed)
    return {"change": change, "rows": rows, "touches": [touch.to_json() for touch in listed], **said}


def touches_of(args: Mapping[str, Json]) -> tuple[Touch, ...]:
    """Return what arguments say is touched.

    Raises:
        EffectError: They say it in no known form.
    """
    listed = args.get("touches")
    if not isinstance(listed, list) or len(listed) > TOUCHES_MAX:
        raise EffectError(f"'touches' has to be a list of at most {TOUCHES_MAX}. Plan the change first.")
    return tuple(_touch(one) for one in listed)


_SEGMENT = r"[A-Za-z0-9_:@+=.,%-]{1,300}"
_ROWS = re.compile(rf"{KIND}/{_SEGMENT}(/{_SEGMENT})?")
_KEY = re.compile(_SEGMENT)


def _touch(value: Json) -> Touch:
    match value:
        case {"do": str(verb), "at": str(place), "rows": int(rows), **rest} if verb in set(Verb) and _is_place(place):
            keys, to = rest.get("keys", []), rest.get("to")
            if _are_keys(keys, rows) and (to is None or (isinstance(to, str) and 0 < len(to) <= ID_MAX)):
                assert isinstance(keys, list)
                return Touch(place, Verb(verb), rows, tuple(map(str, keys)), rest.get("cascade") is True, to)
    raise EffectError("'touches' does not say what is touched. Plan the change first.")


def _is_place(place: str) -> bool:
    """Return whether a text names a table, a database, or a resource that is no row."""
    if place.lower().startswith(f"{KIND}/"):
        return _ROWS.fullmatch(place) is not None
    return 0 < len(place) <= ID_MAX


def _are_keys(keys: object, rows: int) -> bool:
    """Return whether these are the keys of all rows, or of none."""
    if not isinstance(keys, list) or isinstance(rows, bool) or rows < 0 or (keys and len(keys) != rows):
        return False
    return len(keys) <= NAMED_MAX and all(isinstance(key, str) and _KEY.fullmatch(key) for key in keys)


@dataclass(frozen=True, slots=True)
class ChangeEffects:
    """The effects of applying a plan; implements `core.tool.Effects`.

    Few rows are resources of their own. Many are their table, which holds them: what is remembered of the table, and of
    any row in it, counts. New rows whose keys the database gives are named once they are there.

    Attributes:
        base: What its tables stand in, `row/shop`: nothing else can be touched. `""` where what is touched is no row.
        zone: The zone that the place stands in, None when the policy names none.
        normalise: Brings a resource id into its one form.
    """

    base: str = ""
    zone: str | None = None
    normalise: Callable[[str], str] = str

    def of(self, args: Mapping[str, Json]) -> tuple[Effect, ...]:
        """Return the effects of a planned change. One that changes nothing looks at the whole, so that rules see it.

        Raises:
            EffectError: The arguments do not tell them, or name something elsewhere.
        """
        touches = touches_of(args)
        if touches:
            return tuple(effect for touch in touches for effect in self._of(touch))
        if not self.base:
            raise EffectError("It touches nothing. Plan the change first.")
        return (Effect(Verb.READ, self.normalise(self.base), zone=self.zone, amount=0),)

    def _of(self, touch: Touch) -> Iterable[Effect]:
        place = self.normalise(touch.place)
        self._check(touch.place, place)
        if not self.base:
            to = None if touch.to is None else self.normalise(touch.to)
            self._check("", to or "")
            yield Effect(touch.verb, place, to=to, zone=self.zone, amount=touch.rows)
        elif touch.keys:
            for key in touch.keys:
                yield Effect(touch.verb, self.normalise(f"{touch.place}/{key}"), zone=self.zone, amount=1)
        elif touch.verb is not Verb.CREATE:
            yield Effect(touch.verb, place, zone=self.zone, amount=touch.rows)
        elif touch.rows > NAMED_MAX:  # a name that means several is nobody's creation
            yield Effect(Verb.CREATE, f"{place}/*", zone=self.zone, amount=touch.rows)
        else:
            yield Effect(Verb.CREATE, f"{place}/{PLACEHOLDER}", bound=False, zone=self.zone, amount=touch.rows)

    def _check(self, said: str, place: str) -> None:
        rows = place.startswith(f"{KIND}/")
        if rows != bool(self.base) or (rows and not f"{said}/".startswith(f"{self.base}/")):
            raise EffectError(f"{safe(place)} is no part of this place. Plan the change where it belongs.")

    def bind(self, effects: tuple[Effect, ...], args: Mapping[str, Json], result: Json) -> tuple[Effect, ...]:
        """Name the new rows by the keys that the result tells, `{"made": {"row/shop/lead": ["17"]}}`.

        Raises:
            EffectError: The result does not tell them.
        """
        del args
        told = result.get("made") if isinstance(result, dict) else None
        made = {self.normalise(name): keys for name, keys in told.items()} if isinstance(told, dict) else {}
        bound: list[Effect] = []
        for effect in effects:
            if effect.bound:
                bound.append(effect)
                continue
            place = effect.resource.removesuffix(f"/{PLACEHOLDER}")
            keys = made.get(place)
            if not isinstance(keys, list) or len(keys) != effect.amount or not _are_keys(keys, len(keys)):
                raise EffectError(f"the keys of the new rows of {place} are not told.")
            names = dict.fromkeys(self.normalise(f"{place}/{key}") for key in keys)
            bound += [effect._replace(resource=name, bound=True, amount=1) for name in names]
        return tuple(bound)


@dataclass(frozen=True, slots=True)
class ReadEffects:
    """The effects of looking: reading the tables that the arguments name under `tables`, or the ids under `reads`.

    Attributes:
        base: What the tables stand in: `row/shop`.
        zone: The zone that it stands in.
        normalise: Brings a resource id into its one form.
    """

    base: str
    zone: str | None = None
    normalise: Callable[[str], str] = str

    def of(self, args: Mapping[str, Json]) -> tuple[Effect, ...]:
        """Return a read of each; of the whole when nothing is named.

        Raises:
            EffectError: The arguments do not tell what is read.
        """
        tables, reads = args.get("tables", []), args.get("reads", [])
        if not isinstance(tables, list) or not isinstance(reads, list) or len(tables) + len(reads) > TOUCHES_MAX:
            raise EffectError(f"'tables' has to be a list of at most {TOUCHES_MAX} names.")
        if not all(isinstance(name, str) and 0 < len(name) <= ID_MAX for name in (*tables, *reads)):
            raise EffectError("'tables' does not say what is read. Send names.")
        names = [f"{self.base}/{table_id(str(name))}" for name in tables] + [str(name) for name in reads]
        return tuple(Effect(Verb.READ, self.normalise(name), zone=self.zone) for name in names or [self.base])

    def bind(self, effects: tuple[Effect, ...], args: Mapping[str, Json], result: Json) -> tuple[Effect, ...]:
        """Return the effects: a read names what it reads beforehand."""
        del args, result
        return effects


def table_of(resource: str) -> str | None:
    """Return the table that a row is in (of new rows too), None for what is no row of one."""
    kind, _, rest = resource.partition("/")
    parts = rest.split("/")
    return f"{KIND}/{parts[0]}/{parts[1]}" if kind == KIND and len(parts) == 3 and all(parts) else None


_KEPT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:@+=")


def key_id(cells: Iterable[Json], *, typed: bool = True) -> str:
    """Return a key as the end of a resource's id. Two keys of one table never have the same.

    Every character that could mean something in an id is percent-escaped, and what is no text and no whole number is
    marked as what it is, by a `%` that no escape begins with: NULL is `%null`, 1.0 is `%real:1.0`.

    Args:
        cells: The values of the key's columns, in their order, as `data.rows` holds them.
        typed: Whether a column holds values of one kind. Where it may not (SQLite), the text `17` is told from the
            number 17: its first character is escaped.
    """
    return _short(",".join(_cell(cell, typed) for cell in cells))


def _cell(cell: Json, typed: bool) -> str:
    match cell:
        case str():
            name = _escaped(cell)
            return _escape(name[0]) + name[1:] if not typed and _WHOLE.fullmatch(cell) else name
        case None:
            return "%null"
        case bool():
            return "%is:true" if cell else "%is:false"
        case int():
            return str(cell)
        case {"real": str(number)}:
            return f"%real:{_escaped(number)}"
        case {"blob": str(digits)}:
            return f"%blob:{_escaped(digits)}"
    return f"%json:{_escaped(canonical(cell).decode())}"


_WHOLE = re.compile(r"0|-?[1-9][0-9]*")


def table_id(name: str) -> str:
    """Return a name as one segment of a resource's id, percent-escaped; dots stay inside a name (`sales.lead`)."""
    return _short(_escaped(name))


def _escaped(text: str) -> str:
    plain = "".join(char if char in _KEPT else _escape(char) for char in text)
    return (plain or "%") if set(text) <= {"."} else plain.replace("%2E", ".")


def _escape(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", errors="surrogatepass"))


def _short(segment: str) -> str:
    """Return a segment, or its digest where stores could not hold it as part of a name."""
    if len(segment) <= SEGMENT_MAX:
        return segment
    return f"%sha256:{hashlib.sha256(segment.encode()).hexdigest()}"


class Limits(NamedTuple):
    """What of a table's changes runs without a person.

    Attributes:
        rows_free: Rows that a change by key may update or delete, cascades included.
        inserts_free: Rows that may be added.
    """

    rows_free: int = 0
    inserts_free: int = 100


BY_KEY = frozenset({"key", "undo"})
"""How rows are named that were named one by one."""


def asks_of(limits: Mapping[str, Limits]) -> Callable[[Mapping[str, Json]], tuple[Finding, ...]]:
    """Return what asks about a planned change, for `core.tool.Tool.asks`.

    Args:
        limits: What is relaxed, by table as `Touch.place` names it.
    """

    def asks(args: Mapping[str, Json]) -> tuple[Finding, ...]:
        try:
            touches = touches_of(args)
        except EffectError as error:
            return (Finding(GATE, "unknown", Verdict.DENY, str(error), reason=Reason.NOT_DECLARED),)
        writes = [touch for touch in touches if touch.verb is not Verb.READ]
        found: list[Finding] = []
        if writes and args.get("precondition") == "check_then_act":
            why = (
                "The server cannot compare and write in one step, so a write of somebody else that falls in between "
                "would be lost: a person has to decide."
            )
            found.append(_ask("precondition", why, (("precondition", "check_then_act"),)))
        if args.get("by") not in BY_KEY and any(_of_rows(touch) and touch.verb is not Verb.CREATE for touch in writes):
            rows = sum(touch.rows for touch in writes if not touch.cascade)
            these, them = ("this row", "it") if rows == 1 else (f"these {rows:,} rows", "them")
            why = f"A condition named {these}, not a list of keys, so a person has to look at {them}."
            found.append(_ask("predicate", why, (("rows", rows),)))
        free = args.get("rows_free")
        planned = free if isinstance(free, int) else 0
        own = [touch for touch in writes if not touch.cascade] or writes
        along = sum(touch.rows for touch in writes) - sum(touch.rows for touch in own)
        for place in dict.fromkeys(touch.place for touch in own):
            least = Limits(0, 0) if place.lower().startswith(f"{KIND}/") else Limits()
            there = [touch for touch in own if touch.place == place]
            found += _at(place, there, along, limits.get(place, least), planned)
        return tuple(found)

    return asks


def _of_rows(touch: Touch) -> bool:
    return touch.place.lower().startswith(f"{KIND}/")


def _at(place: str, touches: list[Touch], along: int, limit: Limits, planned: int) -> Iterable[Finding]:
    """Yield what asks of what is done at one place; `along` are the rows that cascades take."""
    new = sum(touch.rows for touch in touches if touch.verb is Verb.CREATE)
    if new > limit.inserts_free:
        values: tuple[tuple[str, Json], ...] = (("at", place), ("rows", new), ("inserts_free", limit.inserts_free))
        why = (
            f"{new:,} new {_rows(new)} in {safe(place)}: more than {limit.inserts_free:,} need a person. "
            "Add fewer at once, or have it approved."
        )
        if not limit.inserts_free:
            why = f"Adding {new:,} {_rows(new)} to {safe(place)} needs a person."
        yield _ask("inserts", why, values)
    changed = [touch for touch in touches if touch.verb is not Verb.CREATE]
    rows, free = sum(touch.rows for touch in changed) + along, min(limit.rows_free, planned)
    if changed and rows > free:
        told = " and ".join(f"{touch.verb} {_count(touch)}" for touch in changed[:3])
        gone = f" and {along:,} that go along" if along else ""
        most = f" (up to {free:,} named by key do not)" if free else ""
        values = (("at", place), ("rows", rows), ("rows_free", free))
        yield _ask("rows", f"It would {told}{gone}, which needs a person{most}.", values)


def _count(touch: Touch) -> str:
    return f"{touch.rows:,} {_rows(touch.rows)} of {safe(touch.place)}" if _of_rows(touch) else safe(touch.place)


def _rows(count: int) -> str:
    return "row" if count == 1 else "rows"


def _ask(rule: str, why: str, values: tuple[tuple[str, Json], ...]) -> Finding:
    return Finding(GATE, rule, Verdict.ASK, why, values, reason=Reason.DESTRUCTIVE)
