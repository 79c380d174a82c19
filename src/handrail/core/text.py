r"""One function makes every agent-controlled string safe to print.

What an agent writes reaches terminals, logs, chats and the eyes of reviewers. There it must neither act
(escape sequences, carriage returns), nor hide (zero-width characters, tags, blanks), nor reorder what is read
(bidi controls), nor drown the rest (length, floods of combining marks). `safe` shows such characters as
escapes and keeps everything else; `safe_block` does the same for text of several lines.

The form is unambiguous: backslashes are doubled, so the one-character escapes `\n \r \t \\` and `\xhh`,
`\uhhhh`, `\Uhhhhhhhh` always stand for what was there, and a note like `… (+12 chars)` is always ours: an
ellipsis of the agent's that would start one is shown as `\u2026`. What stays out of reach: look-alike
letters, and the natural order of right-to-left scripts. Which characters count as assigned depends on the
Unicode data of the running Python.

Callers that print through rich use `rich.text.Text(safe(x))` and never put agent text into markup strings:
`[red]` is plain text here and stays so. HTML, Slack and other formats need their own quoting on top.

Source: Unicode Standard Annex #9 (bidi controls), Default_Ignorable_Code_Point of DerivedCoreProperties, and
the categories that `str.isprintable` refuses (Cc, Cf, Cs, Co, Cn, Zl, Zp, Zs but the space).
"""

from __future__ import annotations

import unicodedata

MARKS_MAX = 5
"""Combining marks shown on one base character; Burmese and pointed Hebrew need five, zalgo uses dozens."""

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_CONJOINING = frozenset(map(chr, (*range(0x1160, 0x1200), *range(0xD7B0, 0xD800))))
_HIDDEN = frozenset(
    map(
        chr,
        (
            # Printable by category, yet default-ignorable: fillers and selectors that show nothing.
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x3164, 0xFFA0),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
            # Blank or replaced glyphs: braille blank, half fill space, object replacement, Khitan filler,
            # Egyptian mirror and blanks, null note head.
            *(0x2800, 0x303F, 0xFFFC, 0x16FE4, 0x13440, 0x13441, 0x13442, 0x1D159),
        ),
    )
)


def safe(text: object, *, max_chars: int = 200) -> str:
    r"""Return `text` as one line that is safe to print.

    The result is printable, encodes to UTF-8, holds no line break, and contains no character that `safe`
    would itself escape, apart from the backslash. More than `MARKS_MAX` combining marks on one character are
    shown as escapes, as is a mark with nothing to stand on.

    Args:
        text: Anything. Text is taken as it is, bytes as their literal, other values as `str()` of them; a
            value whose `str()` fails is named by its type.
        max_chars: Upper bound of the shown characters, ≥ 1. An escape is never cut in two. What does not fit
            is counted in characters of the input, after the bound: `abc… (+1,204 chars)`.

    Raises:
        ValueError: `max_chars` is below 1.
    """
    _check(max_chars, "max_chars")
    whole = _as_text(text)
    body, taken = _render(whole, max_chars)
    return body if taken == len(whole) else body + _more(len(whole) - taken)


def safe_block(text: object, max_chars: int = 2000, max_lines: int = 40) -> list[str]:
    r"""Return `text` as lines for a quotation, each of them safe on its own.

    Only `\n` ends a line; every other line break is visible inside its line, a `\r` before the `\n` too.

    Args:
        text: Anything, taken as `safe` takes it.
        max_chars: Upper bound of the shown characters of all lines together, ≥ 1.
        max_lines: Upper bound of the shown lines, ≥ 1.

    Returns:
        At least one line, at most `max_lines`, and where lines are hidden one more that counts them:
        `… (+12 lines, 3,400 chars)`.

    Raises:
        ValueError: A bound is below 1.
    """
    _check(max_chars, "max_chars")
    _check(max_lines, "max_lines")
    whole = _as_text(text)
    shown: list[str] = []
    start, room = 0, max_chars
    for line in whole.split("\n", max_lines)[:max_lines]:
        if line and room <= 0:
            break
        body, taken = _render(line, room)
        shown.append(body if taken == len(line) else body + _more(len(line) - taken))
        room -= len(body)
        start += len(line) + 1
    if start <= len(whole):
        hidden = whole.count("\n", start) + 1
        shown.append(f"… (+{_count(hidden, 'line')}, {_count(len(whole) - start, 'char')})")
    return shown


def _render(text: str, room: int) -> tuple[str, int]:
    """Return what fits into `room` characters, and how many characters of `text` it stands for."""
    pieces: list[str] = []
    marks = MARKS_MAX  # on the current base; the bound itself means: nothing a mark could stand on
    for index, char in enumerate(text):
        if " " <= char <= "~" and char != "\\":
            piece, marks = char, 0
        elif char in _HIDDEN or char == "\\" or not char.isprintable() or _looks_like_more(text, index):
            piece, marks = _escape(char), MARKS_MAX
        elif char in _CONJOINING or unicodedata.category(char).startswith("M"):
            piece, marks = (char, marks + 1) if marks < MARKS_MAX else (_escape(char), marks)
        else:
            piece, marks = char, 0
        room -= len(piece)
        if room < 0:
            return "".join(pieces), index
        pieces.append(piece)
    return "".join(pieces), len(text)


def _looks_like_more(text: str, index: int) -> bool:
    return text.startswith("… (+", index)


def _escape(char: str) -> str:
    code = ord(char)
    if named := _NAMED.get(char):
        return named
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _more(chars: int) -> str:
    return f"… (+{_count(chars, 'char')})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return str.__str__(value)  # a plain str, whatever a subclass overrides
    if isinstance(value, bytes):
        return repr(value)
    try:
        return str.__str__(str(value))
    except Exception as error:  # noqa: BLE001 (foreign code: showing a value must not fail)
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _check(bound: int, name: str) -> None:
    if bound < 1:
        raise ValueError(f"{name} must be at least 1, not {bound}.")
