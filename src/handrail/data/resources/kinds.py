r"""The two kinds of resources: how their changes are checked, named to rules, kept, and read back.

An id here is a resource of the policy as well, so it may hold nothing that the policy would read otherwise: what is
said of `notes\..\plan` would be remembered of `plan`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from handrail.core.change import Touch
from handrail.core.digest import Json, NotJson, to_json
from handrail.core.effect import PLACEHOLDER, Verb
from handrail.core.text import safe
from handrail.data.resources import file_change, json_change
from handrail.data.resources.file_change import CreateFile, DeleteFile, FileChange, MoveFile, WriteFile
from handrail.data.resources.json_change import CreateJson, DeleteJson, JsonChange, PatchJson, PutJson
from handrail.data.resources.json_client import path_of
from handrail.data.resources.protocol import Adapter
from handrail.data.resources.results import CannotDo
from handrail.data.resources.traits import Precondition
from handrail.data.resources.tree import parts_of

ID_CHARS_MAX = 1_000
"""Characters of an id."""

CONTENT_MAX = 16 * 1024 * 1024
"""Bytes that one change may bring: they are kept in the store until nobody can apply the plan any more."""

NOT_COMPARED = (
    "The server cannot compare and write in one step, so a write of somebody else that falls in between would be lost."
)

VERBS = {
    "write": Verb.UPDATE, "put": Verb.UPDATE, "patch": Verb.UPDATE, "create": Verb.CREATE, "delete": Verb.DELETE,
    "move": Verb.MOVE,
}  # fmt: skip
"""What an operation does to the world."""

INVERSE = {"write": "write", "put": "put", "patch": "put", "create": "delete", "delete": "create", "move": "move"}
"""The operation that takes an operation back."""

ChangeT = TypeVar("ChangeT")


class ResourceKind(Protocol[ChangeT]):
    """What is different between files and JSON resources, apart from changing them."""

    @property
    def name(self) -> str:
        """`files` or `http`."""

    @property
    def adapter(self) -> Adapter[ChangeT]:
        """Changes them."""

    def resource(self, id: str) -> str:
        """Return an id as a resource of the policy."""

    def checked(self, change: object) -> ChangeT:
        """Return a change that shares nothing with the caller's.

        Raises:
            CannotDo: It is none of this kind, or names what cannot be changed here.
        """

    def told(self, change: ChangeT) -> dict[str, Json]:
        """Return `operation`, `ids` and whatever else tells the change; content stands as its digest."""

    def content(self, change: ChangeT) -> bytes:
        """Return the content that a change brings; empty without."""

    def of_told(self, about: Json, content: bytes) -> ChangeT:
        """Return the change that `told` tells. Raises `ValueError`."""

    def said(self, precondition: Precondition) -> dict[str, Json]:
        """Return what the arguments of a change say of its precondition, so that policies can ask about it."""

    def warnings(self, precondition: Precondition, change: ChangeT | None = None) -> tuple[str, ...]:
        """Return what a person should know; without a change, of an undo."""


class FileKind:
    """Files below a root folder.

    Args:
        adapter: Changes them.
    """

    name = "files"

    def __init__(self, adapter: Adapter[FileChange]) -> None:
        self.adapter = adapter

    def resource(self, id: str) -> str:
        """Return `file/` and the absolute path: what other tools say of the file counts here, and the reverse."""
        return f"file/{self.adapter.where.rstrip('/')}/{id}"

    def checked(self, change: object) -> FileChange:
        """Return the change, once its paths, its content and its mode can be used."""
        if not isinstance(change, WriteFile | CreateFile | DeleteFile | MoveFile):
            raise CannotDo("This is no change of a file. Use WriteFile, CreateFile, DeleteFile or MoveFile.")
        for id in file_change.ids(change):
            _usable(id)
            parts_of(id)
        if isinstance(change, WriteFile | CreateFile):
            if not isinstance(change.content, bytes):
                raise CannotDo("The content of a file has to be bytes. Encode text first: text.encode().")
            _fits(len(change.content))
        if isinstance(change, CreateFile):
            _plain(change)
        return change

    def told(self, change: FileChange) -> dict[str, Json]:
        """Return it as JSON."""
        about = file_change.described(change)
        assert isinstance(about, dict)
        return about

    def content(self, change: FileChange) -> bytes:
        """Return the new content."""
        return file_change.content(change)

    def of_told(self, about: Json, content: bytes) -> FileChange:
        """Return the change."""
        return file_change.of_described(about, content)

    def said(self, precondition: Precondition) -> dict[str, Json]:
        """Return nothing: plain files know no other way, and creating one cannot overwrite."""
        del precondition
        return {}

    def warnings(self, precondition: Precondition, change: FileChange | None = None) -> tuple[str, ...]:
        """Return what is unusual about a new file; that files are compared and then written is true of every change."""
        del precondition
        mode = change.mode if isinstance(change, CreateFile) else 0
        found: tuple[str, ...] = ("can be run as a program",) if mode & 0o111 else ()
        found += ("can be written by other users",) if mode & 0o022 else ()
        return tuple(f"The new file {what} (mode {mode:#o})." for what in found)


class HttpKind:
    """JSON resources below a base URL.

    Args:
        adapter: Changes them.
    """

    name = "http"

    def __init__(self, adapter: Adapter[JsonChange]) -> None:
        self.adapter = adapter

    def resource(self, id: str) -> str:
        """Return `url/` and the whole URL."""
        return f"url/{self.adapter.where}{path_of(id)}"

    def checked(self, change: object) -> JsonChange:
        """Return the change with a body that is plain JSON and nobody else holds."""
        if not isinstance(change, PutJson | PatchJson | CreateJson | DeleteJson):
            raise CannotDo("This is no change of a JSON resource. Use PutJson, PatchJson, CreateJson or DeleteJson.")
        _usable(change.id)
        path_of(change.id)
        try:
            match change:
                case PatchJson(id, patch):
                    body = to_json(patch, bytes_max=CONTENT_MAX)
                    if not isinstance(body, dict):
                        raise CannotDo("A patch has to be a JSON object. Replace the resource whole with PutJson.")
                    return PatchJson(id, body)
                case PutJson(_, body) | CreateJson(_, body):
                    return replace(change, body=to_json(body, bytes_max=CONTENT_MAX))
        except NotJson as error:
            raise CannotDo(f"The body cannot be sent as JSON. {error}") from None
        return change

    def told(self, change: JsonChange) -> dict[str, Json]:
        """Return it as JSON."""
        return json_change.named(change)

    def content(self, change: JsonChange) -> bytes:
        """Return the body in its canonical form."""
        return json_change.content(change)

    def of_told(self, about: Json, content: bytes) -> JsonChange:
        """Return the change."""
        return json_change.of_named(about, content)

    def said(self, precondition: Precondition) -> dict[str, Json]:
        """Return the precondition: a server that cannot compare always asks."""
        return {"precondition": precondition.value}

    def warnings(self, precondition: Precondition, change: JsonChange | None = None) -> tuple[str, ...]:
        """Return that the server cannot compare, where it cannot."""
        del change
        return () if precondition is Precondition.ATOMIC else (NOT_COMPARED,)


def touches(kind: ResourceKind[ChangeT], operation: str, ids: Sequence[str]) -> tuple[Touch, ...]:
    """Return what an operation does to its resources, as the arguments of an action say it."""
    verb, first = VERBS[operation], kind.resource(ids[0])
    return (Touch(first, verb, to=kind.resource(ids[1]) if verb is Verb.MOVE else None),)


def inverted(operation: str, ids: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return the operation and the ids that take a change back: a move goes the other way."""
    return INVERSE[operation], tuple(reversed(ids))


def _usable(id: object) -> None:
    if not isinstance(id, str):
        raise CannotDo(f"The id {safe(id, max_chars=60)} is no text. Name the resource by its path.")
    if len(id) > ID_CHARS_MAX:
        raise CannotDo(f"The id {safe(id, max_chars=60)} is longer than {ID_CHARS_MAX:,} characters, the limit.")
    odd = not id.isprintable() or "\\" in id or id != id.strip() or id.endswith(PLACEHOLDER)
    if odd:
        raise CannotDo(
            f"The id {safe(id, max_chars=100)} holds control characters, a backslash, a blank at its end or "
            f"'{PLACEHOLDER}'. Such names are read in two ways, so they are not changed here."
        )


def _fits(size: int) -> None:
    if size > CONTENT_MAX:
        raise CannotDo(
            f"The new content has {size:,} bytes, and a plan keeps at most {CONTENT_MAX:,}. "
            "Change it in smaller files, or by other means."
        )


def _plain(change: CreateFile) -> None:
    """Refuse what gives a new file more rights than its maker's: creating asks nobody."""
    mode = change.mode
    if not isinstance(mode, int) or not 0 <= mode <= 0o777:
        raise CannotDo(
            f"The mode {safe(mode, max_chars=20)} is not read, write and execute bits; use for example 0o644."
        )
    if change.owner is not None:
        raise CannotDo("A new file belongs to who makes it. Leave the owner out.")
