"""`handrail store backup`: a consistent copy, while agents go on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer


def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="File to write; it must not exist.", show_default=False)],
) -> None:
    """Write a consistent copy of the store, while agents go on.

    The copy can be opened as a store.
    """
    from handrail.cli.exits import UsageError
    from handrail.cli.output import count, emit, line, progress
    from handrail.cli.session import opened_store
    from handrail.core.text import safe

    if not file.parent.is_dir():
        raise UsageError(f"There is no folder {safe(file.parent, max_chars=500)}. Make it first, or name another file.")
    with opened_store(ctx, needed="so there is nothing to copy") as (store, as_json), progress("Copying the store"):
        store.backup(file)
    size = file.stat().st_size
    if as_json:
        emit({"file": str(file), "bytes": size})
        return
    line(f"Wrote {safe(file, max_chars=500)} ({count(size, 'byte')}). Look into it:")
    line(f"  handrail log --store {safe(shlex.quote(f'sqlite:///{file.absolute()}'), max_chars=500)}")
