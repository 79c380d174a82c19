"""What the results of a tool usually look like, learned field by field, and an event when they no longer do.

A schema says what a result may be; a shape says what it is in practice. `company_size: int | null` allows null, and a
CRM whose enrichment has failed returns it for every lead: valid, and wrong. A `Shape` counts for each field of a tool's
results how often its key is missing, its value is null, which types it has, and how long its strings and arrays are.
`handrail.contracts.drift` says when one of these has left what was learned; theory and sources stand there.

**A field** is a dotted path into the result: `""` is the result itself, `items[]` an element of the list `items`. Of
a list, one element per result is looked at, one of the first `ELEMENTS` in turn: elements of one list are alike, and to
count them all would take one bad list for many bad results. Below a missing key, or a value that is no object, nothing
is counted: what is inside is as usual whenever it is there.

**A key is missing** when the object is there and the key is not. It is an event when that happens more often than it
did. A new key is none: results gain fields all the time. After an event the way back is one too.

**After an event** the field learns anew, from what was seen since the change: a broken field raises one event, and its
recovery, or a second change, raises another. So that a field which keeps flipping does not raise events for ever, each
event doubles what must be learned before the next (64 results, 128, ... 8,192), until the field has been quiet for 16
times that long.

**Hostile results** are normal. Fields, depth, length of keys and keys read per result are limited; what lies beyond is
not watched, and `Shape.coverage` says so. The cost does not depend on the size of a result: lengths are read, values
are not. What is kept is keys and counts, never a value. Where keys are data themselves (an object keyed by e-mail
address), redact first.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from handrail.contracts.drift import (
    ARRAY,
    BLOCK,
    BOOLEAN,
    LEARNED_MIN,
    MISSING,
    NULL,
    NUMBER,
    OBJECT,
    OTHER,
    STRIKES_MAX,
    STRING,
    TYPES,
    Departure,
    DriftKind,
    bucket,
    bucket_max,
    departure,
)
from handrail.contracts.learned import (
    COUNT_MAX,
    DEPTH_MAX,
    KEY_CHARS_MAX,
    Field,
    absorb,
    number_of,
    object_of,
    read,
    written,
)
from handrail.core.text import safe

FIELDS_MAX = 64
"""Fields of a tool that are watched, the result itself and the elements of lists among them."""

KEYS_READ_MAX = 256
"""Keys per result that are read in search of new fields."""

ELEMENTS = 3
"""How many elements of a list take turns."""

STATE_CHARS_MAX = 4_000_000
"""Characters of a state; `Shape.to_json` stays far below."""

_VERSION = 1
_LENGTH_EVERY = 3  # blocks between two looks at lengths: they are many, and cost the most
_FORGIVEN_AFTER = 16  # times what must be learned before an event
_SHOWN_CHARS = 200
_RARE = 0.02  # a field there less often makes room for another

_SCALARS: Final[Mapping[type, int]] = {type(None): NULL, bool: BOOLEAN, int: NUMBER, float: NUMBER}
_SHORT = tuple(STRING + bucket(length) for length in range(1024))
_TYPE_NAMES = {
    BOOLEAN: "a boolean",
    NUMBER: "a number",
    OBJECT: "an object",
    OTHER: "not a JSON value",
    STRING: "a string",
    ARRAY: "an array",
}
_NOT_PLAIN = frozenset(""".[]{}?"'\\""")


@dataclass(frozen=True, slots=True)
class DriftEvent:
    """A field of a tool's results has left what was learned of it.

    Attributes:
        tool: The tool.
        field: Dotted path into the result; `""` is the result itself. Safe to print.
        kind: What has changed.
        what: What the shares are of, to be read after "is": `null`, `missing`, `a string`, `empty`,
            `at most 11 characters long`.
        baseline: Share that was normal, 0 to 1.
        observed: Share since the change, 0 to 1.
        learned: Results on which `baseline` rests. Results in which the field was not reached do not count.
        seen: Results on which `observed` rests.
        generation: How often the field had drifted before. Tool, field and generation name one drift, also where
            several processes notice it.
        sentence: All of this for people, safe to print.
    """

    tool: str
    field: str
    kind: DriftKind
    what: str
    baseline: float
    observed: float
    learned: int
    seen: int
    generation: int
    sentence: str


@dataclass(frozen=True, slots=True)
class LearnedField:
    """What is normal for one field.

    Attributes:
        field: Dotted path into the result; `""` is the result itself. Safe to print.
        seen: Results on which the figures rest.
        missing: Share without the key, 0 to 1.
        null: Share of null where the key is there, 0 to 1.
        types: Share of each type (`a string`, ...) where the value is not null, the commonest first.
    """

    field: str
    seen: int
    missing: float
    null: float
    types: tuple[tuple[str, float], ...]


Trail = tuple[str | None, ...]
"""The keys that lead to a field; None stands for an element of a list."""


class Shape:
    """What was learned of one tool's results. `observe` changes it; it belongs to one thread at a time.

    Attributes:
        tool: The tool.
        results: Results seen.
        unwatched: Results of which something lay beyond the limits on fields, depth and keys.
        fields: Fields that are watched.
    """

    __slots__ = ("_beyond", "_crowded", "_keys_left", "_root", "_widest", "fields", "results", "tool", "unwatched")

    def __init__(self, tool: str) -> None:
        self.tool = tool
        self.results = 0
        self.unwatched = 0
        self.fields = 1
        self._root = Field()
        self._widest = 1  # the most fields there ever were: the bound on false events is shared among so many
        self._keys_left = 0
        self._beyond = False
        self._crowded = False

    def observe(self, result: object) -> tuple[DriftEvent, ...]:
        """Learn from one result.

        Args:
            result: Any JSON value. Other values, and keys that are not text, are counted and never raise.

        Returns:
            The fields that have left what was learned of them, in their order; nearly always none. A field is named
            once, and then learns anew. The events of one call most likely have one cause.
        """
        self._keys_left = KEYS_READ_MAX
        self._beyond = False
        self._see(self._root, result, 0)
        self.results += 1
        self.unwatched += self._beyond
        if sum(self._root.open.values()) < BLOCK:
            return ()
        return self._close()

    def _see(self, field: Field, value: object, depth: int) -> None:
        kind = type(value)
        code = _SCALARS.get(kind)
        if code is None:
            if kind is str or isinstance(value, str):
                length = len(value)  # type: ignore[arg-type]  # `kind is str` is the fast way to know it
                code = _SHORT[length] if length < 1024 else STRING + bucket(length)
            elif isinstance(value, dict):
                code = OBJECT
                if value or field.fields:
                    self._see_object(field, value, depth)
            elif isinstance(value, (list, tuple)):
                code = ARRAY + bucket(len(value))
                if value:
                    self._see_element(field, value, depth)
            else:
                code = NUMBER if isinstance(value, (int, float)) else OTHER
        field.open[code] = field.open.get(code, 0) + 1

    def _see_object(self, field: Field, value: dict[object, object], depth: int) -> None:
        known = 0
        depth += 1
        for key, child in field.fields.items():
            if key in value:
                known += 1
                inner = value[key]
                code = _SCALARS.get(type(inner))
                if code is None:
                    self._see(child, inner, depth)
                    continue
            else:
                code = MISSING
            child.open[code] = child.open.get(code, 0) + 1
        if known < len(value):
            for key in self._new(field, value, depth):
                self._see(field.fields[key], value[key], depth)

    def _see_element(self, field: Field, value: list[object] | tuple[object, ...], depth: int) -> None:
        if field.each is None:
            if not self._room(depth + 1):
                return
            field.each = Field()
        self._see(field.each, value[self.results % min(len(value), ELEMENTS)], depth + 1)

    def _new(self, field: Field, value: dict[object, object], depth: int) -> list[str]:
        """Start to watch keys of an object that are not watched yet, and return them."""
        new: list[str] = []
        before = field.count(OBJECT)
        for key in islice(value, self._keys_left):
            self._keys_left -= 1
            if type(key) is not str or len(key) > KEY_CHARS_MAX:
                self._beyond = True
            elif key not in field.fields:
                if not self._room(depth):
                    return new
                child = Field()
                child.history.credit(MISSING, before)
                field.fields[key] = child
                new.append(key)
        self._beyond |= not self._keys_left
        return new

    def _room(self, depth: int) -> bool:
        """Take one of the places for fields, if there is one."""
        crowded = self.fields >= FIELDS_MAX
        if crowded or depth > DEPTH_MAX:
            self._crowded |= crowded
            self._beyond = True
            return False
        self.fields += 1
        self._widest = max(self._widest, self.fields)
        return True

    def _close(self) -> tuple[DriftEvent, ...]:
        """End the block: its counts become history, and the evidence is looked at."""
        lengths = self.results // BLOCK % _LENGTH_EVERY == 0
        events: list[DriftEvent] = []
        for trail, field in self._walk():
            if not field.open:
                continue
            field.history.push(field.open)
            field.open = {}
            if field.strikes and field.seen() >= _FORGIVEN_AFTER * LEARNED_MIN << field.strikes:
                field.strikes = 0
            found = departure(
                field.history,
                fields=self._widest,
                strikes=field.strikes,
                falls=field.generation > 0,
                lengths=lengths,
            )
            if found is not None:
                events.append(_event(self.tool, trail, field.generation, found))
                field.history = field.history.since(found.blocks)
                field.generation += 1
                field.strikes = min(field.strikes + 1, STRIKES_MAX)
        if self._crowded:
            self._crowded = False
            self._make_room()
        return tuple(sorted(events, key=lambda event: event.field))

    def _walk(self) -> Iterator[tuple[Trail, Field]]:
        """Every field with the keys that lead to it, a field before those below it."""
        pending: list[tuple[Trail, Field]] = [((), self._root)]
        while pending:
            trail, field = pending.pop()
            yield trail, field
            pending.extend(((*trail, key), child) for key, child in field.below())

    def _make_room(self) -> None:
        """Drop fields that are hardly ever there, such as the keys of an object that is keyed by id."""
        for _, field in list(self._walk()):
            for key, child in list(field.fields.items()):
                seen = child.seen()
                if seen >= LEARNED_MIN and child.present() < _RARE * seen:
                    field.drop(key)
        self.fields = self._root.size()

    def coverage(self) -> str:
        """Return one sentence about what is watched and what is not."""
        said = f"{safe(self.tool)}: {_counted(self.fields, 'field')} watched over {_counted(self.results, 'result')}"
        if not self.unwatched:
            return f"{said}."
        return f"{said}; {self.unwatched:,} of them had more than is watched (limits on fields, depth and keys)."

    def learned(self) -> tuple[LearnedField, ...]:
        """Return what is normal for each field, in order of the fields."""
        found = []
        for trail, field in self._walk():
            seen, present = field.seen(), field.present()
            typed = present - field.count(NULL)
            types = {first: sum(map(field.count, codes)) for first, codes in TYPES.items()}
            shares = [(_TYPE_NAMES[first], count / typed) for first, count in types.items() if count]
            shares.sort(key=lambda share: -share[1])
            found.append(
                LearnedField(
                    _path(trail),
                    seen,
                    field.count(MISSING) / seen if seen else 0.0,
                    field.count(NULL) / present if present else 0.0,
                    tuple(shares),
                )
            )
        return tuple(sorted(found, key=lambda field: field.field))

    def absorb(self, stored: Shape, known: Shape) -> None:
        """Take in what others have learned since this process last looked at their common store.

        For processes that share one stored shape, in one transaction of the store:

            stored = Shape.from_json(text)
            events = [event for event in events if not stored.knows(event)]  # the first to store one raises it
            mine.absorb(stored, known)  # known: the stored shape as this process last left it
            text = mine.to_json()
            known = Shape.from_json(text)

        What others counted since `known` joins the running block of `mine`, so that evidence adds up over all of them.
        A field that has drifted elsewhere is taken over as it is there, and raises no second event here.

        Args:
            stored: The shape in the store now. Not changed.
            known: What this process wrote there last; `Shape(tool)` if nothing, and then the counts simply add.

        Raises:
            ValueError: The shapes are of different tools.
        """
        if not self.tool == stored.tool == known.tool:
            raise ValueError("The shapes are of different tools.")
        self.results += max(0, stored.results - known.results)
        self.unwatched += max(0, stored.unwatched - known.unwatched)
        absorb(self._root, stored._root, known._root)
        self.fields = self._root.size()
        while self.fields > FIELDS_MAX:
            self._drop_rarest()
        self._widest = max(self._widest, stored._widest, self.fields)

    def knows(self, event: DriftEvent) -> bool:
        """Return whether the drift that an event tells of is already part of what was learned here."""
        return any(field.generation > event.generation and _path(trail) == event.field for trail, field in self._walk())

    def _drop_rarest(self) -> None:
        ends = [
            (child.present(), _path((*trail, key)), field, key)
            for trail, field in self._walk()
            for key, child in field.below()
            if not child.below()
        ]
        _, _, field, key = min(ends, key=lambda end: end[:2])
        field.drop(key)
        self.fields -= 1

    def to_json(self) -> str:
        """Return the state as JSON text in ASCII, the same for the same counts. It has keys of results, no values."""
        state = {
            "v": _VERSION,
            "tool": self.tool,
            "results": self.results,
            "unwatched": self.unwatched,
            "widest": self._widest,
            "root": written(self._root),
        }
        return json.dumps(state, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Shape:
        """Read a state that `to_json` wrote.

        Raises:
            ValueError: It is no such state, or one of another version. What was learned is then lost; whether to start
                anew is for the caller to say.
        """
        if len(text) > STATE_CHARS_MAX:
            raise ValueError("The state of a learned shape is too large.")
        try:
            state = object_of(json.loads(text))
        except RecursionError:
            raise ValueError("The state of a learned shape is nested too deeply.") from None
        version = state.get("v")
        if type(version) is not int or version != _VERSION:
            raise ValueError(f"The state of a learned shape is not of version {_VERSION}.")
        tool = state.get("tool")
        if not isinstance(tool, str):
            raise ValueError("The state of a learned shape names no tool.")  # noqa: TRY004 (the state is bad)
        shape = cls(tool)
        shape.results = number_of(state.get("results"), COUNT_MAX)
        shape.unwatched = number_of(state.get("unwatched"), COUNT_MAX)
        shape._root = read(state.get("root"))
        shape.fields = shape._root.size()
        if shape.fields > FIELDS_MAX:
            raise ValueError("The state of a learned shape has too many fields.")
        shape._widest = max(shape.fields, number_of(state.get("widest"), FIELDS_MAX))
        return shape


def merge(one: Shape, two: Shape) -> Shape:
    """Return what two shapes of a tool have learned together. They must have been learned apart: the counts add.

    The order does not matter. Where a field has drifted more often in one of them, it is taken from there alone. Of
    more than `FIELDS_MAX` fields, those seen most often stay.

    Raises:
        ValueError: The shapes are of different tools.
    """
    both = Shape.from_json(one.to_json())
    both.absorb(two, Shape(one.tool))
    return both


def _event(tool: str, trail: Trail, generation: int, found: Departure) -> DriftEvent:
    baseline, observed, code = found.baseline, found.observed, found.code
    if found.kind is DriftKind.LENGTH:
        longer = observed < baseline
        if longer:
            baseline, observed = 1 - baseline, 1 - observed
        what = _length(code, longer=longer)
    else:
        what = _TYPE_NAMES[code] if found.kind is DriftKind.TYPE else found.kind.value
    field = _path(trail)
    shown = field if len(field) <= _SHOWN_CHARS else field[: _SHOWN_CHARS - 1] + "…"
    sentence = (
        f"{safe(tool)}: {shown or 'the result'} is {what} in {_share(observed)} of the last {found.seen:,} results; "
        f"{_share(baseline)} was normal over {found.learned:,}."
    )
    return DriftEvent(
        tool, field, found.kind, what, baseline, observed, found.learned, found.seen, generation, sentence
    )


def _length(code: int, *, longer: bool) -> str:
    longest = bucket_max(code - (STRING if code < ARRAY else ARRAY))
    if not longest:
        return "not empty" if longer else "empty"
    unit = "character" if code < ARRAY else "element"
    return f"{'more than' if longer else 'at most'} {_counted(longest, unit)} long"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _share(share: float) -> str:
    """Return a share as per cent: no digits that mean nothing, and neither 0 nor 100 unless it is."""
    percent = share * 100
    if 0 < percent < 0.1:
        return "under 0.1 %"
    if 99.9 < percent < 100:
        return "over 99.9 %"
    digits = 1 if percent < 10 or percent > 99 else 0
    return f"{percent:.{digits}f}".removesuffix(".0") + " %"


def _path(trail: Trail) -> str:
    """Return the dotted path of a field; a key that could be misread stands in brackets and quotes."""
    path = ""
    for key in trail:
        if key is None:
            path += "[]"
        elif key and _NOT_PLAIN.isdisjoint(key) and not any(map(str.isspace, key)) and safe(key) == key:
            path += f".{key}" if path else key
        else:
            path += f"[{json.dumps(key)}]"
    return path
