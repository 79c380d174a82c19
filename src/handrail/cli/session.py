"""What a command works with: the policy and the store, opened for as long as it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from handrail.cli.options import options
from handrail.cli.output import say
from handrail.cli.settings import Settings, load_policy, resolve, store_url
from handrail.core.store import Store
from handrail.core.text import safe
from handrail.errors import ConfigurationError

if TYPE_CHECKING:
    from handrail.policy import CompiledPolicy


@dataclass(frozen=True, slots=True)
class Session:
    """An open policy and store.

    Attributes:
        json: Whether stdout is for a machine.
        policy: The compiled policy.
        store: The store.
    """

    json: bool
    policy: CompiledPolicy
    store: Store


def policy_of(ctx: typer.Context) -> CompiledPolicy:
    """Return the policy, for commands that need no store."""
    return load_policy(resolve(options(ctx)))


@contextmanager
def opened(
    ctx: typer.Context, *, create: bool = False, check: Callable[[CompiledPolicy], None] | None = None
) -> Iterator[Session]:
    """Open policy and store.

    Args:
        ctx: The command's context.
        create: Whether to make a store that does not exist yet. Otherwise the policy's own store counts as empty, so
            that looking never leaves a file that belongs to whoever looked.
        check: Refuses by raising, before the store is opened or made.
    """
    said = options(ctx)
    settings = resolve(said)
    policy = load_policy(settings)
    if check is not None:
        check(policy)
    store = _connect(settings, store_url(settings, policy), create=create)
    try:
        yield Session(said.json, policy, store)
    finally:
        store.close()


@contextmanager
def opened_store(ctx: typer.Context, *, needed: str = "") -> Iterator[tuple[Store, bool]]:
    """Open the store alone, for commands that work without a policy too; yields it, and whether to print JSON.

    Args:
        ctx: The command's context.
        needed: For a command that needs a store that is there: the end of the sentence that says that there is none.
    """
    said = options(ctx)
    settings = resolve(said)
    store = _connect(settings, store_url(settings, None), create=False, needed=needed)
    try:
        yield store, said.json
    finally:
        store.close()


def _connect(settings: Settings, url: str, *, create: bool, needed: str = "") -> Store:
    from handrail.stores import connect

    if url == "memory:":
        raise ConfigurationError(
            "The store is memory:, which lives inside one process, so there is nothing to see from here. "
            "Use sqlite:///… or postgresql://… as the store."
        )
    if "://" not in url and url.endswith((".db", ".sqlite", ".sqlite3")):
        where = settings.named or "The store"
        address = f"sqlite:///{Path(url).expanduser()}"
        raise ConfigurationError(f"{where}: '{safe(url)}' is a file, not an address. Write: {safe(address)}")
    missing = _missing(settings.folder, url)
    if missing is None or create:
        return connect(url, settings.folder)
    if settings.named:
        raise ConfigurationError(f"{settings.named}: there is no store at {safe(missing)}.")
    if needed:
        raise ConfigurationError(f"There is no store at {safe(missing)} yet, {needed}: no agent has run.")
    say("Nothing is recorded yet: no agent has run under this policy.")
    return connect("memory:", settings.folder)


def _missing(folder: Path, url: str) -> Path | None:
    """Return the file of a store that does not exist yet."""
    name = url.removeprefix("sqlite:///")
    if name in (url, "") or (folder / name).exists():
        return None
    return folder / name
