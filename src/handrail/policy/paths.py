"""Dotted paths of declarations (`args.tags.env?`) and texts with paths in braces (`instance/{args.id}`).

A path without `?` must lead to a value. With `?` it may be absent or null. A value of another shape than the path
expects is an error either way: an agent must not slip past a declaration by sending a text where an object belongs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from handrail.core.digest import Json
from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.core.tool import EffectError
from handrail.policy.problems import quoted

PATH_MAX = 500
"""Characters that a path may have."""


class PathError(ValueError):
    """The text is no path; the message says why."""


class Missing(Enum):
    """The type of `MISSING`."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING
"""What an optional path gives when it leads nowhere."""

_STEP = re.compile(r"""\.([^.\[\]{}?"'\s]+)|\[(\d{1,9})\]|\[("[^"\\]*"|'[^'\\]*')\]|(\[\])""")
_ROOT = re.compile(r"[A-Za-z_]\w*")
_LOOKS = re.compile(r"[A-Za-z_]\w*(?:\.[^.\[\]{}?\"'\s/:@]+|\[[^\[\]]*\])+\??")


@dataclass(frozen=True, slots=True)
class Path:
    """One compiled path.

    Attributes:
        text: As written, without the `?`.
        root: `args`, `before`, `result` or `seen`.
        steps: Keys and indexes; None stands for `[]`, every element.
        optional: Whether it may lead nowhere.
    """

    text: str
    root: str
    steps: tuple[str | int | None, ...]
    optional: bool

    def get(self, scope: Mapping[str, Json]) -> Json | Missing:
        """Return the value in `scope`, which holds the roots; `MISSING` only when optional. Raises `EffectError`."""
        if self.root not in scope:
            raise EffectError(f"{safe(self.text)} is missing: there is no {self.root} at this point.")
        return self.of(scope[self.root])

    def of(self, value: Json) -> Json | Missing:
        """Return the value under the root's own value. Raises as `get` does."""
        for index, step in enumerate(self.steps):
            if isinstance(value, dict) and isinstance(step, str):
                if step not in value:
                    return self._absent(index + 1)
                value = value[step]
            elif isinstance(value, list) and isinstance(step, int):
                if step >= len(value):
                    return self._absent(index + 1)
                value = value[step]
            elif value is None:
                return self._absent(index)
            else:
                wanted = "a list" if isinstance(step, int) else "an object"
                advice = ": send it in the declared shape." if self.root == "args" else "."
                raise EffectError(f"{self.shown(index)} is not {wanted}{advice}")
        return MISSING if value is None and self.optional else value

    def _absent(self, upto: int) -> Missing:
        if self.optional:
            return MISSING
        what = safe(self.text)
        reason = "" if upto == len(self.steps) else f" ({self.shown(upto)} is missing or null)"
        raise EffectError(f"{what} is missing{reason}" + (": send it." if self.root == "args" else "."))

    def shown(self, upto: int) -> str:
        """Return the path up to a step, for messages."""
        text = self.root
        for step in self.steps[:upto]:
            text += f".{step}" if isinstance(step, str) else "[]" if step is None else f"[{step}]"
        return safe(text)


def looks_like_path(text: str) -> bool:
    """Return whether a text is written like a path, whatever its root."""
    return _LOOKS.fullmatch(text) is not None


def path(text: str, roots: tuple[str, ...], *, every: bool = False, whole: bool = False) -> Path:
    """Compile a path.

    Args:
        text: The path.
        roots: What it may start with.
        every: Whether `[]` (every element) may occur.
        whole: Whether the root alone is a path.

    Raises:
        PathError: It is none, or starts elsewhere.
    """
    body = text.removesuffix("?")
    found = _ROOT.match(body)
    if found is None or len(text) > PATH_MAX:
        raise PathError(f"{quoted(text)} is not a path. A path looks like {roots[0]}.id or {roots[0]}.items[0].id.")
    root = found[0]
    if root not in roots:
        hint = did_you_mean(root, roots) or f" It starts with {_either(roots)}."
        raise PathError(f"A path cannot start with {quoted(root)} here.{hint}")
    steps: list[str | int | None] = []
    at = found.end()
    while at < len(body):
        step = _STEP.match(body, at)
        if step is None or (step[4] and not every):
            raise PathError(f"{quoted(text)} is not a path: {quoted(body[at:])} cannot be read.")
        steps.append(_step(step))
        at = step.end()
    if not steps and not whole:
        raise PathError(f"{quoted(text)} names no member. Write for example {root}.id.")
    return Path(body, root, tuple(steps), text.endswith("?"))


def _step(found: re.Match[str]) -> str | int | None:
    if found[2]:
        return int(found[2])
    return found[3][1:-1] if found[3] else found[1]


def _either(roots: tuple[str, ...]) -> str:
    return " or ".join(f"{root}." for root in roots)


@dataclass(frozen=True, slots=True)
class Template:
    """A text with paths in braces.

    Attributes:
        text: As written.
        parts: Literal texts and paths in turn.
    """

    text: str
    parts: tuple[str | Path, ...]

    def needs(self, root: str) -> bool:
        """Return whether a path starts with `root`."""
        return any(isinstance(part, Path) and part.root == root for part in self.parts)

    def render(self, scope: Mapping[str, Json], placeholder: str | None = None) -> str:
        """Return the text with every path replaced by its value.

        Args:
            scope: The roots.
            placeholder: What stands for a path whose root is not in the scope; None raises instead.

        Raises:
            EffectError: A value is missing, null, empty, or no text, integer or yes-no.
        """
        out = ""
        for part in self.parts:
            if isinstance(part, str):
                out += part
            elif placeholder is not None and part.root not in scope:
                out += placeholder
            else:
                out += scalar_text(part, part.get(scope))
        return out


def scalar_text(source: Path, value: Json | Missing) -> str:
    """Return a value as part of an id. Raises `EffectError`."""
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if value is None or isinstance(value, Missing):
        what = "null"
    elif isinstance(value, str):
        what = "empty"
    else:
        what = {float: "a fraction", list: "a list", dict: "an object"}[type(value)]
    raise EffectError(f"{safe(source.text)} is {what}: an id is text or a whole number.")


_ROOTS = frozenset({"args", "before", "each", "result", "seen"})
_HOLE = re.compile(r"\{([^{}]*)\}")


def template(text: str, roots: tuple[str, ...]) -> Template:
    """Compile a text with paths in braces.

    Raises:
        PathError: A brace is not closed, or what is inside is no path.
    """
    if looks_like_path(text) and re.split(r"[.\[]", text, maxsplit=1)[0] in _ROOTS:
        raise PathError(f'{quoted(text)} would be taken as it is. Put a path in braces: "kind/{{{safe(text)}}}".')
    parts: list[str | Path] = []
    at = 0
    for hole in _HOLE.finditer(text):
        if hole.start() > at:
            parts.append(text[at : hole.start()])
        if hole[1].endswith("?"):
            raise PathError(f"{quoted(hole[1])} cannot be optional inside an id. Remove the '?'.")
        parts.append(path(hole[1], roots, whole=hole[1] == "each"))
        at = hole.end()
    if at < len(text):
        parts.append(text[at:])
    if any(isinstance(part, str) and ("{" in part or "}" in part) for part in parts):
        raise PathError(f'A brace in {quoted(text)} is not closed. Paths stand in braces: "kind/{{args.id}}".')
    if not text.strip():
        raise PathError('This is empty. Write for example "instance/{args.id}", or leave the key out.')
    return Template(text, tuple(parts))
