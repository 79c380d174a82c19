"""A JSON Schema becomes a check: bounded, offline, and silent about the values that it saw.

The library's own list of errors is not used. It is built eagerly (a million wrong items are a million errors) and
carries every failed alternative of every alternative (exponential in the depth of a value that an agent chooses).
Asking whether a value is valid is memoised and linear. So a checker asks first, and only for a broken value walks down
the schema, asking each part again, until it can name at most `VIOLATIONS_MAX` places.

No sentence shows a value: a password that is too short would end up in the journal. It names the kind of the value and
what the schema wants, both made safe to print, because schemas of MCP servers are foreign text as well.

Known warts: unknown formats are ignored, as the specification asks. Patterns run on a linear engine; those that need
look-around or back-references run with `BACKTRACK_MAX` steps, and running out of them is a violation, never a match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from handrail.core.digest import Json, NotJson, to_json
from handrail.core.names import did_you_mean
from handrail.core.outcome import Violation
from handrail.core.text import safe
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    import jsonschema_rs

VIOLATIONS_MAX = 20
"""Violations that one check reports; the first ones in the order of the schema."""

SHOWN_MAX = 80
"""Characters of any foreign text inside a sentence."""

PATH_MAX = 200
"""Characters of a dotted path."""

SCHEMA_BYTES_MAX = 1024 * 1024
"""Approximate size of a schema."""

BRANCHES_MAX = 10_000
"""Times that a schema may look at one and the same place of a value, through references and alternatives."""

BACKTRACK_MAX = 10_000
"""Steps of a pattern that needs backtracking, for one text."""

_STEPS_MAX = 2_000
"""Parts of a schema that one explanation visits."""

Check: TypeAlias = Callable[[Json, str], tuple[Violation, ...]]
"""A value and the name that its violations carry (`result`, `arguments`, …), to what is broken."""


class ContractError(ConfigurationError, ValueError):
    """A contract cannot be used as it is written; the message names the place and says what to change."""


class SchemaError(ContractError):
    """A JSON Schema cannot be used; the message names the place and says what is wrong."""


def dotted(path: Iterable[str | int]) -> str:
    """Return a path as people read it, `leads[3].name`, safe to print and at most about `PATH_MAX` long."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{safe(part, max_chars=40)}" for part in path]
    return safe_path("".join(parts).removeprefix("."))


def safe_path(path: str) -> str:
    """Return an already safe path within its length, without escaping it a second time."""
    return path if len(path) <= PATH_MAX else path[: PATH_MAX - 1] + "…"


def kind_of(value: object) -> str:
    """Return what a JSON value is, in JSON Schema's words; other values by the name of their type."""
    name = _KINDS.get(type(value))
    return safe(type(value).__name__, max_chars=40) if name is None else name


def a_kind_of(value: object) -> str:
    """Return `kind_of` with its article."""
    return _a(kind_of(value))


_KINDS: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def schema_checker(schema: Json, where: str) -> Check:
    """Compile a JSON Schema. Draft 2020-12 unless its `$schema` names another; formats are validated.

    Args:
        schema: The schema: an object or a boolean, at most 1 MiB.
        where: Where it stands, for messages: a file, or a path in the policy.

    Returns:
        A function from a JSON value and the name of the check to at most `VIOLATIONS_MAX` violations. It never raises.

    Raises:
        SchemaError: The schema is broken, refers to something outside itself (nothing is ever fetched), or branches so
            often that checking a value could take for ever.
    """
    own = _own_copy(schema, where)
    _refuse_explosive(own, where)
    validator = _compile(own, where)
    explain = _Explainer(own)

    def check(value: Json, name: str) -> tuple[Violation, ...]:
        try:
            if validator.is_valid(value):
                return ()
            return explain(value, name)
        except (ValueError, RecursionError) as error:
            return (Violation(name, "", f"cannot be checked against its schema: {safe(error, max_chars=SHOWN_MAX)}."),)

    return check


def _own_copy(schema: Json, where: str) -> dict[str, Json] | bool:
    """Return a copy that nobody else can change later."""
    try:
        own = to_json(schema, bytes_max=SCHEMA_BYTES_MAX)
    except NotJson as error:
        raise SchemaError(f"{where}: the schema is not JSON. {safe(error)}") from None
    if isinstance(own, dict | bool):
        return own
    raise SchemaError(f"{where}: a schema is an object or a boolean, not {a_kind_of(own)}.")


def _compile(schema: dict[str, Json] | bool, where: str) -> jsonschema_rs.Validator:
    from jsonschema_rs import FancyRegexOptions, ValidationError, validator_for  # noqa: PLC0415 (import stays light)

    wanted: list[str] = []
    try:
        return validator_for(
            schema,
            validate_formats=True,
            retriever=_refuse(wanted),
            pattern_options=FancyRegexOptions(backtrack_limit=BACKTRACK_MAX),
        )
    except ValidationError as error:
        if wanted:
            raise SchemaError(
                f"{where}: the schema refers to '{safe(wanted[0])}', and nothing is fetched: "
                "put what it needs under $defs and refer to it as '#/$defs/NAME'."
            ) from None
        at = f" at '{dotted(error.instance_path)}'" if error.instance_path else ""
        raise SchemaError(f"{where}: the schema is broken{at}: {safe(error.message)}.") from None
    except ValueError as error:
        raise SchemaError(f"{where}: the schema cannot be compiled: {safe(error)}.") from None


def _refuse(wanted: list[str]) -> Callable[[str], dict[str, Json]]:
    def retriever(uri: str) -> dict[str, Json]:
        wanted.append(uri)
        raise LookupError("nothing is fetched")

    return retriever


# --- how often a schema may look at the same place --------------------------------------------------------------------

_IN_PLACE = ("allOf", "anyOf", "oneOf")
_IN_PLACE_ONE = ("not", "if", "then", "else")
_IN_PLACE_MAP = ("dependentSchemas", "dependencies")
_BELOW_MAP = ("properties", "patternProperties")
_BELOW_ONE = ("additionalProperties", "items", "contains", "unevaluatedItems", "unevaluatedProperties", "propertyNames")
_BELOW_LIST = ("prefixItems", "items")


def _refuse_explosive(schema: dict[str, Json] | bool, where: str) -> None:
    """Refuse a schema of doubling alternatives: 40 short definitions that each use the next one twice never finish."""
    try:
        visits = _visits(schema, schema, {})
    except RecursionError:
        raise SchemaError(f"{where}: the schema's references are nested too deeply.") from None
    if visits > BRANCHES_MAX:
        raise SchemaError(
            f"{where}: the schema looks at the same place more than {BRANCHES_MAX:,} times through its alternatives "
            "and references; use fewer nested ones."
        )


def _visits(part: Json, root: Json, known: dict[int, int]) -> int:
    """Return how often one place of a value may be visited. Recursive references count once: they are memoised."""
    if not isinstance(part, dict):
        return 1
    if (seen := known.get(id(part))) is not None:
        return seen
    known[id(part)] = 1
    same = [_target(part.get("$ref"), root), *_subschemas(part, _IN_PLACE_ONE, _IN_PLACE, _IN_PLACE_MAP)]
    below = _subschemas(part, _BELOW_ONE, _BELOW_LIST, _BELOW_MAP)
    deepest = max((_visits(item, root, known) for item in below), default=1)
    known[id(part)] = deepest + sum(_visits(item, root, known) for item in same if item is not None)
    return known[id(part)]


def _subschemas(part: dict[str, Json], one: Iterable[str], many: Iterable[str], named: Iterable[str]) -> list[Json]:
    found: list[Json] = [part[key] for key in one if key in part]
    for key in many:
        found.extend(_items(part.get(key)))
    for key in named:
        found.extend(_fields(part.get(key)).values())
    return found


def _items(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _fields(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _target(ref: Json, root: Json) -> Json:
    """Return what a local pointer (`#`, `#/$defs/x`) names; None for anything else."""
    if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
        return None
    found = root
    for part in _tokens(ref):
        if isinstance(found, dict) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found


def _tokens(ref: str) -> list[str]:
    from urllib.parse import unquote  # noqa: PLC0415 (used for broken values and while compiling only)

    return [unquote(part).replace("~1", "/").replace("~0", "~") for part in ref.split("/")[1:]]


# --- why a value is not valid -----------------------------------------------------------------------------------------

_LEAVES = (
    "type",
    "const",
    "enum",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "dependentRequired",
)


class _Explainer:
    """Finds the places where a value breaks one schema, whose parts are compiled at the first broken value."""

    def __init__(self, schema: dict[str, Json] | bool) -> None:
        self._schema = schema
        self._parts: jsonschema_rs.ValidatorMap | None = None
        self._leaves: dict[str, jsonschema_rs.Validator] = {}

    def __call__(self, value: Json, name: str) -> tuple[Violation, ...]:
        walk = _Walk(self, name)
        found = tuple(islice(walk.part("#", self._schema, value, ()), VIOLATIONS_MAX))
        return found or (Violation(name, "", "does not match its schema."),)

    @property
    def root(self) -> dict[str, Json] | bool:
        return self._schema

    def valid(self, pointer: str, value: Json) -> bool | None:
        """Whether `value` matches the part at `pointer`; None when that part cannot be asked by itself."""
        from jsonschema_rs import FancyRegexOptions, validator_map_for  # noqa: PLC0415 (import stays light)

        if self._parts is None:
            self._parts = validator_map_for(
                self._schema,
                validate_formats=True,
                retriever=_refuse([]),
                pattern_options=FancyRegexOptions(backtrack_limit=BACKTRACK_MAX),
            )
        part = self._parts.get(pointer)
        return None if part is None else part.is_valid(value)

    def leaf_valid(self, pointer: str, key: str, part: dict[str, Json], value: Json) -> bool:
        """Whether `value` matches one keyword of the part at `pointer`, without the keywords beside it."""
        from jsonschema_rs import FancyRegexOptions, validator_for  # noqa: PLC0415 (import stays light)

        at = f"{pointer} {key}"
        if at not in self._leaves:
            alone: dict[str, Json] = {key: part[key]}
            if isinstance(self._schema, dict) and "$schema" in self._schema:
                alone["$schema"] = self._schema["$schema"]
            if isinstance(flag := part.get(f"exclusive{key[:1].upper()}{key[1:]}"), bool):  # draft 4
                alone[f"exclusive{key[:1].upper()}{key[1:]}"] = flag
            try:
                options = FancyRegexOptions(backtrack_limit=BACKTRACK_MAX)
                self._leaves[at] = validator_for(alone, validate_formats=True, pattern_options=options)
            except ValueError:  # means nothing alone: the caller falls back to naming the whole part
                self._leaves[at] = validator_for({})
        return self._leaves[at].is_valid(value)


_Path: TypeAlias = tuple[str | int, ...]


@dataclass(slots=True)
class _Walk:
    """One walk through a schema and a broken value, side by side, with a bounded number of steps."""

    explainer: _Explainer
    name: str
    seen: set[tuple[str, _Path]] = field(default_factory=set)

    def part(self, pointer: str, part: Json, value: Json, path: _Path) -> Iterator[Violation]:
        """Yield what `value`, known to break the part at `pointer`, breaks there and below."""
        if (pointer, path) in self.seen or len(self.seen) >= _STEPS_MAX:
            return
        self.seen.add((pointer, path))
        if part is False:
            yield self._at(path, "is not allowed here.")
            return
        if not isinstance(part, dict):
            return
        found = False
        for violation in self._inside(pointer, part, value, path):
            found = True
            yield violation
        if not found:
            names = ", ".join(sorted(key for key in part if not key.startswith("$")))
            which = f" ({safe(names, max_chars=SHOWN_MAX)})" if names else ""
            yield self._at(path, f"does not match its schema{which}.")

    def _inside(self, pointer: str, part: dict[str, Json], value: Json, path: _Path) -> Iterator[Violation]:
        if "$id" in part and pointer != "#":
            return  # its references mean something else from here on
        yield from self._leaves(pointer, part, value, path)
        if isinstance(value, dict):
            yield from self._object(pointer, part, value, path)
        elif isinstance(value, list):
            yield from self._array(pointer, part, value, path)
        yield from self._same_place(pointer, part, value, path)

    def _leaves(self, pointer: str, part: dict[str, Json], value: Json, path: _Path) -> Iterator[Violation]:
        for key in _LEAVES:
            if key in part and not self.explainer.leaf_valid(pointer, key, part, value):
                yield self._at(path, _sentence(key, part[key], value))

    def _object(self, pointer: str, part: dict[str, Json], value: dict[str, Json], path: _Path) -> Iterator[Violation]:
        known = _fields(part.get("properties"))
        for key in _items(part.get("required")):
            if isinstance(key, str) and key not in value:
                yield self._at((*path, key), "is required but missing.")
        for key, child in known.items():
            if key in value:
                yield from self._child(f"{pointer}/properties/{_escape(key)}", child, value[key], (*path, key))
        rest = part.get("additionalProperties")
        if rest is None or "patternProperties" in part:
            return
        for key, item in value.items():
            if key in known:
                continue
            if rest is False:
                yield self._at((*path, key), f"is not a known property.{did_you_mean(key, known)}")
            else:
                yield from self._child(f"{pointer}/additionalProperties", rest, item, (*path, key))

    def _array(self, pointer: str, part: dict[str, Json], value: list[Json], path: _Path) -> Iterator[Violation]:
        single = part.get("items")
        key = "items" if isinstance(single, list) else "prefixItems"
        first = _items(part.get(key))
        for index, (child, item) in enumerate(zip(first, value, strict=False)):
            yield from self._child(f"{pointer}/{key}/{index}", child, item, (*path, index))
        rest_key = "additionalItems" if isinstance(single, list) else "items"
        rest = part.get(rest_key)
        if isinstance(rest, dict | bool):
            for index in range(len(first), len(value)):
                yield from self._child(f"{pointer}/{rest_key}", rest, value[index], (*path, index))

    def _same_place(self, pointer: str, part: dict[str, Json], value: Json, path: _Path) -> Iterator[Violation]:
        if (target := _target(ref := part.get("$ref"), self.explainer.root)) is not None:
            yield from self._child(_pointer(str(ref)), target, value, path)
        for index, child in enumerate(_items(part.get("allOf"))):
            yield from self._child(f"{pointer}/allOf/{index}", child, value, path)
        for key in ("anyOf", "oneOf"):
            if key in part:
                yield from self._alternatives(f"{pointer}/{key}", _items(part[key]), value, path)
        if "not" in part and self.explainer.valid(f"{pointer}/not", value):
            yield self._at(path, "matches what the schema forbids (not).")
        if "if" in part:
            key = "then" if self.explainer.valid(f"{pointer}/if", value) else "else"
            if key in part:
                yield from self._child(f"{pointer}/{key}", part[key], value, path)

    def _alternatives(self, pointer: str, parts: list[Json], value: Json, path: _Path) -> Iterator[Violation]:
        """Yield why no alternative fits; where only one has the value's kind, why that one does not."""
        matching = sum(bool(self.explainer.valid(f"{pointer}/{index}", value)) for index in range(len(parts)))
        if matching == 1 or (matching > 1 and pointer.endswith("anyOf")):
            return
        if matching > 1:
            yield self._at(path, f"matches {matching} alternatives where exactly one is allowed (oneOf).")
            return
        near = [index for index, part in enumerate(parts) if self._has_kind(part, value)]
        if len(near) == 1:
            yield from self.part(f"{pointer}/{near[0]}", parts[near[0]], value, path)
        else:
            yield self._at(path, f"matches none of the {len(parts)} alternatives, as {a_kind_of(value)}.")

    def _has_kind(self, part: Json, value: Json) -> bool:
        """Whether an alternative is meant for values such as this one, judged by `type` and by fixed properties."""
        seen = 0
        while isinstance(part, dict) and (target := _target(part.get("$ref"), self.explainer.root)) is not None:
            part, seen = target, seen + 1
            if seen > 20:
                return False
        if not isinstance(part, dict):
            return False
        kinds = part.get("type")
        wanted = _items(kinds) or ([kinds] if isinstance(kinds, str) else [])
        if wanted and kind_of(value) not in wanted and not (isinstance(value, int) and "number" in wanted):
            return False
        if not isinstance(value, dict):
            return True
        children = _fields(part.get("properties")).items()
        return all(
            value.get(key) == child["const"] for key, child in children if isinstance(child, dict) and "const" in child
        )

    def _child(self, pointer: str, part: Json, value: Json, path: _Path) -> Iterator[Violation]:
        if self.explainer.valid(pointer, value) is False:
            yield from self.part(pointer, part, value, path)

    def _at(self, path: _Path, why: str) -> Violation:
        return Violation(self.name, dotted(path), why)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _pointer(ref: str) -> str:
    return "/".join(["#", *map(_escape, _tokens(ref))])


def _a(kind: str) -> str:
    if kind == "null":
        return kind
    return f"an {kind}" if kind[:1].lower() in "aeiou" else f"a {kind}"


def _sentence(key: str, wanted: Json, value: Json) -> str:
    """Return one sentence about a broken keyword: what the schema wants, never what the value is."""
    if key == "type":
        kinds = " or ".join(_a(str(kind)) for kind in (_items(wanted) or [wanted]))
        return f"must be {kinds}, not {a_kind_of(value)}."
    shown = _shown(wanted)
    if key == "pattern" and isinstance(wanted, str):
        return f"does not match the pattern {shown}."
    if key == "format":
        return f"is not a valid {shown.strip(chr(39))}."
    template = _TEMPLATES.get(key)
    return f"does not match its schema ({key})." if template is None else template.format(shown)


_TEMPLATES = {
    "const": "must be {}.",
    "enum": "must be one of {}.",
    "minLength": "must have at least {} characters.",
    "maxLength": "must have at most {} characters.",
    "minimum": "must be at least {}.",
    "maximum": "must be at most {}.",
    "exclusiveMinimum": "must be more than {}.",
    "exclusiveMaximum": "must be less than {}.",
    "multipleOf": "must be a multiple of {}.",
    "minItems": "must have at least {} items.",
    "maxItems": "must have at most {} items.",
    "uniqueItems": "must not hold the same item twice.",
    "minProperties": "must have at least {} properties.",
    "maxProperties": "must have at most {} properties.",
    "dependentRequired": "lacks properties that its other properties need.",
}


def _shown(wanted: Json) -> str:
    """Return what a schema wants, as short safe text."""
    if isinstance(wanted, str):
        return f"'{safe(wanted, max_chars=SHOWN_MAX)}'"
    if isinstance(wanted, list):
        return safe(", ".join(map(_plain, wanted[:20])), max_chars=SHOWN_MAX)
    return safe(_plain(wanted), max_chars=SHOWN_MAX)


def _plain(wanted: Json) -> str:
    if isinstance(wanted, str):
        return f"'{wanted}'"
    if isinstance(wanted, bool) or wanted is None:
        return {True: "true", False: "false", None: "null"}[wanted]
    return str(wanted) if isinstance(wanted, int | float) else a_kind_of(wanted)
