"""The store of a fleet, in PostgreSQL. psycopg is loaded where this is imported."""

from handrail.stores.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
