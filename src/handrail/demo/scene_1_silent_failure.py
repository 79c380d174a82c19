"""Scene 1, silent failure: an enrichment API begins to answer with partial and old data, and it goes into the CRM.

The agent is the one of the brief: it validates nothing, it swallows what is raised, and it logs success. Handrail does
not make it a better agent. It checks what the API answers before the agent gets it, retries what may be repaired, and
refuses the write of a null even when the agent tries it.
"""

from __future__ import annotations

import datetime as dt
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import handrail
from handrail.core.outcome import Status
from handrail.core.record import RecordKind
from handrail.demo.journal import drifts, records, tallies
from handrail.demo.scene import Counts, Result, Stage, Tone, excerpt

LEADS = 50
HEALTHY = 30
"""So many answers are good before the API degrades."""

SEED = 7

POLICY = """\
version: 1
store: sqlite:///handrail.db
reviewers: [kim@example.com]
agents:
  lead-enricher: {access: write, owner: dana@example.com, tokens_per_day: 200_000}
tools:
  enrich.company:
    do: read
    resource: "company/{args.lead}"
    checks:
      - result.company_size != null
      - {complete: [result.company_size, result.as_of]}
      - {fresh: result.as_of, within: 30d}
    retry: {base_s: 0.01, cap_s: 0.05}
  crm.get_lead: {do: read, resource: "lead/{args.id}"}
  crm.update_lead:
    do: update
    ask: never
    resource: "lead/{args.id}"
    before: {call: crm.get_lead, args: {id: args.id}}
    verify:
      call: crm.get_lead
      args: {id: args.id}
      expect: seen.company_size == args.company_size
"""


class Api:
    """The enrichment API: healthy at first, then some answers lack the size, others are years old.

    Some faults repair themselves with the third call, others never: which lead meets which depends on the seed alone.
    """

    def __init__(self, sizes: dict[str, int], seed: int) -> None:
        draw = random.Random(seed)  # noqa: S311 (a play, not a secret)
        faults = ["null"] * 8 + ["missing"] * 6 + ["old"] * 6
        draw.shuffle(faults)
        self._sizes = sizes
        self._faults = dict(zip(list(sizes)[HEALTHY:], faults, strict=True))
        self._passing = frozenset(draw.sample(list(self._faults), 8))
        self._calls: dict[str, int] = {}

    def company(self, lead: str) -> dict[str, object]:
        """Return what is known of a lead's company."""
        self._calls[lead] = self._calls.get(lead, 0) + 1
        now = dt.datetime.now(dt.UTC)
        answer: dict[str, object] = {"lead": lead, "company_size": self._sizes[lead], "as_of": now.isoformat()}
        fault = self._faults.get(lead)
        if fault is None or (lead in self._passing and self._calls[lead] > 2):
            return answer
        if fault == "null":
            return answer | {"company_size": None}
        if fault == "missing":
            del answer["company_size"]
            return answer
        return answer | {"company_size": self._sizes[lead] // 10, "as_of": (now - dt.timedelta(days=700)).isoformat()}


class Crm:
    """The CRM: one SQLite table of leads, beside one that holds the true sizes, to compare with afterwards."""

    def __init__(self, path: Path, sizes: dict[str, int]) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.executescript(
            "PRAGMA synchronous = OFF;"
            "CREATE TABLE leads (id TEXT PRIMARY KEY, company_size INTEGER, complete INTEGER NOT NULL DEFAULT 0);"
            "CREATE TABLE truth (id TEXT PRIMARY KEY, company_size INTEGER NOT NULL);"
        )
        self._db.executemany("INSERT INTO leads (id) VALUES (?)", [(lead,) for lead in sizes])
        self._db.executemany("INSERT INTO truth VALUES (?, ?)", list(sizes.items()))

    def get_lead(self, id: str) -> dict[str, object]:
        """Return one lead."""
        row = self._db.execute("SELECT id, company_size, complete FROM leads WHERE id = ?", (id,)).fetchone()
        return dict(zip(("id", "company_size", "complete"), row, strict=True))

    def update_lead(self, id: str, company_size: int) -> None:
        """Write the size and mark the lead as complete."""
        self._db.execute("UPDATE leads SET company_size = ?, complete = 1 WHERE id = ?", (company_size, id))

    def state(self, id: str) -> Tone:
        """Return whether a lead is complete and right, complete and wrong, or not complete."""
        sql = """
            SELECT complete, leads.company_size IS truth.company_size
            FROM leads JOIN truth USING (id) WHERE id = ?
        """
        complete, right = self._db.execute(sql, (id,)).fetchone()
        return Tone.ASK if not complete else Tone.GOOD if right else Tone.BAD

    def counts(self) -> Counts:
        """Count the leads by what became of them."""
        sql = """
            SELECT count(*) AS leads,
                   count(*) FILTER (WHERE NOT complete) AS not_complete,
                   count(*) FILTER (WHERE complete AND leads.company_size IS truth.company_size) AS correct,
                   count(*) FILTER (WHERE complete AND leads.company_size IS NULL) AS size_null,
                   count(*) FILTER (WHERE complete AND leads.company_size <> truth.company_size) AS size_out_of_date,
                   count(*) FILTER (WHERE complete AND leads.company_size IS NOT truth.company_size) AS broken,
                   round(100.0 * count(*) FILTER (WHERE complete AND leads.company_size IS NOT truth.company_size)
                         / count(*)) AS broken_percent
            FROM leads JOIN truth USING (id)
        """
        found = self._db.execute(sql)
        names = [column[0] for column in found.description]
        return {name: int(value) for name, value in zip(names, found.fetchone(), strict=True)}

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def enrich(
    leads: list[str], fetch: Callable[..., dict[str, Any]], write: Callable[..., object]
) -> Iterator[tuple[str, str]]:
    """Play the agent, the same in both halves: it checks nothing, swallows what is raised; yields its log."""
    for lead in leads:
        try:
            company = fetch(lead=lead)
        except Exception:  # noqa: BLE001 (what this agent does wrong: "one bad lead must not stop the batch")
            company = {}
        try:
            write(id=lead, company_size=company.get("company_size"))
        except Exception:  # noqa: BLE001 (as above)
            yield lead, "skipped"
        else:
            yield lead, "success"


@dataclass(frozen=True, slots=True)
class SilentFailure:
    """An enrichment API begins to answer with partial data.

    Attributes:
        policy: The text of handrail.yaml in the guarded half.
        seed: Decides the true sizes, and which lead meets which fault.
    """

    policy: str = POLICY
    seed: int = SEED
    number: int = 1
    name: str = "Silent failure"
    danger: str = (
        "An agent completes a task, does not validate the result, and reports success. "
        "Nobody knows until downstream systems break."
    )

    def play(self, stage: Stage) -> Result:
        """Play both halves and count the CRM."""
        draw = random.Random(self.seed)  # noqa: S311 (a play, not a secret)
        sizes = {f"lead-{number:02}": draw.randrange(20, 5_000) for number in range(1, LEADS + 1)}
        unguarded = self._unguarded(stage, sizes)
        guarded = self._guarded(stage, sizes)
        held = (
            int(unguarded["broken"]) > 0
            and guarded["broken"] == 0
            and guarded["logged_success"] == guarded["correct"]
            and guarded["for_a_person"] == guarded["not_complete"]
        )
        verdict = (
            f"Without Handrail {unguarded['broken']} of {LEADS} leads were broken behind a clean log; with it "
            f"{guarded['broken']}, and the {guarded['not_complete']} that could not be enriched wait for a person."
        )
        return Result(unguarded, guarded, held, verdict)

    def _unguarded(self, stage: Stage, sizes: dict[str, int]) -> Counts:
        stage.act("Without Handrail", Tone.BAD)
        stage.say(
            f"The agent enriches {LEADS} leads. After {HEALTHY}, the API begins to answer with partial, old data."
        )
        api = Api(sizes, self.seed)
        with closing(Crm(stage.folder / "crm-unguarded.db", sizes)) as crm:
            log = _watch(stage, crm, enrich(list(sizes), api.company, crm.update_lead), len(sizes))
            counts = crm.counts() | {"logged_success": log.count("success"), "for_a_person": 0}
        percent = 100 * log.count("success") // len(log)
        stage.say(f"The agent's log: {counts['logged_success']} x success, {percent} %.", Tone.GOOD)
        stage.say(
            f"The CRM: {counts['broken_percent']} % of the segmentation is broken. {counts['size_null']} leads say "
            f"company_size null, {counts['size_out_of_date']} hold a size of two years ago; all are marked complete.",
            Tone.BAD,
        )
        return counts

    def _guarded(self, stage: Stage, sizes: dict[str, int]) -> Counts:
        stage.act("With Handrail: the same agent, the same API", Tone.GOOD)
        stage.say("Its policy says what an answer must be, and that a write is read back:")
        stage.source(
            excerpt(self.policy, "enrich.company", "checks", "- ", "update_lead", "verify", "expect"), Tone.GOOD
        )
        file = stage.folder / "handrail.yaml"
        file.write_text(self.policy, encoding="utf-8")
        api = Api(sizes, self.seed)
        with closing(Crm(stage.folder / "crm.db", sizes)) as crm, handrail.open(file) as hr:
            fetch = hr.tool("enrich.company")(api.company)
            write = hr.tool("crm.update_lead")(crm.update_lead)
            hr.tool("crm.get_lead")(crm.get_lead)
            with hr.run("lead-enricher") as run:
                log = _watch(stage, crm, enrich(list(sizes), fetch, write), len(sizes))
            counts = crm.counts() | {"logged_success": log.count("success")}
            return counts | _journalled(stage, hr, run.id, counts)


def _watch(stage: Stage, crm: Crm, steps: Iterator[tuple[str, str]], total: int) -> list[str]:
    """Let the agent work, and mark what became of each lead in the CRM; return the agent's log."""
    log: list[str] = []
    meaning = {Tone.GOOD: "right", Tone.BAD: "broken, marked complete", Tone.ASK: "held, not written"}
    with stage.strip(total, meaning) as strip:
        for lead, said in steps:
            log.append(said)
            strip.mark(crm.state(lead))
    return log


_TONES = {
    Status.SUCCESS: Tone.GOOD,
    Status.RETRY: Tone.ASK,
    Status.HUMAN_REVIEW_REQUIRED: Tone.ASK,
    Status.FAILED_VALIDATION: Tone.BAD,
}


def _journalled(stage: Stage, hr: handrail.Workspace, run: str, counts: Counts) -> Counts:
    """Show what the journal says of the run; return how often each of the brief's statuses stands there."""
    found = tallies(hr.store, run)
    stage.say("What the journal says of this run:")
    rows = [(tally.status.value, tally.tool, str(tally.times), tally.why) for tally in found]
    stage.table(("status", "tool", "times", "the first time, because"), rows, [_TONES[t.status] for t in found])
    for drift in drifts(hr.store, run)[:3]:
        stage.say(f"Drift: {drift.body.get('sentence', drift.tool)}", Tone.ASK)
    asked = {
        record.action
        for record in records(hr.store, run, RecordKind.ATTEMPT)
        if record.status == Status.HUMAN_REVIEW_REQUIRED
    }
    ends = records(hr.store, run, RecordKind.OUTCOME)
    retried = {record.action for record in ends if record.status == Status.RETRY}
    repaired = {record.action for record in ends if record.status == Status.SUCCESS} & retried
    stage.say(
        f"{len(repaired)} answers were repaired by a retry. For {len(asked)} a person is asked: the agent swallowed "
        "that, tried to write its null, and was refused."
    )
    stage.say(
        f"The CRM: {counts['size_null']} nulls, {counts['size_out_of_date']} old sizes. "
        f"{counts['correct']} leads are right, and {counts['not_complete']} are not marked complete.",
        Tone.GOOD if counts["broken"] == 0 else Tone.BAD,
    )
    told: Counts = {"for_a_person": len(asked), "repaired_by_retry": len(repaired)}
    for status in _TONES:
        told[status.value] = sum(tally.times for tally in found if tally.status is status)
    return told
