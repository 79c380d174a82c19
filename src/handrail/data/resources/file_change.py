"""The four changes of a file, each a value, and the change that takes one back."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from handrail.core.digest import Json
from handrail.data.resources.images import Images
from handrail.data.resources.receipt import ABSENT, Receipt, Touched
from handrail.data.resources.results import CannotDo
from handrail.data.resources.tree import ReadFile, found_version, version_of


@dataclass(frozen=True, slots=True)
class WriteFile:
    """Replace the content of a file that exists.

    Attributes:
        path: The file, relative to the root.
        content: All of the new content.
    """

    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class CreateFile:
    """Make a file that does not exist; its folder must.

    Attributes:
        path: The file, relative to the root.
        content: All of its content.
        mode: Permission bits, whatever the umask.
        owner: User and group id; None leaves it to the system.
    """

    path: str
    content: bytes
    mode: int = 0o644
    owner: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Remove a file.

    Attributes:
        path: The file, relative to the root.
    """

    path: str


@dataclass(frozen=True, slots=True)
class MoveFile:
    """Give a file another path, where nothing may be yet.

    Attributes:
        path: The file, relative to the root.
        to: Its new path.
    """

    path: str
    to: str


FileChange: TypeAlias = WriteFile | CreateFile | DeleteFile | MoveFile


def operation(change: FileChange) -> str:
    """Return the change's word in receipts."""
    return {WriteFile: "write", CreateFile: "create", DeleteFile: "delete", MoveFile: "move"}[type(change)]


def ids(change: FileChange) -> tuple[str, ...]:
    """Return the paths that a change touches."""
    return (change.path, change.to) if isinstance(change, MoveFile) else (change.path,)


def described(change: FileChange) -> Json:
    """Return the change as JSON that differs whenever the change does; content stands as its digest."""
    about: dict[str, Json] = {"operation": operation(change), "ids": list(ids(change))}
    if isinstance(change, WriteFile | CreateFile):
        about["content"] = hashlib.sha256(change.content).hexdigest()
    if isinstance(change, CreateFile):
        about["mode"] = change.mode
        about["owner"] = None if change.owner is None else list(change.owner)
    return about


def content(change: FileChange) -> bytes:
    """Return the content that a change brings; empty without."""
    return change.content if isinstance(change, WriteFile | CreateFile) else b""


def of_described(about: Json, content: bytes) -> FileChange:
    """Return the change that `described` tells, with its content.

    Raises:
        ValueError: It tells none, or the content is another.
    """
    if isinstance(about, dict) and "content" in about and about["content"] != hashlib.sha256(content).hexdigest():
        raise ValueError("The content is not that of the change.")
    match about:
        case {"operation": "write", "ids": [str(path)], "content": str()}:
            return WriteFile(path, content)
        case {"operation": "create", "ids": [str(path)], "content": str(), "mode": int(mode), "owner": None}:
            return CreateFile(path, content, mode)
        case {"operation": "create", "ids": [str(path)], "content": str(), "mode": int(mode), "owner": [user, group]}:
            return CreateFile(path, content, mode, (_whole(user), _whole(group)))
        case {"operation": "delete", "ids": [str(path)]}:
            return DeleteFile(path)
        case {"operation": "move", "ids": [str(path), str(to)]}:
            return MoveFile(path, to)
    raise ValueError("This is not a change of a file.")


def _whole(value: Json) -> int:
    if isinstance(value, int):
        return value
    raise ValueError("This is not a change of a file.")


def touched(change: FileChange, found: dict[str, ReadFile | None]) -> tuple[Touched, ...]:
    """Return what a change takes each of its paths to.

    Raises:
        CannotDo: It cannot be done to what was found.
    """
    here = found[change.path]
    before = found_version(here)
    match change:
        case CreateFile(path, content):
            if here is not None:
                raise CannotDo("There is a file of that name already; write to it, or choose another name.")
            return (Touched(path, ABSENT, version_of(content)),)
        case _ if here is None:
            raise CannotDo("There is no file of that name; look again at what is there.")
        case _ if here.links > 1:
            raise CannotDo(
                "The file has several names (hard links), which may lie outside the root; change it by hand."
            )
        case WriteFile(path, content):
            if content == here.content:
                raise CannotDo("The file already has exactly this content; there is nothing to change.")
            return (Touched(path, before, version_of(content)),)
        case DeleteFile(path):
            return (Touched(path, before, ABSENT),)
        case MoveFile(path, to):
            if path == to or found[to] is not None:
                raise CannotDo("There is a file at the new path already; delete it first, or choose another path.")
            return (Touched(path, before, ABSENT), Touched(to, ABSENT, before))


def inverse(receipt: Receipt, images: Images) -> FileChange:
    """Return the change that takes a receipt's change back.

    Raises:
        CannotDo: The before-copy is gone.
    """
    first = receipt.touched[0]
    match receipt.operation, receipt.kept:
        case "create", _:
            return DeleteFile(first.id)
        case "move", _:
            return MoveFile(receipt.touched[1].id, first.id)
        case "write", {"image": str(image)}:
            return WriteFile(first.id, images.get(image))
        case "delete", {"image": str(image), "mode": int(mode), "owner": [int(user), int(group)]}:
            return CreateFile(first.id, images.get(image), mode, (user, group))
    raise CannotDo(f"The receipt of this {receipt.operation} does not say how to take it back; let a person do it.")
