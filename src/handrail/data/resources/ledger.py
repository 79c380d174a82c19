"""The ledger: one small file a change, written before the change begins, so that a crash is decidable.

It holds receipts, and those hold old content; the folder is readable by its own user only. What agents say never
becomes a file name: entries are named by the digest of their key.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from handrail.core.digest import Json, NotJson, canonical, digest, to_json
from handrail.data.resources.durable import replace_file
from handrail.data.resources.receipt import Receipt, Version
from handrail.data.resources.results import CannotDo

KEY_CHARS_MAX = 200


class State(StrEnum):
    """How far a change came."""

    BEGUN = "begun"
    APPLIED = "applied"
    UNDOING = "undoing"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Noted:
    """One change in the ledger.

    Attributes:
        state: How far it came.
        change: The digest of the change and its expected versions.
        receipt: What its receipt is; until it is applied, what it is going to be.
    """

    state: State
    change: str
    receipt: Receipt


class Ledger:
    """The entries of one folder.

    Args:
        folder: A folder of ours, made if missing; never one that an agent can write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "changes"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def holding(self, name: str, *, wait: bool) -> Iterator[None]:
        """Keep others who use this ledger out while something happens under `name`.

        Args:
            name: What is held: a key, or a word for all.
            wait: Whether to wait for whoever holds it.

        Raises:
            CannotDo: Somebody holds it and `wait` is false.
        """
        fd = os.open(self._file(name, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CannotDo("This change is being made right now; ask again when it has ended.") from None
            yield
        finally:
            os.close(fd)

    def find(self, key: str) -> Noted | None:
        """Return the entry of a key.

        Raises:
            CannotDo: It cannot be read; nothing may be done under this key until a person has looked.
        """
        path = self._file(key, "json")
        try:
            value = json.loads(path.read_bytes())
            noted = Noted(State(value["state"]), str(value["change"]), Receipt.from_json(value["receipt"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CannotDo(
                f"The record {path.name} of this change is damaged ({type(error).__name__}); let a person look at it."
            ) from error
        if noted.receipt.key != key:
            raise CannotDo(f"The record {path.name} belongs to another change; let a person look at it.")
        return noted

    def write(self, noted: Noted) -> None:
        """Write an entry, durably."""
        value: Json = {"state": noted.state.value, "change": noted.change, "receipt": noted.receipt.to_json()}
        replace_file(self._file(noted.receipt.key, "json"), canonical(value))

    def mark(self, noted: Noted, state: State, receipt: Receipt | None = None) -> Noted:
        """Write how far a change came, and return its entry."""
        after = replace(noted, state=state, receipt=receipt or noted.receipt)
        self.write(after)
        return after

    def drop(self, noted: Noted) -> None:
        """Forget a change that certainly did nothing."""
        self._file(noted.receipt.key, "json").unlink(missing_ok=True)

    def _file(self, name: str, kind: str) -> Path:
        return self._folder / f"{hashlib.sha256(name.encode()).hexdigest()}.{kind}"


def check_key(key: str) -> None:
    """Refuse what cannot be an idempotency key.

    Raises:
        CannotDo: It is empty, too long, or not plain ASCII letters, digits, `-`, `_`, `.`, `:`.
    """
    plain = key.isascii() and all(char.isalnum() or char in "-_.:" for char in key)
    if not plain or not 0 < len(key) <= KEY_CHARS_MAX:
        raise CannotDo(
            "The idempotency key must be a plan's digest: 1 to 200 ASCII letters, digits, '-', '_', '.', ':'."
        )


def change_digest(described: Json, expected: Mapping[str, Version]) -> str:
    """Return what tells one change under one expectation from all others.

    Raises:
        CannotDo: One of them is no JSON, so it can come from no preview.
    """
    try:
        return digest(to_json([described, dict(expected)]))
    except NotJson as error:
        raise CannotDo(f"The change cannot be recorded: {error} Preview it again.") from None
