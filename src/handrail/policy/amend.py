"""Adding one line to `handrail.yaml`: as text, so that comments and formatting stay, and proven to add nothing else.

The line is put where the mapping that it belongs to ends. Then both texts are read: the new one has to compile, to say
exactly what the old one said and the one key more, and to give `policy check` no error that it did not have.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from handrail.core.digest import Json
from handrail.core.text import safe
from handrail.errors import ConfigurationError, PolicyError
from handrail.policy import document
from handrail.policy.check import Level, check
from handrail.policy.load import loads
from handrail.policy.problems import Problems, quoted

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node as Composed

_INDENT = 2


class AmendError(ConfigurationError):
    """The policy cannot be changed so. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Amendment:
    """A change of one policy file, not yet written.

    Attributes:
        file: The file.
        old: What it held when it was read.
        new: What it will hold.
    """

    file: Path
    old: bytes
    new: bytes

    def diff(self) -> list[str]:
        """Return the change as a unified diff, line by line; raw."""
        name = self.file.name
        before, after = (_lines(text) for text in (self.old, self.new))
        return list(difflib.unified_diff(before, after, name, name, lineterm=""))

    def write(self) -> None:
        """Replace the file at once, keeping its mode.

        Raises:
            AmendError: It was changed since it was read, or cannot be written.
        """
        target = self.file.resolve()
        try:
            self._replace(target)
        except OSError as error:
            why = safe(error.strerror or error)
            raise AmendError(f"{safe(self.file)} cannot be written: {why}. Nothing was changed.") from None

    def _replace(self, target: Path) -> None:
        now = target.stat()
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        fresh = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(self.new)
                stream.flush()
                os.fsync(stream.fileno())
            fresh.chmod(now.st_mode & 0o7777)
            if (now.st_uid, now.st_gid) != (fresh.stat().st_uid, fresh.stat().st_gid):
                os.chown(fresh, now.st_uid, now.st_gid)
            if target.read_bytes() != self.old:
                raise AmendError(f"{safe(self.file)} was changed meanwhile. Nothing was written; look again.")
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)


def _lines(raw: bytes) -> list[str]:
    return raw.decode("utf-8-sig").replace("\r\n", "\n").removesuffix("\n").split("\n")


def add_tool(file: Path, name: str, declaration: str) -> Amendment:
    """Return the change that declares one more tool.

    Args:
        file: The policy.
        name: Name of the tool.
        declaration: Its line of YAML, key included.

    Raises:
        AmendError: It cannot be added by one line, or the policy would not be good afterwards; the message says why.
    """
    return _insert(file, ("tools",), name, declaration)


def add_key(file: Path, tool: str, key: str, entry: str) -> Amendment:
    """Return the change that gives a declared tool one more key.

    Args:
        file: The policy.
        tool: Name of the tool.
        key: The key.
        entry: Its line of YAML, key included.

    Raises:
        AmendError: As for `add_tool`.
    """
    return _insert(file, ("tools", tool), key, entry)


def _insert(file: Path, path: tuple[str, ...], key: str, entry: str) -> Amendment:
    try:
        old = file.read_bytes()
        text = old.decode("utf-8")
        entry.encode()
    except OSError as error:
        raise AmendError(f"{safe(file)} cannot be read: {safe(error.strerror or error)}.") from None
    except UnicodeError:
        raise AmendError("The name, or the policy, is not valid Unicode text. Nothing was written.") from None
    before = loads(text.removeprefix("\ufeff"), str(file), base=file.parent)
    _absent(text, path, key)
    new = _with(text, path, entry)
    _same_but(text, new, path, key, entry)
    try:
        after = loads(new.removeprefix("\ufeff"), str(file), base=file.parent)
    except PolicyError as error:
        raise AmendError(f"With this line the policy would not load: {error.problems[0].message}") from None
    known = {one.message for one in check(before)}
    found = [one.message for one in check(after) if one.level is Level.ERROR and one.message not in known]
    if found:
        raise AmendError(f"With this line 'policy check' would object: {' '.join(found)}")
    return Amendment(file, old, new.encode())


def _absent(text: str, path: tuple[str, ...], key: str) -> None:
    inner = _plain(text)
    for name in path:
        inner = inner.get(name) if isinstance(inner, dict) else None
    if isinstance(inner, dict) and key in inner:
        raise AmendError(f"{_place(path)} has {quoted(key)} already. Change it by hand.")


def _same_but(old: str, new: str, path: tuple[str, ...], key: str, entry: str) -> None:
    """Refuse unless the new text says what the old one said, and the one key more."""
    was, now = _plain(old), _plain(new)
    inner: Json = now
    for name in path:
        inner = inner.get(name) if isinstance(inner, dict) else None
    if isinstance(inner, dict) and key in inner:
        del inner[key]
        if not inner and len(path) == 1:  # it was absent, or nothing stood below it
            assert isinstance(now, dict)
            assert isinstance(was, dict)
            now.pop(path[0])
            was = {name: value for name, value in was.items() if name != path[0] or value}
        if now == was:
            return
    raise AmendError(
        f"The place for it cannot be told from the file. Add this line to {_place(path)} yourself: {entry}"
    )


def _plain(text: str) -> Json:
    root = document.parse(text.removeprefix("\ufeff"), Problems("policy"))
    return None if root is None else root.plain()


def _place(path: Sequence[str]) -> str:
    return " in ".join(quoted(name) for name in reversed(path))


def _with(text: str, path: tuple[str, ...], entry: str) -> str:
    """Return the text with a line more at the end of the mapping at `path`."""
    from ruamel.yaml import YAML  # noqa: PLC0415 (20 ms to import)

    skipped = len(text) - len(text.removeprefix("\ufeff"))
    node: Composed = YAML(typ="safe", pure=True).compose(text[skipped:])
    end = "\r\n" if "\r\n" in text else "\n"
    for depth, name in enumerate(path):
        found = next(((key, value) for key, value in _entries(node) if key.value == name), None)
        if found is None and depth == 0 and not _flows(node):
            gap = "" if text.endswith("\n") else end
            return f"{text}{gap}{name}:{end}{' ' * _INDENT}{entry}{end}"
        if found is None:
            break
        key, node = found
        if node.start_mark.index == node.end_mark.index and len(path) == 1:  # nothing stands below it yet
            return _at(text, skipped + key.end_mark.index, " " * (key.start_mark.column + _INDENT) + entry, end)
    else:
        if not _flows(node) and _entries(node):
            indent = " " * _entries(node)[0][0].start_mark.column
            return _at(text, skipped + _last(node), indent + entry, end)
    raise AmendError(f"{_place(path)} is not written line by line. Add this to it yourself: {entry}")


def _entries(node: Composed) -> list[tuple[Composed, Composed]]:
    from ruamel.yaml.nodes import MappingNode  # noqa: PLC0415

    return list(node.value) if isinstance(node, MappingNode) else []


def _flows(node: Composed) -> bool:
    return bool(getattr(node, "flow_style", True))


def _last(node: Composed) -> int:
    """Return where the last thing that is written inside a node ends."""
    from ruamel.yaml.nodes import CollectionNode, MappingNode  # noqa: PLC0415

    if not isinstance(node, CollectionNode) or _flows(node) or not node.value:
        return int(node.end_mark.index)
    if not isinstance(node, MappingNode):
        return _last(node.value[-1])
    key, value = node.value[-1]
    return max(int(key.end_mark.index), _last(value))  # an alias stands elsewhere


def _at(text: str, index: int, line: str, end: str) -> str:
    """Return the text with a line after the one that `index` stands in, or before it where it has only begun."""
    if index and text[index - 1] == "\n":
        return f"{text[:index]}{line}{end}{text[index:]}"
    cut = text.find("\n", index) + 1
    if not cut:
        return f"{text}{end}{line}{end}"
    return f"{text[:cut]}{line}{end}{text[cut:]}"


def shown_diff(amendment: Amendment) -> Iterator[str]:
    """Yield the lines of a diff, each safe to print; a backslash stays one."""
    for line in amendment.diff():
        yield "\\".join(safe(part, max_chars=2_000) for part in line.split("\\"))
