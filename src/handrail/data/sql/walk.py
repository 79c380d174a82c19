"""The walk over a whole tree, default-deny: every part, name, function, table and column has to be one that is known.

It keeps account of what it met. `account.py` then compares that with the words that were written, so that nothing the
parser overlooked goes unseen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from handrail.core.names import did_you_mean
from handrail.core.text import safe
from handrail.data.dialect import Dialect
from handrail.data.sql.calls import called
from handrail.data.sql.catalog import DEFAULT_SCHEMA, Catalog, Table
from handrail.data.sql.functions import ROW_COLUMNS, ROWS, WHOLE_ROW
from handrail.data.sql.nodes import EXPRESSIONS, QUERIES, SOURCES, check, children, not_understood
from handrail.data.sql.refusal import Refusal
from handrail.data.sql.special import SPECIAL, data_type
from handrail.data.sql.visible import RowSource, Visible

SYSTEM_COLUMNS = {
    Dialect.POSTGRES: frozenset({"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "oid"}),
    Dialect.SQLITE: frozenset({"rowid", "_rowid_", "oid"}),
}
"""Columns that no table declares."""

BUILT_IN = ROWS[Dialect.SQLITE] | frozenset(
    ["bytecode", "tables_used", "dbstat", "generate_series", "fsdir", "carray", "completion", "zipfile", "stmt"]
)
"""Tables of SQLite that nobody made."""

_NO_COLUMNS: frozenset[str] = frozenset()


@dataclass(slots=True)
class Walk:
    """One walk over one statement.

    Attributes:
        dialect: How names are compared.
        catalog: The tables that are known.
        functions: Functions that the operator allowed besides the usual ones, in lower case.
        tables: The tables that are read or written, as they are stored, in the order of the statement.
        resolved: Whether the catalog knew all of them.
        names: Every name without quotes, in lower case.
        quoted: Every name in quotes.
        strings: Every string.
        numbers: Every number.
        listed: Names that a list of columns follows, so that they look like calls.
        asked: Folded names of columns, of the table that is written, by its alias, in the order they were met.
    """

    dialect: Dialect
    catalog: Catalog
    functions: frozenset[str]
    tables: list[str] = field(default_factory=list)
    resolved: bool = True
    names: Counter[str] = field(default_factory=Counter)
    quoted: Counter[str] = field(default_factory=Counter)
    strings: Counter[str] = field(default_factory=Counter)
    numbers: Counter[str] = field(default_factory=Counter)
    listed: set[str] = field(default_factory=set)
    target: RowSource | None = None
    asked: list[str] = field(default_factory=list)

    # --- names --------------------------------------------------------------------------------------------------------

    def name(self, node: object) -> str:
        """Take note of a name; return it folded."""
        if not isinstance(node, exp.Identifier):
            raise not_understood(node)
        check(node, SOURCES)
        return self._noted(node.this, quoted=bool(node.args.get("quoted")))

    def _noted(self, written: str, *, quoted: bool) -> str:
        if quoted:
            self.quoted[written] += 1
        else:
            self.names[written.lower()] += 1
        return self.dialect.folded(written, quoted=quoted)

    def table(self, node: exp.Table) -> tuple[str, Table | None]:
        """Take note of a table that is named; return its folded name, and what the catalog knows of it."""
        name = self.name(node.this)
        schema = self.name(node.args["db"]) if node.args.get("db") else ""
        self._not_of_the_system(name, schema)
        found = self.catalog.find(name, schema)
        if found is None:
            self.resolved = False
            shown = f"{schema}.{name}" if schema else name
        else:
            shown = f"{found.schema}.{found.name}" if found.schema else found.name
        if shown not in self.tables:
            self.tables.append(shown)
        return name, found

    def _not_of_the_system(self, name: str, schema: str) -> None:
        low = name.lower()
        if self.dialect is Dialect.POSTGRES:
            hidden = low.startswith("pg_") or schema.lower().startswith("pg_") or schema.lower() == "information_schema"
        else:
            hidden = low.startswith(("sqlite_", "pragma_")) or schema not in ("", DEFAULT_SCHEMA[self.dialect])
            hidden |= low in BUILT_IN and self.catalog.find(name, schema) is None
        if hidden:
            raise Refusal(
                f"{safe(f'{schema}.{name}' if schema else name)} is not one of the tables that agents work with. "
                "The tables and their columns are told by describe."
            )

    def _column(self, node: exp.Column, at: Visible, *, whole_row: bool = False) -> None:
        check(node, EXPRESSIONS)
        if isinstance(node.this, exp.Star):
            self._star(node, at)
            return
        name, qualifier = self.name(node.this), node.args.get("table")
        source: RowSource | None
        if qualifier is not None:
            owner = self.name(qualifier)
            source = at.source(owner)
            if source is None:
                raise Refusal(
                    f"There is no table or alias {safe(owner)} here.{did_you_mean(owner, at.sources)} "
                    "Name a column by its table or alias: alias.column."
                )
            there = source.columns is None or name in source.columns
        else:
            there, source = at.column(name)
            if source is None and at.source(name) is not None and name not in at.aliases:
                self._whole_row(name, allowed=whole_row)
                return
        if there and source is not None and source.columns is not None:
            if source is self.target and name not in self.asked:
                self.asked.append(name)
            return
        self._unsure(node, name, source, at, there=there)

    def _unsure(self, node: exp.Column, name: str, source: RowSource | None, at: Visible, *, there: bool) -> None:
        """Refuse a column that is not there, or that could be something else."""
        shown = safe(name)
        if name in SYSTEM_COLUMNS[self.dialect] and name not in at.aliases:
            raise Refusal(f"{shown} is a column of the system. Name rows by their primary key.")
        if not there:
            known = source.columns if source is not None and source.columns is not None else at.columns()
            near = did_you_mean(name, known)
            if self.dialect is Dialect.SQLITE and node.this.args.get("quoted") and not near:
                raise Refusal(f"There is no column {shown}. Write strings in single quotes: '{shown}'.")
            raise Refusal(f"There is no column {shown} here.{near} The columns are told by describe.")
        if name in at.aliases:
            return
        if node.this.args.get("quoted") and self.dialect is Dialect.SQLITE and not (source and source.derived):
            raise Refusal(
                f'Nobody knows whether "{shown}" is a column or a string. '
                f"Write {shown} without quotes for the column, '{shown}' for the string."
            )
        if name.startswith(("pg_", "lo_", "dblink")):
            raise Refusal(f"{shown} is no column that is known. Name columns of the table.")
        level = source or next((one for one in at.sources.values() if one is self.target), None)
        if level is self.target is not None and name not in self.asked:
            self.asked.append(name)

    @staticmethod
    def _whole_row(name: str, *, allowed: bool) -> None:
        if not allowed:
            raise Refusal(f"{safe(name)} stands for a whole row here. Name the columns, or write {safe(name)}.*.")

    def _star(self, node: exp.Column, at: Visible) -> None:
        check(node.this, EXPRESSIONS)
        owner = self.name(node.args.get("table"))
        if at.source(owner) is None:
            raise Refusal(f"There is no table or alias {safe(owner)} here.{did_you_mean(owner, at.sources)} Use *.")

    # --- values -------------------------------------------------------------------------------------------------------

    def expression(self, node: object, at: Visible) -> None:
        """Go through what stands where a value stands.

        Args:
            node: The part of the tree.
            at: The names that mean something there.

        Raises:
            Refusal: A part is not one that is known to be harmless.
        """
        kind = type(node)
        if kind in QUERIES:
            self.query(node, at)
            return
        if not isinstance(node, exp.Expr) or kind not in EXPRESSIONS:
            raise not_understood(node)
        if isinstance(node, exp.Column):
            self._column(node, at)
            return
        check(node, EXPRESSIONS)
        if isinstance(node, exp.Anonymous):
            self._call(node, at)
            return
        special = SPECIAL.get(kind)
        if special is not None:
            special(self, node, at)
            return
        for child in children(node):
            self.expression(child, at)

    def _call(self, node: exp.Anonymous, at: Visible) -> None:
        name = self.called(node)
        whole_row = name in WHOLE_ROW and self.dialect is Dialect.POSTGRES
        for child in node.expressions:
            if isinstance(child, exp.Alias):
                raise Refusal(f"An argument of {safe(name)} has a name with AS. Leave the name out.")
            if whole_row and isinstance(child, exp.Order) and isinstance(child.this, exp.Column):
                check(child, EXPRESSIONS)
                self._column(child.this, at, whole_row=True)
                for order in child.expressions:
                    self.expression(order, at)
            elif whole_row and isinstance(child, exp.Column):
                self._column(child, at, whole_row=True)
            else:
                self.expression(child, at)

    def called(self, node: exp.Expr, *, rows: bool = False) -> str:
        """Take note of a function that is called; return its name in lower case.

        Args:
            node: The call.
            rows: Whether it stands where a table stands.
        """
        name = called(node, self.dialect, self.functions, rows=rows)
        self.names[name] += 1
        return name

    # --- queries ------------------------------------------------------------------------------------------------------

    def query(self, node: object, outer: Visible) -> frozenset[str] | None:
        """Go through a query; return the folded names of its columns, None when they are not known."""
        kind = type(node)
        if not isinstance(node, exp.Expr) or kind not in QUERIES:
            raise not_understood(node)
        check(node, QUERIES)
        at = Visible(outer)
        self._with(node.args.get("with_"), at)
        columns: frozenset[str] | None
        if isinstance(node, exp.Select):
            columns = self._select(node, at)
        elif isinstance(node, exp.Values):
            for row in node.expressions:
                self.expression(row, at)
            columns = frozenset(f"column{n + 1}" for n in range(len(node.expressions[0].expressions)))
        elif isinstance(node, exp.Subquery):
            columns = self.query(node.this, at) if not isinstance(node.this, exp.Table) else self._joined(node, at)
        else:
            columns = self.query(node.this, at)
            self.query(node.args["expression"], at)
        if columns is None and not isinstance(node, exp.Select):
            at.sources[""] = RowSource(None, derived=True)
        at.aliases |= columns or _NO_COLUMNS
        for key in ("order", "limit", "offset"):
            if node.args.get(key) is not None:
                self._modifier(node.args[key], at)
        return columns

    def _modifier(self, node: exp.Expr, at: Visible) -> None:
        self.expression(node, at)

    def _with(self, node: exp.Expr | None, at: Visible) -> None:
        if node is None:
            return
        check(node, SOURCES)
        for cte in node.expressions:
            if not isinstance(cte, exp.CTE):
                raise not_understood(cte)
            check(cte, SOURCES)
            name, columns = self._alias_of(cte.args["alias"])
            body = cte.this
            if node.args.get("recursive") or (self.dialect is Dialect.SQLITE and isinstance(body, exp.SetOperation)):
                at.queries[name] = columns
                self._ends(body, name)
            found = self.query(cte.this, at)
            at.queries[name] = columns if columns is not None else found

    def _ends(self, body: object, name: str) -> None:
        """Refuse a recursion that surely has no end. Others are stopped by the time limit of whoever runs them."""
        step = body.args.get("expression") if isinstance(body, exp.Union) else None
        if not isinstance(body, exp.Union) or body.args.get("distinct") or body.args.get("limit") is not None:
            return
        if not isinstance(step, exp.Select) or step.args.get("from_") is None:
            return
        source = step.args["from_"].this
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
            again = self.dialect.folded(source.this.this, quoted=bool(source.this.args.get("quoted"))) == name
            if again and not any(step.args.get(key) for key in ("where", "joins", "limit", "having")):
                raise Refusal(f"The recursion {safe(name)} has no end. Give its second part a WHERE that stops it.")

    def _select(self, node: exp.Select, at: Visible) -> frozenset[str] | None:
        args = node.args
        joins = args.get("joins") or ()
        if args.get("from_") is not None:
            check(args["from_"], SOURCES)
            self.source(args["from_"].this, at)
        for join in joins:
            self._join(join, at)
        columns = self._projections(node.expressions, at)
        for join in joins:
            self._join_condition(join, at)
        if args.get("where") is not None:
            aliases, at.aliases = at.aliases, at.aliases if self.dialect is Dialect.SQLITE else set()
            self.expression(args["where"], at)
            at.aliases = aliases
        for key in ("distinct", "group", "having"):
            if args.get(key) is not None:
                self.expression(args[key], at)
        for window in args.get("windows") or ():
            self.expression(window, at)
        return columns

    def _projections(self, nodes: Iterable[exp.Expr], at: Visible) -> frozenset[str] | None:
        known = True
        columns: set[str] = set()
        for node in nodes:
            if isinstance(node, exp.Star):
                check(node, EXPRESSIONS)
                known &= self._expanded(at.sources.values(), columns)
                continue
            self.expression(node, at)
            if isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
                owner = node.args["table"]
                source = at.source(self.dialect.folded(owner.this, quoted=bool(owner.args.get("quoted"))))
                known &= self._expanded([source] if source else [], columns)
                continue
            named = node.args["alias"] if isinstance(node, exp.Alias) else node.this
            if isinstance(node, exp.Alias | exp.Column) and isinstance(named, exp.Identifier):
                columns.add(self.dialect.folded(named.this, quoted=bool(named.args.get("quoted"))))
            elif isinstance(node, exp.Anonymous) and self.dialect is Dialect.POSTGRES:
                columns.add(str(node.this).lower())
            else:
                known = False  # the database names it
        at.aliases |= columns
        return frozenset(columns) if known else None

    @staticmethod
    def _expanded(sources: Iterable[RowSource], columns: set[str]) -> bool:
        for source in sources:
            if source.columns is None:
                return False
            columns |= source.columns
        return True

    # --- where rows come from -----------------------------------------------------------------------------------------

    def source(self, node: object, at: Visible) -> None:
        """Go through what stands after FROM or JOIN, and make its names visible."""
        if isinstance(node, exp.Table) and isinstance(node.this, exp.Identifier):
            self._named(node, at)
        elif isinstance(node, exp.Table | exp.Unnest | exp.Lateral):
            self._rows(node, at)
        elif isinstance(node, exp.Subquery):
            columns = self.query(node, at)
            if node.args.get("alias") is not None or not isinstance(node.this, exp.Table):
                self._derived(node, columns, at)
        elif isinstance(node, exp.Values):
            self._derived(node, self.query(node, at), at)
        else:
            raise not_understood(node)

    def _named(self, node: exp.Table, at: Visible) -> None:
        check(node, SOURCES)
        identifier = node.this
        folded = self.dialect.folded(identifier.this, quoted=bool(identifier.args.get("quoted")))
        is_query, columns = at.query(folded) if not node.args.get("db") else (False, None)
        if is_query:
            name, source = self.name(identifier), RowSource(columns, derived=True)
        else:
            name, found = self.table(node)
            source = RowSource(None if found is None else frozenset(self.catalog.columns(found)), found)
        alias, renamed = self._alias_of(node.args.get("alias"))
        if renamed is not None:
            source = source._replace(columns=None)
        at.sources[alias or name] = source
        for join in node.args.get("joins") or ():
            self._join(join, at)
            self._join_condition(join, at)

    def _rows(self, node: exp.Expr, at: Visible) -> None:
        """A function, or a query that sees what stands before it, where a table stands."""
        check(node, SOURCES)
        inner = node.this if not isinstance(node, exp.Unnest) else None
        name = ""
        if isinstance(node, exp.Unnest):
            name = "unnest"
            self.names[name] += 1
            for child in node.expressions:
                self.expression(child, at)
            offset = node.args.get("offset")
            if isinstance(offset, exp.Identifier):
                self.name(offset)
        elif isinstance(inner, exp.Subquery):
            self._derived(node, self.query(inner, at), at)
            return
        elif isinstance(inner, exp.Unnest):
            self._rows(inner, at)
        elif isinstance(inner, exp.Anonymous):
            name = self.called(inner, rows=True)
            for child in inner.expressions:
                self.expression(child, at)
        else:
            raise not_understood(inner)
        self._derived(node, None, at, name)
        for join in node.args.get("joins") or ():
            self._join(join, at)
            self._join_condition(join, at)

    def _joined(self, node: exp.Expr, at: Visible) -> frozenset[str] | None:
        """`(a JOIN b ON …)`: the names inside stay visible outside."""
        assert at.outer is not None
        before = set(at.outer.sources)
        self.source(node.this, at.outer)
        columns: set[str] = set()
        added = [source for name, source in at.outer.sources.items() if name not in before]
        return frozenset(columns) if self._expanded(added, columns) else None

    def _derived(self, node: exp.Expr, columns: frozenset[str] | None, at: Visible, function: str = "") -> None:
        alias, renamed = self._alias_of(node.args.get("alias"))
        if function:
            columns = ROW_COLUMNS[self.dialect] | {function, alias}
        if columns is not None and renamed is not None:
            columns |= renamed
        at.sources[alias or function or f" {len(at.sources)}"] = RowSource(columns, derived=True)

    def _alias_of(self, node: object) -> tuple[str, frozenset[str] | None]:
        """Take note of an alias and of its columns; return them folded."""
        if node is None:
            return "", None
        if not isinstance(node, exp.TableAlias):
            raise not_understood(node)
        check(node, SOURCES)
        if node.this is None:
            raise Refusal("A list of columns has no alias before it. Write: … AS alias (column, …).")
        name = self.name(node.this)
        listed = node.args.get("columns") or ()
        if listed:
            self.listed.add(node.this.this if node.this.args.get("quoted") else node.this.this.lower())
        columns: set[str] = set()
        for column in listed:
            if isinstance(column, exp.ColumnDef):
                check(column, SOURCES)
                data_type(self, column.args.get("kind"))
                columns.add(self.name(column.this))
            else:
                columns.add(self.name(column))
        return name, frozenset(columns) if listed else None

    def _join(self, node: exp.Expr, at: Visible) -> None:
        check(node, SOURCES)
        self.source(node.this, at)

    def _join_condition(self, node: exp.Expr, at: Visible) -> None:
        if node.args.get("on") is not None:
            self.expression(node.args["on"], at)
        for column in node.args.get("using") or ():
            self.name(column)
