"""`handrail store backup`: a consistent copy, while agents go on."""

from __future__ import annotations

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
    from handrail.cli.output import count, emit, line, progress
    from handrail.cli.session import opened_store
    from handrail.core.text import safe

    with opened_store(ctx) as (store, as_json), progress("Copying the store"):
        store.backup(file)
    size = file.stat().st_size
    if as_json:
        emit({"file": str(file), "bytes": size})
        return
    line(f"Wrote {safe(file, max_chars=500)} ({count(size, 'byte')}). Look into it: handrail log --store sqlite:///…")
