"""G7: every hostile or tricky statement down both roads of a guarded database, as an agent would send it: 0 writes.

The statements of `tests/data/sql/corpus` were collected by somebody who had not read the classifier; the databases are
hashed before and after each one. The tables are declared with everything allowed, so that only the roads themselves
stand between a statement and a write.
"""

import pytest
from sqlalchemy import create_engine, inspect

import handrail
from handrail.data.reading import ReadLimits
from handrail.data.rows import install
from tests.data.reading.world import HOSTILE, world
from tests.data.sql.real import POSTGRES, SQLITE, collected

POLICY = "version: 1\nagents: {bot: {access: write}}\nreviewers: [dana@example.com]\nstore: 'memory:'\n"
LIMITS = ReadLimits(time_s=0.5, lock_s=0.5)


@pytest.fixture(scope="module", params=[POSTGRES, SQLITE], ids=str)
def ground(request, tmp_path_factory):
    """A world of the corpus, and a guarded database over it in which everything is allowed."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "handrail.yaml").write_text(POLICY)
    with world(request.param, folder) as made:
        url = made.url.replace("postgresql:", "postgresql+psycopg:")
        engine = create_engine(url)
        with engine.begin() as connection:
            install(connection)
        seen = inspect(engine)
        tables = {
            name: handrail.Table(
                write={column["name"] for column in seen.get_columns(name)}, insert=True, delete=True, rows_max=10**6
            )
            for name in seen.get_table_names()
            if not name.startswith("handrail_")
        }
        engine.dispose()
        with handrail.open(folder / "handrail.yaml") as hr:
            yield made, hr, hr.database(url, name="corpus", tables=tables, limits=LIMITS)


def sent(road, sql):
    """Send a statement down a road; return what it was answered."""
    try:
        road(sql)
    except handrail.HandrailError as error:
        return type(error).__name__
    return "done"


@pytest.mark.parametrize("road", ["query", "plan_sql"])
def test_nothing_is_written(ground, road):
    """At least 250 statements, each refused, failed, planned or read; the database is the same to the byte."""
    made, hr, db = ground
    before, answers = made.state(), {}
    with hr.run(agent="bot"):
        for sql in HOSTILE[made.dialect]:
            answer = sent(getattr(db, road), sql)
            answers[answer] = answers.get(answer, 0) + 1
            assert made.state() == before, sql
    print(f"{made.dialect}: {road}: {answers}")
    assert sum(answers.values()) >= 250
    assert answers.get("ValidationFailed", 0) >= 150
    assert set(answers) <= {"done", "ValidationFailed", "ChangeRefused", "QueryRefused", "QueryFailed", "StaleRows"}


def test_harmless_reads_pass(ground):
    """At least 97 % of the harmless reads of the corpus are answered."""
    made, hr, db = ground
    harmless = [line["sql"] for line in collected("harmless", made.dialect)]
    with hr.run(agent="bot"):
        answers = [sent(db.query, sql) for sql in harmless]
    refused = [
        sql for sql, answer in zip(harmless, answers, strict=True) if answer in ("ValidationFailed", "QueryRefused")
    ]
    assert len(refused) <= 0.03 * len(harmless), refused
