"""Before-copies of files, addressed by the SHA-256 of their content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from handrail.data.resources.durable import replace_file
from handrail.data.resources.results import CannotDo


class Images:
    """The before-copies of one folder. Callers hold the ledger's lock while they write.

    Args:
        folder: A folder of ours, made if missing; never one that an agent can write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "images"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def keep(self, content: bytes) -> str:
        """Store `content` durably and return its digest."""
        digest = hashlib.sha256(content).hexdigest()
        path = self._folder / digest
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            replace_file(path, content)
        return digest

    def get(self, digest: str) -> bytes:
        """Return what `keep` stored.

        Raises:
            CannotDo: It is missing or damaged.
        """
        try:
            content = (self._folder / digest).read_bytes()
        except OSError as error:
            raise CannotDo(
                f"The before-copy {digest[:12]} cannot be read ({type(error).__name__}); restore it from a backup."
            ) from error
        if hashlib.sha256(content).hexdigest() != digest:
            raise CannotDo(f"The before-copy {digest[:12]} is damaged; restore it from a backup.")
        return content
