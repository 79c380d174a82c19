"""Parts of a statement, cut at its outermost words: what stands after WHERE, between commas, between ANDs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from handrail.data.sql.tokens import Token

_OPEN = frozenset({"(", "[", "case"})
_CLOSE = frozenset({")", "]", "end"})


def outermost(found: Sequence[Token]) -> Iterator[tuple[int, Token]]:
    """Yield the tokens that stand in no parentheses, brackets or CASE, with their places.

    What closes nothing is taken as a name: SQLite lets a column be called `end`.
    """
    depth = 0
    for at, token in enumerate(found):
        if depth and token.low in _CLOSE:
            depth -= 1
        elif token.low in _OPEN:
            if not depth:
                yield at, token
            depth += 1
            continue
        if not depth:
            yield at, token


def place(found: Sequence[Token], word: str, start: int = 0) -> int:
    """Return the place of the first outermost `word` from `start` on; the end when there is none."""
    for at, token in outermost(found):
        if at >= start and token.low == word:
            return at
    return len(found)


def split(found: Sequence[Token], sign: str) -> list[Sequence[Token]]:
    """Return the parts between outermost signs or words; no part is left out, not even an empty one."""
    parts: list[Sequence[Token]] = []
    start = 0
    for at, token in outermost(found):
        if token.low == sign:
            parts.append(found[start:at])
            start = at + 1
    return [*parts, found[start:]]


def split_words(found: Sequence[Token], word: str) -> list[Sequence[Token]]:
    """Return the parts between outermost ANDs; a BETWEEN, whose AND joins nothing, is kept whole."""
    parts: list[Sequence[Token]] = []
    start, between = 0, 0
    for at, token in outermost(found):
        if token.low == "between":
            between += 1
        elif token.low == word:
            if between:
                between -= 1
                continue
            parts.append(found[start:at])
            start = at + 1
    return [*parts, found[start:]]


def unwrapped(found: Sequence[Token]) -> Sequence[Token]:
    """Return tokens without parentheses around all of them."""
    while len(found) > 2 and found[0].low == "(" and _closing(found) == len(found) - 1:
        found = found[1:-1]
    return found


def _closing(found: Sequence[Token]) -> int:
    """Return the place of the parenthesis that closes the first token."""
    depth = 0
    for at, token in enumerate(found):
        depth += (token.low == "(") - (token.low == ")")
        if not depth:
            return at
    return -1
