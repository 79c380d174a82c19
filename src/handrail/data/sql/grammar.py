"""The grammar that statements are understood by: sqlglot's, with every function and operator left as it is written.

sqlglot translates between databases, so it rewrites what it reads (`to_char` gets another format, `now()` another
name). Here nothing is translated: a function stays the name that was called, and is allowed or refused by that name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from sqlglot import exp
from sqlglot.dialects.postgres import Postgres
from sqlglot.dialects.sqlite import SQLite
from sqlglot.errors import SqlglotError
from sqlglot.parser import Parser
from sqlglot.parsers.postgres import PostgresParser
from sqlglot.parsers.sqlite import SQLiteParser
from sqlglot.tokenizer_core import TokenType

from handrail.data.dialect import Dialect
from handrail.data.sql.refusal import Refusal

_STATEMENTS = {kind: Parser.STATEMENT_PARSERS[kind] for kind in (TokenType.INSERT, TokenType.UPDATE, TokenType.DELETE)}
_LAMBDAS = {TokenType.FARROW: Parser.LAMBDAS[TokenType.FARROW]}
"""`name => value` in a call. Without this, `coalesce(data -> 'a', 1)` would be read as an anonymous function."""

_Infix = Callable[[Parser, exp.Expr, exp.Expr], exp.Expr]


def _infix(kind: type[exp.Expr]) -> _Infix:
    """Return what builds an operator that keeps both its sides as they are."""

    def build(parser: Parser, this: exp.Expr, expression: exp.Expr) -> exp.Expr:
        return parser.expression(kind(this=this, expression=expression))

    return build


BACKWARD_MAX = 2_000
"""Times that the parser may go back and try something else; some forms double them at each level."""


class _Patient:
    """Counts how often a parser goes back, and gives up before that takes long."""

    _backward: int = 0

    def reset(self) -> None:
        """Begin a statement."""
        self._backward = 0
        super().reset()  # type: ignore[misc]

    def _retreat(self, index: int) -> None:
        self._backward += 1
        if self._backward > BACKWARD_MAX + len(self._tokens):  # type: ignore[attr-defined]
            raise Refusal("The statement is nested too deeply to be read. Write it flatter, with WITH.")
        super()._retreat(index)  # type: ignore[misc]


_ARROWS = {TokenType.ARROW: _infix(exp.JSONExtract), TokenType.DARROW: _infix(exp.JSONExtractScalar)}


class PlainPostgres(Postgres):
    """PostgreSQL, nothing rewritten."""

    INDEX_OFFSET = 0

    class Tokenizer(Postgres.Tokenizer):
        """Its words. None begins a command that is taken as it is."""

        COMMANDS: ClassVar = set()

    class Parser(_Patient, PostgresParser):
        """The grammar."""

        FUNCTIONS: ClassVar = {}
        FUNCTION_PARSERS: ClassVar = {
            name: PostgresParser.FUNCTION_PARSERS[name]
            for name in ("CAST", "EXTRACT", "OVERLAY", "POSITION", "SUBSTRING", "TRIM")
        }
        NO_PAREN_FUNCTION_PARSERS: ClassVar = {
            name: PostgresParser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("ANY", "CASE")
        }
        STATEMENT_PARSERS: ClassVar = _STATEMENTS
        LAMBDAS: ClassVar = _LAMBDAS
        JSON_OPERATORS: ClassVar = {**PostgresParser.JSON_OPERATORS, **_ARROWS}


class PlainSqlite(SQLite):
    """SQLite, nothing rewritten."""

    class Tokenizer(SQLite.Tokenizer):
        """Its words. None begins a command that is taken as it is."""

        COMMANDS: ClassVar = set()

    class Parser(_Patient, SQLiteParser):
        """The grammar."""

        FUNCTIONS: ClassVar = {}
        FUNCTION_PARSERS: ClassVar = {"CAST": SQLiteParser.FUNCTION_PARSERS["CAST"]}
        NO_PAREN_FUNCTION_PARSERS: ClassVar = {"CASE": SQLiteParser.NO_PAREN_FUNCTION_PARSERS["CASE"]}
        STATEMENT_PARSERS: ClassVar = _STATEMENTS
        LAMBDAS: ClassVar = _LAMBDAS
        CONCAT_OPERATORS: ClassVar = {**SQLiteParser.CONCAT_OPERATORS, **_ARROWS}


_GRAMMARS = {Dialect.POSTGRES: PlainPostgres(), Dialect.SQLITE: PlainSqlite()}


def tree(text: str, dialect: Dialect) -> exp.Expr:
    """Return the tree of one statement.

    Args:
        text: The statement, as `tokens.written` wrote it.
        dialect: Whose grammar counts.

    Raises:
        Refusal: It is not one statement of that grammar.
    """
    try:
        found = _GRAMMARS[dialect].parse(text)
    except SqlglotError as error:
        raise Refusal(_unparsed(error)) from None
    except RecursionError:
        raise Refusal("The statement is nested too deeply. Write it flatter: a list with IN, or WITH.") from None
    if len(found) != 1 or found[0] is None:
        raise Refusal("This is not one statement. Send one SELECT, INSERT, UPDATE or DELETE at a time.")
    return found[0]


def _unparsed(error: SqlglotError) -> str:
    details = getattr(error, "errors", None) or [{}]
    where = str(details[0].get("highlight") or "")[:40]
    near = f" near '{where}'" if where.isascii() and where.isprintable() and where else ""
    return f"The statement cannot be read{near}. Write one plain SELECT, INSERT, UPDATE or DELETE."
