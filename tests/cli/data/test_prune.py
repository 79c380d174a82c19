"""`handrail data prune`: how many changes could not be undone any more, and the removal of their old rows."""

import pytest
import sqlalchemy as sa
from tests.mcp.guarded import guarded, policy

import handrail
from handrail.data.rows import ChangeRefused


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request, project):
    """A project with a database in which one change was made long ago and one just now."""
    with guarded(request.param, project.folder, (("error", 4),)) as made:
        made.install()
        (project.folder / "handrail.yaml").write_text(policy(made.url))
        made.changes = changes()
        with made.engine.begin() as connection:
            old = sa.text("UPDATE handrail_change SET applied_at = :at WHERE digest = :digest")
            connection.execute(old, {"at": "2020-01-01T00:00:00.000000+00:00", "digest": made.changes[0]})
        yield made


def changes():
    with handrail.open(alerts=False) as hr, hr.run(agent="bot"):
        database = hr.database("shop")
        return [database.apply(database.update("lead", [id], {"status": "x"})).change for id in (1, 2)]


def can_be_undone(change):
    """Whether an undo gets as far as a person."""
    with handrail.open(alerts=False) as hr, hr.run(agent="bot"):
        try:
            hr.database("shop").undo(change)
        except handrail.ReviewRequired:
            return True
        except ChangeRefused as error:
            assert "pruned" in str(error)
            return False
    raise AssertionError


def test_it_counts_first(shop, project):
    """And removes nothing; both can still be undone."""
    said = project.ok("data", "prune", "--older", "30d")
    assert said.startswith("1 change from before ")
    assert "add --apply" in said
    assert can_be_undone(shop.changes[0])


def test_what_is_pruned_is_not_undone(shop, project):
    """What is younger is."""
    said = project.ok("data", "prune", "shop", "--older", "30d", "--apply", "--url", shop.owner)
    assert said.startswith("Removed the old rows of 1 change from before ")
    assert not can_be_undone(shop.changes[0])
    assert can_be_undone(shop.changes[1])
    assert project.ok("data", "prune", "--older", "30d").startswith("0 changes")


def test_for_machines(shop, project):
    """One object each."""
    told = project.json("data", "prune", "--older", "2021-01-01")
    assert told == {"before": "2021-01-01T00:00:00.000000Z", "changes": 1, "pruned": False}
    told = project.json("data", "prune", "--older", "1m", "--apply", "--url", shop.owner)
    assert (told["changes"], told["pruned"]) == (1, True)


@pytest.mark.parametrize("older", ["soon", "2999-01-01"])
def test_an_age_has_to_be_one(shop, project, older):
    """With how."""
    result = project.run("data", "prune", "--older", older)
    assert result.exit_code == 2
    assert "--older" in result.stderr


def test_without_a_history_there_is_nothing(shop, project):
    """It says what to run."""
    shop.run("DROP TABLE handrail_row", "DROP TABLE handrail_change", "DROP TABLE handrail_meta")
    result = project.run("data", "prune", "--older", "30d")
    assert result.exit_code == 3
    assert "handrail data install shop" in result.stderr
