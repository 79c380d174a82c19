"""The root of the command line: a table of commands, each loaded when used, and the one place that reports errors."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from handrail.cli.exits import Code, UsageError, code_of
from handrail.cli.options import attach, command_of, new_app
from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.errors import HandrailError, Killed

COMMANDS = {
    "init": "handrail.cli.init:init",
    "review": "handrail.cli.review:app",
    "reviewer": "handrail.cli.reviewer:app",
    "log": "handrail.cli.log:app",
    "undo": "handrail.cli.undo:app",
    "stop": "handrail.cli.stop:stop",
    "start": "handrail.cli.start:start",
    "policy": "handrail.cli.policy:app",
    "mcp": "handrail.cli.mcp:app",
    "store": "handrail.cli.store:app",
    "alert": "handrail.cli.alert:app",
    "data": "handrail.cli.data:app",
    "doctor": "handrail.cli.doctor:doctor",
    "demo": "handrail.cli.demo:demo",
}
"""Name to `module:attribute`, in the order of `handrail --help`. To add a command: one file, one line here."""


FIRST_STEPS = """\
\b
First steps:
  handrail demo          watch agents fail, and be held
  handrail init          draft a policy for the MCP servers of this folder
  handrail policy check  tell what is wrong with the handrail.yaml in this folder
  handrail doctor        tell whether the protection is really on
"""


class Root(TyperGroup):
    """Loads a command's module when the command is used; ends every error with its sentence and its code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        attach(self)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands whose modules are installed."""
        del ctx
        return [name for name, place in COMMANDS.items() if find_spec(place.partition(":")[0])]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Load one command; None when there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        found = command_of(getattr(importlib.import_module(module), attribute), cmd_name)
        return attach(found)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the words name."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            raise UsageError(
                f"There is no command '{safe(name)}'.{did_you_mean(name, self.list_commands(ctx))} See: handrail --help"
            )
        return super().resolve_command(ctx, args)

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> Any:
        """Run, and end the process."""
        del rest
        words = list(sys.argv[1:] if args is None else args)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a character gets its escape
        extra |= {"prog_name": "handrail", "standalone_mode": False}
        try:
            answer = super().main(words, **extra)
        except (Exception, Killed, KeyboardInterrupt) as error:  # noqa: BLE001 (the edge: every error becomes a sentence)
            answer = _report(error, as_json="--json" in words)
        sys.exit(int(answer) if isinstance(answer, int) else Code.OK)


def _report(error: BaseException, *, as_json: bool) -> int:
    """Print what went wrong and return the exit code."""
    from handrail.cli.output import emit, say, shown

    kind, code = type(error).__name__, code_of(error)
    if isinstance(error, typer.Abort):
        error, kind, code = KeyboardInterrupt(), "KeyboardInterrupt", Code.INTERRUPTED
    if kind == "NoArgsIsHelpError":
        print(error.format_message(), file=sys.stderr)  # type: ignore[attr-defined]
        return Code.USAGE
    message = str(error)
    if hasattr(error, "format_message"):  # what typer says about the command line
        kind, code = UsageError.__name__, Code.USAGE
        message = _misused(error)
    elif isinstance(error, KeyboardInterrupt):
        message = "Interrupted."
    elif not isinstance(error, HandrailError | Killed):
        message = f"Handrail itself failed: {kind}: {message or '(no message)'}"
        _trace(error)
    if as_json:
        emit({"error": message, "kind": kind})
    for line in shown(message):
        say(line)
    return code


_SAID = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "it has to be a whole number",
    "Input should be a valid number, unable to parse string as a number": "it has to be a number",
}


def _misused(error: Any) -> str:
    """Return what typer says about the command line in our own words, not yet safe to print."""
    ctx = getattr(error, "ctx", None)
    command, path = getattr(ctx, "command", None), getattr(ctx, "command_path", "handrail")
    said = " ".join(error.format_message().split())
    option = getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and option:
        known = sorted({name for param in getattr(command, "params", ()) for name in param.opts} | {"--help"})
        said = f"There is no option '{option}'.{did_you_mean(option, known)}"
    elif found := re.match(r"No such command '(.*?)'", said):
        said = f"There is no command '{found[1]}'.{did_you_mean(found[1], getattr(command, 'commands', {}))}"
    for theirs, ours in _SAID.items():
        said = said.replace(theirs, ours)
    return f"{said}{'' if said.endswith(('.', '?', '!')) else '.'} See: {path} --help"


def _trace(error: BaseException) -> None:
    """Print where Handrail failed, each line safe to print."""
    import traceback

    from handrail.cli.output import say, shown

    for part in traceback.format_exception(error)[:-1]:
        for line in shown(part.rstrip("\n")):
            say(line)


def _version(value: bool) -> None:
    if value:
        from handrail import __version__

        print(f"handrail {__version__}")
        raise typer.Exit


app = new_app("Guard what AI agents do: decide, review, log, stop.", cls=Root, epilog=FIRST_STEPS)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take what stands before the command."""
