"""Understanding SQL: what a statement is, told by a default-deny walk over all of it. Nothing is run here."""

from __future__ import annotations

from handrail.data.dialect import Dialect
from handrail.data.sql.catalog import Catalog, CatalogError, Table, TableColumn
from handrail.data.sql.change import Change, Computed, Operation
from handrail.data.sql.classify import Classified, StatementClass, classify

__all__ = [
    "Catalog",
    "CatalogError",
    "Change",
    "Classified",
    "Computed",
    "Dialect",
    "Operation",
    "StatementClass",
    "Table",
    "TableColumn",
    "classify",
]
