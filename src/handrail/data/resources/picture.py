"""What a person sees of a change: each resource before and after, as a difference where both are text.

It is kept small, whatever the resource is: a difference of long texts is not even looked for.
"""

from __future__ import annotations

import datetime as dt
import difflib
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from handrail.core.digest import Json, canonical
from handrail.data.resources.protocol import Picture, Preview
from handrail.data.resources.receipt import ABSENT
from handrail.data.resources.traits import Traits, UndoKind

SHOWN_MAX = 20_000
"""Characters of content that one picture shows, in all."""

DIFF_LINES_MAX = 1_000
"""Lines on either side between the first and the last difference; of more, both beginnings are shown."""

CONTEXT = 3
"""Equal lines that are shown around a difference."""

DEPTH_SHOWN = 32
"""Nesting up to which JSON is shown as it is."""

COMPENSATING = "An undo writes the old state again. What the change sets off elsewhere stays."
NO_UNDO = "It cannot be undone."
CUT_OFF = "It was begun before and cut off. This finishes it, or tells what became of it."


def picture(
    where: str,
    operation: str,
    preview: Preview,
    at: Callable[[str], str],
    traits: Traits,
    *,
    warnings: Iterable[str] = (),
    expires_s: int = 0,
) -> dict[str, Json]:
    """Return what a person sees.

    Args:
        where: The root folder or base URL.
        operation: What is done.
        preview: The resources before and after.
        at: Returns an id as a resource of the policy.
        traits: What the adapter promises.
        warnings: What a person should know besides.
        expires_s: Until when it can be applied, seconds since the epoch; 0 without an end.
    """
    room = SHOWN_MAX // max(len(preview.pictures), 1)
    seen: dict[str, Json] = {
        "does": operation,
        "where": where,
        "resources": [_resource(one, operation, at(one.id), room) for one in preview.pictures],
        "compares": preview.precondition.value,
        "undo": traits.undo.value,
        "warnings": [*warnings, *_OF_UNDO[traits.undo]],
    }
    if expires_s:
        seen["expires"] = dt.datetime.fromtimestamp(expires_s, dt.UTC).isoformat(timespec="seconds")
    return seen


_OF_UNDO = {UndoKind.EXACT: (), UndoKind.COMPENSATING: (COMPENSATING,), UndoKind.NONE: (NO_UNDO,)}


def _resource(one: Picture, operation: str, at: str, room: int) -> Json:
    told: dict[str, Json] = {"id": one.id, "at": at, "version": one.version}
    before, after = _text(one.before), _text(one.after)
    if before is not None and after is not None and (lines := difference(before, after)) is not None:
        return {**told, "before": _size(one.before), "after": _size(one.after), "diff": _beginning(lines, room)}
    brief = operation == "move"  # its content stays as it is
    gone = operation == "delete" or (brief and one.after is None)
    told["before"] = None if one.version == ABSENT else _side(one.before, room // 2, brief=brief)
    told["after"] = None if gone else _side(one.after, room // 2, brief=brief)
    return told


def _side(content: Json | bytes, room: int, *, brief: bool) -> Json:
    if not isinstance(content, bytes):
        whole = canonical(content)
        if len(whole) <= room and _depth(content) <= DEPTH_SHOWN:
            return {"json": content}
        return {**_digest(whole), "begins": whole.decode()[:room]}
    text = _text(content)
    if text is None or brief:
        return _digest(content)
    return {**_digest(content), "text": text} if len(text) <= room else {**_digest(content), "begins": text[:room]}


def _size(content: Json | bytes) -> Json:
    assert isinstance(content, bytes)
    return _digest(content)


def _digest(content: bytes) -> dict[str, Json]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _text(content: Json | bytes) -> str | None:
    """Return the text of a file; None for what is none."""
    if not isinstance(content, bytes) or b"\0" in content:
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _beginning(lines: Sequence[str], room: int) -> str:
    text = "\n".join(lines)
    if len(text) <= room:
        return text
    kept = text[:room].rpartition("\n")[0] or text[:room]
    return f"{kept}\n… the difference goes on"


_HUNK = re.compile(r"@@ -(\d+)(.*) \+(\d+)(.*) @@")


def difference(before: str, after: str) -> list[str] | None:
    """Return the lines that differ, in unified form; None when they lie too far apart to be worth the search.

    Args:
        before: The text before.
        after: The text after.
    """
    old, new = before.split("\n"), after.split("\n")
    shorter = min(len(old), len(new))
    head = next((n for n in range(shorter) if old[n] != new[n]), shorter)
    tail = next((n for n in range(shorter - head) if old[-1 - n] != new[-1 - n]), shorter - head)
    if max(len(old), len(new)) - head - tail > DIFF_LINES_MAX:
        return None
    start, end = max(head - CONTEXT, 0), max(tail - CONTEXT, 0)
    sides = (old[start : len(old) - end], new[start : len(new) - end])
    return [_moved(line, start) for line in islice(difflib.unified_diff(*sides, lineterm="", n=CONTEXT), 2, None)]


def _moved(line: str, by: int) -> str:
    """Return a line of a difference with the numbers that the whole texts have."""
    found = _HUNK.fullmatch(line)
    if found is None:
        return line
    return f"@@ -{int(found[1]) + by}{found[2]} +{int(found[3]) + by}{found[4]} @@"


def _depth(value: Json) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
