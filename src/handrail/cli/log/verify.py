"""`handrail log verify`: whether the journal is whole."""

from __future__ import annotations

import typer


def verify(ctx: typer.Context) -> int:
    """Check that no row of the journal was changed or removed.

    Every chain, payload and anchor is checked. The exit code is 1 if anything is wrong.
    """
    from handrail.cli.exits import Code
    from handrail.cli.output import count, emit, line, progress, shown
    from handrail.cli.session import opened_store

    with opened_store(ctx) as (store, as_json), progress("Checking the journal") as moved:
        found = store.verify(moved)
    if as_json:
        emit(
            {
                "whole": not found.faults,
                "rows": found.records,
                "chains": found.chains,
                "pruned": found.pruned,
                "faults": list(found.faults),
            }
        )
        return Code.FINDINGS if found.faults else Code.OK
    read = f"{count(found.records, 'row')} in {count(found.chains, 'chain')}"
    read += f", {found.pruned:,} pruned" if found.pruned else ""
    if not found.faults:
        line(f"The journal is whole: {read}.")
        return Code.OK
    line(f"The journal is NOT whole: {count(len(found.faults), 'fault')} in {read}.")
    for fault in found.faults[:100]:
        for text in shown(fault):
            line(f"  {text}")
    if len(found.faults) > 100:
        line(f"  … and {len(found.faults) - 100:,} more: --json lists them all")
    return Code.FINDINGS
