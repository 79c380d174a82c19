"""JSON with comments and trailing commas, as editors accept it, to plain JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator


def plain_json(text: str) -> str:
    """Return JSON with comments and trailing commas, as editors accept it, as plain JSON with the same lines.

    Args:
        text: The text of a config.
    """
    out: list[str] = []
    for part, is_text in _tokens(text):
        if not is_text and part in "]}":
            back = len(out) - 1
            while back >= 0 and out[back].isspace():
                back -= 1
            if back >= 0 and out[back] == ",":
                out[back] = " "
        out.append(part)
    return "".join(out)


_TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"?|//[^\n]*|/\*(?:.*?\*/|.*)|.', re.DOTALL)
# A text or a comment that does not end takes the rest along: tried again at each character, it would cost a square.


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """Yield texts whole, everything else by character; comments as blanks of the same lines."""
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token.startswith(("//", "/*")):
            yield from ((char if char == "\n" else " ", False) for char in token)
        else:
            yield token, token.startswith('"') and len(token) > 1
