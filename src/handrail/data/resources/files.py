"""Guarded changes of files under one root folder.

A change keeps a before-copy, writes its intent, and then does one step that the file system makes whole: a link for
what must not exist yet, a rename over what is replaced, an unlink. Hashes tell afterwards whether that step was made.

What remains: plain files know no compare-and-swap. A program that ignores us and writes in the instant between our
last look and the rename (or unlink) loses that write. Creating and moving cannot overwrite, even then. Users of one
ledger folder keep each other out with a lock. Content, permission bits and owner are kept; extended attributes and
ACLs are not. A file that somebody set back to exactly its earlier content looks untouched, which harms nobody; and
after a crash, what somebody else did exactly as planned counts as done by us.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from enum import Enum, auto
from pathlib import Path

from handrail.core.digest import Json
from handrail.core.text import safe
from handrail.data.resources import file_change
from handrail.data.resources.durable import new_file
from handrail.data.resources.file_change import CreateFile, DeleteFile, FileChange, MoveFile, WriteFile
from handrail.data.resources.images import Images
from handrail.data.resources.ledger import Ledger, Noted, State, change_digest, check_key
from handrail.data.resources.protocol import Applied, Became, Picture, Preview, Reverted
from handrail.data.resources.receipt import Receipt, Touched, Version
from handrail.data.resources.results import CannotDo, Clash, Conflict, InDoubt, NotApplied, Refused, Stale, Undone
from handrail.data.resources.traits import DryRun, Idempotency, Precondition, Traits, UndoKind
from handrail.data.resources.tree import OURS, ReadFile, found_version, parent, read
from handrail.errors import ConfigurationError

BYTES_MAX = 64 * 1024 * 1024
_ALL = "files"


class _Seen(Enum):
    """How a change's resources stand, told by their versions."""

    BEFORE = auto()
    AFTER = auto()
    HALF = auto()
    OTHER = auto()


class _Moved(Exception):  # noqa: N818 (a resource moved on; never leaves this file)
    """Somebody wrote between the plan and the step."""


class Files:
    """The adapter of files.

    Args:
        root: The folder that ids are relative to. Folders above it are trusted, nothing below it is.
        folder: A folder of ours for before-copies and the ledger, outside the root; made if missing.
        bytes_max: Largest file that is read or written, in bytes.

    Raises:
        ConfigurationError: The root is no folder, or one of the two lies in the other.
    """

    def __init__(self, root: Path, folder: Path, *, bytes_max: int = BYTES_MAX) -> None:
        self._root = root.resolve()
        folder = folder.resolve()
        if not self._root.is_dir():
            raise ConfigurationError(f"The root {safe(root)} is not a folder; create it, or name another.")
        if folder.is_relative_to(self._root) or self._root.is_relative_to(folder):
            raise ConfigurationError("The root and the folder of before-copies must not lie in each other; move one.")
        self._ledger = Ledger(folder)
        self._images = Images(folder)
        self._bytes_max = bytes_max

    @property
    def traits(self) -> Traits:
        """Compared, then written; previews have no effect; undo gives back every byte; repeats by key."""
        return Traits(Precondition.CHECK_THEN_ACT, DryRun.SAFE, UndoKind.EXACT, Idempotency.KEY)

    @property
    def where(self) -> str:
        """The root folder, without links."""
        return str(self._root)

    def observe(self, ids: Iterable[str]) -> dict[str, Version] | Refused:
        """Return the version of each file, `absent` where there is none."""
        try:
            return {id: found_version(self._read(id)) for id in ids}
        except CannotDo as error:
            return error.refused()

    def preview(self, change: FileChange) -> Preview | Refused:
        """Return each file's content before and after, without changing anything."""
        try:
            found = self._found(change)
            self._check(change, found)
        except CannotDo as error:
            return error.refused()
        return self._preview(change, found)

    def _preview(self, change: FileChange, found: dict[str, ReadFile | None]) -> Preview:
        before = {id: one.content if one else None for id, one in found.items()}
        after = _contents_after(change, before)
        return Preview(
            tuple(Picture(id, found_version(found[id]), before[id], after[id]) for id in found),
            self.traits.precondition,
        )

    def apply(self, change: FileChange, expected_versions: Mapping[str, Version], idempotency_key: str) -> Applied:
        """Make the change if every file still has its expected version; a repeat by key gets the first receipt."""
        try:
            check_key(idempotency_key)
            with self._ledger.holding(_ALL, wait=True):
                return self._apply(change, dict(expected_versions), idempotency_key)
        except CannotDo as error:
            return error.refused()
        except OSError as error:
            return self._cut_off(idempotency_key, error)

    def undo(self, receipt: Receipt) -> Reverted:
        """Give the files their content back if every one of them is as the change left it."""
        try:
            with self._ledger.holding(_ALL, wait=True):
                return self._undo(receipt)
        except CannotDo as error:
            return error.refused()
        except OSError as error:
            return InDoubt(f"The undo was cut off ({_said(error)}); call undo again, it goes on where it stopped.")

    def decide(self, idempotency_key: str) -> Became:
        """Tell by the hashes what became of a change; a move or undo that was cut off half-way is finished."""
        try:
            check_key(idempotency_key)
            with self._ledger.holding(_ALL, wait=True):
                noted = self._noted(idempotency_key)
                if noted is None:
                    return NotApplied("This change was never begun; apply it.")
                return self._decide(noted)
        except CannotDo as error:
            return error.refused()
        except OSError as error:
            return InDoubt(f"The files cannot be looked at ({_said(error)}); ask again when they can.")

    def recorded(self, idempotency_key: str) -> Noted | Refused | None:
        """Return what the ledger says of a change; the files are not looked at."""
        try:
            check_key(idempotency_key)
            return self._noted(idempotency_key)
        except CannotDo as error:
            return error.refused()

    def preview_undo(self, receipt: Receipt) -> Preview | Conflict | Refused:
        """Return each file's content before and after the undo, if every one of them is as the change left it."""
        try:
            noted = self._noted(receipt.key)
            if noted is not None and noted.state is State.UNDOING:
                return Preview((), self.undo_precondition(receipt))
            change = file_change.inverse(receipt, self._images)
            found = self._found(change)
            clashes = _clashes({one.id: one.after for one in receipt.touched}, found)
            if clashes:
                return _conflict(clashes)
            self._check(change, found)
        except CannotDo as error:
            return error.refused()
        return self._preview(change, found)

    def undo_precondition(self, receipt: Receipt) -> Precondition:
        """Plain files are compared, then written."""
        del receipt
        return self.traits.precondition

    # apply

    def _apply(self, change: FileChange, expected: dict[str, Version], key: str) -> Applied:
        if set(expected) != set(file_change.ids(change)):
            raise CannotDo("The expected versions must name exactly the files of the change; preview it again.")
        about = change_digest(file_change.described(change), expected)
        noted = self._noted(key)
        if noted is not None and noted.change != about:
            raise CannotDo("This idempotency key belongs to another change; make a plan for this one.")
        if noted is not None:
            became = self._decide(noted)
            if isinstance(became, Undone):
                raise CannotDo("This change was made and undone; make a new plan to do it again.")
            if not isinstance(became, NotApplied):
                return became
        found = self._found(change)
        clashes = _clashes(expected, found)
        if clashes:
            return self._stale(noted, clashes)
        touched = self._check(change, found)
        if noted is None:
            noted = Noted(State.BEGUN, about, self._receipt(change, key, touched, found[change.path]))
            self._ledger.write(noted)
        try:
            self._perform(change, touched, key)
        except _Moved:
            return self._stale(noted, _clashes(expected, self._found(change)))
        except CannotDo:
            self._ledger.drop(noted)  # every step refuses before it does anything
            raise
        return self._ledger.mark(noted, State.APPLIED).receipt

    def _receipt(self, change: FileChange, key: str, touched: tuple[Touched, ...], found: ReadFile | None) -> Receipt:
        kept: dict[str, Json] = {}
        if found is not None:
            kept = {"image": self._images.keep(found.content), "mode": found.mode, "owner": [*found.owner]}
        operation, where = file_change.operation(change), str(self._root)
        return Receipt(where, operation, key, touched, self.traits.precondition, kept)

    def _stale(self, noted: Noted | None, clashes: tuple[Clash, ...]) -> Stale:
        if noted is not None:
            self._ledger.drop(noted)
        return Stale("A file changed after the plan was made, so nothing was written; plan again.", clashes)

    def _cut_off(self, key: str, error: OSError) -> Applied:
        """Tell how a change stands that the system broke off."""
        became = self.decide(key)
        if isinstance(became, NotApplied):
            return Refused(f"The file could not be changed ({_said(error)}) and is as before; repair that, then apply.")
        if isinstance(became, Receipt):
            return InDoubt(f"The change is made but may not survive a power loss ({_said(error)}); check the disk.")
        return became if isinstance(became, InDoubt | Refused) else InDoubt(f"Undone meanwhile ({_said(error)}).")

    # undo and decide

    def _undo(self, receipt: Receipt) -> Reverted:
        noted = self._noted(receipt.key)
        if noted is None or noted.receipt != receipt:
            raise CannotDo("This receipt is not one of this folder's changes; undo it where it was made.")
        became = self._decide(noted)
        if not isinstance(became, Receipt):
            return became
        change = file_change.inverse(receipt, self._images)
        found = self._found(change)
        after = {one.id: one.after for one in receipt.touched}
        clashes = _clashes(after, found)
        if clashes:
            return _conflict(clashes)
        touched = self._check(change, found)
        noted = self._ledger.mark(noted, State.UNDOING)
        try:
            self._perform(change, touched, receipt.key)
        except _Moved:
            self._ledger.mark(noted, State.APPLIED)
            return _conflict(_clashes(after, self._found(change)))
        except CannotDo:
            self._ledger.mark(noted, State.APPLIED)
            raise
        return _undone(self._ledger.mark(noted, State.UNDONE).receipt)

    def _decide(self, noted: Noted) -> Receipt | Undone | NotApplied | InDoubt:
        receipt = noted.receipt
        match noted.state:
            case State.APPLIED:
                return receipt
            case State.UNDONE:
                return _undone(receipt)
        self._sweep(receipt)
        seen, clashes = self._seen(receipt)
        undoing = noted.state is State.UNDOING
        if seen is _Seen.HALF:
            path, to = (one.id for one in receipt.touched)
            self._unlink(to if undoing else path)
            seen = _Seen.BEFORE if undoing else _Seen.AFTER
        if seen is _Seen.AFTER:
            return self._ledger.mark(noted, State.APPLIED).receipt
        if seen is _Seen.OTHER:
            what = "undo" if undoing else "change"
            return InDoubt(
                f"The {what} was cut off and somebody wrote since; a person must compare the files.", clashes
            )
        if undoing:
            return _undone(self._ledger.mark(noted, State.UNDONE).receipt)
        return NotApplied("The change was cut off before it did anything; apply it again with the same key.")

    def _seen(self, receipt: Receipt) -> tuple[_Seen, tuple[Clash, ...]]:
        found = {one.id: self._read(one.id) for one in receipt.touched}
        before = _clashes({one.id: one.before for one in receipt.touched}, found)
        after = _clashes({one.id: one.after for one in receipt.touched}, found)
        if not before:
            return _Seen.BEFORE, ()
        if not after:
            return _Seen.AFTER, ()
        inodes = {one.inode if one else None for one in found.values()}
        if receipt.operation == "move" and len(inodes) == 1 and None not in inodes:
            return _Seen.HALF, ()
        return _Seen.OTHER, after

    # the steps

    def _perform(self, change: FileChange, touched: tuple[Touched, ...], key: str) -> None:
        before = {one.id: one.before for one in touched}
        with ExitStack() as stack:
            folder_fd, name = stack.enter_context(parent(self._root, change.path))
            match change:
                case WriteFile(_, content):
                    self._write(folder_fd, name, content, (change.path, before[change.path], _temporary(key)))
                case CreateFile(_, content, mode, owner):
                    _create(folder_fd, name, _temporary(key), CreateFile(name, content, mode, owner))
                case DeleteFile(path):
                    self._expect(folder_fd, name, path, before[path])
                    os.unlink(name, dir_fd=folder_fd)
                case MoveFile(path, to):
                    to_fd, to_name = stack.enter_context(parent(self._root, to))
                    found = self._expect(folder_fd, name, path, before[path])
                    _link(name, to_name, folder_fd, to_fd)
                    os.fsync(to_fd)
                    self._leave((folder_fd, name, to_fd, to_name), path, found)
            os.fsync(folder_fd)

    def _write(self, folder_fd: int, name: str, content: bytes, plan: tuple[str, Version, str]) -> None:
        path, before, temporary = plan
        found = self._expect(folder_fd, name, path, before)
        owner = None if found.owner == (os.geteuid(), os.getegid()) else found.owner
        _make(temporary, content, folder_fd=folder_fd, mode=found.mode, owner=owner)
        try:
            self._expect(folder_fd, name, path, before)
            os.replace(temporary, name, src_dir_fd=folder_fd, dst_dir_fd=folder_fd)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder_fd)
            raise

    def _leave(self, ends: tuple[int, str, int, str], path: str, found: ReadFile) -> None:
        """Remove a moved file's old name; or its new one, if the old one is not the planned file any more."""
        from_fd, name, to_fd, to_name = ends
        try:
            moved, here = read(to_fd, to_name, path, self._bytes_max), read(from_fd, name, path, self._bytes_max)
        except CannotDo:  # somebody is at it, perhaps put something else there
            status = os.stat(to_name, dir_fd=to_fd, follow_symlinks=False)
            if (status.st_dev, status.st_ino) == found.inode:
                os.unlink(to_name, dir_fd=to_fd)
            raise
        new, old = moved and moved.inode, here and here.inode
        if found_version(moved) == found.version and new == old == found.inode:
            os.unlink(name, dir_fd=from_fd)
            return
        if new is not None and new in (old, found.inode):  # else somebody put another file there
            os.unlink(to_name, dir_fd=to_fd)
        raise _Moved

    def _expect(self, folder_fd: int, name: str, id: str, version: Version) -> ReadFile:
        found = read(folder_fd, name, id, self._bytes_max)
        if found is None or found.version != version:
            raise _Moved
        return found

    def _sweep(self, receipt: Receipt) -> None:
        """Remove the temporary file that a crash left behind; its name is ours and of this change alone."""
        for one in receipt.touched:
            with parent(self._root, one.id) as (folder_fd, _), suppress(FileNotFoundError):
                os.unlink(_temporary(receipt.key), dir_fd=folder_fd)

    def _unlink(self, id: str) -> None:
        with parent(self._root, id) as (folder_fd, name):
            os.unlink(name, dir_fd=folder_fd)
            os.fsync(folder_fd)

    # looking

    def _noted(self, key: str) -> Noted | None:
        noted = self._ledger.find(key)
        if noted is not None and noted.receipt.where != str(self._root):
            raise CannotDo("This key belongs to a change under another root folder; use that one.")
        return noted

    def _check(self, change: FileChange, found: dict[str, ReadFile | None]) -> tuple[Touched, ...]:
        if isinstance(change, WriteFile | CreateFile) and len(change.content) > self._bytes_max:
            raise CannotDo(f"The new content is larger than {self._bytes_max:,} bytes, the limit; write less.")
        if isinstance(change, CreateFile) and not 0 <= change.mode <= 0o7777:
            raise CannotDo(f"The mode {change.mode:#o} is not a file's permission bits; use for example 0o644.")
        return file_change.touched(change, found)

    def _found(self, change: FileChange) -> dict[str, ReadFile | None]:
        return {id: self._read(id) for id in file_change.ids(change)}

    def _read(self, id: str) -> ReadFile | None:
        with parent(self._root, id) as (folder_fd, name):
            return read(folder_fd, name, id, self._bytes_max)


def _contents_after(change: FileChange, before: dict[str, bytes | None]) -> dict[str, bytes | None]:
    match change:
        case WriteFile(path, content) | CreateFile(path, content):
            return {path: content}
        case DeleteFile(path):
            return {path: None}
        case MoveFile(path, to):
            return {path: None, to: before[path]}


def _clashes(expected: Mapping[str, Version], found: Mapping[str, ReadFile | None]) -> tuple[Clash, ...]:
    now = {id: found_version(one) for id, one in found.items()}
    return tuple(Clash(id, expected[id], now[id]) for id in now if now[id] != expected[id])


def _conflict(clashes: tuple[Clash, ...]) -> Conflict:
    return Conflict("A file was changed after this change, so it was left alone; compare and decide by hand.", clashes)


def _undone(receipt: Receipt) -> Undone:
    return Undone(tuple(Touched(one.id, one.after, one.before) for one in receipt.touched))


def _temporary(key: str) -> str:
    return f"{OURS}{hashlib.sha256(key.encode()).hexdigest()[:32]}"


def _make(name: str, content: bytes, *, folder_fd: int, mode: int, owner: tuple[int, int] | None) -> None:
    """Write our temporary file; one of the same name is of an earlier try under the same key."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder_fd)
    try:
        new_file(name, content, folder_fd=folder_fd, mode=mode, owner=owner)
    except PermissionError as error:
        raise CannotDo(f"The file's owner or folder does not let us write ({_said(error)}); ask its owner.") from error


def _create(folder_fd: int, name: str, temporary: str, new: CreateFile) -> None:
    owner = None if new.owner == (os.geteuid(), os.getegid()) else new.owner
    _make(temporary, new.content, folder_fd=folder_fd, mode=new.mode, owner=owner)
    try:
        _link(temporary, name, folder_fd, folder_fd)
    finally:
        os.unlink(temporary, dir_fd=folder_fd)


def _link(name: str, to_name: str, from_fd: int, to_fd: int) -> None:
    """Give a file a second name where nothing is; the one step that never overwrites."""
    try:
        os.link(name, to_name, src_dir_fd=from_fd, dst_dir_fd=to_fd, follow_symlinks=False)
    except FileExistsError:
        raise _Moved from None
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise CannotDo("The new path is on another file system; copy the file instead.") from error
        if error.errno in (errno.EPERM, errno.ENOTSUP, errno.EMLINK):
            raise CannotDo(
                "This file system cannot make files without the risk of overwriting; use another."
            ) from error
        raise


def _said(error: OSError) -> str:
    return safe(error.strerror or type(error).__name__)
