r"""Any Python text in PostgreSQL, which refuses NUL and lone surrogates in text.

Such characters are kept as escapes, and a backslash as two, so that every text has exactly one form: comparisons and
unique keys mean what they meant. The adapters below stand on each connection, so no statement can forget.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format

if TYPE_CHECKING:
    from psycopg.abc import AdaptContext, Buffer

_REFUSED = re.compile("[\\\\\0\ud800-\udfff]")
_ESCAPED = re.compile(r"\\(\\|0|u[0-9a-f]{4})")


def escape(text: str) -> str:
    r"""Return the form that PostgreSQL keeps: `\0` for NUL, `\udXXX` for a surrogate, `\\` for a backslash."""
    return _REFUSED.sub(_escape, text)


def unescape(text: str) -> str:
    """Return the text of a kept form; what `escape` never writes stays as it is."""
    return _ESCAPED.sub(_unescape, text) if "\\" in text else text


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    if char == "\\":
        return "\\\\"
    return "\\0" if char == "\0" else f"\\u{ord(char):04x}"


def _unescape(found: re.Match[str]) -> str:
    what = found[1]
    if what == "\\":
        return "\\"
    return "\0" if what == "0" else chr(int(what[1:], 16))


class _TextDumper(Dumper):
    """Sends text; its type is inferred from where it stands, as for psycopg's own."""

    def dump(self, obj: str) -> Buffer | None:
        return escape(obj).encode()


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        return unescape(bytes(data).decode())


class _BinaryTextLoader(_TextLoader):
    format = Format.BINARY


def adapt(context: AdaptContext) -> None:
    """Have every text of a connection escaped on its way in and unescaped on its way out."""
    context.adapters.register_dumper(str, _TextDumper)
    context.adapters.register_loader("text", _TextLoader)
    context.adapters.register_loader("text", _BinaryTextLoader)
