"""What both kinds of database share."""

import dataclasses

import pytest

from handrail.data.rows import ChangeRefused
from handrail.data.rows.history import backend


def test_a_version_that_the_database_does_not_keep_is_refused(sqlite):
    """A plan that was made by hand cannot leave the comparison out."""
    db = sqlite.guarded()
    plan = db.update("lead", [1], {"score": 1})
    part = dataclasses.replace(
        plan.parts[0], versioned_by="xmin", rows=tuple(row._replace(version=None) for row in plan.parts[0].rows)
    )
    with pytest.raises(ChangeRefused, match="none of this kind of database"):
        db.apply(dataclasses.replace(plan, parts=(part,)))
    part = dataclasses.replace(part, versioned_by="content")
    with pytest.raises(ChangeRefused, match="did not write all"):
        db.apply(dataclasses.replace(plan, parts=(part,)))
    assert sqlite.rows("SELECT score FROM lead WHERE id = 1") == [(10,)]


def test_reading_cannot_write(shop):
    """The database itself refuses, and writes again afterwards."""
    kind = backend(shop.engine.dialect.name)
    with kind.reading(shop.engine) as connection, pytest.raises(Exception, match="read"):
        connection.exec_driver_sql("DELETE FROM line")
    assert len(shop.rows("SELECT * FROM line")) == 3
    shop.run("DELETE FROM line")
