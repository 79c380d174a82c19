"""A function's signature becomes the names and the check of an action's arguments.

`bind` gives what the policy decides about: every argument by name, defaults included, so that a rule on `env` sees the
`production` that nobody wrote. `check` compares it with the annotations, strictly. Both run on every call, so the plain
case (no `*args`, `**kwargs` or positional-only parameters) never builds Python's own `BoundArguments`.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping
from typing import Any

from handrail.contracts.results import Fields, compile_fields, name_of, resolve, signature_of
from handrail.contracts.schema import SHOWN_MAX, VIOLATIONS_MAX, ContractError
from handrail.core.names import did_you_mean
from handrail.core.outcome import Violation
from handrail.core.text import safe

_POSITIONAL = inspect.Parameter.POSITIONAL_ONLY
_EITHER = inspect.Parameter.POSITIONAL_OR_KEYWORD
_VAR_POSITIONAL = inspect.Parameter.VAR_POSITIONAL
_KEYWORD = inspect.Parameter.KEYWORD_ONLY
_VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD
_TOP = re.compile(r"[.\[]")
_EMPTY = inspect.Parameter.empty


def compile_arguments(function: Callable[..., object], *, inject: frozenset[str] = frozenset()) -> Arguments:
    """Compile how a function's calls are bound and checked.

    Args:
        function: A `def` or `async def`, a method, a partial, or any callable with a signature.
        inject: Parameters that the program passes and the agent does not (a connection, `self`): no arguments.

    Raises:
        ContractError: An injected name is no parameter; an annotation cannot be resolved or checked.
    """
    name = name_of(function)
    signature = signature_of(function)
    for injected in sorted(inject):
        if injected not in signature.parameters:
            near = did_you_mean(injected, signature.parameters)
            shown = safe(injected, max_chars=SHOWN_MAX)
            raise ContractError(f"{name}() has no parameter '{shown}' to inject.{near}")
    fields: dict[str, object] = {}
    extras: object = Any
    for parameter in signature.parameters.values():
        if parameter.name in inject:
            continue
        where = f"Parameter '{parameter.name}' of {name}()"
        annotation = Any if parameter.annotation is _EMPTY else resolve(function, parameter.annotation, where)
        if parameter.kind is _VAR_POSITIONAL:
            fields[parameter.name] = Any if _open(annotation) else list[annotation]  # type: ignore[valid-type]
        elif parameter.kind is _VAR_KEYWORD:
            extras = Any if isinstance(annotation, typing.ParamSpecKwargs) else annotation
        else:
            fields[parameter.name] = annotation
    return Arguments(name, signature, inject, fields, extras)


def _open(annotation: object) -> bool:
    """Whether an annotation of `*args` speaks of the whole (`P.args`, `*Ts`, `Unpack[…]`) instead of each item."""
    return isinstance(annotation, typing.ParamSpecArgs) or typing.get_origin(annotation) is typing.Unpack


class Arguments:
    """The arguments of one function: bound by name, and checked. Made by `compile_arguments`."""

    __slots__ = (
        *("_defaults", "_extras", "_fields", "_inject", "_name", "_names", "_plain", "_positional", "_required"),
        *("_signature", "_checked", "_var_keyword"),
    )

    def __init__(
        self, name: str, signature: inspect.Signature, inject: frozenset[str], fields: dict[str, object], extras: object
    ) -> None:
        parameters = signature.parameters.values()
        kinds = {parameter.kind for parameter in parameters}
        self._name = name
        self._signature = signature
        self._inject = inject
        self._plain = kinds <= {_EITHER, _KEYWORD}
        self._positional = tuple(parameter.name for parameter in parameters if parameter.kind is _EITHER)
        self._names = frozenset(parameter.name for parameter in parameters)
        self._defaults = {
            parameter.name: parameter.default for parameter in parameters if parameter.default is not _EMPTY
        }
        self._required = self._names - self._defaults.keys()
        self._var_keyword = next((parameter.name for parameter in parameters if parameter.kind is _VAR_KEYWORD), None)
        self._fields = frozenset(fields)
        extras_open = self._var_keyword is not None and self._var_keyword not in inject
        self._extras = self._compile_extras(extras) if extras_open else None
        self._checked: Fields | None = None
        if not extras_open or any(annotation is not Any for annotation in fields.values()):
            self._checked = compile_fields(fields, self._where, closed=not extras_open)

    def _where(self, field: str) -> str:
        return f"Parameter '{field}' of {self._name}()"

    def _compile_extras(self, annotation: object) -> Fields | None:
        """Compile the check of what `**kwargs` takes: a type for each, or `Unpack` of a typed dictionary."""
        if annotation is Any:
            return None
        if typing.get_origin(annotation) is typing.Unpack:
            whole: object = typing.get_args(annotation)[0]
        else:
            whole = dict[str, annotation]  # type: ignore[valid-type]
        return compile_fields({"extras": whole}, lambda _field: self._where(str(self._var_keyword)))

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, object]:
        """Return a call's arguments by name: defaults included, injected ones left out.

        `*args` are a list under their own name; `**kwargs` stand under the names that they were given with.

        Raises:
            TypeError: The call does not fit the signature (Python's own words), or a name in `**kwargs` is that of a
                positional-only parameter, so that it would mean two things.
        """
        if not self._plain or len(args) > len(self._positional):
            return self._bind_any(args, kwargs)
        bound = dict(zip(self._positional, args, strict=False))
        if kwargs:
            if not bound.keys().isdisjoint(kwargs):
                return self._bind_any(args, kwargs)
            bound.update(kwargs)
        if not self._required <= bound.keys() <= self._names:
            return self._bind_any(args, kwargs)
        if len(bound) < len(self._names):
            bound = self._defaults | bound
        for name in self._inject:
            bound.pop(name, None)
        return bound

    def _bind_any(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, object]:
        given = self._bind_as_python(args, kwargs)
        bound: dict[str, object] = {}
        for parameter in self._signature.parameters.values():
            name = parameter.name
            if name in self._inject:
                continue
            if parameter.kind is _VAR_POSITIONAL:
                bound[name] = list(given.get(name, ()))
            elif parameter.kind is not _VAR_KEYWORD:
                bound[name] = given.get(name, parameter.default)
        if self._var_keyword is None or self._var_keyword in self._inject:
            return bound
        for name, value in given.get(self._var_keyword, {}).items():
            if name in bound or name in self._inject:
                raise TypeError(
                    f"{self._name}() got a keyword argument '{safe(name, max_chars=SHOWN_MAX)}' that is also the name "
                    "of one of its own parameters; rename the parameter, so that the name means one thing."
                )
            bound[name] = value
        return bound

    def _bind_as_python(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Bind as Python does; injected parameters may still be missing, because the program passes them later."""
        try:
            return self._signature.bind(*args, **kwargs).arguments
        except TypeError:
            if not self._inject:
                raise
            given = self._signature.bind_partial(*args, **kwargs).arguments
            open_ends = {
                p.name for p in self._signature.parameters.values() if p.kind in {_VAR_POSITIONAL, _VAR_KEYWORD}
            }
            if self._required - self._inject - open_ends - given.keys():
                raise
            return given

    def check(self, bound: Mapping[str, object]) -> tuple[Violation, ...]:
        """Return what bound arguments break, at most `VIOLATIONS_MAX`. It never raises.

        Nothing is coerced. A parameter's own default is never a violation (`env: str = None` is common).
        """
        found = () if self._checked is None else self._checked.check(bound, "arguments")
        if self._extras is not None:
            extras = {name: value for name, value in bound.items() if name not in self._fields}
            found += self._extras.check({"extras": extras}, "arguments", skip=1)
        if not found:
            return ()
        excused = {name for name, value in self._defaults.items() if name in bound and bound[name] is value}
        return tuple(one for one in found if _TOP.split(one.path, 1)[0] not in excused)[:VIOLATIONS_MAX]
