"""The command line: one command, one file. Nothing heavy is imported before the command that needs it is known."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; ends the process with one of the codes in `cli/exits.py`."""
    if sys.argv[1:] == ["--version"]:
        from handrail import __version__

        print(f"handrail {__version__}")
        return
    from handrail.cli.app import app

    app()


__all__ = ["main"]
