"""The parts of a tree that are understood, and which of their fields may be filled. Everything else is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sqlglot import exp

from handrail.data.sql.refusal import Refusal

_BINARY = frozenset({"this", "expression"})
_UNARY = frozenset({"this"})
_QUERY = frozenset({"with_", "order", "limit", "offset"})

EXPRESSIONS: dict[type[object], frozenset[str]] = {
    **dict.fromkeys(
        (
            exp.Add, exp.And, exp.ArrayContainedBy, exp.ArrayContainsAll, exp.ArrayOverlaps, exp.BitwiseAnd,
            exp.BitwiseLeftShift, exp.BitwiseOr, exp.BitwiseRightShift, exp.BitwiseXor, exp.Collate, exp.EQ,
            exp.Escape, exp.Filter, exp.GT, exp.GTE, exp.Glob, exp.JSONBContainsAllTopKeys, exp.JSONBContainsAnyTopKeys,
            exp.JSONBContainsTopKey, exp.JSONBDeleteAtPath, exp.JSONBExtract, exp.JSONBExtractScalar,
            exp.JSONBPathExists, exp.JSONExtract, exp.JSONExtractScalar, exp.Kwarg, exp.LT, exp.LTE, exp.Match, exp.Mod,
            exp.Mul, exp.NEQ, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Or, exp.Overlaps, exp.Pow, exp.RegexpILike, exp.Sub,
            exp.WithinGroup,
        ),
        _BINARY,
    ),
    **dict.fromkeys(
        (
            exp.Any, exp.All, exp.BitwiseNot, exp.Boolean, exp.Cbrt, exp.Cube, exp.Exists, exp.Having, exp.Neg, exp.Not,
            exp.Paren, exp.Sqrt, exp.Var, exp.Where,
        ),
        _UNARY,
    ),
    **dict.fromkeys((exp.CurrentDate, exp.CurrentTime, exp.CurrentTimestamp), _UNARY),
    **dict.fromkeys((exp.Localtime, exp.Localtimestamp), _UNARY),
    **dict.fromkeys((exp.GroupingSets, exp.Rollup, exp.Cube, exp.Tuple), frozenset({"expressions"})),
    exp.Alias: frozenset({"this", "alias"}),
    exp.Anonymous: frozenset({"this", "expressions"}),
    exp.Array: frozenset({"expressions", "bracket_notation"}),
    exp.AtTimeZone: frozenset({"this", "zone"}),
    exp.Between: frozenset({"this", "low", "high", "negate", "symmetric"}),
    exp.Bracket: frozenset({"this", "expressions"}),
    exp.Case: frozenset({"this", "ifs", "default"}),
    exp.Cast: frozenset({"this", "to"}),
    exp.Column: frozenset({"this", "table"}),
    exp.Div: frozenset({"this", "expression", "typed", "safe"}),
    exp.DPipe: frozenset({"this", "expression", "safe"}),
    exp.DataType: frozenset({"this", "expressions", "nested", "values"}),
    exp.DataTypeParam: frozenset({"this"}),
    exp.Distinct: frozenset({"expressions", "on"}),
    exp.Extract: frozenset({"this", "expression"}),
    exp.Fetch: frozenset({"direction", "count", "limit_options"}),
    exp.Group: frozenset({"expressions", "grouping_sets", "cube", "rollup", "all"}),
    exp.ILike: frozenset({"this", "expression", "negate"}),
    exp.If: frozenset({"this", "true"}),
    exp.In: frozenset({"this", "expressions", "query", "negate"}),
    exp.Interval: frozenset({"this", "unit"}),
    exp.Is: frozenset({"this", "expression", "negate"}),
    exp.Like: frozenset({"this", "expression", "negate"}),
    exp.Limit: frozenset({"expression"}),
    exp.LimitOptions: frozenset({"rows", "with_ties"}),
    exp.Literal: frozenset({"this", "is_string"}),
    exp.MatchAgainst: frozenset({"this", "expressions"}),
    exp.Null: frozenset(),
    exp.Offset: frozenset({"expression"}),
    exp.Order: frozenset({"this", "expressions"}),
    exp.Ordered: frozenset({"this", "desc", "nulls_first"}),
    exp.Overlay: frozenset({"this", "expression", "from_", "for_"}),
    exp.RegexpLike: frozenset({"this", "expression", "negate"}),
    exp.SimilarTo: frozenset({"this", "expression", "negate"}),
    exp.Slice: frozenset({"this", "expression"}),
    exp.Star: frozenset(),
    exp.StrPosition: frozenset({"this", "substr"}),
    exp.Substring: frozenset({"this", "start", "length"}),
    exp.Trim: frozenset({"this", "expression", "position"}),
    exp.Window: frozenset({"this", "partition_by", "order", "spec", "alias", "over"}),
    exp.WindowSpec: frozenset({"kind", "start", "start_side", "end", "end_side", "exclude"}),
}  # fmt: skip
"""What may stand where a value stands."""

_SET = frozenset({"this", "expression", "distinct"}) | _QUERY

QUERIES: dict[type[object], frozenset[str]] = {
    exp.Select: frozenset({"expressions", "distinct", "from_", "joins", "where", "group", "having", "windows"})
    | _QUERY,
    exp.Union: _SET,
    exp.Except: _SET,
    exp.Intersect: _SET,
    exp.Subquery: frozenset({"this", "alias"}) | _QUERY,
    exp.Values: frozenset({"expressions", "alias"}) | _QUERY,
}
"""What gives rows, and may stand in parentheses where a value stands."""

SOURCES: dict[type[object], frozenset[str]] = {
    exp.CTE: frozenset({"this", "alias", "materialized"}),
    exp.ColumnDef: frozenset({"this", "kind"}),
    exp.From: frozenset({"this"}),
    exp.Identifier: frozenset({"this", "quoted"}),
    exp.Join: frozenset({"this", "method", "side", "kind", "on", "using"}),
    exp.Lateral: frozenset({"this", "alias", "ordinality"}),
    exp.Table: frozenset({"this", "db", "alias", "joins", "ordinality"}),
    exp.TableAlias: frozenset({"this", "columns"}),
    exp.Unnest: frozenset({"expressions", "alias", "offset"}),
    exp.With: frozenset({"expressions", "recursive"}),
}
"""What may stand where a table stands."""

SENTENCES: dict[tuple[type[object], str], str] = {
    (exp.Select, "into"): "SELECT … INTO makes a table. Write the SELECT without INTO.",
    (exp.Select, "locks"): "FOR UPDATE and FOR SHARE lock rows. Leave them out; a change locks what it needs itself.",
    (exp.Table, "only"): "ONLY is not understood. Name the table without it.",
    (exp.Table, "sample"): "TABLESAMPLE is not understood. Use ORDER BY random() LIMIT n.",
    (exp.Column, "db"): "A column is named with its schema. Name it by its table or alias: lead.id.",
}
"""What to say about a field that may not be filled."""

NAMES: dict[type[object], str] = {
    exp.Placeholder: "A placeholder stands in the statement. Write the value itself.",
    exp.Parameter: "A parameter stands in the statement. Write the value itself.",
    exp.Dot: "A name has more dots than are understood. Write table.column, and functions without a schema.",
    exp.Delete: "A DELETE stands inside of the statement. Send it alone.",
    exp.Update: "An UPDATE stands inside of the statement. Send it alone.",
    exp.Insert: "An INSERT stands inside of the statement. Send it alone.",
    exp.HexString: "Hexadecimal strings are not understood. Write text as '…', and numbers in digits.",
    exp.Operator: "OPERATOR(…) is not understood. Write the usual operator.",
}
"""What to say about a part that is not understood."""


def check(node: exp.Expr, known: Mapping[type[object], frozenset[str]]) -> None:
    """Refuse a part that is not known, or that has a field which is not.

    Args:
        node: The part.
        known: The parts that may stand there, with their fields.

    Raises:
        Refusal: It is not one of them.
    """
    allowed = known.get(type(node))
    if allowed is None:
        raise not_understood(node)
    for key, value in node.args.items():
        if key not in allowed and value is not None and value is not False and value != []:
            sentence = SENTENCES.get((type(node), key))
            raise Refusal(
                sentence or f"The {key.rstrip('_')} of {type(node).key.upper()} is not understood. Write it without."
            )


def not_understood(node: object) -> Refusal:
    """Return the refusal of a part that is not known."""
    if isinstance(node, exp.Expr):
        shown = f"{type(node).key.upper()} is not understood here. Write it with plain SQL expressions."
        return Refusal(NAMES.get(type(node)) or shown)
    return Refusal("A part of the statement is not understood. Write it with plain SQL expressions.")


def children(node: exp.Expr) -> Iterator[object]:
    """Yield the parts that a part is made of."""
    for value in node.args.values():
        if isinstance(value, list):
            yield from value
        elif isinstance(value, exp.Expr):
            yield value
