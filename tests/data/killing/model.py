"""What a plan has to make of the shop's tables, told by plain Python that knows nothing of the library."""

NEW = {"status": "new", "score": 7}
"""What an update writes."""

KINDS = ("update", "predicate", "insert", "delete")
"""What is planned."""


def plan(shop, db, kind, ids):
    """Return the plan; a predicate is `score < 10 * max(ids) + 5`."""
    if kind == "update":
        return db.update("lead", ids, NEW)
    if kind == "predicate":
        return db.plan(shop.change(f"UPDATE lead SET status = 'new', score = 7 WHERE score < {10 * max(ids) + 5}"))
    if kind == "insert":
        return db.insert("lead", [{"id": 100 + one, **NEW} for one in ids])
    return db.delete("lead", ids)


def planned(state, kind, ids):
    """Return the tables as they are after the plan, from how they are before it."""
    after = {name: list(rows) for name, rows in state.items()}
    if kind in {"update", "predicate"}:
        chosen = {row[0] for row in state["lead"] if (row[2] is not None and row[2] < 10 * max(ids) + 5)}
        chosen = set(ids) if kind == "update" else chosen
        after["lead"] = [(row[0], "new", 7, *row[3:]) if row[0] in chosen else row for row in state["lead"]]
    elif kind == "insert":
        after["lead"] = sorted([*state["lead"], *[(100 + one, "new", 7, None, 1) for one in ids]])
    else:
        removed(after, ids)
    return after


def removed(state, ids):
    """Remove leads, and with them their orders and the lines of those."""
    orders = {row[0] for row in state["orders"] if row[1] in ids}
    state["lead"] = [row for row in state["lead"] if row[0] not in ids]
    state["orders"] = [row for row in state["orders"] if row[0] not in orders]
    state["line"] = [row for row in state["line"] if row[0] not in orders]
