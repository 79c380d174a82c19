"""What a statement of an agent is: a read, an insert, a change by key or by condition; or why it is refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlglot import exp

from handrail.core.text import safe
from handrail.data.dialect import Dialect
from handrail.data.sql.account import reconcile
from handrail.data.sql.catalog import Catalog
from handrail.data.sql.change import Change
from handrail.data.sql.grammar import tree
from handrail.data.sql.refusal import Refusal
from handrail.data.sql.tokens import Kind, Token, tokens, written
from handrail.data.sql.visible import Visible
from handrail.data.sql.walk import Walk
from handrail.data.sql.words import FIRST, INSTEAD
from handrail.data.sql.writing import delete, insert, update


class StatementClass(StrEnum):
    """What a statement is."""

    READ = "read"
    INSERT = "insert"
    BY_KEY = "by_key"
    BY_PREDICATE = "by_predicate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Classified:
    """A statement, understood or refused.

    Attributes:
        kind: What it is.
        why: One sentence: what was understood; for a refusal, what to write instead. Safe to print.
        tables: The tables that it names, as the database stores them, in the order of the statement.
        resolved: Whether the catalog knows all of them. Nothing that is not resolved should be run.
        sql: For a read, the text to run: the statement written anew. `""` for everything else.
        change: For an insert or a change, what it would change.
    """

    kind: StatementClass
    why: str
    tables: tuple[str, ...] = ()
    resolved: bool = True
    sql: str = ""
    change: Change | None = None


def classify(text: str, dialect: Dialect | str, catalog: Catalog, functions: Iterable[str] = ()) -> Classified:
    """Understand one statement.

    Nothing is run and nothing is read. A read is run by its `sql`, never by the text that was given; a change is
    carried out from its `change`.

    Args:
        text: What an agent wrote: anything.
        dialect: `postgres` or `sqlite`.
        catalog: The tables that are known.
        functions: Names of functions that the operator vouches for, besides those in `functions.py`.

    Returns:
        What it is. There is no text that raises; what is not understood is refused.

    Raises:
        ValueError: There is no such dialect.
    """
    dialect = Dialect(dialect)
    walk = Walk(dialect, catalog, frozenset(name.lower() for name in functions))
    try:
        return _understood(text, walk)
    except Refusal as refusal:
        why = str(refusal)
    except RecursionError:
        why = "The statement is nested too deeply. Write it flatter: a list with IN, or WITH."
    except Exception as error:  # noqa: BLE001 (a tree of a shape that nobody foresaw; what is not understood is refused)
        why = f"The statement could not be understood ({type(error).__name__}). Write it more plainly."
    return Classified(StatementClass.REFUSED, why, tuple(walk.tables), walk.resolved)


def _understood(text: str, walk: Walk) -> Classified:
    found = tokens(text, walk.dialect)
    _begins(found)
    root = tree(written(found), walk.dialect)
    if isinstance(root, exp.Insert):
        change = insert(root, found, walk)
        return _changed(StatementClass.INSERT, change, walk)
    if isinstance(root, exp.Update | exp.Delete):
        change = update(root, found, walk) if isinstance(root, exp.Update) else delete(root, found, walk)
        return _changed(StatementClass.BY_KEY if change.keys else StatementClass.BY_PREDICATE, change, walk)
    walk.query(root, Visible())
    reconcile(found, walk)
    _whole(found)
    why, sql = f"Reads {_list(walk.tables) or 'no table'}.", written(found, walk.dialect)
    return Classified(StatementClass.READ, why, tuple(walk.tables), walk.resolved, sql)


def _begins(found: list[Token]) -> None:
    """Refuse a statement of a kind that is not understood."""
    first = found[0].low
    if first in FIRST:
        return
    shown = safe(found[0].value)
    instead = INSTEAD.get(first, "Write one plain SELECT, INSERT, UPDATE or DELETE.")
    what = f"{shown.upper()} is not possible" if found[0].kind is Kind.WORD else f"No statement begins with {shown}"
    raise Refusal(f"{what}. {instead}")


def _whole(found: list[Token]) -> None:
    """Refuse `SELECT` alone."""
    if len(found) < 2:
        raise Refusal("The statement has no end. Write what to select.")


def _changed(kind: StatementClass, change: Change, walk: Walk) -> Classified:
    table = f"{change.schema}.{change.table}" if change.schema else change.table
    verb = change.operation.value.capitalize()
    if kind is StatementClass.INSERT:
        why = f"Inserts {_count(len(change.rows), 'row')} into {safe(table)}."
    elif kind is StatementClass.BY_KEY:
        why = f"{verb}s {_count(len(change.keys), 'row')} of {safe(table)}, named by primary key."
    elif change.whole_table:
        why = f"{verb}s every row of {safe(table)}: there is no WHERE."
    else:
        why = f"{verb}s the rows of {safe(table)} that meet a condition."
        if not change.key_columns:
            why += " Whether they are named by primary key, nobody knows: the table is not described."
    return Classified(kind, why, tuple(walk.tables), walk.resolved, "", change)


def _list(names: list[str]) -> str:
    return ", ".join(safe(name) for name in names)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
