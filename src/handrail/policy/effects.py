"""Declared effects, compiled: arguments in, effects out; what only the result tells is bound afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from handrail.core.digest import Json
from handrail.core.effect import PLACEHOLDER, Effect, Verb
from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.core.tool import EffectError
from handrail.policy import cel, paths
from handrail.policy.cel import Condition, ConditionError
from handrail.policy.conditions import EFFECT_NAMES, condition
from handrail.policy.document import Node
from handrail.policy.each import Each, each_of
from handrail.policy.model import EffectSpec
from handrail.policy.normal import Normalise
from handrail.policy.paths import MISSING, Path, PathError, Template
from handrail.policy.problems import Problems, quoted
from handrail.policy.views import NO_VIEWS, Views
from handrail.policy.zones import Zones

RESOURCE_MAX = 2_000
"""Characters that a resource id may have."""

AMOUNT_MAX = 2**63 - 1
"""The largest amount; sums stay within 64 bits."""

EFFECTS_MAX = 200
"""Effects that one call may have."""

UNDECLARED = (Effect(Verb.EXECUTE),)
"""What a tool does that declares nothing: anything."""

Compiled = TypeVar("Compiled")


@dataclass(frozen=True, slots=True)
class _Declared:
    """One compiled effect."""

    verb: Verb
    when: Condition | None
    resource: Template | None
    unbound: bool
    to: Template | None
    zone: Path | None
    fixed_zone: str | None
    amount: Path | None
    puts: tuple[str, ...] = ()
    each: Each | None = None


@dataclass(frozen=True, slots=True)
class DeclaredEffects:
    """The effects of one tool; implements `core.tool.Effects`."""

    declared: tuple[_Declared, ...]
    normalise: Normalise
    zones: Zones
    needs: Mapping[str, frozenset[str] | None]
    views: Views

    def of(self, args: Mapping[str, Json]) -> tuple[Effect, ...]:
        """Return the effects of a call with `args`. Raises `EffectError`."""
        if not self.declared:
            return UNDECLARED
        scope: dict[str, Json] = {"args": args}  # type: ignore[dict-item]
        for name in self.views:
            scope[name] = self.views[name](args)
        effects = tuple([self._effect(one, seen) for one, seen in self._chosen(scope)])
        if len(effects) > EFFECTS_MAX:
            raise EffectError(
                f"This call would have {len(effects)} effects; {EFFECTS_MAX} are judged. Do less at once."
            )
        return effects

    def bind(self, effects: tuple[Effect, ...], args: Mapping[str, Json], result: Json) -> tuple[Effect, ...]:
        """Return `effects` with every unbound resource read from `result`. Raises `EffectError`."""
        if all(effect.bound for effect in effects):
            return effects
        scope: dict[str, Json] = {"args": dict(args), "result": result}
        for name in self.views:
            scope[name] = self.views[name](args)
        chosen = self._chosen(scope)
        if len(chosen) != len(effects):
            raise EffectError("The effects of these arguments changed since they were decided. Look at the policy.")
        return tuple(
            effect
            if effect.bound or one.resource is None
            else effect._replace(resource=self._id(one.resource, seen), bound=True)
            for (one, seen), effect in zip(chosen, effects, strict=True)
        )

    def _chosen(self, scope: Mapping[str, Json]) -> list[tuple[_Declared, Mapping[str, Json]]]:
        """Return the effects that these arguments have, each with what it is told from."""
        chosen: list[tuple[_Declared, Mapping[str, Json]]] = []
        context = cel.context(self.needs, scope) if self.needs else None
        try:
            for one in self.declared:
                if one.each is not None:
                    chosen += [(one, seen) for seen in one.each.items(scope) if _fits(one, seen)]
                elif one.when is None or (context is not None and one.when.test(context)):
                    chosen.append((one, scope))
        except ConditionError as error:
            raise EffectError(
                f"What this call does cannot be told: {error}. Send what the policy asks about."
            ) from None
        if not chosen:
            raise EffectError(
                "No declared effect fits these arguments. Send others, or ask for the policy to be extended."
            )
        return chosen

    def _effect(self, one: _Declared, scope: Mapping[str, Json]) -> Effect:
        if one.resource is None:
            resource = ""
        elif one.unbound:
            resource = self.normalise(one.resource.render(scope, PLACEHOLDER))
        else:
            resource = self._id(one.resource, scope)
        return Effect(
            one.verb,
            resource,
            not one.unbound,
            None if one.to is None else self._id(one.to, scope),
            one.fixed_zone if one.zone is None else self._zone(one.zone, scope),
            None if one.amount is None else _amount(one.amount, scope),
            puts=one.puts,
        )

    def _id(self, template: Template, scope: Mapping[str, Json]) -> str:
        text = template.render(scope)
        if len(text) > RESOURCE_MAX:
            raise EffectError(
                f"The id {quoted(text[:40])} is longer than {RESOURCE_MAX:,} characters. Send a shorter one."
            )
        return self.normalise(text)

    def _zone(self, path: Path, scope: Mapping[str, Json]) -> str | None:
        value = path.get(scope)
        if path.optional and (value is MISSING or value == ""):
            return None
        return self.zones.of(paths.scalar_text(path, value))


def _fits(one: _Declared, scope: Mapping[str, Json]) -> bool:
    return one.when is None or one.when.test(cel.context(one.when.needs, scope))


def _amount(path: Path, scope: Mapping[str, Json]) -> int | None:
    value = path.get(scope)
    if value is MISSING:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= AMOUNT_MAX:
        return value
    raise EffectError(f"{safe(path.text)} is no amount: send whole units (such as cents), 0 or more, as a number.")


def effects(
    specs: tuple[EffectSpec, ...], normalise: Normalise, zones: Zones, problems: Problems, views: Views = NO_VIEWS
) -> DeclaredEffects:
    """Compile the effects of one tool; problems are noted."""
    declared = tuple(_declared(spec, zones, problems) for spec in specs)
    needs = cel.merge(one.when for one in declared if one.when is not None and one.each is None)
    return DeclaredEffects(declared, normalise, zones, needs, views)


def _declared(spec: EffectSpec, zones: Zones, problems: Problems) -> _Declared:
    each = None if spec.each is None else each_of(spec.each, problems)
    names = EFFECT_NAMES if each is None else {**EFFECT_NAMES, each.item: None, "each": None}
    roots = ("args", "result") if each is None else ("args", "each")
    resource = _compiled(spec.resource, lambda text: paths.template(text, roots), problems)
    zone, fixed = _zone_of(spec.zone, zones, problems)
    return _Declared(
        spec.verb,
        None if spec.when is None else condition(spec.when, names, problems),
        resource,
        resource is not None and resource.needs("result"),
        _compiled(spec.to, lambda text: _decided(paths.template(text, roots), "to"), problems),
        zone,
        fixed,
        _compiled(spec.amount, lambda text: _args_only(text, "amount"), problems),
        tuple(str(node.value) for node in spec.labels),
        each,
    )


def _compiled(node: Node | None, compile_text: Callable[[str], Compiled], problems: Problems) -> Compiled | None:
    if node is None:
        return None
    try:
        return compile_text(str(node.value))
    except PathError as error:
        problems.add(node.at, str(error))
        return None


def _decided(template: Template, key: str) -> Template:
    if template.needs("result"):
        raise PathError(f"{quoted(key)} is decided before the call, so it cannot come from the result. Use args.")
    return template


def _args_only(text: str, key: str) -> Path:
    if text.startswith("result"):
        raise PathError(f"{quoted(key)} is decided before the call, so it cannot come from the result. Use args.")
    return paths.path(text, ("args",))


def _zone_of(node: Node | None, zones: Zones, problems: Problems) -> tuple[Path | None, str | None]:
    """A zone is a path, or the name of a declared zone."""
    if node is None:
        return None, None
    text = str(node.value)
    if paths.looks_like_path(text):
        return _compiled(node, lambda path: _args_only(path, "zone"), problems), None
    known = zones.known(text)
    if known is None:
        hint = did_you_mean(text, sorted(zones.names)) or " Declare it under 'zones', or give a path such as args.env."
        problems.add(node.at, f"Zone {quoted(text)} is not declared.{hint}")
    return None, known
