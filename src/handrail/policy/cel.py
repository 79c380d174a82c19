"""CEL conditions: the one module that knows the package `common-expression-language`.

An expression is checked when it is compiled: its syntax, every variable, every member of a variable whose members are
known, every function, and every literal that a known vocabulary is compared with. What CEL itself would only notice
while it decides, and then deny, is a problem at load.

A value that is nested too deeply crashes the evaluator and the process with it, so values must have passed
`core.digest.to_json`. Programs may be shared by threads; a context belongs to one decision. tests/policy/test_cel.py
states all that is relied on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.policy.problems import quoted

if TYPE_CHECKING:
    from cel import Context, Program

SOURCE_MAX = 4_000
"""Characters that a condition may have."""

NESTING_MAX = 64
"""Brackets that may be open at once in a condition."""

MACROS = frozenset({"all", "exists", "exists_one", "filter", "map"})
FUNCTIONS = frozenset(
    {"bytes", "double", "duration", "dyn", "has", "int", "size", "string", "timestamp", "type", "uint", "matches"}
)
METHODS = MACROS | frozenset(
    {
        "contains", "endsWith", "matches", "size", "startsWith", "getDate", "getDayOfMonth", "getDayOfWeek",
        "getDayOfYear", "getFullYear", "getHours", "getMilliseconds", "getMinutes", "getMonth", "getSeconds",
    }
)  # fmt: skip
TYPES = frozenset({"bool", "bytes", "double", "int", "list", "map", "null_type", "string", "uint"})
_WORDS = frozenset({"true", "false", "null", "in"})


class ConditionError(ValueError):
    """A condition cannot be decided for these values; the message says why, without a full stop."""


class ExpressionError(ValueError):
    """An expression does not compile.

    Attributes:
        problems: (offset in the source, what is wrong and what to do) of each problem.
    """

    def __init__(self, problems: list[tuple[int, str]]) -> None:
        super().__init__(" ".join(message for _, message in problems))
        self.problems = problems


class Vocabulary(NamedTuple):
    """The only texts that a member can be equal to.

    Attributes:
        noun: What they are, for messages.
        known: The texts.
        aliases: Texts that stand for a known one, and never occur.
    """

    noun: str
    known: frozenset[str]
    aliases: Mapping[str, str] = {}


Members = Mapping[str, frozenset[str] | None]
"""Variables and their known members; None leaves the members free."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One compiled expression that is true or false.

    Attributes:
        source: Its text.
        names: The variables it needs.
        needs: For each variable the members it needs; None when it needs the whole value.
        paths: The dotted paths it names, in order, for telling a person what tripped it.
        execute: The compiled program's evaluation.
    """

    source: str
    names: frozenset[str]
    needs: Mapping[str, frozenset[str] | None]
    paths: tuple[tuple[str, ...], ...]
    execute: Any = field(repr=False)

    def test(self, context: Context) -> bool:
        """Return whether it holds. Raises `ConditionError` when that cannot be said."""
        try:
            answer = self.execute(context)
        except BaseException as error:  # noqa: BLE001 (a panic of the native evaluator is a BaseException)
            raise ConditionError(explained(self, error)) from None
        if answer is True or answer is False:
            return answer
        raise ConditionError(no_answer(self))


def no_answer(condition: Condition) -> str:
    """Return why a condition that gave neither true nor false cannot be decided, without a full stop."""
    return f"'{safe(condition.source)}' gives no yes or no"


def explained(condition: Condition, error: BaseException) -> str:
    """Return why a condition erred, without a full stop. What asks the process to end is raised again.

    The evaluator's own sentences are not passed on: they quote values, which may be secret.
    """
    if isinstance(error, KeyboardInterrupt | SystemExit):
        raise error
    if isinstance(error, KeyError):
        name = str(error.args[0]) if error.args else ""
        path = next((".".join(p) for p in condition.paths if name in p[1:]), name)
        if name and path in condition.source:
            return f"{safe(path)} is missing"
        return f"'{safe(condition.source)}' looks up a member that is missing"
    if isinstance(error, TypeError):
        return f"'{safe(condition.source)}' does not fit the values: one is null or of another type than it expects"
    if isinstance(error, RuntimeError) and (found := _UNDEFINED.match(str(error))):
        if found[1] in condition.names:
            return f"there is no {found[1]} at this point"
        return f"'{found[1]}' does not fit the value that it is called on"
    if isinstance(error, RuntimeError) and (found := _FUNCTION.match(str(error))):
        return f"{found[1]}(…) cannot read the value that it is given"
    return f"'{safe(condition.source)}' cannot be computed for these values ({type(error).__name__})"


_FUNCTION = re.compile(r"Function '(\w+)' error: ")
_UNDEFINED = re.compile(r"Undefined variable or function: '(\w+)'")


def context(needs: Members, values: Mapping[str, Any]) -> Context:
    """Return the evaluation context of one decision, holding only what is needed: conversion is the cost.

    Args:
        needs: What the conditions need, see `merge`.
        values: The value of each needed variable; one that is not there is undefined for the conditions.
    """
    chosen: dict[str, Any] = {}
    for name, members in needs.items():
        if name not in values:
            continue
        value = values[name]
        if members is not None and type(value) is dict and len(value) > len(members):
            value = {member: value[member] for member in members if member in value}
        chosen[name] = value
    return _native()(chosen)


@cache
def _native() -> type[Context]:
    from cel import Context  # noqa: PLC0415 (130 ms to import)

    return Context


def merge(conditions: Iterable[Condition]) -> dict[str, frozenset[str] | None]:
    """Return what several conditions need together."""
    needs: dict[str, frozenset[str] | None] = {}
    for condition in conditions:
        for name, members in condition.needs.items():
            have = needs.get(name, frozenset())
            needs[name] = None if members is None or have is None else have | members
    return needs


def compile(source: str, names: Members, vocabularies: Mapping[tuple[str, ...], Vocabulary] | None = None) -> Condition:
    """Compile one condition.

    Args:
        source: A CEL expression.
        names: The variables it may use.
        vocabularies: For a path such as `("effect", "verb")`, the texts it can be compared with.

    Raises:
        ExpressionError: With every problem found.
    """
    if len(source) > SOURCE_MAX:
        raise ExpressionError([(0, f"This condition is longer than {SOURCE_MAX:,} characters. Split it up.")])
    tokens, problems = _tokens(source)
    if problems:
        raise ExpressionError(problems)
    program = _program(source, tokens)
    lint = _Lint(tokens, names, vocabularies or {})
    lint.run()
    missed = set(program.references()["variables"]) - lint.seen
    for name in sorted(missed - TYPES - frozenset(names)):
        lint.problems.append((0, f"{quoted(name)} is not known here."))
    if lint.problems:
        raise ExpressionError(sorted(set(lint.problems)))
    needs = _merge_uses([*lint.uses, *((name,) for name in sorted(missed & set(names)))])
    paths = tuple(dict.fromkeys(use for use in lint.uses if len(use) > 1))
    return Condition(source, frozenset(needs), needs, paths, program.execute)


def _merge_uses(uses: Iterable[tuple[str, ...]]) -> dict[str, frozenset[str] | None]:
    """Return the first-level members that paths need of each variable; None where one needs the whole."""
    needs: dict[str, frozenset[str] | None] = {}
    for root, *steps in uses:
        have = needs.get(root, frozenset())
        needs[root] = None if have is None or not steps else have | {steps[0]}
    return needs


def _program(source: str, tokens: list[_Token]) -> Program:
    import cel  # noqa: PLC0415 (130 ms to import)

    try:
        return cel.compile(source)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 (a panic of the native parser is a BaseException)
        raise ExpressionError([_syntax(str(error), source, tokens)]) from None


_SYNTAX = re.compile(r"<input>:(\d+):(\d+): (.*)")


def _syntax(message: str, source: str, tokens: list[_Token]) -> tuple[int, str]:
    for token in tokens:
        if token.text == "=":
            return token.at, "This is not a condition: '=' stands alone. Compare with '=='."
        if token.text in {"and", "or", "not"}:
            instead = {"and": "&&", "or": "||", "not": "!"}[token.text]
            return token.at, f"This is not a condition: write '{instead}' for '{token.text}'."
    found = _SYNTAX.search(message)
    if found is None:
        return 0, f"This is not a condition: {safe(message)}."
    line, column = int(found[1]), int(found[2])
    before = sum(len(part) + 1 for part in source.split("\n")[: line - 1])
    what = found[3].removeprefix("Syntax error: ").split(" expecting ")[0]
    return before + column - 1, f"This is not a condition: {safe(what)}."


# --- reading the source -----------------------------------------------------------------------------------------------


class _Token(NamedTuple):
    kind: str  # name, text, number, mark
    text: str
    at: int


_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<text>[rRbB]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>(?:0[xX][0-9a-fA-F]+|\d+\.\d+(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|\d+(?:[eE][-+]?\d+)?)[uU]?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<mark>&&|\|\||[<>=!]=|[-+*/%<>=!?:.,()\[\]{}&|])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_OPEN, _CLOSE = frozenset("([{"), frozenset(")]}")


def _tokens(source: str) -> tuple[list[_Token], list[tuple[int, str]]]:
    tokens: list[_Token] = []
    at = depth = 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        if found is None:
            what = "A text is not closed." if source[at] in "\"'" else f"{quoted(source[at])} means nothing here."
            return tokens, [(at, f"This is not a condition: {what}")]
        kind = str(found.lastgroup)
        if kind != "space":
            tokens.append(_Token(kind, found[0], at))
            depth += (found[0] in _OPEN) - (found[0] in _CLOSE)
            if depth > NESTING_MAX:
                return tokens, [(at, f"More than {NESTING_MAX} brackets are open here. Make the condition simpler.")]
        at = found.end()
    if not tokens:
        return tokens, [(0, "The condition is empty. Write one, or leave the key out.")]
    return tokens, []


_END = _Token("end", "", 0)


class _Lint:
    """Finds what an expression names, and what of it is not known."""

    def __init__(
        self, tokens: list[_Token], names: Members, vocabularies: Mapping[tuple[str, ...], Vocabulary]
    ) -> None:
        self.tokens = tokens
        self.names = names
        self.vocabularies = vocabularies
        self.problems: list[tuple[int, str]] = []
        self.uses: list[tuple[str, ...]] = []
        self.seen: set[str] = set()
        self._bound: list[tuple[str, int]] = []  # loop variable, index of the token that ends its scope

    def run(self) -> None:
        for index, token in enumerate(self.tokens):
            while self._bound and self._bound[-1][1] <= index:
                self._bound.pop()
            if token.kind == "name" and token.text not in _WORDS:
                self._name(index, token)
        if not self.problems and len(self.uses) == 1:
            self._only_a_value()

    def _token(self, index: int) -> _Token:
        return self.tokens[index] if 0 <= index < len(self.tokens) else _END

    def _name(self, index: int, token: _Token) -> None:
        called = self._token(index + 1).text == "("
        if self._token(index - 1).text == ".":
            if not self._receives(index - 2):
                self.problems.append((token.at, "Remove the dot at the start of a name."))
            elif called:
                self._call(index, token, METHODS)
        elif called:
            self._call(index, token, FUNCTIONS)
        elif self._token(index + 1).text == "{":
            self.problems.append((token.at, f"{quoted(token.text)} cannot be constructed in a condition."))
        else:
            self._variable(index, token)

    def _receives(self, index: int) -> bool:
        before = self._token(index)
        return before.kind in {"name", "text", "number"} or before.text in {")", "]", "}"}

    def _call(self, index: int, token: _Token, known: frozenset[str]) -> None:
        name = token.text
        if name not in known:
            hint = did_you_mean(name, sorted(known))
            if not hint and name in FUNCTIONS | METHODS:
                hint = f" Write it as {name}(…)." if name in FUNCTIONS else f" Write it as value.{name}(…)."
            self.problems.append((token.at, f"There is no function {quoted(name)} in a condition.{hint}"))
            return
        if name in MACROS:
            self._bind(index)
        self._literal_argument(index, name)

    def _bind(self, index: int) -> None:
        """Open the scope of a loop variable: `list.exists(x, …)`."""
        variable = self._token(index + 2)
        if variable.kind != "name" or self._token(index + 3).text != ",":
            self.problems.append((variable.at, "Name a loop variable first: list.exists(x, x > 1)."))
            return
        if variable.text in self.names:
            hidden = f"The loop variable {quoted(variable.text)} hides the variable of that name. Rename it."
            self.problems.append((variable.at, hidden))
            return
        depth, end = 0, index + 1
        for end in range(index + 1, len(self.tokens)):
            depth += (self.tokens[end].text in _OPEN) - (self.tokens[end].text in _CLOSE)
            if depth == 0:
                break
        self._bound.append((variable.text, end))
        self._bound.sort(key=lambda scope: -scope[1])
        self.seen.add(variable.text)

    def _literal_argument(self, index: int, name: str) -> None:
        """Try constant patterns and times now: they would err at every decision."""
        last = self._token(index + 2)
        if name not in {"matches", "duration", "timestamp"} or last.kind != "text":
            return
        if self._token(index + 3).text != ")":
            return
        import cel  # noqa: PLC0415 (130 ms to import)

        trial = f"'x'.matches({last.text})" if name == "matches" else f"{name}({last.text})"
        try:
            cel.evaluate(trial)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 (a panic of the native evaluator is a BaseException)
            what = {"matches": "pattern", "duration": "duration such as '1h30m'"}.get(
                name, "time such as '2026-01-31T12:00:00Z'"
            )
            self.problems.append((last.at, f"{safe(last.text)} is not a {what}."))

    def _variable(self, index: int, token: _Token) -> None:
        name = token.text
        if any(name == bound for bound, _ in self._bound):
            return
        if name in TYPES and name not in self.names:
            return
        self.seen.add(name)
        if name not in self.names:
            known = sorted(self.names)
            hint = did_you_mean(name, known) or f" Known here: {', '.join(known)}."
            self.problems.append((token.at, f"{quoted(name)} is not known here.{hint}"))
            return
        path, marks, end = self._chain(index)
        members = self.names[name]
        if members is not None and len(path) > 1 and path[1] not in members:
            hint = did_you_mean(path[1], sorted(members)) or f" Known: {', '.join(sorted(members))}."
            self.problems.append((marks[1], f"{quoted(name)} has no {quoted(path[1])}.{hint}"))
            return
        self.uses.append(path)
        vocabulary = self.vocabularies.get(path)
        if vocabulary is not None:
            self._compared(path, vocabulary, index, end)

    def _chain(self, index: int) -> tuple[tuple[str, ...], list[int], int]:
        """Return the members that follow a variable, where they stand, and the index after them."""
        path, marks = [self.tokens[index].text], [self.tokens[index].at]
        index += 1
        while True:
            first, second, third = self._token(index), self._token(index + 1), self._token(index + 2)
            if first.text == "." and second.kind == "name" and third.text != "(":
                path.append(second.text)
                marks.append(second.at)
                index += 2
            elif first.text == "[" and second.kind == "text" and third.text == "]":
                path.append(_unquoted(second.text))
                marks.append(second.at)
                index += 3
            else:
                return tuple(path), marks, index

    def _compared(self, path: tuple[str, ...], vocabulary: Vocabulary, start: int, end: int) -> None:
        """Check the literals that a member is compared with."""
        literals: list[_Token] = []
        if self._token(end).text in {"==", "!="} and self._token(end + 1).kind == "text":
            literals.append(self._token(end + 1))
        if self._token(start - 1).text in {"==", "!="} and self._token(start - 2).kind == "text":
            literals.append(self._token(start - 2))
        if self._token(end).text == "in" and self._token(end + 1).text == "[":
            item = end + 2
            while self._token(item).kind == "text":
                literals.append(self._token(item))
                item += 2 if self._token(item + 1).text == "," else 1
        for literal in literals:
            text = _unquoted(literal.text)
            if text in vocabulary.known:
                continue
            shown = ".".join(path)
            if text in vocabulary.aliases:
                zone = vocabulary.aliases[text]
                message = f"{shown} is never {quoted(text)}: that is an alias. Write {quoted(zone)}."
            else:
                hint = did_you_mean(text, sorted(vocabulary.known)) or f" Known: {_listed(vocabulary.known)}."
                message = f"{quoted(text)} is not a known {vocabulary.noun}, so {shown} is never equal to it.{hint}"
            self.problems.append((literal.at, message))

    def _only_a_value(self) -> None:
        """Refuse a condition that is nothing but a member that is never a yes or no."""
        path = self.uses[0]
        _, _, end = self._chain(0)
        if self.names.get(path[0]) is not None and end == len(self.tokens) and self.tokens[0].text == path[0]:
            message = f'{quoted(".".join(path))} is no yes or no. Compare it, as in {".".join(path)} == "…".'
            self.problems.append((0, message))


def _listed(known: Iterable[str]) -> str:
    shown = sorted(known)[:12]
    return ", ".join(safe(name, max_chars=60) for name in shown) if shown else "none is declared"


def _unquoted(literal: str) -> str:
    """Return the text of a literal; one with escapes is evaluated."""
    body = literal.lstrip("rRbB")
    if "\\" not in literal and not body.startswith(('"""', "'''")):
        return body[1:-1]
    import cel  # noqa: PLC0415 (130 ms to import)

    value: object = cel.evaluate(literal)
    return value if isinstance(value, str) else literal
