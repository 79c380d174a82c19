"""Parts of an expression that are gone through otherwise than all their fields in turn: literals, types, windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from handrail.core.text import safe
from handrail.data.dialect import Dialect
from handrail.data.sql.nodes import EXPRESSIONS, check, children, not_understood
from handrail.data.sql.refusal import Refusal

if TYPE_CHECKING:
    from handrail.data.sql.visible import Visible
    from handrail.data.sql.walk import Walk

COLLATIONS = frozenset({"binary", "nocase", "rtrim"})
"""The collations of SQLite itself; others are code of the program that runs it."""


def _nothing(walk: Walk, node: exp.Expr, at: Visible) -> None:
    """Take a part that holds nothing but itself."""
    del walk, node, at


def _literal(walk: Walk, node: exp.Expr, at: Visible) -> None:
    del at
    note_literal(walk, node)


def note_literal(walk: Walk, node: exp.Expr) -> None:
    """Take note of a string or a number."""
    (walk.strings if node.args["is_string"] else walk.numbers)[node.this] += 1


def _interval(walk: Walk, node: exp.Expr, at: Visible) -> None:
    """Take an interval. The parser takes its text apart; on the other side of the account, its token is left out."""
    del walk, at
    if not isinstance(node.this, exp.Literal) or not node.this.is_string:
        raise Refusal("An interval is computed. Write it as INTERVAL '1 day', and multiply: n * INTERVAL '1 day'.")
    unit = node.args.get("unit")
    if unit is not None and not isinstance(unit, exp.Var):
        raise Refusal("An interval has a unit that is not understood. Write INTERVAL '1 day'.")


def _cast(walk: Walk, node: exp.Expr, at: Visible) -> None:
    data_type(walk, node.args["to"])
    walk.expression(node.this, at)


def data_type(walk: Walk, node: object) -> None:
    """Go through a type. Its words are looked at in the account, and a type that is not known is refused there.

    Args:
        walk: The walk that takes note.
        node: The type.

    Raises:
        Refusal: It is more than the name of a type with numbers.
    """
    if not isinstance(node, exp.DataType) or isinstance(node.this, exp.Interval):
        raise not_understood(node)
    check(node, EXPRESSIONS)
    for child in children(node):
        if isinstance(child, exp.DataType):
            data_type(walk, child)
        elif isinstance(child, exp.DataTypeParam) and isinstance(child.this, exp.Literal):
            check(child, EXPRESSIONS)
            note_literal(walk, child.this)
        elif isinstance(child, exp.Literal):
            note_literal(walk, child)
        else:
            raise not_understood(child)


def _in(walk: Walk, node: exp.Expr, at: Visible) -> None:
    walk.expression(node.this, at)
    for child in node.expressions:
        walk.expression(child, at)
    if (query := node.args.get("query")) is not None:
        walk.expression(query, at)


def _alias(walk: Walk, node: exp.Expr, at: Visible) -> None:
    walk.name(node.args["alias"])
    walk.expression(node.this, at)


def _window(walk: Walk, node: exp.Expr, at: Visible) -> None:
    if node.args.get("alias") is not None:
        walk.name(node.args["alias"])
    over = node.args.get("over")
    if over is not None and (not isinstance(over, str) or over.upper() != "OVER"):
        raise not_understood(node)
    if isinstance(node.this, exp.Identifier):
        walk.name(node.this)  # WINDOW w AS (…)
    else:
        walk.expression(node.this, at)
    for child in node.args.get("partition_by") or ():
        walk.expression(child, at)
    for key in ("order", "spec"):
        if node.args.get(key) is not None:
            walk.expression(node.args[key], at)


def _frame(walk: Walk, node: exp.Expr, at: Visible) -> None:
    """`ROWS BETWEEN start AND end`; its words are looked at in the account."""
    for key in ("start", "end"):
        bound = node.args.get(key)
        if isinstance(bound, exp.Expr):
            walk.expression(bound, at)


def _part(walk: Walk, node: exp.Expr, at: Visible) -> None:
    """`EXTRACT(part FROM value)`."""
    if isinstance(node.this, exp.Var):
        walk.names[node.this.name.lower()] += 1
    elif isinstance(node.this, exp.Literal):
        note_literal(walk, node.this)
    else:
        raise not_understood(node.this)
    walk.expression(node.args["expression"], at)


def _argument(walk: Walk, node: exp.Expr, at: Visible) -> None:
    """`name => value` in a call."""
    walk.names[node.this.name.lower()] += 1
    walk.expression(node.args["expression"], at)


def _collation(walk: Walk, node: exp.Expr, at: Visible) -> None:
    walk.expression(node.this, at)
    name = node.args["expression"]
    name = name.this if isinstance(name, exp.Column) and not name.args.get("table") else name
    if isinstance(name, exp.Var):
        folded = name.name.lower()
        walk.names[folded] += 1
    else:
        folded = walk.name(name)
    if walk.dialect is Dialect.SQLITE and folded not in COLLATIONS:
        raise Refusal(f"The collation {safe(folded)} is not one of SQLite. Use BINARY, NOCASE or RTRIM.")


def _regexp(walk: Walk, node: exp.Expr, at: Visible) -> None:
    """On SQLite, REGEXP is a function that somebody registered."""
    if walk.dialect is Dialect.SQLITE and "regexp" not in walk.functions:
        raise Refusal(
            "REGEXP calls a function that is not known. Use LIKE or GLOB, or ask the operator to register it."
        )
    for child in children(node):
        walk.expression(child, at)


SPECIAL: dict[type[object], Callable[[Walk, exp.Expr, Visible], None]] = {
    exp.Alias: _alias,
    exp.Boolean: _nothing,
    exp.Cast: _cast,
    exp.Collate: _collation,
    exp.Extract: _part,
    exp.In: _in,
    exp.Interval: _interval,
    exp.Kwarg: _argument,
    exp.Literal: _literal,
    exp.RegexpLike: _regexp,
    exp.Window: _window,
    exp.WindowSpec: _frame,
}
"""What goes through a part, by its class."""
