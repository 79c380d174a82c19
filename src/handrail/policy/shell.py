"""What a shell command text would run: every simple command in it, as values that conditions can ask about.

This is reading, not running, and reads on the safe side. Whatever follows `;`, `&&`, `|`, a line break or stands in
`$(…)`, backticks, `sh -c '…'`, `find -exec`, `xargs`, `sudo` and their like is a command of its own. What cannot be
told (a program named by a variable, code for an interpreter, `eval`, a quote that is not closed) is `opaque`.

Source: POSIX.1-2017, volume 3, section 2.2 (quoting), 2.9 (commands), 2.10 (grammar), and what bash adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from handrail.core.digest import Json
from handrail.policy.wrappers import WRAPPERS

TEXT_MAX = 64 * 1024
"""Characters of a command text that are read; a longer one is opaque."""

COMMANDS_MAX = 500
"""Commands that are told of one text; one with more is opaque."""

DEPTH_MAX = 8
"""Commands inside commands (`sh -c "sh -c …"`) that are followed."""

BRANCHES_MAX = 64
"""Words that one word with groups (`{a,b}{c,d}`) may stand for."""

MEMBERS = frozenset({"program", "words", "flags", "targets", "writes", "sets", "opaque", "dynamic", "text"})
"""What is told of each command."""

_KEYWORDS = frozenset(
    {"if", "then", "else", "elif", "fi", "while", "until", "do", "done", "!", "{", "}", "time", "esac", "in"}
)
_OPAQUE_KEYWORDS = frozenset({"for", "case", "select", "function", "coproc", "[["})
_SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "ash"})
_FOREIGN = frozenset({"fish", "pwsh", "powershell", "cmd", "su", "runuser", "parallel", "ssh", "script", "expect"})
_CODE = {
    "python": "c", "python2": "c", "python3": "c", "node": "ep", "nodejs": "ep", "bun": "ep", "perl": "eEn",
    "ruby": "en", "php": "rBRE", "lua": "e", "osascript": "e", "tclsh": "", "deno": "",
}  # fmt: skip
_ALWAYS_CODE = frozenset({"awk", "gawk", "mawk", "deno", "tclsh"})
_LONG_CODE = frozenset({"--eval", "--print", "--run", "--interactive", "--require", "--import"})
_EXPLAINS = frozenset({"eval", "source", ".", "trap", "alias", "complete", "bind"})
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)\+?=(.*)", re.DOTALL)
_OPERATORS = (";;", "&&", "||", "|&", ";", "|", "&", "\n", "(", ")")
_CHOICES = re.compile(r"\{([^{}\s'\"\\$`;|&()<>]*(?:,[^{}\s'\"\\$`;|&()<>,]*)+)\}")
_BRACE = re.compile(r"\{(?:\}|\s|$|[^,{}\s'\"\\$`]*\})")
_ARITHMETIC = re.compile(r"\$\(\((?:[\w\s+\-*/%=!<>&|^~?:,]|\([\w\s+\-*/%]*\))*\)\)")
_PARAMETER = re.compile(
    r"\$(?:\w+|[?!$#@*-]|\{[#!]?\w+(?:\[[\w@*]+\])?(?:(?::?[-+=?]|[#%/,^]{1,2}|:)[^{}'\"\\$`()<>]*)?\})"
)
_REDIRECTS = ("&>>", "&>", "<<<", "<<-", "<<", ">>", ">|", ">&", "<>", "<&", ">", "<")


@dataclass(slots=True)
class _Word:
    """One word while it is read.

    Attributes:
        texts: Its text; several while a group such as `{a,b}` stands for several words.
        quoted: Whether anything in it was quoted.
        dynamic: Whether it is only known when it runs.
    """

    texts: list[str] = field(default_factory=lambda: [""])
    quoted: bool = False
    dynamic: bool = False

    @property
    def text(self) -> str:
        """Its text, or the first of several."""
        return self.texts[0]

    def add(self, text: str) -> None:
        """Go on with a text."""
        self.texts = [one + text for one in self.texts]

    def branch(self, choices: list[str]) -> None:
        """Go on with one of several texts."""
        self.texts = [one + choice for one in self.texts for choice in choices]
        if len(self.texts) > BRANCHES_MAX:
            raise _UnclosedError


@dataclass(slots=True)
class _Simple:
    """One simple command while it is read."""

    words: list[_Word] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    start: int = 0
    opaque: bool = False


class _UnclosedError(ValueError):
    """A quote or bracket is not closed."""


def commands(text: object) -> list[Json]:
    """Return every command that a text would run, in the order of the text; what cannot be read is one opaque command.

    Args:
        text: The command text; anything else than text is opaque.

    Returns:
        For each command `program` (the file's name without its folder), `words` (its arguments), `flags` (those that
        start with `-`, clusters also one by one, values cut off), `targets` (the other arguments), `writes` (files
        that it redirects into), `sets` (variables that it sets), `dynamic` (some word is only known when it runs),
        `opaque` (what it does cannot be told), `text`.
    """
    if not isinstance(text, str) or len(text) > TEXT_MAX or "\x00" in text:
        return [_opaque(str(text)[:200])]
    try:
        found = list(_Reader(text, 0).commands())
    except (_UnclosedError, RecursionError):
        found = _of_windows(text)
    if len(found) > COMMANDS_MAX:
        return [_opaque(text)]
    return [*found] or ([_opaque(text)] if text.strip() and not text.lstrip().startswith("#") else [])


def _of_windows(text: str) -> list[dict[str, Json]]:
    """Read once more as cmd.exe does, to which a backslash and a single quote are letters.

    Lines before the one that is not closed would run in both, and are told by both.
    """
    if '\\"' not in text or text.count('"') % 2 or any(char in text for char in "$`'<"):
        return [_opaque(text)]  # only a folder's name at the end of a quote makes the difference
    plain = text.replace("\\", "/")
    try:
        return list(_Reader(plain, 0).commands())
    except (_UnclosedError, RecursionError):
        return [_opaque(text)]


def _opaque(text: str) -> dict[str, Json]:
    return _told("", [], [], [], text, opaque=True, dynamic=True)


def _told(
    program: str, words: list[str], writes: list[str], sets: list[str], text: str, *, opaque: bool, dynamic: bool
) -> dict[str, Json]:  # fmt: skip
    flags: list[Json] = []
    targets: list[Json] = []
    ended = False
    for word in words:
        if word == "--" and not ended:
            ended = True
        elif ended or not word.startswith("-") or word == "-":
            targets.append(word)
        else:
            name = word.partition("=")[0]
            flags.append(name)
            if not word.startswith("--") and len(name) > 2:
                flags += [f"-{char}" for char in name[1:]]
    return {
        "program": program, "words": [*words], "flags": flags, "targets": targets, "writes": [*writes],
        "sets": [*sets], "opaque": opaque, "dynamic": dynamic, "text": text.strip()[:2_000],
    }  # fmt: skip


class _Reader:
    """Reads one text."""

    def __init__(self, text: str, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise _UnclosedError
        self._text, self._at, self._depth = text, 0, depth
        self._inner: list[dict[str, Json]] = []
        self._heredocs: list[tuple[str, bool]] = []

    def commands(self) -> Iterator[dict[str, Json]]:
        """Yield the commands, those inside others before them."""
        text = self._text
        simple = _Simple()
        while self._at < len(text):
            char = text[self._at]
            if char == "#" and self._starts_word():
                self._skip_comment()
            elif char in " \t\r":
                self._at += 1
            elif (operator := self._operator()) is not None:
                yield from self._end(simple, self._at)
                self._at += len(operator)
                if operator == "\n":
                    yield from self._heredoc_bodies()
                simple = _Simple(start=self._at)
            elif (redirect := self._redirect()) is not None:
                self._take_redirect(redirect, simple)
            else:
                word = self._word()
                simple.words += [_Word([text], word.quoted, word.dynamic) for text in word.texts]
        if self._heredocs:
            raise _UnclosedError
        yield from self._end(simple, len(text))

    def _starts_word(self) -> bool:
        return self._at == 0 or self._text[self._at - 1] in " \t\n;|&()"

    def _skip_comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def _operator(self) -> str | None:
        if self._text.startswith("&>", self._at):
            return None
        return next((one for one in _OPERATORS if self._text.startswith(one, self._at)), None)

    def _redirect(self) -> str | None:
        at = self._at
        digits = re.compile(r"\d*").match(self._text, at)
        assert digits is not None
        found = next((one for one in _REDIRECTS if self._text.startswith(one, digits.end())), None)
        if found is None or self._text.startswith(("<(", ">("), digits.end()):
            return None
        self._at = digits.end()
        return found

    def _take_redirect(self, redirect: str, simple: _Simple) -> None:
        self._at += len(redirect)
        while self._at < len(self._text) and self._text[self._at] in " \t":
            self._at += 1
        target = self._word()
        if redirect in {"<<", "<<-"}:
            self._heredocs.append((target.text, redirect == "<<-"))
        elif redirect in {">&", "<&"} and (target.text.isdigit() or target.text == "-"):
            return
        elif ">" in redirect and target.text not in {"/dev/null", "/dev/stdout", "/dev/stderr"}:
            simple.writes.append(target.text)
            simple.opaque |= target.dynamic

    def _heredoc_bodies(self) -> Iterator[dict[str, Json]]:
        """Skip the bodies of here documents; what they would run while they are read is opaque."""
        for mark, indented in self._heredocs:
            start = r"^\t*" if indented else "^"
            end = re.compile(rf"{start}{re.escape(mark)}$", re.MULTILINE).search(self._text, self._at)
            if end is None:
                raise _UnclosedError
            body = self._text[self._at : end.start()]
            self._at = end.end()
            if "$(" in body or "`" in body or "${" in body:
                yield _opaque(body)
        self._heredocs.clear()

    # --- words --------------------------------------------------------------------------------------------------------

    def _word(self) -> _Word:
        word = _Word()
        text, begun = self._text, self._at
        while self._at < len(text):
            char = text[self._at]
            if char in " \t\r\n;|&()<>" and not text.startswith(("<(", ">("), self._at):
                break
            if char == "'":
                self._single(word)
            elif char == '"':
                self._double(word)
            elif char == "\\":
                self._escape(word)
            elif char in "$`<>":
                self._expansion(word)
            elif char == "{":
                self._group(word)
            else:
                word.dynamic |= char in "*?["
                word.add(char)
                self._at += 1
        if word.text in {"[", "]", "[[", "]]"}:
            word.dynamic = False  # the command `[`, not a pattern
        if self._at == begun:
            self._at += 1  # a lone bracket or the like: whatever it is, it is not understood
            word.dynamic = True
        return word

    def _group(self, word: _Word) -> None:
        """Read `{a,b}`, which stands for several words, or a brace that is only a brace."""
        found = _CHOICES.match(self._text, self._at)
        if found is not None:
            word.branch(found[1].split(","))
            self._at = found.end()
        elif _BRACE.match(self._text, self._at):
            word.add("{")
            self._at += 1
        else:
            raise _UnclosedError

    def _single(self, word: _Word) -> None:
        end = self._text.find("'", self._at + 1)
        if end < 0:
            raise _UnclosedError
        word.add(self._text[self._at + 1 : end])
        word.quoted = True
        self._at = end + 1

    def _double(self, word: _Word) -> None:
        word.quoted = True
        self._at += 1
        text = self._text
        while self._at < len(text) and text[self._at] != '"':
            if text[self._at] == "\\" and text[self._at + 1 : self._at + 2] in {'"', "\\", "$", "`", "\n"}:
                word.add(text[self._at + 1].replace("\n", ""))
                self._at += 2
            elif text[self._at] in "$`":
                self._expansion(word, inside=True)
            else:
                word.add(text[self._at])
                self._at += 1
        if self._at >= len(text):
            raise _UnclosedError
        self._at += 1

    def _escape(self, word: _Word) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        word.add("" if following == "\n" else following or "\\")
        word.quoted = True
        self._at += 2

    def _expansion(self, word: _Word, *, inside: bool = False) -> None:
        """Read `$name`, `${…}`, `$(…)`, backticks or `<(…)`; what runs inside is read as commands of its own.

        Args:
            word: The word that it stands in.
            inside: Whether it stands in double quotes.
        """
        text, at = self._text, self._at
        word.dynamic = True
        if text.startswith(("$'", '$"'), at) and not inside:
            raise _UnclosedError  # bash's own quotes, in which anything may hide
        plain = _ARITHMETIC.match(text, at) or _PARAMETER.match(text, at)
        if plain is not None:
            word.add(plain[0])
            self._at = plain.end()
        elif text.startswith(("$((", "${"), at):
            raise _UnclosedError
        elif text.startswith(("$(", "<(", ">("), at):
            self._nested(word, at + 2, ")")
        elif text[at] == "`":
            self._nested(word, at + 1, "`")
        else:
            word.add(text[at])
            self._at += 1

    def _nested(self, word: _Word, start: int, close: str) -> None:
        end = _closing(self._text, start, close)
        inner = self._text[start:end]
        self._inner += list(_Reader(inner.replace("\\`", "`"), self._depth + 1).commands())
        word.add(self._text[self._at : end + 1])
        self._at = end + 1

    # --- commands -----------------------------------------------------------------------------------------------------

    def _end(self, simple: _Simple, end: int) -> Iterator[dict[str, Json]]:
        inner, self._inner = self._inner, []
        yield from inner
        text = self._text[simple.start : end]
        words = list(simple.words)
        while words and words[0].text in _KEYWORDS and not words[0].quoted:
            words.pop(0)
        words, tests = _tested(words)
        if tests:
            yield _told("if", tests, [], [], text, opaque=False, dynamic=False)
        sets: list[str] = []
        while words and (found := _ASSIGNMENT.fullmatch(words[0].text)) and not words[0].text.startswith(("'", '"')):
            sets.append(found[1])
            words.pop(0)
        if not words:
            if sets or simple.writes:
                yield _told("", [], simple.writes, sets, text, opaque=simple.opaque, dynamic=simple.opaque)
            return
        if words[0].text in _OPAQUE_KEYWORDS and not words[0].quoted:
            rest = [word.text for word in words[1:]]
            yield _told(words[0].text, rest, simple.writes, sets, text, opaque=True, dynamic=True)
            return
        yield from self._program(words, simple, sets, text)

    def _program(
        self, words: list[_Word], simple: _Simple, sets: list[str], text: str
    ) -> Iterator[dict[str, Json]]:  # fmt: skip
        first, rest = words[0], words[1:]
        program = re.split(r"[/\\]", first.text)[-1].removesuffix(".exe")
        plain = [word.text for word in rest]
        dynamic = any(word.dynamic for word in words)
        opaque = first.dynamic or simple.opaque or program in _EXPLAINS or not program
        if program in WRAPPERS:
            inner = WRAPPERS[program].command(plain)
            opaque |= inner is None
            if inner is not None:
                fed = [_Word(["…"], quoted=True, dynamic=True)] if program == "xargs" else []
                yield from self._program([*rest[inner:], *fed], _Simple(), [], text)
        elif program in _SHELLS:
            script = _script(plain)
            opaque |= script is None
            if script is not None:
                yield from _Reader(script, self._depth + 1).commands()
        elif program in _FOREIGN or program in _ALWAYS_CODE:
            opaque = True
        elif program in _CODE:
            opaque |= _has_code(plain, _CODE[program])
        elif program == "find":
            yield from self._executed(rest)
        elif program == "eval" and not dynamic:
            yield from _Reader(" ".join(plain), self._depth + 1).commands()
        yield _told(program, plain, simple.writes, sets, text, opaque=opaque, dynamic=dynamic)

    def _executed(self, rest: list[_Word]) -> Iterator[dict[str, Json]]:
        """Yield what `find` runs for each file."""
        for index, word in enumerate(rest):
            if word.text in {"-exec", "-execdir", "-ok", "-okdir"}:
                inner: list[_Word] = []
                for other in rest[index + 1 :]:
                    if other.text in {";", "+"}:
                        break
                    inner.append(other)
                if inner:
                    yield from self._program(inner, _Simple(inner), [], " ".join(one.text for one in inner))


def _script(words: list[str]) -> str | None:
    """Return the text that a shell is told to run with `-c`; None when it runs a file, its input, or cannot be told.

    Source: POSIX.1-2017, utility `sh`: options first, then the first operand is the text, or else a file.
    """
    code, skip = False, False
    for index, word in enumerate(words):
        if skip:
            skip = False
        elif word == "--":
            return words[index + 1] if code and len(words) > index + 1 else None
        elif word.startswith("--"):
            if word not in _LONG_OF_SHELLS:
                return None
        elif word[:1] in {"-", "+"} and len(word) > 1:
            code |= word[0] == "-" and "c" in word
            skip = word.endswith(("o", "O"))
            if any(letter in word[1 : -1 if skip else None] for letter in "oOis"):
                return None
        else:
            return word if code else None
    return None


_LONG_OF_SHELLS = frozenset({"--login", "--norc", "--noprofile", "--posix", "--verbose"})


def _has_code(words: list[str], letters: str) -> bool:
    """Return whether an interpreter is given code to run, or its input, rather than a file."""
    for word in words:
        if word == "-" or word.partition("=")[0] in _LONG_CODE:
            return True
        if not word.startswith("-"):
            return False
        if not word.startswith("--") and any(letter in word for letter in letters):
            return True
    return not any(word in {"--version", "-V", "-v", "--help", "-h"} for word in words)


def _tested(words: list[_Word]) -> tuple[list[_Word], list[str]]:
    """Split what cmd.exe's `if [not] exist NAME` tests from the command behind it."""
    at = 1 if words and words[0].text.lower() == "not" else 0
    if len(words) > at + 1 and words[at].text.lower() in {"exist", "defined", "errorlevel"}:
        return words[at + 2 :], [word.text for word in words[: at + 2]]
    return words, []


def _closing(text: str, start: int, close: str) -> int:
    """Return where a bracket or backtick closes, quotes and nesting considered."""
    depth, at = 1, start
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 2
            continue
        if char == "'" and close != "`":
            at = text.find("'", at + 1)
            if at < 0:
                raise _UnclosedError
        elif char == '"' and close != "`":
            end = _QUOTED.match(text, at)
            if end is None:
                raise _UnclosedError  # something runs inside the quotes as well: too deep to be read
            at = end.end() - 1
        elif char == "#" and text[at - 1] in " \t\n;(":
            raise _UnclosedError  # a comment may hide where it closes
        elif char == close:
            depth -= 1
            if depth == 0:
                return at
        elif char == "(" and close == ")":
            depth += 1
        at += 1
    raise _UnclosedError


_QUOTED = re.compile(r'"(?:[^"\\$`]|\\.|\$\w+)*"', re.DOTALL)
