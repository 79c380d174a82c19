"""Foreign text in YAML: as a scalar that reads back as it was, or as one line of a comment that it cannot leave."""

from __future__ import annotations

import re

from handrail.core.text import safe

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./@+-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_BARE = frozenset(map(chr, (*range(0x20, 0x7F), *range(0xA1, 0xD800), *range(0xE000, 0xFDD0)))) - set('"\\')

COMMENT_CHARS = 110
"""Characters of foreign text in one comment."""


def scalar(text: str) -> str:
    """Return a text as a YAML scalar: plain where that is plain to see, in double quotes otherwise.

    Args:
        text: Any text without lone surrogates.
    """
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    return '"' + "".join(map(_char, text)) + '"'


def _char(char: str) -> str:
    if char in _BARE and char.isprintable():
        return char
    if char in {'"', "\\"}:
        return f"\\{char}"
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def quoted(text: object) -> str:
    """Return foreign text for a comment: one line, in quotes, cut where it is long.

    Args:
        text: Anything.
    """
    return f'"{safe(" ".join(str(text).split()), max_chars=COMMENT_CHARS)}"'
