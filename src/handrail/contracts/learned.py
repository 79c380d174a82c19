"""The fields of a learned shape: a tree of counts, its sum with what other processes have counted, and its JSON.

Everything here is a count and counts add, so what was learned apart can be put together in any order. The one
exception is a drift: it makes what was learned before it worthless, so of two fields the one that has drifted more
often (`generation`) is taken alone.
"""

from __future__ import annotations

from handrail.contracts.drift import (
    ARRAY,
    BOOLEAN,
    CODES_MAX,
    FANOUT,
    LEVELS,
    MISSING,
    NULL,
    NUMBER,
    OBJECT,
    OTHER,
    SCATTER,
    STRIKES_MAX,
    STRING,
    Histogram,
    History,
    add,
)

DEPTH_MAX = 6
"""Keys and lists on the way to a field."""

KEY_CHARS_MAX = 100
"""Characters of a key; a field with a longer one is not watched."""

COUNT_MAX = 2**53
"""A count beyond this is not believed when a state is read."""

_WORDS = {MISSING: "missing", NULL: "null", BOOLEAN: "boolean", NUMBER: "number", OBJECT: "object", OTHER: "other"}


class Field:
    """What was seen of one field, and the fields below it.

    Attributes:
        fields: The fields below it by their keys, if it is an object.
        each: Its elements, if it is a list.
        history: What was seen in blocks that are closed.
        open: What was seen in the running block.
        generation: How often it has drifted, and has been learned anew.
        strikes: How often it has drifted of late.
    """

    __slots__ = ("each", "fields", "generation", "history", "open", "strikes")

    def __init__(
        self, history: History | None = None, running: Histogram | None = None, generation: int = 0, strikes: int = 0
    ) -> None:
        self.fields: dict[str, Field] = {}
        self.each: Field | None = None
        self.history = history if history is not None else History()
        self.open: Histogram = running if running is not None else {}
        self.generation = generation
        self.strikes = strikes

    def below(self) -> list[tuple[str | None, Field]]:
        """Return the fields directly below, each with its key; None is the key of the elements of a list."""
        found: list[tuple[str | None, Field]] = list(self.fields.items())
        return found if self.each is None else [*found, (None, self.each)]

    def get(self, key: str | None) -> Field | None:
        """Return the field below with this key."""
        return self.each if key is None else self.fields.get(key)

    def put(self, key: str | None, field: Field) -> None:
        """Set the field below with this key."""
        if key is None:
            self.each = field
        else:
            self.fields[key] = field

    def drop(self, key: str | None) -> None:
        """Forget the field below with this key."""
        if key is None:
            self.each = None
        else:
            del self.fields[key]

    def size(self) -> int:
        """Return the number of fields from here on, this one among them."""
        return 1 + sum(field.size() for _, field in self.below())

    def count(self, code: int) -> int:
        """Return how often an outcome was seen."""
        return self.history.total.get(code, 0) + self.open.get(code, 0)

    def seen(self) -> int:
        """Return the number of outcomes: the results in which the object that holds the field was reached."""
        return sum(self.history.total.values()) + sum(self.open.values())

    def present(self) -> int:
        """Return the number of outcomes in which the key was there."""
        return self.seen() - self.count(MISSING)


def absorb(mine: Field, theirs: Field, known: Field | None) -> None:
    """Add to `mine` what `theirs` has beyond `known`, where both come from.

    Args:
        mine: Changed. What is fresh in `theirs` joins the running block, so that it is as recent here as it is there.
        theirs: Not changed.
        known: What of it is in `mine` already. None, or a field that has seen nothing, if the two were learned apart:
            then histories are added age by age.
    """
    # Fields below come first: for them it matters how often the object was seen on either side until now.
    before = known if known is not None and known.generation == theirs.generation and known.seen() else None
    for key, child in theirs.below():
        own, known_child = mine.get(key), known.get(key) if known is not None else None
        if own is not None:
            absorb(own, child, known_child)
            if known_child is None and before is not None and key is not None and own.generation == child.generation:
                own.history.credit(MISSING, -before.count(OBJECT))  # found by both, and missing before for both
        elif known_child is None:  # else it was dropped here to make room
            mine.put(key, _credited(copied(child), key, mine, before))
    for key, child in mine.below():
        if theirs.get(key) is None:
            _credited(child, key, theirs, before)
    if theirs.generation > mine.generation:
        copy = copied(theirs)
        mine.history, mine.open = copy.history, copy.open
        mine.generation, mine.strikes = theirs.generation, theirs.strikes
    elif theirs.generation == mine.generation:
        mine.strikes = max(mine.strikes, theirs.strikes)
        if before is None:
            mine.history = mine.history.merged(theirs.history)
            add(mine.open, theirs.open)
        else:
            fresh = {code: theirs.count(code) - before.count(code) for code in {*theirs.history.total, *theirs.open}}
            add(mine.open, {code: count for code, count in fresh.items() if count > 0})


def _credited(child: Field, key: str | None, parent: Field, before: Field | None) -> Field:
    """Let a child that is not known to `parent` be missing in every object that `parent` has seen since `before`."""
    if key is not None:
        known = before.count(OBJECT) if before is not None else 0
        child.history.credit(MISSING, max(0, parent.count(OBJECT) - known))
    return child


def copied(field: Field) -> Field:
    """Return a copy that shares nothing with the field."""
    return read(written(field))


def written(field: Field) -> dict[str, object]:
    """Return a field as a JSON object. What is empty or 0 is left out."""
    history = field.history
    state: dict[str, object] = {
        "open": _histogram_written(field.open),
        "base": _histogram_written(history.base),
        "recent": [[_histogram_written(histogram) for histogram in level] for level in history.levels],
        "scatter": history.scatter,
        "generation": field.generation,
        "strikes": field.strikes,
        "fields": {key: written(child) for key, child in field.fields.items()},
        "each": None if field.each is None else written(field.each),
    }
    if not any(history.levels):
        del state["recent"]
    if not any(map(any, history.scatter)):
        del state["scatter"]
    return {name: value for name, value in state.items() if value}


def _histogram_written(histogram: Histogram) -> dict[str, int]:
    return {_code_written(code): count for code, count in sorted(histogram.items())}


def _code_written(code: int) -> str:
    if code < STRING:
        return _WORDS[code]
    return f"s{code - STRING}" if code < ARRAY else f"a{code - ARRAY}"


_CODES = {_code_written(code): code for code in (*_WORDS, *range(STRING, CODES_MAX))}


def read(value: object, depth: int = 0) -> Field:
    """Return the field that `written` has written.

    Raises:
        ValueError: It is none.
    """
    state = object_of(value)
    if depth > DEPTH_MAX:
        raise ValueError("The state of a learned shape is nested too deeply.")
    levels = [[_histogram(histogram) for histogram in _list(level)] for level in _list(state.get("recent", []))]
    if len(levels) > LEVELS or any(len(level) > FANOUT for level in levels):
        raise ValueError("The state of a learned shape has too many histograms.")
    scatter = [[number_of(number, COUNT_MAX) for number in _list(level)] for level in _list(state.get("scatter", []))]
    if len(scatter) > LEVELS or any(len(level) != SCATTER for level in scatter):
        raise ValueError("The state of a learned shape has a scatter that cannot be.")
    field = Field(
        History(_histogram(state.get("base", {})), levels, scatter),
        _histogram(state.get("open", {})),
        number_of(state.get("generation", 0), COUNT_MAX),
        number_of(state.get("strikes", 0), STRIKES_MAX),
    )
    fields = object_of(state.get("fields", {}))
    if any(len(key) > KEY_CHARS_MAX for key in fields):
        raise ValueError("The state of a learned shape has too long a key.")
    field.fields = {key: read(child, depth + 1) for key, child in fields.items()}
    if "each" in state:
        field.each = read(state["each"], depth + 1)
    return field


def _histogram(value: object) -> Histogram:
    counts = object_of(value)
    if not counts.keys() <= _CODES.keys() or 0 in counts.values():
        raise ValueError("The state of a learned shape counts something unknown.")
    return {_CODES[name]: number_of(count, COUNT_MAX) for name, count in counts.items()}


def object_of(value: object) -> dict[str, object]:
    """Return a part of a state that has to be an object. Raises `ValueError`."""
    if not isinstance(value, dict):
        raise ValueError("The state of a learned shape is not as it was written.")  # noqa: TRY004 (the state is bad)
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("The state of a learned shape is not as it was written.")  # noqa: TRY004 (the state is bad)
    return value


def number_of(value: object, most: int) -> int:
    """Return a part of a state that has to be a count of at most `most`. Raises `ValueError`."""
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("The state of a learned shape has a count that cannot be.")
    return value
