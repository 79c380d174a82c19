"""Entity tags, and the version of a representation with or without one.

Source: RFC 9110, sections 8.8.3 (ETag) and 13.1.1 (If-Match compares strongly, so a weak tag never matches).
"""

from __future__ import annotations

import re

from handrail.core.digest import Json, digest
from handrail.data.resources.receipt import Version

_STRONG = re.compile(r'"[\x21\x23-\x7e]{0,1000}"')
_PREFIX = "etag:"


def strong(header: str) -> str:
    """Return an ETag header that `If-Match` can be sent with; "" for a weak, strange or missing one."""
    return header if _STRONG.fullmatch(header) else ""


def version(etag: str, body: Json, server_fields: frozenset[str]) -> Version:
    """Return the version of a representation: its strong tag, or else the digest of its content.

    Args:
        etag: What `strong` returned.
        body: The representation.
        server_fields: Members that the server sets by itself; they do not count.
    """
    return f"{_PREFIX}{etag}" if etag else f"sha256:{digest(without(body, server_fields))}"


def of_version(version: Version) -> str:
    """Return the strong tag of a version; "" when it is none."""
    return version.removeprefix(_PREFIX) if version.startswith(_PREFIX) else ""


def without(body: Json, server_fields: frozenset[str]) -> Json:
    """Return a representation without the members that the server sets by itself."""
    if not isinstance(body, dict):
        return body
    return {name: value for name, value in body.items() if name not in server_fields}
