"""The limits of a table, which stand in `handrail.data.table`: importing them loads nothing else."""

from __future__ import annotations

from handrail.data.table import Table

__all__ = ["Table"]
