"""What an SQL text would do: every statement in it, as values that conditions can ask about.

Read by sqlglot, on the safe side: a write inside a `WITH` is a statement of its own, and what the parser keeps as
unread text, or cannot read, is `opaque`. This is for judging what goes to a tool as it is; guarded data does more.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from handrail.core.digest import Json

if TYPE_CHECKING:
    from sqlglot import exp

TEXT_MAX = 256 * 1024
"""Characters of an SQL text that are read; a longer one is opaque."""

STATEMENTS_MAX = 200
"""Statements that are told of one text; one with more is opaque."""

MEMBERS = frozenset({"verb", "tables", "functions", "where", "opaque", "text"})
"""What is told of each statement."""


def statements(text: object) -> list[Json]:
    """Return every statement of a text, in its order; what cannot be read is one opaque statement.

    Args:
        text: The SQL text; anything else than text is opaque.

    Returns:
        For each statement `verb` (`select`, `insert`, `update`, `delete`, `merge`, `create`, `alter`, `drop`,
        `truncate`, `grant`, `copy`, `set`, …, in lower case), `tables` (their names in lower case, as far as they can
        be told), `functions` (those that SQL itself does not know), `where` (whether it says which rows), `opaque`
        (what it does cannot be told), `text`.
    """
    if not isinstance(text, str) or len(text) > TEXT_MAX or _hides(text):
        return [_opaque(str(text)[:200])]
    try:
        parsed = _parser()(text)
    except Exception:  # noqa: BLE001 (sqlglot's errors are many; whatever it cannot read is opaque)
        return [_opaque(text)]
    found: list[Json] = []
    for tree in parsed:
        if tree is not None and tree.key != "semicolon":  # which carries a comment
            found += _of(tree)
        if len(found) > STATEMENTS_MAX:
            return [_opaque(text)]
    return found or ([_opaque(text)] if text.strip() else [])


def _hides(text: str) -> bool:
    """Return whether databases could read this differently: executable comments, control characters."""
    return _DIALECTS.search(text) is not None or any(char < " " and char not in "\t\n\r" for char in text)


_DIALECTS = re.compile(
    r"""`[^`]*(?:--|/\*|['";\n])[^`]*`|/\*[!M]|/\*(?:(?!\*/).)*/\*|--(?![\s]|$)|\\['"`]""",
    re.DOTALL,
)
"""Executable and nested comments, `--` without a blank, a backslash before a quote, names in backticks that look like
more than a name: one text, several meanings."""


def _opaque(text: str) -> dict[str, Json]:
    words = text.split(maxsplit=1)
    verb = words[0].lower()[:40] if words else ""
    return {
        "verb": verb, "tables": [], "functions": [], "where": False, "opaque": True, "text": text.strip()[:2_000],
    }  # fmt: skip


@cache
def _parser():  # type: ignore[no-untyped-def]  # noqa: ANN202 (sqlglot is loaded where it is used: 106 ms)
    import logging  # noqa: PLC0415

    import sqlglot  # noqa: PLC0415

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # what it does not know becomes opaque, and is no news
    return sqlglot.parse


def _of(tree: exp.Expr) -> list[Json]:
    from sqlglot import exp  # noqa: PLC0415

    verbs = {
        exp.Insert: "insert", exp.Update: "update", exp.Delete: "delete", exp.Merge: "merge", exp.Create: "create",
        exp.Drop: "drop", exp.TruncateTable: "truncate", exp.Alter: "alter", exp.Copy: "copy", exp.Grant: "grant",
    }  # fmt: skip
    found: list[Json] = []
    for node in tree.walk():
        verb = next((word for kind, word in verbs.items() if isinstance(node, kind)), None)
        if verb is not None:
            found.append(_told(verb, node))
        elif isinstance(node, exp.Command):
            found.append(_opaque(node.sql()))
        elif isinstance(node, exp.Into):
            found.append(_told("create", node))
    if not found:
        root = tree.key.lower()
        reads = isinstance(tree, exp.Query | exp.Describe | exp.Show | exp.Values)
        known = reads or root in {"transaction", "commit", "rollback"}
        verb = "select" if isinstance(tree, exp.Query) else root
        found.append({**_told(verb, tree), "opaque": not known})
    return found


def _told(verb: str, node: exp.Expr) -> dict[str, Json]:
    from sqlglot import exp  # noqa: PLC0415

    tables: list[Json] = [*sorted({table.name.lower() for table in node.find_all(exp.Table) if table.name})]
    functions: list[Json] = [*sorted({call.name.lower() for call in node.find_all(exp.Anonymous)})]
    return {
        "verb": verb, "tables": tables, "functions": functions, "where": node.args.get("where") is not None,
        "opaque": False, "text": node.sql()[:2_000],
    }  # fmt: skip
