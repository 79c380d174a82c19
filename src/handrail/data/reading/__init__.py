"""The read path: what agents ask of a database, on connections that the database itself holds read-only."""

from handrail.data.reading.failure import QueryError, QueryFailed, QueryRefused
from handrail.data.reading.limits import ReadLimits
from handrail.data.reading.reader import DataReader
from handrail.data.reading.rows import Rows

__all__ = ["DataReader", "QueryError", "QueryFailed", "QueryRefused", "ReadLimits", "Rows"]
