"""From what a policy or a program declares of a place to what runs there."""

from __future__ import annotations

import os
from collections.abc import Mapping

from handrail.core.text import safe
from handrail.data.table import Table
from handrail.errors import ConfigurationError
from handrail.policy.guarded import TableSpec

ENV = "env:"
"""How a value begins that stands in the environment, under the name that follows."""


def from_environment(value: str, what: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a value of the policy; `env:NAME` is read from the environment, so that no secret stands in the file.

    Args:
        value: The value.
        what: What it is, for the message.
        environ: The environment; the process's own by default.

    Raises:
        ConfigurationError: There is no such variable.
    """
    if not value.startswith(ENV):
        return value
    name = value.removeprefix(ENV)
    found = (os.environ if environ is None else environ).get(name)
    if not found:
        raise ConfigurationError(f"{what} stands in the variable {safe(name)}, which is not set. Set it first.")
    return found


def tables_of(specs: Mapping[str, TableSpec]) -> dict[str, Table]:
    """Return the limits of tables as a policy declares them."""
    return {
        name: Table(
            write=frozenset(spec.write),
            insert=spec.insert,
            delete=spec.delete,
            rows_max=spec.rows_max,
            rows_free=spec.rows_free,
            version=spec.version,
            also=dict(spec.also),
            inserts_free=spec.inserts_free,
            hide=frozenset(spec.hide),
        )
        for name, spec in specs.items()
    }


_TABLES = "Give a handrail.Table for each name: tables={'lead': handrail.Table(write={'status'})}."


def specs_of(tables: Mapping[str, Table]) -> dict[str, TableSpec]:
    """Return the limits of tables that a program declares, as a policy says them.

    Raises:
        ConfigurationError: They are no tables by name.
    """
    given: object = tables
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"'tables' is of type {type(given).__name__}. {_TABLES}")
    for name, table in given.items():
        if not isinstance(name, str) or not isinstance(table, Table):
            shown = safe(name) if isinstance(name, str) else f"of type {type(name).__name__}"
            raise ConfigurationError(f"'tables' gives {type(table).__name__} for the name {shown}. {_TABLES}")
    return {
        name: TableSpec(
            write=tuple(sorted(table.write)),
            insert=table.insert,
            delete=table.delete,
            rows_max=table.rows_max,
            rows_free=table.rows_free,
            inserts_free=table.inserts_free,
            version=table.version,
            also=dict(table.also),
            hide=tuple(sorted(table.hide)),
        )
        for name, table in tables.items()
    }
