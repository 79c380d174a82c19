"""Secret paths, replaced before anything is written, shown or sent. Untouched parts are shared, not copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from handrail.core.digest import Json
from handrail.policy.paths import Path

REDACTED = "[redacted]"
"""What stands for a secret."""


@dataclass(slots=True)
class _Branch:
    """What is secret below one place: everything, or some of its members."""

    whole: bool = False
    keys: dict[str, _Branch] = field(default_factory=dict)
    elements: dict[int, _Branch] = field(default_factory=dict)
    every: _Branch | None = None


@dataclass(frozen=True, slots=True)
class Redact:
    """Replaces secret paths in `{"args", "before", "result", "seen"}`; gives it back where nothing is secret."""

    root: _Branch

    def __call__(self, scope: Mapping[str, Json]) -> Mapping[str, Json]:
        """Return the scope with every secret replaced."""
        out: dict[str, Json] | None = None
        for name, branch in self.root.keys.items():
            if name not in scope:
                continue
            value = scope[name]
            hidden = _hide(value, branch)
            if hidden is not value:
                out = dict(scope) if out is None else out
                out[name] = hidden
        return scope if out is None else out


def _hide(value: Json, branch: _Branch) -> Json:
    if branch.whole:
        return REDACTED
    if isinstance(value, Mapping):
        return _hide_members(value, branch)
    if isinstance(value, list):
        return _hide_elements(value, branch)
    return value


def _hide_members(value: dict[str, Json], branch: _Branch) -> Json:
    out: dict[str, Json] | None = None
    for name, below in branch.keys.items():
        if name not in value:
            continue
        hidden = _hide(value[name], below)
        if hidden is not value[name]:
            out = dict(value) if out is None else out
            out[name] = hidden
    return value if out is None else out


def _hide_elements(value: list[Json], branch: _Branch) -> Json:
    """Members that are secret of an object are secret of every element of a list that stands in its place."""
    out: list[Json] | None = None
    for index, item in enumerate(value):
        hidden = item
        for below in (branch.every, branch.elements.get(index), branch if branch.keys else None):
            if below is not None:
                hidden = _hide(hidden, below)
        if hidden is not item:
            out = list(value) if out is None else out
            out[index] = hidden
    return value if out is None else out


def redact(paths: Sequence[Path]) -> Redact:
    """Compile secret paths."""
    root = _Branch()
    for path in paths:
        branch = root.keys.setdefault(path.root, _Branch())
        for step in path.steps:
            if step is None:
                branch.every = branch.every or _Branch()
                branch = branch.every
            elif isinstance(step, int):
                branch = branch.elements.setdefault(step, _Branch())
            else:
                branch = branch.keys.setdefault(step, _Branch())
        branch.whole = True
    return Redact(root)
