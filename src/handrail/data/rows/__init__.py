"""Guarded rows: a change becomes a plan of keys and versions, is applied whole or not at all, and can be undone."""

from __future__ import annotations

from handrail.data.rows.errors import ChangeRefused, CommitInDoubt, DatabaseBusy, Footprint, RowConflict, StaleRows
from handrail.data.rows.guarded import GuardedRows
from handrail.data.rows.history import ChangeReceipt, ddl, install, prune
from handrail.data.rows.plan import Part, PlanPreview, RowPlan, Sample
from handrail.data.rows.row import Row
from handrail.data.rows.table import Table

__all__ = [
    "ChangeReceipt",
    "ChangeRefused",
    "CommitInDoubt",
    "DatabaseBusy",
    "Footprint",
    "GuardedRows",
    "Part",
    "PlanPreview",
    "Row",
    "RowConflict",
    "RowPlan",
    "Sample",
    "StaleRows",
    "Table",
    "ddl",
    "install",
    "prune",
]
