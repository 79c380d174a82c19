"""The options that every command takes, declared once and attached to all: `--json`, `--policy`, `--store`, `--config`.

They may stand anywhere on the command line (`handrail --json log verify` is `handrail log verify --json`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

_KEY = "handrail"


@dataclass(frozen=True, slots=True)
class Options:
    """What was said about input and output.

    Attributes:
        json: Whether stdout is for a machine.
        policy: Path of the policy file.
        store: Address of the store.
        config: Path of the project's handrail.yaml.
    """

    json: bool = False
    policy: Path | None = None
    store: str | None = None
    config: Path | None = None


def options(ctx: typer.Context) -> Options:
    """Return what was said on the command line, at any level of it."""
    return Options(**ctx.meta.get(_KEY, {}))


def new_app(help: str, *, cls: type[Any] | None = None, alone: bool = False, epilog: str | None = None) -> typer.Typer:
    """Return an empty group of commands.

    Args:
        help: What the group is for.
        cls: Class of the group.
        alone: Whether the group is a command by itself.
        epilog: What stands below the list of commands.
    """
    return typer.Typer(
        cls=cls,
        help=help,
        epilog=epilog,
        add_completion=False,
        no_args_is_help=not alone,
        invoke_without_command=alone,
        rich_markup_mode=None,  # help is our own plain text; nothing in it is markup
        pretty_exceptions_enable=False,  # they print local variables, and a secret is one
    )


def _note(ctx: typer.Context, param: typer.CallbackParam, value: Any) -> Any:
    if value is not None and value is not False:
        ctx.meta.setdefault(_KEY, {})[param.name] = value
    return value


def _option(*names: str, help: str) -> Any:
    return typer.Option(*names, help=help, callback=_note, expose_value=False, show_default=False)


def _common(
    json: Annotated[bool, _option("--json", help="Print JSON for machines.")] = False,
    policy: Annotated[Path | None, _option("--policy", help="Policy file to decide with.")] = None,
    store: Annotated[str | None, _option("--store", help="Address of the store: sqlite:///… or postgresql://…")] = None,
    config: Annotated[Path | None, _option("--config", help="The project's handrail.yaml.")] = None,
) -> None:
    """Say what every command takes."""


def attach(command: Any) -> Any:
    """Add the common options to a command and to everything below it, and name all values alike; return it."""
    for below in getattr(command, "commands", {}).values():
        attach(below)
    taken = {name for param in command.params for name in param.opts}
    command.params.extend(param for param in _params() if not taken & set(param.opts))
    for param in command.params:
        if param.metavar is None and param.param_type_name == "argument":
            param.metavar = param.name.upper()
        elif param.metavar is None:
            param.metavar = _VALUES.get(param.name)
    return command


_VALUES = {
    "policy": "FILE", "config": "FILE", "store": "ADDRESS", "run": "RUN", "agent": "AGENT", "tool": "TOOL",
    "limit": "NUMBER", "uses": "NUMBER", "hours": "NUMBER", "why": "TEXT", "note": "TEXT", "by": "NAME", "zone": "ZONE",
}  # fmt: skip
"""What the help calls the value of an option, by the option's name."""


def _params() -> list[Any]:
    app = new_app("")
    app.command()(_common)
    return list(get_command(app).params)


def command_of(found: Any, name: str) -> Any:
    """Return the click command of a typer app, or of a plain function."""
    if isinstance(found, typer.Typer):
        return get_command(found)
    app = new_app("")
    app.command(name)(found)
    return get_command(app)
