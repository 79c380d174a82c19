"""The second look: every word that was written is one that the tree accounts for, or a keyword that is known.

A parser may overlook a word, or take it for something else than the database does. Then the names and literals of the
tree are not those of the text, and the statement is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.data.dialect import Dialect
from handrail.data.sql.functions import FUNCTIONS
from handrail.data.sql.refusal import Refusal
from handrail.data.sql.tokens import Kind, Token
from handrail.data.sql.walk import Walk
from handrail.data.sql.words import BEFORE_PARENTHESIS, KEYWORDS, TYPES

_INVENTED = frozenset({"_values"})
"""Names that the parser adds itself."""

NOT_THE_SAME = (
    "Part of the statement could be read in two ways. Write it more plainly: one SELECT, INSERT, UPDATE or DELETE, "
    "with names of its own for tables and columns."
)
"""What to say when words and tree differ."""


def reconcile(found: Sequence[Token], walk: Walk, *, verbs: frozenset[str] = frozenset()) -> None:
    """Compare what was written with what was understood.

    Args:
        found: The tokens of the statement.
        walk: The walk over its tree.
        verbs: Keywords of a change, which its first words may hold.

    Raises:
        Refusal: They differ, or a keyword, a type or a call is none that is known.
    """
    strings: Counter[str] = Counter()
    numbers: Counter[str] = Counter()
    quoted: Counter[str] = Counter()
    words: Counter[str] = Counter()
    before = ""
    for token in found:
        kind = token.kind
        if kind is Kind.WORD:
            words[token.low] += 1
        elif kind is Kind.QUOTED:
            quoted[token.value] += 1
        elif kind is Kind.NUMBER:
            numbers["0" + token.value if token.value[0] == "." else token.value] += 1
        elif kind is Kind.STRING and before != "interval":
            strings[token.value] += 1
        before = token.low
    if strings != walk.strings or numbers != walk.numbers or quoted != walk.quoted:
        raise Refusal(NOT_THE_SAME)
    if any(name not in _INVENTED and words[name] < count for name, count in walk.names.items()):
        raise Refusal(NOT_THE_SAME)
    known = KEYWORDS[walk.dialect]
    for word, count in words.items():
        if count > walk.names[word] and word not in known and word not in verbs:
            raise _unknown(word, found, walk.dialect)
    _calls(found, walk, verbs)


def _calls(found: Sequence[Token], walk: Walk, verbs: frozenset[str]) -> None:
    """Look at what stands before each parenthesis."""
    allowed = FUNCTIONS[walk.dialect]
    for before, token in pairwise(found):
        if token.low != "(" or before.kind not in (Kind.WORD, Kind.QUOTED):
            continue
        name = before.low or before.value
        if name in walk.listed:
            continue
        if before.kind is Kind.WORD and (
            name in BEFORE_PARENTHESIS or name in allowed or name in walk.functions or name in verbs
        ):
            continue
        raise Refusal(
            f"{safe(before.value)} stands before a parenthesis and is no function that is known to be harmless. "
            "Leave it out, or ask the operator to register it."
        )


def _unknown(word: str, found: Sequence[Token], dialect: Dialect) -> Refusal:
    for before, token in pairwise(found):
        if token.low == word and before.low in ("::", "as"):
            near = did_you_mean(word, TYPES[dialect])
            return Refusal(f"The type {safe(word)} is not one that can be cast to.{near} Leave the cast out.")
    return Refusal(
        f"The word {safe(word)} is not understood here. Write the statement without it, or quote it as a name."
    )
