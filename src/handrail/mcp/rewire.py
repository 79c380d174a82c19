"""The change in a client's config that puts Handrail in front of a server, and the way back to the server's command.

Words that look secret are not shown.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

HIDDEN = "(as it stands)"
"""What is shown in the place of a word that looks secret."""


@dataclass(frozen=True, slots=True)
class Guard:
    """What stands in front of a server.

    Attributes:
        program: How Handrail is started.
        agent: The agent that the policy declares.
        policy: The policy file, absolute.
    """

    program: tuple[str, ...]
    agent: str
    policy: Path

    def words(self, name: str, inner: Sequence[str]) -> tuple[str, ...]:
        """Return the guarded command of a server.

        Args:
            name: The server's name in the policy, `""` without one.
            inner: The server's own command.
        """
        server = ("--server", name) if name else ()
        options = ("--agent", self.agent, "--policy", str(self.policy), *server)
        return (*self.program, "mcp", "serve", *options, "--", *inner)

    def stands(self, name: str, inner: Sequence[str], written: Sequence[str]) -> bool:
        """Return whether a command as written is the guarded one already, whichever installed Handrail it starts.

        Args:
            name: The server's name in the policy, `""` without one.
            inner: The server's own command.
            written: The command as the config has it.
        """
        wanted = self.words(name, inner)[len(self.program) :]
        return tuple(written[-len(wanted) :]) == wanted and unwrapped(tuple(written))[1] == tuple(inner)


def own_program() -> tuple[str, ...]:
    """Return how this very Handrail is started from anywhere: a client has another PATH than a shell."""
    script = Path(sys.executable).with_name("handrail")
    return (str(script),) if script.is_file() else (sys.executable, "-m", "handrail")


_SECRET_NAME = re.compile(r"token|secret|passw|pwd|api[-_]?key|access[-_]?key|auth|credential|bearer", re.IGNORECASE)
_SECRET_HEADER = re.compile(r"\s*[\w-]*(?:auth|token|key|secret|cookie)[\w-]*\s*:", re.IGNORECASE)
_SECRET_TEXT = re.compile(r"(?:gh[pousr]|github_pat|glpat|sk|pk|rk|xox[abprs])[-_]\w{8,}|AKIA\w{12,}|eyJ[\w-]{20,}")


def shown_words(words: Sequence[str]) -> list[str]:
    """Return a command with what looks secret replaced: values of telling options, passwords in addresses, known keys.

    Args:
        words: The program and its arguments.
    """
    out: list[str] = []
    after = False
    for word in words:
        option, equals, value = word.partition("=")
        if after or _SECRET_TEXT.search(word) or _password(word):
            out.append(HIDDEN)
        elif equals and value and _SECRET_NAME.search(option) and not option.startswith(("http:", "https:")):
            out.append(f"{option}={HIDDEN}")
        elif header := _SECRET_HEADER.match(word):
            out.append(f"{header[0]} {HIDDEN}")
        else:
            out.append(word)
        after = word.startswith("-") and not equals and _SECRET_NAME.search(word) is not None
    return out


def _password(word: str) -> bool:
    if "://" not in word:
        return False
    try:
        parts = urlsplit(word[word.find("=") + 1 :] if "=" in word.split("://", 1)[0] else word)
    except ValueError:
        return True
    return parts.password is not None or any(_SECRET_NAME.search(pair) for pair in parts.query.split("&") if pair)


def unwrapped(words: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
    """Return the server's name and its own command when Handrail is in front of it; otherwise None and the words.

    Args:
        words: The command as a config has it.
    """
    for index in range(1, len(words) - 1):
        if words[index : index + 2] != ("mcp", "serve"):
            continue
        before = [Path(word).name for word in words[:index]]
        if "--" not in words[index:] or not {"handrail", "handrail.exe"} & set(before):
            break
        end = words.index("--", index)
        options, inner = words[index + 2 : end], words[end + 1 :]
        if not inner:
            break
        name = ""
        for at, option in enumerate(options):
            if option == "--server" and at + 1 < len(options):
                name = options[at + 1]
            elif option.startswith("--server="):
                name = option.removeprefix("--server=")
        return name, inner
    return None, words
