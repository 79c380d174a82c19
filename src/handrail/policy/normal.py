"""Resource ids in one form, so that two ways of writing the same thing are the same thing.

An id is `kind/name`. Normalising it twice changes nothing. What is folded:

- every id: Unicode NFC, blanks around it removed; the kind in lower case;
- `file` and `path`: backslashes, `//`, `.` and `..`, a slash at the end, `file:` URLs. Links on disk are not followed;
- URLs (kind `url`, or a name that starts with `scheme://`): scheme and host in lower case, default port, dot segments,
  percent escapes (RFC 3986, section 6.2.2), user name and password, fragment, an empty query; and what browsers read as
  the same (WHATWG URL Standard, section 4.4): tabs and line breaks inside, backslashes, any number of slashes after
  `https:` and its like. The query stays as it is: its order may mean something;
- ARNs: `instance/arn:aws:ec2:eu-west-1:123:instance/i-1` is `instance/i-1`; an ARN alone takes its kind from itself;
- kinds whose names have no case: `host`, `email` and `instance`, and those the policy names under `kinds`.

Where the form loses something (a link, an account in an ARN, a user in a URL), two different things may share a name.
That errs on the safe side: what is remembered of one is remembered of both. Characters that only look alike stay apart.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Callable

INSENSITIVE = frozenset({"email", "host", "instance"})
"""Kinds whose names have no case, unless the policy says otherwise."""

Normalise = Callable[[str], str]

_PLAIN = re.compile(r"[a-z][a-z0-9_-]*/[a-z0-9_-]+")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://|(?:https?|wss?|ftp):[/\\]", re.IGNORECASE)
_ALONE = re.compile(r"[a-z][a-z0-9+.-]*://|(?:https?|wss?|ftp|file):", re.IGNORECASE)
_BREAKS = str.maketrans("", "", "\t\n\r")
_CONTROLS = "".join(map(chr, range(0x21)))
_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21", "ssh": "22", "postgresql": "5432"}
_ROUNDS = 500  # each round takes one ARN out of an ARN; ids are short (see effects.RESOURCE_MAX)


def normaliser(insensitive: frozenset[str] = INSENSITIVE) -> Normalise:
    """Return the function that normalises ids.

    Args:
        insensitive: Kinds whose names have no case.
    """

    def normalise(text: str) -> str:
        if _PLAIN.fullmatch(text):
            return text
        for _ in range(_ROUNDS):
            folded = _once(text, insensitive)
            if folded == text:
                return folded
            text = folded
        return text

    return normalise


def _once(text: str, insensitive: frozenset[str]) -> str:
    text = (text if text.isascii() else unicodedata.normalize("NFC", text)).strip()
    if text.lower().startswith("arn:"):
        text = _arn(text, "") or text
    elif _ALONE.match(bare := _bare(text)):
        kind = "file" if bare.lower().startswith("file:") else "url"
        text = f"{kind}/{bare}"
    kind, slash, name = text.partition("/")
    if not slash:
        return text
    kind, name = kind.strip().lower(), name.strip()
    if name.lower().startswith("arn:"):
        name = _arn(name, kind) or name
    if kind in {"file", "path"}:
        name = _file(name)
    elif kind == "url" or _URL.match(_bare(name)):
        name = _url(_bare(name))
    if kind == "host":
        name = name.rstrip(".")
    if kind in insensitive:
        name = unicodedata.normalize("NFC", name.casefold())
    return f"{kind}/{name}"


def _bare(text: str) -> str:
    """Return a URL without the characters that a parser of URLs does not see."""
    return text.translate(_BREAKS).strip(_CONTROLS)


def _arn(text: str, kind: str) -> str | None:
    """Return the name in an ARN whose type is `kind`; `type/name` without a kind; None when it tells no type.

    Source: AWS documentation, "Amazon Resource Names": `arn:partition:service:region:account:type/id` or `…:type:id`.
    """
    fields = text.split(":", 5)
    if len(fields) < 6:
        return None
    found = re.match(r"([^/:]+)[/:](.+)", fields[5], re.DOTALL)
    if found is None:
        return None
    if not kind:
        return f"{found[1].lower()}/{found[2]}"
    return found[2] if found[1].lower() == kind else None


def _file(name: str) -> str:
    if name.lower().startswith("file:"):
        name = _decoded(re.sub(r"^(?:file:(?://(?:localhost)?(?=/))?)+", "", name, flags=re.IGNORECASE))
    name = name.replace("\\", "/")
    return _dots(name)


def _dots(name: str) -> str:
    """Resolve `.`, `..` and empty segments; a relative name keeps the `..` that lead out of it."""
    root = "/" if name.startswith("/") else ""
    kept: list[str] = []
    for segment in name.split("/"):
        if segment == "..":
            if kept and kept[-1] != "..":
                kept.pop()
            elif not root:
                kept.append(segment)
        elif segment not in {"", "."}:
            kept.append(segment)
    return root + "/".join(kept) or "."


_SPLIT = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.DOTALL)
_TAIL = re.compile(r"[?#]")
_SLASHES = re.compile(r"(https?|wss?|ftp):/*", re.IGNORECASE)


def _url(name: str) -> str:
    tail = _TAIL.search(name)
    end = len(name) if tail is None else tail.start()
    name = _SLASHES.sub(r"\1://", name[:end].replace("\\", "/"), count=1) + name[end:]
    found = _SPLIT.fullmatch(name)
    if found is None:
        return name
    scheme, path, query = found[1].lower(), _escaped(found[3]), _escaped(found[4] or "")
    host, port = _host(found[2].rpartition("@")[2])
    if port and port != _PORTS.get(scheme):
        host += f":{port}"
    return f"{scheme}://{host}{_segments(path)}{'' if query == '?' else query}"


def _host(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"(.*?)(?::(\d*))?", text, re.DOTALL)
    assert found is not None
    host, port = _decoded(found[1]).lower().rstrip("."), (found[2] or "").lstrip("0")
    if not host.isascii():
        with contextlib.suppress(UnicodeError):
            host = host.encode("idna").decode()
    return host, port


def _segments(path: str) -> str:
    """Resolve dot segments; a slash at the end stays, since servers tell `/a` from `/a/`."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)


_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})|%")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def _escaped(text: str) -> str:
    """Decode escapes of unreserved characters, write the others in upper case, escape a lone `%`."""

    def one(found: re.Match[str]) -> str:
        if found[1] is None:
            return "%25"
        char = chr(int(found[1], 16))
        return char if char in _UNRESERVED else f"%{found[1].upper()}"

    out = _PERCENT.sub(one, text)
    return out if out.isascii() else "".join(c if c.isascii() else _bytes(c) for c in out)


def _bytes(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode(errors="replace"))


def _decoded(text: str) -> str:
    from urllib.parse import unquote  # noqa: PLC0415 (rarely needed)

    return unquote(text)
