"""What of a server would break a promise of the store, or let others at it: for `handrail doctor`."""

from __future__ import annotations

from handrail.core.text import safe
from handrail.stores.postgres.session import SQL, Connection


def risks(connection: Connection) -> tuple[str, ...]:
    """Return one sentence, with what to do, for each thing that is not as it should be; none when all is well.

    Args:
        connection: Of the store's own role.
    """
    row = connection.execute(SQL["risks"]).fetchone()
    assert row is not None
    superuser, fsync, whole_pages, open_network = row
    found: list[str] = []
    others = [safe(one[0]) for one in connection.execute(SQL["other_writers"]).fetchall()]
    if others:
        found.append(
            f"Other roles can change what is remembered: {', '.join(others)}. Agents must not know the password of any "
            "role that can; take it away: REVOKE ALL ON SCHEMA handrail FROM role"
        )
    if superuser:
        found.append(
            "The store's role is a superuser, so whoever has its password has the whole server. Make one of its own: "
            "CREATE ROLE handrail LOGIN; CREATE SCHEMA handrail AUTHORIZATION handrail"
        )
    if not fsync or not whole_pages:
        found.append(
            "The server runs with fsync or full_page_writes off, so intents do not survive power loss. Switch them on."
        )
    if open_network:
        found.append(
            "The connection to the server is not encrypted. Add to the address: sslmode=verify-full&sslrootcert=FILE"
        )
    return tuple(found)
