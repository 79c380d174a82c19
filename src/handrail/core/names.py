"""The nearest known name, for messages about an unknown one."""

from __future__ import annotations

import unicodedata
from itertools import islice
from typing import TYPE_CHECKING

from handrail.core.text import safe

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME_MAX = 100
"""Characters of a name that are compared; an agent's name may be of any length."""

KNOWN_MAX = 5_000
"""Known names that are looked at."""

_SIMILAR = 0.6


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most similar to `name`, or None when none is near.

    Case is ignored; of equally near names the last in alphabetical order is taken, whatever the order of
    `known`. A name that is itself known is its own nearest. The answer is one of `known` as it is, not yet
    safe to print.

    Args:
        name: Any text; its first `NAME_MAX` characters are compared.
        known: The names to choose from; at most the first `KNOWN_MAX` are looked at, longer than `NAME_MAX`
            ones are not.

    Source: `difflib.get_close_matches`, with its default similarity of 0.6.
    """
    from difflib import get_close_matches  # noqa: PLC0415 (10 ms to import, needed for messages only)

    names = [known_name for known_name in islice(known, KNOWN_MAX) if len(known_name) <= NAME_MAX]
    if name in names:
        return name
    by_folded = {known_name.casefold(): known_name for known_name in sorted(names)}
    found = get_close_matches(name[:NAME_MAX].casefold(), by_folded, n=1, cutoff=_SIMILAR)
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `" Did you mean 'x'?"`, safe to print, or `""` when no other known name is near.

    It starts with a space, so that a message can end with it unconditionally. Arguments as for `nearest`.
    """
    found = nearest(name, known)
    return "" if found is None or found == name else f" Did you mean '{safe(found)}'?"


def fold(name: str) -> str:
    """Return what two spellings of one name have in common: NFKC, case folded, outer blanks removed."""
    return unicodedata.normalize("NFKC", name).casefold().strip()
