"""Resources that stand in others: what is said of a folder is said of all that it holds.

Ids of kinds with folders are `kind/a/b/c`, normalised. A name with wildcards means whatever stands in its folder.
"""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.case import WILDCARDS

TREES = frozenset({"file", "path", "row"})
"""Kinds whose names have folders, unless the policy says otherwise."""


@dataclass(frozen=True, slots=True)
class Folders:
    """Which kinds have folders.

    Attributes:
        kinds: Their beginnings, such as `file/`.
    """

    kinds: tuple[str, ...]

    def around(self, resource: str) -> tuple[tuple[str, ...], str]:
        """Return the folders that a resource stands in, nearest first, and how the ids of what it holds start.

        Both are empty for resources of a kind without folders.
        """
        if not resource.startswith(self.kinds):
            return (), ""
        kind, _, name = resource.partition("/")
        root, segments = ("/" if name.startswith("/") else ""), [part for part in name.split("/") if part != ""]
        if segments == ["."]:
            segments = []
        wild = next((index for index, part in enumerate(segments) if not WILDCARDS.isdisjoint(part)), None)
        depth = len(segments) if wild is None else wild
        above = [f"{kind}/{root}{'/'.join(segments[:upto])}" for upto in range(min(depth, len(segments) - 1), 0, -1)]
        if segments:
            above.append(f"{kind}/{root or '.'}")
        inside = "/".join(segments[:depth])
        return tuple(above), f"{kind}/{root}{inside}{'/' if inside else ''}"


def folders(declared: dict[str, bool]) -> Folders:
    """Return the kinds with folders: those known, and what the policy says of others."""
    kinds = {kind for kind in TREES | set(declared) if declared.get(kind, True)}
    return Folders(tuple(sorted(f"{kind}/" for kind in kinds)))
