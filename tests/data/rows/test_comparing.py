"""Which rows exist or differ: their keys, and not more of them than anybody reads."""

from handrail.data.rows import Row
from handrail.data.rows.asked import shaped
from handrail.data.rows.comparing import KEYS_MAX, differing, existing
from handrail.data.rows.history import backend


def test_keys_are_listed_up_to_a_limit(shop):
    """Rows that are there, rows that changed, rows that are gone."""
    shop.run("INSERT INTO line (orders_id, n, sku) VALUES " + ", ".join(f"(12, {n}, 'x')" for n in range(150)))
    kind, db = backend(shop.engine.dialect.name), shop.guarded()
    part = db.update("line", [(12, n) for n in range(150)], {"sku": "y"}).parts[0]

    def found(look):
        with kind.reading(shop.engine) as connection:
            return look(connection, shaped(kind, connection, "", "line"))

    assert found(lambda connection, shape: differing(kind, connection, part, shape)) == []
    shop.run(
        "UPDATE line SET sku = 'z' WHERE orders_id = 12 AND n = 7", "DELETE FROM line WHERE orders_id = 12 AND n = 9"
    )
    keys = found(lambda connection, shape: differing(kind, connection, part, shape))
    assert sorted(int(key[1]) for key in keys) == [7, 9]
    rows = [*part.rows, Row(part.rows[0].key[:1] + ((999,) if shop.dialect == "sqlite" else ("999",)), None)]
    keys = found(lambda connection, shape: existing(kind, connection, shape, rows))
    assert len(keys) == KEYS_MAX == 100
    shop.run("UPDATE line SET sku = 'z'")
    assert len(found(lambda connection, shape: differing(kind, connection, part, shape))) == KEYS_MAX
