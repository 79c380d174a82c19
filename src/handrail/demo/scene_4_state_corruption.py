"""Scene 4, state corruption: "set the records with status error to new", and the agent's condition means far more rows.

The unguarded half runs the agent's statement. The guarded half plans it: the rows by key, counted by status, and a
person looks at them. Then one of the changed rows is edited by a colleague, and the change is undone.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import handrail
from handrail.core.digest import Json
from handrail.core.ticket import Ticket, TicketState
from handrail.demo.journal import tickets
from handrail.demo.scene import Counts, Result, Stage, Tone, excerpt
from handrail.review.decide import add_reviewer, approve, deny, find

if TYPE_CHECKING:
    from handrail.data.database import Database
    from handrail.data.rows import ChangeReceipt

OWNER, REVIEWER = "dana@example.com", "kim@example.com"

POLICY = """\
version: 1
store: sqlite:///handrail.db
four_eyes: true
reviewers: [dana@example.com, kim@example.com]
agents:
  repair-bot: {access: write, owner: dana@example.com, tokens_per_day: 200_000}
databases:
  crm:
    url: sqlite:///crm.db
    tables:
      lead: {write: [status], rows_max: 5000}
"""

STATUSES = {"active": 8_000, "expired": 3_104, "error": 308, "new": 588}
"""The records, by status; the task speaks of 308 of them."""

TASK = "Set the records with status 'error' to 'new'."
MISREAD = "UPDATE lead SET status = 'new' WHERE status LIKE 'e%'"
MEANT = "UPDATE lead SET status = 'new' WHERE status = 'error'"


class LeadTable:
    """The CRM: one table of leads in SQLite."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL;"
            "CREATE TABLE lead (id INTEGER PRIMARY KEY, status TEXT NOT NULL, name TEXT NOT NULL);"
            "CREATE TABLE truth (id INTEGER PRIMARY KEY, status TEXT NOT NULL);"
        )
        rows = [status for status, count in STATUSES.items() for _ in range(count)]
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO lead (status, name) VALUES (?, ?)", [(s, f"lead {n}") for n, s in enumerate(rows)]
        )
        self._db.execute("INSERT INTO truth SELECT id, status FROM lead")
        self._db.execute("COMMIT")

    def execute(self, sql: str) -> int:
        """Run a statement as it is; return the rows that it changed."""
        return self._db.execute(sql).rowcount

    def edit(self, id: int, status: str) -> None:
        """Write one row, as a colleague does."""
        self._db.execute("UPDATE lead SET status = ? WHERE id = ?", (status, id))

    def one_of(self, status: str) -> int:
        """Return the key of a row that had a status in the beginning."""
        return int(self._db.execute("SELECT min(id) FROM truth WHERE status = ?", (status,)).fetchone()[0])

    def status(self, id: int) -> str:
        """Return a row's status."""
        return str(self._db.execute("SELECT status FROM lead WHERE id = ?", (id,)).fetchone()[0])

    def changed(self) -> int:
        """Count the rows that differ from the beginning."""
        return self._count("l.status <> t.status")

    def lost(self) -> int:
        """Count the rows that the task does not speak of, and whose status is not what it was."""
        return self._count("l.status <> t.status AND t.status <> 'error'")

    def _count(self, condition: str) -> int:
        sql = "SELECT count(*) FROM lead AS l JOIN truth AS t USING (id) WHERE "
        return int(self._db.execute(sql + condition).fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def repair(execute: Callable[[str], object]) -> None:
    """Play the agent, the same in both halves: it reads the task too broadly; refused, it reads it again."""
    try:
        execute(MISREAD)
    except handrail.ActionError:
        execute(MEANT)


@dataclass(frozen=True, slots=True)
class StateCorruption:
    """One statement changes ten times the rows that were meant.

    Attributes:
        policy: The text of handrail.yaml in the guarded half.
    """

    policy: str = POLICY
    number: int = 4
    name: str = "State corruption"
    danger: str = "An agent misreads its task, and one statement overwrites thousands of rows that nobody meant."

    def play(self, stage: Stage) -> Result:
        """Play both halves and count the table."""
        unguarded = _unguarded(stage)
        guarded = self._guarded(stage)
        held = (
            int(unguarded["lost"]) > 0
            and guarded["lost"] == 0
            and guarded["repaired"] == STATUSES["error"]
            and guarded["colleagues_edit_kept"] == 1
            and guarded["left_after_undo"] == 0
        )
        verdict = (
            f"Rows that nobody meant and that are lost: {unguarded['lost']:,} without Handrail, {guarded['lost']} with "
            f"it. Changed as meant: {guarded['repaired']}, all of it undone without touching a colleague's edit."
        )
        return Result(unguarded, guarded, held, verdict)

    def _guarded(self, stage: Stage) -> Counts:
        from handrail.data.rows import install  # noqa: PLC0415 (SQL is loaded where it is used)

        stage.act("With Handrail: the same agent, the same statements", Tone.GOOD)
        stage.say("The policy says which columns may be written. A condition becomes a plan, and a plan asks:")
        stage.source(excerpt(self.policy, "crm:", "tables:", "lead:"), Tone.GOOD)
        file = stage.folder / "handrail.yaml"
        file.write_text(self.policy, encoding="utf-8")
        with closing(LeadTable(stage.folder / "crm.db")) as crm, handrail.open(file) as hr:
            kim = secrets.token_urlsafe()
            add_reviewer(hr.store, hr.policy, REVIEWER, kim)
            _install(f"sqlite:///{stage.folder / 'crm.db'}", install)
            with hr.database("crm") as db, hr.run("repair-bot"):
                bot = _Bot(stage, hr, db, kim)
                repair(bot.execute)
                lost, repaired = crm.lost(), crm.changed()
                stage.say(f"In the table: {repaired} rows repaired, {lost} lost.", _tone(lost == 0))
                kept = _undo(stage, crm, bot)
            return {
                "rows": sum(STATUSES.values()), "lost": lost, "repaired": repaired, "asked": tickets(hr.store),
                "approved": tickets(hr.store, TicketState.SPENT), "colleagues_edit_kept": kept,
                "left_after_undo": crm.changed(),
            }  # fmt: skip


def _install(url: str, install: Callable[..., object]) -> None:
    """Make the history tables, as `handrail data install --apply` does."""
    from sqlalchemy import create_engine  # noqa: PLC0415

    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            install(connection)
    finally:
        engine.dispose()


def _tone(good: bool) -> Tone:
    return Tone.GOOD if good else Tone.BAD


def _unguarded(stage: Stage) -> Counts:
    stage.act("Without Handrail: the agent's statement runs", Tone.BAD)
    stage.say(f"The task: {TASK}")
    with closing(LeadTable(stage.folder / "crm-unguarded.db")) as crm:

        def execute(sql: str) -> None:
            stage.say(f"{sql}  done: {crm.execute(sql):,} rows", Tone.BAD)

        repair(execute)
        lost, repaired = crm.lost(), crm.changed()
    stage.say(
        f"In the table: {lost:,} rows that nobody meant have lost their status. Nothing kept the old one.", Tone.BAD
    )
    return {
        "rows": sum(STATUSES.values()), "lost": lost, "repaired": repaired - lost, "asked": 0, "approved": 0,
        "colleagues_edit_kept": 0, "left_after_undo": repaired,
    }  # fmt: skip


class _Bot:
    """The agent's way to the database in the guarded half: plan, apply, and a person between the two."""

    def __init__(self, stage: Stage, hr: handrail.Workspace, db: Database, kim: str) -> None:
        self._stage = stage
        self._hr = hr
        self._db = db
        self._kim = kim
        self.receipt: ChangeReceipt | None = None

    def execute(self, sql: str) -> None:
        """Plan a statement and apply the plan, once a person has looked at it."""
        plan = self._db.plan_sql(sql)
        self._stage.say(f"{sql}  planned: {plan.rows:,} rows, nothing is changed yet")
        self.receipt = self.approved(lambda: self._db.apply(plan))

    def approved(self, step: Callable[[], ChangeReceipt]) -> ChangeReceipt:
        """Make a step that is held, let the reviewer decide, and make it again."""
        try:
            return step()
        except handrail.ReviewRequired as held:
            self._decide(held.ticket or "")
        return step()

    def undo(self) -> ChangeReceipt:
        """Take the change back."""
        receipt = self.receipt
        assert receipt is not None
        return self.approved(lambda: self._db.undo(receipt.change))

    def _decide(self, id: str) -> None:
        stage, hr = self._stage, self._hr
        ticket = hr.store.read(lambda tx: find(tx, id))
        stage.card(f"{ticket.id}: may {ticket.agent} run {ticket.tool}?", list(_question(ticket)))
        meant = _statuses(ticket)
        if set(meant) - {"error"}:
            deny(hr.store, hr.policy, id, reviewer=REVIEWER, secret=self._kim, note="only status = 'error' is meant")
            stage.say(f"{REVIEWER} sees rows that nobody meant, and refuses.", Tone.GOOD)
            return
        approve(hr.store, hr.policy, id, reviewer=REVIEWER, secret=self._kim)
        stage.say(f"{REVIEWER} approves exactly this plan.", Tone.GOOD)


def _undo(stage: Stage, crm: LeadTable, bot: _Bot) -> int:
    """Undo after a colleague has edited one of the rows; return whether the edit was kept."""
    id = crm.one_of("error")
    crm.edit(id, "called back")
    stage.say(f"A colleague edits lead {id}. Then the change is to be undone:")
    try:
        bot.undo()
    except handrail.NotDone as error:
        stage.say(str(error), Tone.ASK)
    kept = int(crm.status(id) == "called back" and crm.changed() == STATUSES["error"])
    crm.edit(id, "new")
    stage.say(f"The colleague takes the edit of lead {id} back, and the undo is asked for again:")
    done = bot.undo()
    stage.say(f"{done.rows} rows are as they were before, each from its kept image.", Tone.GOOD)
    return kept


def _question(ticket: Ticket) -> list[tuple[str, str]]:
    """Return what a reviewer is asked: why, how many rows, which they are, and the first of them."""
    rows = [("why", str(finding.get("why"))) for finding in _objects(ticket.view.get("findings"))]
    picture = ticket.view.get("before")
    assert isinstance(picture, dict)
    for status, count in _statuses(ticket).items():
        rows.append(("of these", f"{count:,} rows with status '{status}'"))
    samples = _objects(picture.get("samples"))[:2]
    return rows + [
        ("for example", f"lead {_key(one)}: {json.dumps(one.get('before'))} -> {json.dumps(one.get('after'))}")
        for one in samples
    ]


def _key(sample: dict[str, Json]) -> str:
    """Return which row a sample shows."""
    key = sample.get("key")
    return ", ".join(map(str, key)) if isinstance(key, list) else ""


def _statuses(ticket: Ticket) -> dict[str, int]:
    """Return how many rows of the plan have which status now."""
    picture = ticket.view.get("before")
    breakdown = picture.get("breakdown") if isinstance(picture, dict) else None
    counts = breakdown.get("status", []) if isinstance(breakdown, dict) else []
    return (
        {str(one[0]): int(str(one[1])) for one in counts if isinstance(one, list)} if isinstance(counts, list) else {}
    )


def _objects(value: Json) -> list[dict[str, Json]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
