"""Programs that run another program: `sudo`, `env`, `timeout`, `xargs` and their like, and where that program stands.

An option that is not known here could take what follows as its value, so nobody could tell where the program begins:
then nothing is told.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=.*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Wrapper:
    """The command line of one such program.

    Attributes:
        alone: Letters of options that take no value.
        valued: Letters of options that take one.
        words: Long options without a value of their own word.
        valued_words: Long options whose value may be the next word.
        operands: Operands before the program.
        assigns: Whether `NAME=value` may stand before the program.
    """

    alone: str = ""
    valued: str = ""
    words: frozenset[str] = frozenset()
    valued_words: frozenset[str] = frozenset()
    operands: int = 0
    assigns: bool = False

    def command(self, words: Sequence[str]) -> int | None:
        """Return where the program begins; None when that cannot be told, or there is none."""
        at, left = 0, self.operands
        while at < len(words):
            word = words[at]
            if word == "--":
                at += 1
                break
            if word.startswith("-") and len(word) > 1:
                step = self._option(word)
                if step is None:
                    return None
                at += step
            elif self.assigns and _ASSIGNMENT.fullmatch(word):
                at += 1
            elif left:
                left -= 1
                at += 1
            else:
                break
        at += left
        return at if at < len(words) else None

    def _option(self, word: str) -> int | None:
        """Return how many words an option takes, 1 or 2; None when it is not known."""
        if word.startswith("--"):
            name, equals, _ = word.partition("=")
            if name in self.words:
                return 1
            return None if name not in self.valued_words else 1 if equals else 2
        for index, letter in enumerate(word[1:], 1):
            if letter in self.valued:
                return 2 if index == len(word) - 1 else 1
            if letter not in self.alone:
                return None
        return 1


WRAPPERS = {
    "sudo": Wrapper(
        "nEHSkbAPB", "ughpCDrtTRU", frozenset({"--non-interactive", "--preserve-env", "--set-home", "--background"}),
        frozenset({"--user", "--group", "--prompt", "--chdir", "--host", "--close-from", "--command-timeout"}),
        assigns=True,
    ),
    "doas": Wrapper("nL", "uCa"),
    "env": Wrapper(
        "i0v", "uC", frozenset({"--ignore-environment", "--null", "--debug"}), frozenset({"--unset", "--chdir"}),
        assigns=True,
    ),
    "nohup": Wrapper(),
    "setsid": Wrapper("cfw"),
    "command": Wrapper("p"),
    "builtin": Wrapper(),
    "exec": Wrapper("cl", "a"),
    "nice": Wrapper("", "n", frozenset(), frozenset({"--adjustment"})),
    "ionice": Wrapper("t", "cnp", frozenset(), frozenset({"--class", "--classdata"})),
    "timeout": Wrapper(
        "v", "sk", frozenset({"--foreground", "--preserve-status", "--verbose"}),
        frozenset({"--signal", "--kill-after"}), operands=1,
    ),
    "stdbuf": Wrapper("", "ioe", frozenset(), frozenset({"--input", "--output", "--error"})),
    "chroot": Wrapper("", "", frozenset(), frozenset({"--userspec", "--groups"}), operands=1),
    "xargs": Wrapper(
        "0rtpxo", "InPLdasE", frozenset({"--null", "--no-run-if-empty", "--verbose"}),
        frozenset({"--max-args", "--max-procs", "--replace", "--delimiter", "--arg-file", "--max-lines"}),
    ),
    "watch": Wrapper("tdbeg", "n", frozenset(), frozenset({"--interval"})),
    "flock": Wrapper("nxsuo", "wE", frozenset({"--nonblock"}), frozenset({"--timeout"}), operands=1),
    "busybox": Wrapper(),
    "unbuffer": Wrapper("p"),
    "chronic": Wrapper("ve"),
    "caffeinate": Wrapper("dimsu", "tw"),
}  # fmt: skip
"""By name; an option or an operand too many is told by nobody."""
