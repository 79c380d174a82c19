"""What is told of a table agrees with what can be planned in it."""

import pytest
from tests.data.front import POLICY

import handrail
from handrail.data.rows import ChangeRefused


def test_what_cannot_be_changed_says_why(small):
    """A view, a table without a key, an agent that only reads: whatever the policy declares of them."""
    small.run("CREATE VIEW best AS SELECT * FROM lead", "CREATE TABLE log (line text)")
    more = "      best: {{write: [status]}}\n      log: {{write: [line], insert: true, delete: true}}\n"
    small.write(POLICY + more)
    with small.using() as db:
        for table, why in (("best", "It is a view"), ("log", "It has no primary key")):
            (found,) = db.describe(table)
            assert (found["may"], found["why"].startswith(why)) == ("read", True)
            operation = f"INSERT INTO {table} ({'line' if table == 'log' else 'status'}) VALUES ('x')"
            with pytest.raises((ChangeRefused, handrail.ValidationFailed)):
                db.plan_sql(operation)
        assert db.describe("lead")[0]["may"]["insert"] is True
    small.write((POLICY + more).replace("access: write", "access: read_only"))
    with small.using() as db:
        (found,) = db.describe("lead")
        assert (found["may"], "has access read_only" in found["why"]) == ("read", True)
