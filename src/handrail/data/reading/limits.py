"""How much one query may take."""

from __future__ import annotations

from dataclasses import dataclass

from handrail.errors import ConfigurationError

VALUE_BYTES_MAX = 16 * 1024 * 1024
"""Size that one value may have where the database can be told so (SQLite), in bytes."""


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """How much one query may take. What is more is not given, and the answer says so.

    Attributes:
        rows_max: Rows of a result, 1 to 1,000,000.
        bytes_max: Size of a result as JSON text, 1,024 bytes to 256 MiB.
        time_s: How long a query may take, over 0 to 3,600 seconds.
        lock_s: How long it waits for a lock or for a free reader, over 0 to 3,600 seconds.

    Raises:
        ConfigurationError: A limit is out of its bounds.
    """

    rows_max: int = 1_000
    bytes_max: int = 1024 * 1024
    time_s: float = 30.0
    lock_s: float = 5.0

    def __post_init__(self) -> None:
        if not 1 <= self.rows_max <= 1_000_000:
            raise ConfigurationError("rows_max has to be from 1 to 1,000,000. Choose another limit.")
        if not 1_024 <= self.bytes_max <= 256 * 1024 * 1024:
            raise ConfigurationError("bytes_max has to be from 1,024 bytes to 256 MiB. Choose another limit.")
        for name, value in (("time_s", self.time_s), ("lock_s", self.lock_s)):
            if not 0 < value <= 3_600:
                raise ConfigurationError(f"{name} has to be over 0 and up to 3,600 seconds. Choose another limit.")
