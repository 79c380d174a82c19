"""How values of PostgreSQL arrive: as Python's where JSON has the same, and as the server's own text elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import DataError
from psycopg.adapt import Loader
from psycopg.types.datetime import DateLoader, TimeLoader, TimestampLoader, TimestamptzLoader, TimetzLoader
from psycopg.types.string import TextLoader

from handrail.data.reading.value import document

if TYPE_CHECKING:
    from psycopg.abc import AdaptContext, Buffer

    from handrail.core.digest import Json

AS_TEXT = (
    *("numeric", "interval", "inet", "cidr", "macaddr", "macaddr8", "money", "uuid"),
    *("int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"),
    *("int4multirange", "int8multirange", "nummultirange", "datemultirange", "tsmultirange", "tstzmultirange"),
)
"""Types whose text says more than a Python value that has no JSON form."""


class _DocumentLoader(Loader):
    def load(self, data: Buffer) -> Json:
        return document(bytes(data))


def _or_text(kind: type[Loader]) -> type[Loader]:
    """Return a loader that gives the server's text where Python has no such date: infinity, the year 12000, 44 BC."""

    class OrText(Loader):
        def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
            super().__init__(oid, context)
            self._inner = kind(oid, context)

        def load(self, data: Buffer) -> object:
            try:
                return self._inner.load(data)
            except (DataError, ValueError, OverflowError):
                return bytes(data).decode()

    return OrText


DATES = {
    "date": _or_text(DateLoader),
    "time": _or_text(TimeLoader),
    "timetz": _or_text(TimetzLoader),
    "timestamp": _or_text(TimestampLoader),
    "timestamptz": _or_text(TimestamptzLoader),
}
"""Types that Python knows in part."""


def load_plainly(context: AdaptContext) -> None:
    """Tell a connection how its values are to arrive."""
    adapters = context.connection.adapters if context.connection is not None else context.adapters
    for name in AS_TEXT:
        adapters.register_loader(name, TextLoader)
    for name in ("json", "jsonb"):
        adapters.register_loader(name, _DocumentLoader)
    for name, loader in DATES.items():
        adapters.register_loader(name, loader)
