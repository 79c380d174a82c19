"""A return annotation becomes a check of what a tool really returned.

`compile_fields` is what arguments, results and hand-offs share: named annotations become one strict pydantic validator.
Three things are not pydantic's default. Instances of models and dataclasses are validated again, whatever their own
configuration says, because an object that was valid when it was made may have been changed since. Nothing is coerced:
`"5"` is no integer. And a sentence says what a value is and should be, not its content.
"""

from __future__ import annotations

import functools
import inspect
import json
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from handrail.contracts.schema import SHOWN_MAX, VIOLATIONS_MAX, ContractError, a_kind_of, dotted
from handrail.core.outcome import Violation
from handrail.core.text import safe

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_core import SchemaValidator

_UNCHECKED = {
    "Awaitable": "an awaitable",
    "Coroutine": "a coroutine",
    "Iterator": "an iterator",
    "Generator": "a generator",
    "AsyncIterator": "an asynchronous iterator",
    "AsyncIterable": "an asynchronous iterable",
    "AsyncGenerator": "an asynchronous generator",
}


@dataclass(frozen=True, slots=True)
class ResultCheck:
    """The check of one function's results: call it with a result, get what it breaks. It never raises.

    Attributes:
        unchecked: Why nothing is checked although there is an annotation; empty when results are checked.
    """

    typed: Typed | None
    unchecked: str = ""

    def __call__(self, result: object) -> tuple[Violation, ...]:
        """Return what `result` breaks, at most `VIOLATIONS_MAX`."""
        return () if self.typed is None else self.typed.check(result)


def compile_result(function: Callable[..., object]) -> ResultCheck | None:
    """Compile the check that a function's return annotation stands for.

    Args:
        function: The tool. Of an `async def`, the annotation speaks of the awaited value.

    Returns:
        The check, or None when nothing is annotated (or `Any`, or `object`).

    Raises:
        ContractError: The annotation cannot be resolved, or nothing can be checked against it.
    """
    where = f"The result of {name_of(function)}()"
    written = signature_of(function).return_annotation
    if written is inspect.Signature.empty:
        return None
    annotation = resolve(function, written, where)
    if annotation is Any or annotation is object:
        return None
    if annotation in (typing.Never, typing.NoReturn):
        return ResultCheck(None, "it is declared never to return")
    origin: Any = typing.get_origin(annotation) or annotation
    if getattr(origin, "__module__", "") == "collections.abc" and origin.__name__ in _UNCHECKED:
        return ResultCheck(None, f"{_UNCHECKED[origin.__name__]} is used up by reading it")
    return ResultCheck(Typed(annotation, where, "result"))


class Typed:
    """One annotation as a check, strict and never raising.

    Args:
        annotation: A resolved annotation.
        where: What it annotates, for messages: `The result of f()`.
        name: The name of the check in its violations.
        instances: As for `compile_fields`.
    """

    __slots__ = ("_fields", "_name")

    def __init__(self, annotation: object, where: str, name: str, *, instances: bool = True) -> None:
        self._name = name
        self._fields = compile_fields({"value": annotation}, lambda _field: where, instances=instances)

    def check(self, value: object) -> tuple[Violation, ...]:
        """Return what a Python value breaks; nothing is coerced."""
        return self._fields.check({"value": value}, self._name, skip=1)

    def parse(self, value: object) -> tuple[Any, tuple[Violation, ...]]:
        """Return what a Python value stands for, and what it breaks (then the value means nothing)."""
        parsed, found = self._fields.parse({"value": value}, self._name, skip=1)
        return (None, found) if found else (parsed["value"], ())

    def parse_json(self, text: bytes) -> tuple[Any, tuple[Violation, ...]]:
        """Return what JSON text stands for, and what it breaks; only without `instances`, which JSON cannot have.

        Nothing is coerced, but text stands for what JSON has no form for, such as a date.
        """
        parsed, found = self._fields.parse_json(b'{"value":' + text + b"}", self._name, skip=1)
        return (None, found) if found else (parsed["value"], ())


def compile_fields(
    fields: Mapping[str, object], where: Callable[[str], str], *, closed: bool = True, instances: bool = True
) -> Fields:
    """Compile named annotations into one strict check of a dictionary.

    Args:
        fields: Resolved annotations by name.
        where: What a name stands for, in messages.
        closed: Whether other names are violations.
        instances: Whether only an instance will do for a model or a dataclass; else a dictionary of its fields as well.

    Raises:
        ContractError: Nothing can be checked against one of the annotations.
    """
    checkable = {name: _checkable(annotation, where(name)) for name, annotation in fields.items()}
    return Fields(_revalidating(_core_schema(checkable, closed=closed, where=where), instances))


class Fields:
    """Values by name, checked together. Made by `compile_fields`."""

    __slots__ = ("_schema", "_validate", "_validator")

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._validator = _validator(schema)
        self._validate = self._validator.validate_python

    def check(self, value: object, name: str, *, skip: int = 0) -> tuple[Violation, ...]:
        """Return what Python values break, at most `VIOLATIONS_MAX`. It never raises.

        Args:
            value: The values by name.
            name: The name of the check.
            skip: Leading parts of each path that are not shown.
        """
        return self.parse(value, name, skip=skip)[1]

    def parse(self, value: object, name: str, *, skip: int = 0) -> tuple[Any, tuple[Violation, ...]]:
        """Return what Python values stand for, and what they break. It never raises. Arguments as for `check`."""
        try:
            return self._validate(value, strict=True, by_alias=True, by_name=True), ()
        except Exception as error:  # noqa: BLE001 (validators of models are foreign code: it must become a violation)
            return None, self._broken(error, value, None, name, skip)

    def parse_json(self, text: bytes, name: str, *, skip: int = 0) -> tuple[Any, tuple[Violation, ...]]:
        """Return what JSON text stands for, and what it breaks. It never raises. Arguments as for `check`."""
        try:
            return self._validator.validate_json(text, strict=True, by_alias=True, by_name=True), ()
        except Exception as error:  # noqa: BLE001 (the same)
            return None, self._broken(error, None, text, name, skip)

    def _broken(
        self, error: Exception, value: object, text: bytes | None, name: str, skip: int
    ) -> tuple[Violation, ...]:
        from pydantic import ValidationError  # noqa: PLC0415 (already loaded by whoever compiled the validator)

        if not isinstance(error, ValidationError):
            return (_unable(error, name),)
        if (places := error.error_count()) > _PLACES_MAX:
            error = self._fewer(error, value, text)
        if error.error_count() > _PLACES_MAX:
            return (Violation(name, "", f"breaks its annotation in {places:,} places."),)
        return _violations(error, value if text is None else json.loads(text), name, skip)

    def _fewer(self, error: ValidationError, value: object, text: bytes | None) -> ValidationError:
        """Validate once more, for the first wrong item of each list: listing a million errors takes seconds."""
        from pydantic import ValidationError  # noqa: PLC0415 (the same)

        validator = _validator(_first_only(self._schema))
        try:
            if text is None:
                validator.validate_python(value, strict=True, by_alias=True, by_name=True)
            else:
                validator.validate_json(text, strict=True, by_alias=True, by_name=True)
        except ValidationError as fewer:
            return fewer
        except Exception:  # noqa: BLE001 (a validator that answers differently the second time: keep the first answer)
            return error
        return error


_PLACES_MAX = 1_000
"""Errors that are listed by pydantic before they are cut to `VIOLATIONS_MAX`."""


def _validator(schema: Any) -> SchemaValidator:
    from pydantic_core import SchemaValidator  # noqa: PLC0415 (import stays light)

    return SchemaValidator(schema, _use_prebuilt=False)


def _first_only(schema: Any) -> Any:
    """Return a copy of a core schema whose lists, tuples and sets stop at their first wrong item."""
    if isinstance(schema, list | tuple):
        return type(schema)(map(_first_only, schema))
    if not isinstance(schema, dict):
        return schema
    out = {key: item if key in _DATA else _first_only(item) for key, item in schema.items()}
    if schema.get("type") in {"list", "tuple", "set", "frozenset"}:
        out["fail_fast"] = True
    return out


def _core_schema(fields: dict[str, Any], *, closed: bool, where: Callable[[str], str]) -> Any:
    from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415 (import stays light)
    from pydantic.warnings import ArbitraryTypeWarning  # noqa: PLC0415 (the same)
    from typing_extensions import TypedDict  # noqa: PLC0415 (pydantic needs this one before Python 3.12)

    make: Any = TypedDict
    holder = make("holder", fields)
    holder.__pydantic_config__ = ConfigDict(strict=True, arbitrary_types_allowed=True)
    try:
        with warnings.catch_warnings():  # "is no type, so everything is allowed" would be a check that never fails
            warnings.simplefilter("error", ArbitraryTypeWarning)
            return _outermost(TypeAdapter(holder).core_schema, "forbid" if closed else "ignore")
    except Exception as error:  # noqa: BLE001 (pydantic runs the hooks of foreign types here)
        if len(fields) > 1:  # one at a time, to name the one that cannot be checked
            for name, annotation in fields.items():
                _core_schema({name: annotation}, closed=closed, where=where)
        name = next(iter(fields), "")
        first_line = str(error).strip().partition("\n")[0]
        raise ContractError(f"{where(name)} cannot be checked against its annotation: {safe(first_line)}") from None


def _outermost(schema: Any, extra: str) -> Any:
    """Return a core schema whose outermost dictionary treats unknown names so; those inside keep their own ways."""
    if schema["type"] == "definitions":
        return {**schema, "schema": _outermost(schema["schema"], extra)}
    return {**schema, "extra_behavior": extra}


def _checkable(annotation: object, where: str) -> object:
    """Return an annotation that can be checked: what means something to type checkers only is anything."""
    if isinstance(annotation, typing.ParamSpecArgs | typing.ParamSpecKwargs) or annotation is typing.Self:
        return Any
    plain = typing.get_origin(annotation) or annotation
    if getattr(plain, "_is_protocol", False) and not getattr(plain, "_is_runtime_protocol", False):
        raise ContractError(f"{where} is a protocol that cannot be checked; decorate the protocol @runtime_checkable.")
    return annotation


# Parts of a core schema that are data, not schemas.
_DATA = frozenset({"config", "custom_error_context", "default", "expected", "members", "metadata", "serialization"})


def _revalidating(schema: Any, instances: bool, *, named: bool = False) -> Any:
    """Return a copy of a core schema that validates instances again.

    Fields that keep the value of an enum accept that value again; `Json[…]` fields accept what they hold.
    """
    if isinstance(schema, list | tuple):
        return type(schema)(_revalidating(item, instances) for item in schema)
    if not isinstance(schema, dict):
        return schema
    if named:
        return {key: _revalidating(item, instances) for key, item in schema.items()}
    kind = schema.get("type")
    out = {
        key: item
        if key in _DATA
        else _revalidating(item, instances, named=key in {"fields", "arguments"} or _tagged(kind, key))
        for key, item in schema.items()
    }
    if kind in {"model", "dataclass"}:
        out["revalidate_instances"] = "always"
        out["strict"] = instances
    if kind == "model" and instances:
        return _instance_first(out)
    if kind == "function-after" and schema["schema"].get("type") == "enum":
        kept = {"type": "literal", "expected": [member.value for member in schema["schema"]["members"]]}
        return {"type": "union", "choices": [out, kept]}
    if kind == "json" and "schema" in schema:
        return {"type": "union", "choices": [out["schema"], out]}
    return out


def _instance_first(model: dict[str, Any]) -> dict[str, Any]:
    """Return a model's schema that takes no dictionary for an instance, as pydantic does in strict mode still."""
    inner = {key: item for key, item in model.items() if key != "ref"}
    cls = model.get("generic_origin", model["cls"])
    out = {"type": "chain", "steps": [{"type": "is-instance", "cls": cls}, inner]}
    return {**out, "ref": model["ref"]} if "ref" in model else out


def _tagged(kind: object, key: str) -> bool:
    return kind == "tagged-union" and key == "choices"


# --- what pydantic found, in our words --------------------------------------------------------------------------------


def _violations(error: Any, value: object, name: str, skip: int) -> tuple[Violation, ...]:
    found: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_context=False, include_input=True):
        kept = list(_real(item["loc"], value, absent=item["type"] in _ABSENT))
        path = dotted(kept[skip:])
        if path not in found and len(found) == VIOLATIONS_MAX:
            break
        sentences = found.setdefault(path, [])
        sentence = _sentence(item)
        if sentence not in sentences:
            sentences.append(sentence)
    return tuple(Violation(name, path, _joined(sentences)) for path, sentences in found.items())


_ABSENT = frozenset({"missing", "missing_argument", "missing_keyword_only_argument", "extra_forbidden"})


def _real(loc: Iterable[int | str], value: object, *, absent: bool) -> Iterable[int | str]:
    """Yield the parts of a location that are places in the value, without the labels of union members."""
    parts = list(loc)
    for index, part in enumerate(parts):
        last = absent and index == len(parts) - 1
        if isinstance(value, dict):
            if part in value:
                yield part
                value = value[part]
            elif last:
                yield part
        elif isinstance(value, list | tuple) and isinstance(part, int):
            yield part
            value = value[part] if part < len(value) else None
        elif isinstance(part, str) and (last or part in _names_of(value)):
            yield part
            value = getattr(value, part, None)


def _names_of(value: object) -> Iterable[str]:
    """Return the field names and aliases of a model or dataclass instance; nothing for other values."""
    kind = type(value)
    fields = getattr(kind, "__pydantic_fields__", None) or getattr(kind, "__dataclass_fields__", None) or {}
    return {*fields, *(alias for field in fields.values() if isinstance(alias := getattr(field, "alias", None), str))}


def _sentence(item: Mapping[str, Any]) -> str:
    kind = str(item["type"])
    if kind.startswith("missing"):
        return "is required but missing"
    if kind == "extra_forbidden":
        return "is not a known name"
    text = str(item["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
    text = text.replace("Input should be", "must be", 1).replace("Input should", "must", 1)
    text = safe(text[:1].lower() + text[1:], max_chars=SHOWN_MAX).rstrip(".")
    if kind.endswith("_type") or kind in {"is_instance_of", "none_required"}:
        return f"{text}, not {a_kind_of(item['input'])}"
    return text


def _joined(sentences: list[str]) -> str:
    if len(sentences) == 1:
        return sentences[0] + "."
    return " or ".join(sentence.partition(", not ")[0] for sentence in sentences[:4]) + "."


def _unable(error: Exception, name: str) -> Violation:
    return Violation(name, "", f"cannot be checked: a validator raised {safe(type(error).__name__, max_chars=40)}.")


# --- reading a function's annotations ---------------------------------------------------------------------------------


def name_of(function: Callable[..., object]) -> str:
    """Return a function's name for messages."""
    return safe(getattr(_plain(function), "__name__", type(function).__name__), max_chars=SHOWN_MAX)


def signature_of(function: Callable[..., object]) -> inspect.Signature:
    """Return a function's signature. Raises `ContractError` when it has none."""
    try:
        return inspect.signature(function)
    except (ValueError, TypeError) as error:
        raise ContractError(f"{name_of(function)}() has no signature that can be read: {safe(error)}.") from None
    except NameError as error:  # annotations that are evaluated only now (Python 3.14)
        raise ContractError(f"An annotation of {name_of(function)}() cannot be resolved: {safe(error)}.") from None


def resolve(function: Callable[..., object], annotation: object, where: str) -> object:
    """Return an annotation with every name in it looked up where the function was defined.

    Raises:
        ContractError: A name is unknown there; `where` says whose annotation it is.
    """
    plain = _plain(function)
    known = {param.__name__: param for param in getattr(plain, "__type_params__", ())}
    holder = SimpleNamespace(__annotations__={"value": annotation})
    try:
        hints = typing.get_type_hints(holder, getattr(plain, "__globals__", {}), known, include_extras=True)
    except Exception as error:  # noqa: BLE001 (an annotation is foreign code that is evaluated here)
        raise ContractError(
            f"{where} has an annotation that cannot be resolved ({safe(error)}). "
            "Define the type at module level, above the function."
        ) from None
    found = hints["value"]
    return None if found is type(None) else found


def _plain(function: Callable[..., object]) -> Any:
    """Return the function that was written, below partials, wrappers and methods."""
    found: Any = function
    for _ in range(100):
        if isinstance(found, functools.partial):
            found = found.func
        elif hasattr(found, "__wrapped__"):
            found = found.__wrapped__
        elif inspect.ismethod(found):
            found = found.__func__
        elif not hasattr(found, "__globals__") and not isinstance(found, type):
            inner = getattr(type(found), "__call__", None)  # noqa: B004 (the method is wanted, not whether there is one)
            if not hasattr(inner, "__globals__"):
                return found
            found = inner
        else:
            return found
    return found
