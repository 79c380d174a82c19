"""INSERT, UPDATE and DELETE: the change that is taken out of a statement, and what to write where none can be."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.data.sql.account import NOT_THE_SAME, reconcile
from handrail.data.sql.catalog import Table
from handrail.data.sql.change import Change, Computed, Operation, Value
from handrail.data.sql.keys import keys
from handrail.data.sql.literal import NotLiteral, literal
from handrail.data.sql.parts import outermost, place, split
from handrail.data.sql.refusal import Refusal
from handrail.data.sql.tokens import Kind, Token, written
from handrail.data.sql.visible import RowSource, Visible
from handrail.data.sql.walk import Walk

ROWS_MAX = 10_000
"""Rows that one INSERT may write out."""

_RETURNING = "RETURNING is not possible: a change is planned first, and its plan tells the rows. Leave RETURNING out."
_WITH = "WITH stands before a change. Put the query into the WHERE: id IN (SELECT …)."
_HINT = "A hint is not understood. Leave it out."
_ORDERED = "A change has ORDER BY or LIMIT. Name the rows by their key: WHERE id IN (…)."

_REFUSED: dict[type[exp.Expr], dict[str, str]] = {
    exp.Insert: {
        "conflict": "ON CONFLICT changes rows that nobody named. Read which rows exist, then send an INSERT for the "
        "new ones and an UPDATE by key for the others.",
        "alternative": "INSERT OR REPLACE and its like change or skip rows that nobody named. Read which rows exist, "
        "then send an INSERT for the new ones and an UPDATE by key for the others.",
        "default": "DEFAULT VALUES names no column. Name at least one, with its value.",
        "returning": _RETURNING,
        "with_": "WITH stands before an INSERT. Read the rows first, then insert them with VALUES (…), (…).",
    },
    exp.Update: {
        "from_": "UPDATE … FROM joins tables, which may change a row several times. "
        "Write SET column = (SELECT …), and WHERE key IN (SELECT …).",
        "returning": _RETURNING,
        "with_": _WITH,
        "order": _ORDERED,
        "limit": _ORDERED,
    },
    exp.Delete: {
        "using": "DELETE … USING joins tables. Write WHERE key IN (SELECT …).",
        "tables": "A DELETE names several tables. Send one for each.",
        "returning": _RETURNING,
        "with_": _WITH,
        "order": _ORDERED,
        "limit": _ORDERED,
    },
}
_ALLOWED: dict[type[exp.Expr], frozenset[str]] = {
    exp.Insert: frozenset({"this", "expression"}),
    exp.Update: frozenset({"this", "expressions", "where"}),
    exp.Delete: frozenset({"this", "where"}),
}
_INSERT_WORDS = frozenset({"insert", "into", "default"})
_UPDATE_WORDS = frozenset({"update", "set"})
_DELETE_WORDS = frozenset({"delete"})


def insert(root: exp.Insert, found: list[Token], walk: Walk) -> Change:
    """Return the rows that an INSERT would write.

    Args:
        root: The tree of the statement.
        found: Its tokens.
        walk: The walk over it, fresh.

    Raises:
        Refusal: It does more than insert rows, or names what is not there.
    """
    _only(root)
    table_node, listed = root.this, None
    if isinstance(table_node, exp.Schema):
        table_node, listed = table_node.this, table_node.expressions
    name, table = _target(table_node, walk)
    if table_node.args.get("alias") is not None:
        raise Refusal("The table of an INSERT has an alias. Leave it out.")
    columns = _listed(listed, table, walk)
    if listed is not None and isinstance(table_node, exp.Table):
        named = table_node.this
        walk.listed.add(named.this if named.args.get("quoted") else named.this.lower())
    body = root.args.get("expression")
    if not isinstance(body, exp.Values) or any(value for key, value in body.args.items() if key != "expressions"):
        raise Refusal(
            "The rows of an INSERT come from a query. Read them first, then insert them with VALUES (…), (…)."
        )
    _without_default(body)
    walk.query(body, Visible())
    reconcile(found, walk, verbs=_INSERT_WORDS)
    _verbs(found, _INSERT_WORDS, 2)
    schema, shown = (table.schema, table.name) if table else (_schema(table_node, walk), name)
    columns = _all_columns(table) if columns is None else columns
    rows = _rows(found[place(found, "values", 3) + 1 :], columns, walk)
    if len(rows) != len(body.expressions):
        raise Refusal(NOT_THE_SAME)
    return Change(Operation.INSERT, shown, schema, shown, columns, rows, key_columns=_key(table))


def update(root: exp.Update, found: list[Token], walk: Walk) -> Change:
    """Return what an UPDATE would change. Arguments and errors as for `insert`."""
    _only(root)
    name, table = _target(root.this, walk)
    at, alias = _visible(root.this, name, table, walk)
    for node in root.expressions:
        _assigned(node, walk, at)
    asked = _where(root, walk, at)
    reconcile(found, walk, verbs=_UPDATE_WORDS)
    _verbs(found, _UPDATE_WORDS, 1)
    begin, end = place(found, "set", 2), place(found, "where")
    columns, values = _assignments(found[begin + 1 : end], table, walk)
    _same(found, end, root)
    named = sum(len(one.this.expressions) if isinstance(one.this, exp.Tuple) else 1 for one in root.expressions)
    if named != len(columns):
        raise Refusal(NOT_THE_SAME)
    return _changed(Operation.UPDATE, root.this, name, table, alias, found[end + 1 :], asked, walk, columns, (values,))


def delete(root: exp.Delete, found: list[Token], walk: Walk) -> Change:
    """Return what a DELETE would remove. Arguments and errors as for `insert`."""
    if len(found) < 3 or found[1].low != "from":
        raise Refusal("No FROM stands behind DELETE. Write DELETE FROM table WHERE …, for one table at a time.")
    _only(root)
    name, table = _target(root.this, walk)
    at, alias = _visible(root.this, name, table, walk)
    asked = _where(root, walk, at)
    reconcile(found, walk, verbs=_DELETE_WORDS)
    _verbs(found, _DELETE_WORDS, 1)
    end = place(found, "where")
    _same(found, end, root)
    return _changed(Operation.DELETE, root.this, name, table, alias, found[end + 1 :], asked, walk, (), ())


def _changed(
    operation: Operation, node: exp.Expr, name: str, table: Table | None, alias: str, where: list[Token],
    asked: list[str], walk: Walk, columns: tuple[str, ...], rows: tuple[tuple[Value, ...], ...],
) -> Change:  # fmt: skip
    if table is None:
        found = None
        stored = tuple(asked)
    else:
        found = keys(where, table, walk.catalog, alias)
        known = walk.catalog.columns(table)
        stored = tuple(known[column].name for column in asked)
    return Change(
        operation,
        table.name if table else name,
        table.schema if table else _schema(node, walk),
        alias,
        columns,
        rows,
        key_columns=_key(table),
        keys=found or (),
        predicate="" if found else written(where, walk.dialect),
        where_columns=stored,
    )


# --- the table --------------------------------------------------------------------------------------------------------


def _only(root: exp.Expr) -> None:
    """Refuse what a change has besides table, values and condition."""
    for key, value in root.args.items():
        if key not in _ALLOWED[type(root)] and value is not None and value is not False and value != []:
            raise Refusal(_REFUSED[type(root)].get(key, _HINT))


def _target(node: object, walk: Walk) -> tuple[str, Table | None]:
    """Take note of the table that is changed; return its folded name, and what is known of it."""
    if not isinstance(node, exp.Table) or not isinstance(node.this, exp.Identifier):
        raise Refusal("The change names no table. Write INSERT INTO table, UPDATE table or DELETE FROM table.")
    for key, value in node.args.items():
        if key not in ("this", "db", "alias") and value is not None and value is not False and value != []:
            raise Refusal(f"The table of a change has {key.upper()}. Name the table alone.")
    name, table = walk.table(node)
    if table is not None and table.view:
        raise Refusal(f"{safe(table.name)} is a view. Change the table that its rows come from.")
    return name, table


def _schema(node: exp.Expr, walk: Walk) -> str:
    db = node.args.get("db")
    return "" if db is None else walk.dialect.folded(db.this, quoted=bool(db.args.get("quoted")))


def _visible(node: exp.Expr, name: str, table: Table | None, walk: Walk) -> tuple[Visible, str]:
    """Return the names that conditions may use, and what they call the table."""
    alias = node.args.get("alias")
    called = name
    if alias is not None:
        if not isinstance(alias, exp.TableAlias) or alias.args.get("columns"):
            raise Refusal("The alias of the table renames its columns. Use their own names.")
        called = walk.name(alias.this)
    if table is not None and table.primary_key == ():
        raise Refusal(
            f"The table {safe(table.name)} has no valid primary key, so its rows cannot be named. "
            "Ask its owner for one; until then rows can only be inserted."
        )
    columns = None if table is None else frozenset(walk.catalog.columns(table))
    walk.target = RowSource(columns, table)
    return Visible(sources={called: walk.target}), called


def _same(found: Sequence[Token], where: int, root: exp.Expr) -> None:
    """Refuse when the words have a WHERE at their outermost and the tree has none, or the other way round."""
    if (where < len(found)) != (root.args.get("where") is not None):
        raise Refusal(NOT_THE_SAME)


def _key(table: Table | None) -> tuple[str, ...]:
    return () if table is None else table.primary_key or ()


def _where(root: exp.Expr, walk: Walk, at: Visible) -> list[str]:
    """Go through the condition; return the columns of the table that it names."""
    walk.asked = []
    where = root.args.get("where")
    if where is not None:
        walk.expression(where, at)
    return walk.asked


def _verbs(found: Sequence[Token], verbs: frozenset[str], count: int) -> None:
    """Refuse a verb of a change that stands anywhere but at the beginning."""
    outer = {at for at, _ in outermost(found)}
    for at, token in enumerate(found):
        if at >= count and token.low in verbs and not (token.low == "set" and at in outer):
            if token.low == "default":
                raise Refusal("DEFAULT is no value. Leave the column out, and the database fills it in.")
            raise Refusal(f"{token.low.upper()} stands inside of the statement. Send one change at a time.")


# --- values -----------------------------------------------------------------------------------------------------------


def _writable(name: str, table: Table | None, walk: Walk, *, inserted: bool) -> str:
    """Return a column as the database stores it.

    Raises:
        Refusal: There is none, the database computes it, or it is part of the key.
    """
    if table is None:
        return name
    known = walk.catalog.columns(table)
    column = known.get(name)
    if column is None:
        raise Refusal(
            f"The table {safe(table.name)} has no column {safe(name)}.{did_you_mean(name, known)} "
            "The columns are told by describe."
        )
    if column.generated:
        raise Refusal(f"The column {safe(column.name)} is computed by the database. Leave it out.")
    if not inserted and column.name in (table.primary_key or ()):
        raise Refusal(
            f"The column {safe(column.name)} is part of the primary key, which names the row for good. "
            "Insert a new row and delete the old one."
        )
    return column.name


def _listed(listed: list[exp.Expr] | None, table: Table | None, walk: Walk) -> tuple[str, ...] | None:
    """Return the columns that an INSERT names."""
    if listed is None:
        return None
    columns: list[str] = []
    for node in listed:
        column = _writable(walk.name(node), table, walk, inserted=True)
        if column in columns:
            raise Refusal(f"The column {safe(column)} is named twice. Name it once.")
        columns.append(column)
    return tuple(columns)


def _all_columns(table: Table | None) -> tuple[str, ...]:
    if table is None:
        return ()
    if any(column.generated for column in table.columns):
        raise Refusal(
            f"The database computes a column of {safe(table.name)}. Name the other columns in front of VALUES."
        )
    return table.names


def _without_default(body: exp.Values) -> None:
    """Refuse DEFAULT among the values."""
    for row in body.expressions:
        for value in row.expressions if isinstance(row, exp.Tuple) else [row]:
            named = value.this if isinstance(value, exp.Column) else value
            is_name = isinstance(named, exp.Var | exp.Identifier) and not named.args.get("quoted")
            if is_name and named.name.lower() == "default":
                raise Refusal("DEFAULT is no value. Leave the column out, and the database fills it in.")


def _rows(found: Sequence[Token], columns: tuple[str, ...], walk: Walk) -> tuple[tuple[Value, ...], ...]:
    """Return the rows of VALUES."""
    rows: list[tuple[Value, ...]] = []
    for part in split(found, ","):
        if len(part) < 3 or part[0].low != "(" or part[-1].low != ")":
            raise Refusal("A row of VALUES is not understood. Write each as (value, value).")
        values = tuple(_value(one, walk) for one in split(part[1:-1], ","))
        if len(values) != (len(columns) or len(rows[0] if rows else values)):
            raise Refusal(
                f"A row has {len(values)} values, and {len(columns) or len(rows[0])} are needed. "
                "Give each column its value."
            )
        rows.append(values)
    if len(rows) > ROWS_MAX:
        raise Refusal(f"The INSERT has {len(rows):,} rows, and {ROWS_MAX:,} are the most. Split it.")
    return tuple(rows)


def _value(found: Sequence[Token], walk: Walk) -> Value:
    try:
        return literal(found, walk.dialect)
    except NotLiteral:
        return Computed(written(found, walk.dialect))


def _assigned(node: exp.Expr, walk: Walk, at: Visible) -> None:
    """Go through one `column = value` of the tree."""
    if not isinstance(node, exp.EQ):
        raise Refusal("An assignment is not understood. Write SET column = value.")
    names = node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this]
    for name in names:
        if not isinstance(name, exp.Column) or name.args.get("table") is not None:
            raise Refusal(
                "What is set is not a plain column. Write SET column = value, without the table's name; "
                "set a whole array or document."
            )
        walk.name(name.this)
    values = node.expression.expressions if len(names) > 1 and isinstance(node.expression, exp.Tuple) else None
    if len(names) > 1 and (values is None or len(values) != len(names)):
        raise Refusal("Several columns are set at once. Write SET a = …, b = …, each with its value.")
    for value in values or [node.expression]:
        if isinstance(value, exp.Column | exp.Var) and value.name.lower() == "default" and "default" not in _own(at):
            raise Refusal("DEFAULT is no value. Write the value itself.")
        walk.expression(value, at)


def _own(at: Visible) -> frozenset[str]:
    return frozenset(column for source in at.sources.values() for column in source.columns or ())


def _assignments(found: Sequence[Token], table: Table | None, walk: Walk) -> tuple[tuple[str, ...], tuple[Value, ...]]:
    """Return the columns that an UPDATE sets, and their values."""
    columns: list[str] = []
    values: list[Value] = []
    for part in split(found, ","):
        equals = place(part, "=")
        left, right = part[:equals], part[equals + 1 :]
        names, given = [left], [right]
        if left and left[0].low == "(":
            names, given = split(left[1:-1], ","), split(right[1:-1], ",")
        if not right or len(names) != len(given):
            raise Refusal("An assignment is not understood. Write SET column = value.")
        for name, value in zip(names, given, strict=True):
            if len(name) != 1 or name[0].kind not in (Kind.WORD, Kind.QUOTED):
                raise Refusal("An assignment is not understood. Write SET column = value.")
            folded = walk.dialect.folded(name[0].value, quoted=name[0].kind is Kind.QUOTED)
            column = _writable(folded, table, walk, inserted=False)
            if column in columns:
                raise Refusal(f"The column {safe(column)} is set twice. Set it once.")
            columns.append(column)
            values.append(_value(value, walk))
    return tuple(columns), tuple(values)
