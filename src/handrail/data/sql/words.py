"""The keywords that a statement may hold besides its names: a second look, at the words and not at a tree."""

from __future__ import annotations

from handrail.data.dialect import Dialect


def words(text: str) -> frozenset[str]:
    """Return the words of a list that is kept as text."""
    return frozenset(text.split())


_READING = words("""
    select distinct all on as from where group by grouping sets rollup cube having order asc desc nulls first last limit
    offset fetch next row rows only ties with recursive materialized not union intersect except values join inner left
    right full outer cross natural using and or is null true false unknown between in like escape exists any some case
    when then else end cast collate over partition range groups unbounded preceding following current exclude no others
    window filter within current_date current_time current_timestamp isnull notnull
""")

TYPES = {
    Dialect.POSTGRES: words("""
        int int2 int4 int8 integer smallint bigint numeric decimal dec real float float4 float8 double precision text
        varchar char character varying boolean bool date time timestamp timestamptz timetz zone without with interval
        json jsonb uuid bytea array inet cidr macaddr bit money daterange tsrange tstzrange int4range int8range numrange
        tsvector tsquery year month day hour minute second to
    """),
    Dialect.SQLITE: words("""
        int integer bigint smallint tinyint real float double precision text varchar char character varying numeric
        decimal boolean blob date datetime time timestamp nvarchar nchar
    """),
}
"""The words that make up the types that may be cast to."""

KEYWORDS = {
    Dialect.POSTGRES: _READING
    | TYPES[Dialect.POSTGRES]
    | words("""
        lateral similar ilike at localtime localtimestamp symmetric asymmetric ordinality extract substring trim both
        leading trailing position overlay placing for epoch overlaps table
    """),
    Dialect.SQLITE: _READING | TYPES[Dialect.SQLITE] | words("glob regexp match"),
}
"""Every keyword that may stand in a read. What is neither one of these nor a name is refused."""

BEFORE_PARENTHESIS = words("""
    all and any array as between bit by case cast char character collate cross cube dec decimal default distinct else
    end escape except exists extract fetch filter first float following for from full glob group grouping having in
    inner int integer intersect interval into is join lateral left like ilike limit match materialized natural nchar
    next not numeric nvarchar offset on only or order outer over overlaps overlay partition placing position preceding
    precision real recursive regexp right rollup row select set sets similar some substring symmetric asymmetric text
    then time timestamp timestamptz timetz to trim union using values varchar varying when where with within zone at
""")
"""Keywords that a parenthesis may follow; before any other word it is a call."""

FIRST = frozenset({"select", "with", "values", "table", "(", "insert", "update", "delete"})
"""How a statement that is understood begins."""

_SCHEMA = "The structure of the database is changed by its owner, not by an agent."
_SESSION = "Sessions and transactions are kept by the runtime. Send the SELECT, INSERT, UPDATE or DELETE alone."
_OWNER = "This is done by the database's owner, not by an agent."
_CODE = "Code is not run. Write one plain SELECT, INSERT, UPDATE or DELETE."

INSTEAD = {
    **dict.fromkeys(words("create alter drop comment rename"), _SCHEMA),
    **dict.fromkeys(
        words("""
            begin start commit rollback abort end savepoint release set reset show prepare execute deallocate declare
            fetch close move discard lock listen notify unlisten use
        """),
        _SESSION,
    ),
    **dict.fromkeys(
        words("""
            vacuum analyze analyse reindex cluster checkpoint grant revoke reassign security refresh load import attach
            detach kill
        """),
        _OWNER,
    ),
    **dict.fromkeys(words("do call exec"), _CODE),
    "truncate": "To remove rows, write DELETE with a WHERE that names them.",
    "merge": "Write the INSERT, the UPDATE and the DELETE one by one.",
    "replace": "REPLACE deletes rows without saying so. Write an INSERT, or an UPDATE of the rows by their key.",
    "upsert": "Write an INSERT, or an UPDATE of the rows by their key.",
    "copy": "Read with SELECT, and write with INSERT.",
    "explain": "Send the SELECT itself; it is read-only and has a time limit.",
    "pragma": "The tables and their columns are told by describe.",
    "describe": "The tables and their columns are told by describe, outside of SQL.",
    "desc": "The tables and their columns are told by describe, outside of SQL.",
}
"""What to do instead of a statement that begins so."""
