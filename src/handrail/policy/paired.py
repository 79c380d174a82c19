"""Handrail's own calls beside an action: the before-image, the undo, the read-back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from handrail.core.digest import Json
from handrail.core.outcome import Violation
from handrail.core.text import safe
from handrail.core.tool import EffectError, Paired
from handrail.policy import paths
from handrail.policy.checks import Holds
from handrail.policy.conditions import EXPECT_NAMES, condition
from handrail.policy.document import Node
from handrail.policy.fields import Fields
from handrail.policy.model import PairedSpec
from handrail.policy.paths import MISSING, Path, PathError, Template
from handrail.policy.problems import Problems, quoted
from handrail.policy.redact import Redact


@dataclass(frozen=True, slots=True)
class _Constant:
    """A value that is sent as it is."""

    value: Json


_Source = Path | Template | _Constant


@dataclass(frozen=True, slots=True)
class BuildArgs:
    """Builds the arguments of a paired call; an optional path that leads nowhere leaves its argument out."""

    sources: tuple[tuple[str, _Source], ...]

    def __call__(self, scope: Mapping[str, Json]) -> dict[str, Json]:
        """Return the arguments. Raises `EffectError`."""
        out: dict[str, Json] = {}
        for name, source in self.sources:
            if isinstance(source, _Constant):
                out[name] = source.value
            elif isinstance(source, Template):
                out[name] = source.render(scope)
            else:
                value = source.get(scope)
                if value is not MISSING:
                    out[name] = value
        return out


def _before_image(scope: Mapping[str, Json]) -> dict[str, Json]:
    """The before-image itself is the arguments object."""
    before = scope.get("before")
    if isinstance(before, dict):
        return dict(before)
    raise EffectError("There is no before-image to go back to (it is no object), so this cannot be undone.")


def paired(spec: PairedSpec, roots: tuple[str, ...], problems: Problems, hide: Redact | None = None) -> Paired:
    """Compile one paired call; problems are noted. That `call` exists is checked elsewhere.

    Args:
        spec: The declaration.
        roots: What its paths may start with.
        problems: Where problems go.
        hide: Replaces what is secret to the tool that declares it, for the sentences of `expect`; None for nothing.
    """
    build: Callable[[Mapping[str, Json]], dict[str, Json]] = _before_image
    if spec.args is not None:
        sources = [(name, _source(node, roots, problems)) for name, node in spec.args.items()]
        build = BuildArgs(tuple((name, source) for name, source in sources if source is not None))
    elif "before" not in roots:
        problems.add(spec.at, "'args: before' needs a before-image. Declare 'before' for this tool.")
    return Paired(str(spec.call.value), build, _expect(spec, hide, problems))


def _expect(
    spec: PairedSpec, hide: Redact | None, problems: Problems
) -> Callable[[Mapping[str, Json]], tuple[Violation, ...]] | None:
    if not spec.expect:
        return None
    compiled = [condition(node, EXPECT_NAMES, problems) for node in spec.expect]
    holds = [Holds("read_back", one) for one in compiled if one is not None]

    def expect(scope: Mapping[str, Json]) -> tuple[Violation, ...]:
        values = {name: scope.get(name) for name in EXPECT_NAMES}
        visible = None if hide is None else hide(values)
        return tuple(v for one in holds for v in one.test(values, visible))

    return expect


def _source(node: Node, roots: tuple[str, ...], problems: Problems) -> _Source | None:
    """An argument is a path, a text with paths in braces, a constant, or {value: constant}."""
    if isinstance(node.value, dict):
        fields = Fields(node, "an argument written as a mapping", ("value",), problems)
        constant = fields.node("value")
        return None if constant is None else _Constant(constant.plain())
    if isinstance(node.value, list):
        problems.add(node.at, "An argument is a path such as args.id, or a constant. Write a list as {value: […]}.")
        return None
    if not isinstance(node.value, str):
        return _Constant(node.value)
    text = node.value
    try:
        if paths.looks_like_path(text) or text in roots:
            return paths.path(text, roots, whole=True)
        if "{" in text or "}" in text:
            return paths.template(text, roots)
    except PathError as error:
        root = text.split(".")[0].split("[")[0]
        hint = ""
        if "before" not in roots and root == "before":
            hint = " Declare 'before' for this tool to have a before-image."
        elif "{" not in text:
            hint = f" A constant with a dot is written {{value: {quoted(text)}}}."
        problems.add(node.at, f"{safe(error, max_chars=400)}{hint}")
        return None
    return _Constant(text)
