"""A typed agreement about a value that one agent hands to another.

The producer promises it, but the consumer's side checks it, before it runs (promise 5.1). A contract speaks of a Python
type, of a JSON Schema, or of both, and of checks that no schema can say.

A value may come as Python objects or as plain JSON. Objects are checked strictly: nothing is coerced, though a
dictionary of its fields (`model_dump()`) may stand for a model. Plain JSON is checked as strictly, except that text may
stand for what JSON has no form for: `"2026-01-01T00:00:00Z"` for a datetime, an array for a set, an object for a model.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import inspect
import textwrap
import typing
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload

from handrail.contracts.results import Typed
from handrail.contracts.schema import SHOWN_MAX, VIOLATIONS_MAX, Check, ContractError, a_kind_of, schema_checker
from handrail.core.digest import DEPTH_MAX, Json, NotJson, digest, to_json
from handrail.core.outcome import Violation
from handrail.core.text import safe

T = TypeVar("T")

ValueCheck: TypeAlias = Callable[[Json], tuple[Violation, ...]]
"""A check of one's own: the value as JSON, to what it breaks; empty when it is fine."""

NAME_MAX = 100
"""Characters of a contract's name."""


class ContractBroken(ValueError):  # noqa: N818 (it says what happened to the contract)
    """The value breaks its contract; `violations` says where and how.

    Attributes:
        contract: Name of the contract.
        violations: What the value breaks; never empty.
    """

    def __init__(self, contract: str, violations: tuple[Violation, ...]) -> None:
        first = violations[0]
        at = f"'{first.path}' " if first.path else "the value "
        more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
        super().__init__(f"Contract '{safe(contract, max_chars=NAME_MAX)}' is broken: {at}{first.why}{more}")
        self.contract = contract
        self.violations = violations


class Contract(Generic[T]):
    """What a handed-over value has to be.

    Args:
        name: What the agents call it; its violations carry this name. 1 to `NAME_MAX` characters.
        type: A pydantic model, a dataclass, a typed dictionary, or any annotation; None when only `schema` says it.
        schema: A JSON Schema that the value's JSON form has to match as well.
        checks: Functions from the value's JSON form to what it breaks. They run when type and schema hold; one that
            raises is a violation.

    Raises:
        ContractError: Neither a type nor a schema is given, or one of them cannot be used.
    """

    __slots__ = ("__weakref__", "_checks", "_digest", "_loose", "_schema", "_schema_check", "_typed", "name", "type")

    name: str
    type: object

    @overload
    def __init__(
        self, name: str, type: builtins.type[T], *, schema: Json | None = None, checks: Sequence[ValueCheck] = ()
    ) -> None: ...

    @overload
    def __init__(
        self: Contract[Any],
        name: str,
        type: object = None,
        *,
        schema: Json | None = None,
        checks: Sequence[ValueCheck] = (),
    ) -> None: ...

    def __init__(
        self, name: str, type: object = None, *, schema: Json | None = None, checks: Sequence[ValueCheck] = ()
    ) -> None:
        if not 1 <= len(name) <= NAME_MAX:
            raise ContractError(f"The name of a contract has 1 to {NAME_MAX} characters, not {len(name)}.")
        where = f"Contract '{safe(name, max_chars=NAME_MAX)}'"
        if type is None and schema is None:
            raise ContractError(f"{where} needs a type or a JSON Schema; without one it would accept everything.")
        self.name = name
        self.type = type
        self._typed = None if type is None else Typed(type, where, name)
        self._loose = None if type is None else Typed(type, where, name, instances=False)
        self._schema_check: Check | None = None if schema is None else schema_checker(schema, where)
        self._schema = None if schema is None else to_json(schema)
        self._checks = tuple(checks)
        self._digest = ""

    @classmethod
    def from_type(cls, type: builtins.type[T], *, name: str = "", checks: Sequence[ValueCheck] = ()) -> Contract[T]:
        """Return the contract that a class is by itself, under the name of the class unless another is given."""
        return cls(name or type.__name__, type, checks=checks)

    def __repr__(self) -> str:
        return f"<Contract {safe(self.name, max_chars=NAME_MAX)}>"

    @property
    def digest(self) -> str:
        """SHA-256 over the JSON Schemas of the contract and the sources of its checks, as 64 hexadecimal digits.

        Two contracts that ask for the same share it, whatever their names. It changes with everything asked for: with
        a field, a bound, a check's source, or a number that a check was made with. It may also change with a new
        version of pydantic, which writes schemas its own way.
        """
        if not self._digest:
            self._digest = digest(
                {
                    "type": None if self.type is None else _described(self.type),
                    "schema": self._schema,
                    "checks": [_source(check) for check in self._checks],
                }
            )
        return self._digest

    def check(self, value: object) -> tuple[Violation, ...]:
        """Return what `value` breaks, at most `VIOLATIONS_MAX`; empty when the contract holds. It never raises."""
        return self._read(value)[1]

    def parse(self, value: object) -> T:
        """Return the value as the consumer's type: a model for its JSON or its fields, and an instance as it is.

        Raises:
            ContractBroken: It breaks the contract.
        """
        parsed, violations = self._read(value)
        if violations:
            raise ContractBroken(self.name, violations)
        return cast("T", parsed)

    def _read(self, value: object) -> tuple[object, tuple[Violation, ...]]:
        parsed, as_json = value, None
        plain = _is_plain(value)
        if plain or self._schema_check is not None or self._checks:
            try:
                as_json = to_json(value)
            except NotJson as error:
                return None, (Violation(self.name, "", safe(error)),)
            except Exception as error:  # noqa: BLE001 (a model's own dump is foreign code)
                return None, (self._unable(error, f"the JSON form of {a_kind_of(value)}"),)
        if self._typed is not None and self._loose is not None:
            if plain:
                import orjson  # noqa: PLC0415 (import stays light)

                parsed, found = self._loose.parse_json(orjson.dumps(as_json))
            elif found := self._typed.check(value):  # not the type itself: perhaps the dictionary of a model
                parsed, found = self._loose.parse(value)
            if found:
                return None, found
        if self._schema_check is not None and (found := self._schema_check(as_json, self.name)):
            return None, found
        return parsed, self._run_checks(as_json)

    def _run_checks(self, value: Json) -> tuple[Violation, ...]:
        found: list[Violation] = []
        for index, check in enumerate(self._checks):
            try:
                found.extend(map(_violation, check(value)))
            except Exception as error:  # noqa: BLE001 (a check is foreign code: one that fails has not said yes)
                found.append(self._unable(error, f"checks[{index}]"))
        return tuple(found[:VIOLATIONS_MAX])

    def _unable(self, error: Exception, what: str) -> Violation:
        return Violation(self.name, "", f"cannot be checked: {what} raised {safe(type(error).__name__, max_chars=40)}.")


def _violation(one: object) -> Violation:
    if isinstance(one, Violation):
        return one
    raise TypeError("a check returns violations")


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether a value is made of nothing but what JSON has."""
    kind = type(value)
    if value is None or kind in _SCALARS:
        return True
    if depth > DEPTH_MAX:
        return True  # the conversion to JSON refuses it, with the place
    if kind is dict:
        fields = cast("dict[object, object]", value)
        return all(type(key) is str and _is_plain(item, depth + 1) for key, item in fields.items())
    return kind is list and all(_is_plain(item, depth + 1) for item in cast("list[object]", value))


_SCALARS = frozenset({bool, int, float, str})


def _described(annotation: Any) -> Json:
    """Return the JSON Schema of a type; for one that has none, its name."""
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 (import stays light)
    from pydantic.errors import PydanticUserError  # noqa: PLC0415 (the same)

    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # it brings its own configuration
        adapter = TypeAdapter(annotation)
    try:
        return to_json(adapter.json_schema())
    except (PydanticUserError, NotJson):
        return {"python": f"{getattr(annotation, '__module__', '')}.{getattr(annotation, '__qualname__', annotation)}"}


def _source(check: object) -> Json:
    """Return what makes a check what it is: its source, and the plain values that it was made with."""
    if isinstance(check, functools.partial):
        return {"of": _source(check.func), "with": _made_with([*check.args, *check.keywords.items()])}
    if inspect.ismethod(check):
        return {"of": _source(check.__func__), "with": _made_with([check.__self__])}
    function: Any = check if inspect.isfunction(check) else type(check)
    try:
        text = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        text = _compiled(function)
    if not inspect.isfunction(check):
        return {"source": text, "with": _made_with([getattr(check, "__dict__", None)])}
    cells = [cell.cell_contents for cell in check.__closure__ or () if _filled(cell)]
    return {"source": text, "with": _made_with([*cells, check.__defaults__, check.__kwdefaults__])}


def _filled(cell: typing.Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a name that was never assigned
        return False


def _compiled(function: Any) -> str:
    """Return a digest of the compiled code, for functions whose source is not at hand."""
    code = getattr(function, "__code__", None)
    if code is None:
        return f"{function.__module__}.{function.__qualname__}"
    whole = repr((code.co_code.hex(), [c for c in code.co_consts if not inspect.iscode(c)], code.co_names))
    return hashlib.sha256(whole.encode()).hexdigest()


def _made_with(values: Sequence[object]) -> list[Json]:
    shown: list[Json] = []
    for value in values:
        try:
            shown.append(to_json(value, bytes_max=64 * 1024))
        except Exception:  # noqa: BLE001 (no JSON form: the kind has to do)
            shown.append(safe(type(value).__qualname__, max_chars=SHOWN_MAX))
    return shown
