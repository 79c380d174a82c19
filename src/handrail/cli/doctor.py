"""`handrail doctor`: is the protection really on?"""

from __future__ import annotations

import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.exits import Code
from handrail.cli.options import options
from handrail.cli.output import Column, count, emit, line, plain, progress, table
from handrail.cli.policy import short
from handrail.cli.settings import Settings, load_policy, resolve, store_url
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from handrail.doctor import Finding

ITEMS_MAX = 10
"""Items of one finding that people are shown; `--json` has all."""

_STYLE = {"ok": "green", "warning": "yellow", "error": "bold red"}


def doctor(
    ctx: typer.Context,
    full: Annotated[bool, typer.Option("--full", help="Verify the whole journal, not only its newest rows.")] = False,
) -> int:
    """Tell whether the protection is really on."""
    said = options(ctx)
    settings = resolve(said)
    file = short(settings.policy)
    found, store, usable = _examined(settings, file, full=full)
    errors, warnings = (sum(one.level == level for one in found) for level in ("error", "warning"))
    if said.json:
        emit(
            {
                "ok": not errors,
                "errors": errors,
                "warnings": warnings,
                "policy": None if file is None else str(file),
                "store": store,
                "checks": [one.to_json() for one in found],
            }
        )
    else:
        _show(found)
        line()
        line(f"{count(errors, 'error')}, {count(warnings, 'warning')}." if errors or warnings else "All is well.")
    if not usable:
        return Code.CONFIGURATION
    return Code.FINDINGS if errors else Code.OK


def _examined(settings: Settings, file: Path | None, *, full: bool) -> tuple[tuple[Finding, ...], str | None, bool]:
    """Return what was found, the store's address, and whether policy and store can be used at all."""
    from dataclasses import replace

    from handrail.doctor import examine, open_place
    from handrail.doctor.policy import unusable

    try:
        policy = load_policy(replace(settings, policy=file))
        url = store_url(settings, policy)
    except ConfigurationError as problem:
        return (unusable(problem, file),), None, False
    place = open_place(url, settings.folder, settings.named)
    try:
        with progress("Verifying the journal") if full else nullcontext() as told:
            found = examine(policy, file or Path(), place, time.time_ns() // 1_000, full=full, progress=told)
        usable = not any(one.check == "store" and one.level == "error" for one in found)
        return found, place.url, usable
    finally:
        if place.store is not None:
            place.store.close()


def _show(found: tuple[Finding, ...]) -> None:
    """Print a table at a terminal; one line a finding when piped."""
    terminal = sys.stdout.isatty()
    rows = []
    for one in found:
        parts = [one.message, *(f"{'  ' if terminal else ''}{item}" for item in one.items[:ITEMS_MAX])]
        if len(one.items) > ITEMS_MAX:
            parts.append(f"… and {len(one.items) - ITEMS_MAX:,} more (--json has all)")
        if one.todo:
            parts.append(f"What to do: {one.todo}")
        if terminal:
            cells = plain(one.level.value, _STYLE[one.level.value]), plain(one.check), plain("\n".join(parts))
            rows.append(cells)
        else:
            line(f"{one.level.value:7}  {one.check:9}  {' | '.join(parts)}")
    if terminal:
        table((Column("", whole=True), Column("", whole=True), Column("")), rows, heading=False)
