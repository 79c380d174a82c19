"""The words of a statement, by the rules of its database; what could be read in two ways is refused.

Comments and blanks end here. What is run later is written from these words, so nothing that a parser overlooks, and
nothing that two parsers read differently, ever reaches a database.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from handrail.core.text import safe
from handrail.data.dialect import Dialect
from handrail.data.sql.refusal import Refusal
from handrail.data.sql.words import words

CHARS_MAX = 100_000
"""Characters of one statement."""

TOKENS_MAX = 20_000
"""Words, literals and signs of one statement."""

NAME_BYTES_MAX = 63
"""Bytes of one name; PostgreSQL cuts longer ones, so that two become one."""

DEPTH_MAX = 60
"""Parentheses inside parentheses."""


class Kind(StrEnum):
    """What a token is."""

    WORD = "word"
    QUOTED = "quoted"
    STRING = "string"
    NUMBER = "number"
    SIGN = "sign"


class Token(NamedTuple):
    """One word, name in quotes, literal or sign.

    Attributes:
        kind: What it is.
        value: A word as it is written, the contents of quotes, the digits of a number, the sign.
        low: The word in lower case, the sign; `""` for everything else, so that one comparison tells both.
    """

    kind: Kind
    value: str
    low: str = ""

    def written(self, dialect: Dialect | None = None) -> str:
        r"""Return the token as SQL.

        Args:
            dialect: Who will read it. A string with a backslash gets PostgreSQL's form that means the same whatever a
                server's `standard_conforming_strings` is; without a dialect, it gets the plain form.
        """
        if self.kind is Kind.QUOTED:
            return '"' + self.value.replace('"', '""') + '"'
        if self.kind is Kind.STRING:
            inner = self.value.replace("'", "''")
            if dialect is Dialect.POSTGRES and "\\" in inner:
                return "E'" + inner.replace("\\", "\\\\") + "'"
            return "'" + inner + "'"
        return self.value


SIGNS = {
    Dialect.POSTGRES: words(
        "( ) [ ] , . ; : :: = <> != < > <= >= + - * / % ^ | & # ~ << >> || ~* !~ !~* ~~ !~~ ~~* !~~* -> ->> #> #>> "
        "@> <@ @@ ? ?| ?& && #- @? => |/ ||/"
    ),
    Dialect.SQLITE: words("( ) , . ; = == <> != < > <= >= + - * / % | & ~ << >> || -> ->>"),
}
"""The signs that are understood. An operator that somebody made is none of them."""

_WORD = r"[^\W\d][\w$]*"
_NUMBER = r"(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_SCAN = {
    Dialect.POSTGRES: re.compile(
        rf"(?P<blank>[ \t\n]+)|(?P<line>--[^\n]*)|(?P<block>/\*)|(?P<escaped>[eE]'(?:[^'\\]|\\[\s\S]|'')*')"
        rf"|(?P<word>{_WORD})|(?P<number>{_NUMBER})"
        r"|(?P<string>'(?:[^']|'')*')|(?P<dollars>\$(?P<tag>(?:[A-Za-z_]\w*)?)\$[\s\S]*?\$(?P=tag)\$)"
        r"|(?P<quoted>\"(?:[^\"]|\"\")*\")|(?P<sign>[()\[\],.;]|::|:(?!:)|[-+*/<>=~!@#%^&|`?]+)"
    ),
    Dialect.SQLITE: re.compile(
        rf"(?P<blank>[ \t\n]+)|(?P<line>--[^\n]*)|(?P<block>/\*)|(?P<word>{_WORD})|(?P<number>{_NUMBER})"
        r"|(?P<string>'(?:[^']|'')*')|(?P<quoted>\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\[[^\]]*\])"
        r"|(?P<sign>[(),.;]|->>|->|\|\||<<|>>|<>|!=|<=|>=|==|[-+*/<>=~%&|])"
    ),
}
_ENDS = re.compile(r"\*/|/\*")
_PLUS_MINUS_STAYS = frozenset("~!@#%^&|`?")
_PREFIXED = frozenset({"e", "b", "x", "n"})
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Categories of characters that are refused everywhere. What else hides (Cf joins emoji) may stand in strings."""
_HIDDEN = _REFUSED | {"Cf", "Co", "Cn"}


def tokens(text: str, dialect: Dialect) -> list[Token]:
    """Return the tokens of one statement, without a semicolon at its end.

    Args:
        text: What an agent wrote.
        dialect: Whose rules count.

    Raises:
        Refusal: The text is empty, too long, holds characters or escapes that databases read differently, or is more
            than one statement.
    """
    if not isinstance(text, str) or not text.strip():
        raise Refusal("There is no statement. Write one SELECT, INSERT, UPDATE or DELETE.")
    if len(text) > CHARS_MAX:
        raise Refusal(
            f"The statement has {len(text):,} characters, and {CHARS_MAX:,} are the most. Split it into smaller ones."
        )
    text = text.replace("\r\n", "\n")
    _characters(text)
    found = _scan(text, dialect)
    while found and found[-1].low == ";":
        found.pop()
    if not found:
        raise Refusal("There is no statement. Write one SELECT, INSERT, UPDATE or DELETE.")
    if any(token.low == ";" for token in found):
        raise Refusal("These are several statements. Send them one by one.")
    if len(found) > TOKENS_MAX:
        raise Refusal(f"The statement has {len(found):,} words and signs, and {TOKENS_MAX:,} are the most. Split it.")
    _depth(found)
    return found


def written(found: Sequence[Token], dialect: Dialect | None = None) -> str:
    """Return tokens as SQL, each apart from the next by one blank where two could run together.

    Args:
        found: The tokens.
        dialect: Who will run it; None for the parser of `grammar.py`.
    """
    parts: list[str] = []
    last = ""
    for token in found:
        if parts and token.low not in _TIGHT_BEFORE and last not in _TIGHT_AFTER:
            parts.append(" ")
        parts.append(token.written(dialect))
        last = token.low if token.kind is Kind.SIGN else ""
    return "".join(parts)


_TIGHT_BEFORE = frozenset({")", ",", ".", "]", "::", "["})
_TIGHT_AFTER = frozenset({"(", ".", "[", "::"})


def _characters(text: str) -> None:
    if text.isascii() and text.isprintable():
        return
    for char in text:
        if char.isascii() and (char.isprintable() or char in "\t\n"):
            continue
        if unicodedata.category(char) in _REFUSED or char == "\ufeff":
            raise Refusal(
                f"The statement holds the character U+{ord(char):04X}, which databases do not read alike. "
                "Write it without control characters, byte order marks and line separators."
            )


def _scan(text: str, dialect: Dialect) -> list[Token]:
    found: list[Token] = []
    match, at, end = _SCAN[dialect].match, 0, len(text)
    fresh = True  # whether a blank, a comment or a sign stands before
    while at < end:
        hit = match(text, at)
        if hit is None:
            raise _unreadable(text, at, dialect)
        kind, piece = str(hit.lastgroup), hit.group()
        if kind in ("blank", "line"):
            if not piece.isascii():
                _visible(piece, "A comment")
            at, fresh = hit.end(), True
            continue
        if kind == "block":
            at, fresh = _comment(text, at, dialect), True
            continue
        if kind == "sign":
            token = _sign(piece, dialect)
            at, fresh = at + len(token.value), True
        else:
            if (not fresh and kind != "dollars") or (piece[0] in "'\"" and text[max(at - 2, 0) : at].lower() == "u&"):
                raise _run_together(found[-1], piece)
            token = _token(kind, piece, found)
            at, fresh = hit.end(), False
        found.append(token)
    return found


def _token(kind: str, piece: str, found: list[Token]) -> Token:
    """Return a word, a number, a string or a name in quotes."""
    if kind == "word":
        if not piece.isascii():
            raise Refusal(
                f"The name {safe(piece)} has letters beyond a to z without quotes. Write it in double quotes."
            )
        _short(piece)
        return Token(Kind.WORD, piece, piece.lower())
    if kind == "number":
        return Token(Kind.NUMBER, piece)
    if kind == "string":
        return _string(piece[1:-1].replace("''", "'"), found)
    if kind == "escaped":
        return _string(_ESCAPE.sub(_unescaped, piece[2:-1]), found)
    if kind == "dollars":
        return _string(piece[piece.index("$", 1) + 1 : piece.rindex("$", 0, -1)], found)
    return _quoted(piece)


_ESCAPE = re.compile(r"''|\\([\s\S])")
_ESCAPES = {"n": "\n", "t": "\t", "\\": "\\", "'": "'", '"': '"', "/": "/", ".": "."}


def _unescaped(hit: re.Match[str]) -> str:
    r"""Return what one escape in an E'…' string stands for."""
    if hit[1] is None:
        return "'"
    if hit[1] not in _ESCAPES:
        raise Refusal(
            f"The escape \\{safe(hit[1])} in a string is not understood. Write the character itself, or chr() for it."
        )
    return _ESCAPES[hit[1]]


def _string(value: str, found: list[Token]) -> Token:
    if found and found[-1].kind is Kind.STRING:
        raise Refusal("Two strings stand side by side. Join them with ||.")
    return Token(Kind.STRING, value)


def _quoted(piece: str) -> Token:
    name = piece[1:-1]
    if piece[0] in '"`':
        name = name.replace(piece[0] * 2, piece[0])
    if not name:
        raise Refusal("A name in quotes is empty. Write the name of a column or a table.")
    _visible(name, "A name in quotes")
    _short(name)
    return Token(Kind.QUOTED, name)


def _short(name: str) -> None:
    if len(name.encode()) > NAME_BYTES_MAX:
        raise Refusal(
            f"The name {safe(name, max_chars=20)} is longer than {NAME_BYTES_MAX} bytes. Write a shorter one."
        )


def _visible(text: str, what: str) -> None:
    """Refuse what hides or reorders text."""
    for char in text:
        if not char.isascii() and unicodedata.category(char) in _HIDDEN:
            raise Refusal(f"{what} holds the invisible character U+{ord(char):04X}. Write it without.")
        if char in "\t\n" and what != "A comment":
            raise Refusal(f"{what} holds a line break or a tab. Write it without.")


def _sign(piece: str, dialect: Dialect) -> Token:
    """Return the longest operator that the database would read here."""
    if dialect is Dialect.POSTGRES and len(piece) > 1 and piece != "::":
        for stop in ("--", "/*"):
            cut = piece.find(stop)
            if cut > 0:
                piece = piece[:cut]
        while len(piece) > 1 and piece[-1] in "+-" and not _PLUS_MINUS_STAYS & set(piece):
            piece = piece[:-1]
    if piece not in SIGNS[dialect]:
        raise Refusal(
            f"The operator {safe(piece)} is not one that is known to be harmless. Write the condition with the usual "
            "operators, or with blanks between them."
        )
    return Token(Kind.SIGN, piece, piece)


def _comment(text: str, at: int, dialect: Dialect) -> int:
    """Return where the comment that begins here ends."""
    if text.startswith(("/*!", "/*+", "/*M!"), at):
        raise Refusal("A comment begins with /*! or /*+, which some databases carry out. Leave it out.")
    depth, where = 1, at + 2
    while depth:
        hit = _ENDS.search(text, where)
        if hit is None:
            raise Refusal("A comment /* has no end. Leave it out.")
        if hit.group() == "/*":
            if dialect is Dialect.SQLITE:
                raise Refusal("A comment stands inside a comment, which databases read differently. Leave it out.")
            depth += 1
        else:
            depth -= 1
        where = hit.end()
    if not text.isascii():
        _visible(text[at:where].replace("\n", " ").replace("\t", " "), "A comment")
    return where


def _run_together(before: Token, piece: str) -> Refusal:
    if piece[0] in "'\"" and (before.low in _PREFIXED or before.low == "&"):
        return Refusal(
            f"A string or a name has the prefix {safe(before.value)}, which is not understood. "
            "Write a plain string '…', with chr() for a control character."
        )
    return Refusal(f"{safe(before.written())} and {safe(piece)} run together. Put a blank between them.")


def _unreadable(text: str, at: int, dialect: Dialect) -> Refusal:
    char = text[at]
    if char in "'\"`" or (char == "[" and dialect is Dialect.SQLITE):
        return Refusal(f"A quote {char} has no end. Close it; inside a string, a quote is written twice.")
    if char == "$":
        return Refusal(
            "A $ stands outside of a string. Write the values into the statement: numbers as they are, strings as '…'."
        )
    if char in "?:@":
        return Refusal(f"A placeholder {char} stands in the statement. Write the value itself.")
    return Refusal(f"The character {safe(char)} has no meaning outside of a string. Write the statement without it.")


def _depth(found: list[Token]) -> None:
    depth = 0
    for token in found:
        if token.low == "(":
            depth += 1
            if depth > DEPTH_MAX:
                raise Refusal(f"More than {DEPTH_MAX} parentheses stand inside each other. Use WITH.")
        elif token.low == ")":
            depth -= 1
