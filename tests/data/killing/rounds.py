"""Rounds of killing: processes that work on one database, kills, and after each kill the judge."""

import contextlib
import json
import os
import random
import shutil
import signal
import time
from collections import Counter, defaultdict

import sqlalchemy as sa
from tests.data.killing.actors import Agent, Diary, Raw, read
from tests.data.killing.chain import Judge, look
from tests.data.killing.stops import ended, forked
from tests.data.killing.world import place
from tests.stores.postgres.server import server

from handrail.data.rows import ChangeRefused, RowPlan

AGENTS, RAWS = 3, 2
THERE, NOT_THERE = {"applied", "again", "present"}, {"absent", "StaleRows", "RowConflict", "Footprint", "ChangeRefused"}


class Round:
    """One database, killed a number of times.

    Attributes:
        total: What happened, counted.
        faults: What must not happen: sentences.
    """

    def __init__(self, there, folder, seed, *, stops=()):
        self._place, self._folder, self._seed, self._stops = there, folder, seed, set(stops)
        self._chance = random.Random(seed)
        self.total, self.faults = Counter(), []
        self._agents, self._raws, self._started = {}, {}, 0
        self._diaries, self._plans, self._asked = {}, {}, {}
        self._attempts = defaultdict(dict)
        self._own = Diary(folder / "judge.diary")
        self._images = json.loads if there.dialect == "sqlite" else list
        self._judge = Judge(self._look())

    def run(self, kills):
        """Kill so many agents, and then all that are left."""
        try:
            for _ in range(AGENTS):
                self._start_agent()
            for _ in range(RAWS):
                self._start_raw()
            while self.total["kills"] < kills:
                self._one()
            for name in list(self._agents):
                self._kill(name)
            for child in list(self._raws):
                self._kill_raw(child)
            self._after_kills()
            self._back()
        finally:
            for child in [*self._agents.values(), *self._raws]:
                os.kill(child, signal.SIGKILL)
                ended(child)

    def _start_agent(self):
        self._started += 1
        chance = self._chance
        commit = (chance.randint(1, 5), chance.choice(("before", "sent", "after")))
        stop = chance.choices((chance.randint(1, 400), commit, 0), (4, 3, 3))[0]
        name = f"a{self._started}"
        agent = Agent(self._place, name, self._folder, f"{self._seed}/{name}", stop)
        self._agents[name] = forked(agent.run)

    def _start_raw(self):
        self._started += 1
        name = f"r{self._started}"
        self._raws[forked(Raw(self._place, name, f"{self._seed}/{name}").run)] = name

    def _one(self):
        """Kill somebody, or wait until somebody killed itself, and judge what is left."""
        time.sleep(self._chance.uniform(0.02, 0.2))
        dead = self._dead_by_themselves()
        if due := {at for at in self._stops if at <= self.total["kills"]}:
            self._stops -= due
            self._stop_server()
        if not dead:
            dead = [self._chance.choice(sorted(self._agents))]
            self._kill(dead[0])
        if self._chance.random() < 0.15:
            self._kill_raw(self._chance.choice(sorted(self._raws)))
            self._start_raw()
        self._after_kills()
        for _ in dead:
            self._start_agent()

    def _stop_server(self):
        server().stop("immediate")
        time.sleep(self._chance.uniform(0, 0.05))
        server().start()
        self.total["stops"] += 1

    def _dead_by_themselves(self):
        dead = []
        for name, child in list(self._agents.items()):
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                self._died(name, os.waitstatus_to_exitcode(status))
                dead.append(name)
        return dead

    def _kill(self, name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._agents[name], signal.SIGKILL)
        self._died(name, ended(self._agents[name]))

    def _died(self, name, code):
        del self._agents[name]
        self.total["kills"] += 1
        if code != -signal.SIGKILL:
            self.faults.append(f"{name} ended by itself: {code}")

    def _kill_raw(self, child):
        del self._raws[child]
        os.kill(child, signal.SIGKILL)
        if ended(child) != -signal.SIGKILL:
            self.faults.append("a raw writer ended by itself")
        self.total["raw kills"] += 1

    def _after_kills(self):
        self._read()
        known = {attempt: ends for found in self._attempts.values() for attempt, ends in found.items()}
        seen = self._look()
        self._read()
        self.faults += self._judge.judge(seen, self._plans, self._asked)
        self._promises(known, seen)
        self._decide()
        self.total["effects"] = len(seen.changes)
        self.total["rows"] = sum(rows for _, rows in seen.changes.values())
        self.total["raw writes"] = len(seen.wrote)
        self.total["rows at the end"] = len(seen.rows)
        self.total["undone twice (known)"] = len(self._judge.undone_twice)

    def _look(self):
        """Return the database as it is at one moment."""
        engine = self._place.engine(poolclass=sa.pool.NullPool)
        images = lambda one: None if one is None else self._images(one)  # noqa: E731
        try:
            if self._place.dialect == "postgres":
                engine = engine.execution_options(isolation_level="REPEATABLE READ")
            with engine.connect() as connection:
                if self._place.dialect == "sqlite":
                    connection.exec_driver_sql("BEGIN")
                return look(connection, images)
        finally:
            engine.dispose()

    def _read(self):
        """Read on in all diaries."""
        for path in sorted(self._folder.glob("*.diary")):
            entries, self._diaries[path] = read(path, self._diaries.get(path, 0))
            for one in entries:
                self._take(one)

    def _take(self, entry):
        if "fault" in entry:
            self.faults.append(entry["fault"])
        if "planned" in entry:
            self.total[f"not planned: {entry['planned']}"] += 1
        if "attempt" not in entry:
            return
        digest = entry["digest"]
        if entry.get("plan"):
            self._plans[digest] = RowPlan.from_text(entry["plan"])
            if self._plans[digest].digest != digest:
                self.faults.append(f"{digest} is not the digest of its plan")
        if entry.get("asked"):
            self._asked[digest] = entry["asked"]
        self._attempts[digest][entry["attempt"]] = entry.get("end")
        if "end" in entry:
            self.total[entry["end"]] += 1

    def _promises(self, known, seen):
        """What was acknowledged before the look is there; what was refused to all who tried is not; once is once."""
        for digest, attempts in self._attempts.items():
            ends = set(attempts.values())
            there = digest in seen.changes
            if not there and any(known.get(attempt) in THERE for attempt in attempts):
                self.faults.append(f"{digest[:12]} was acknowledged and is not there: {attempts}")
            if there and ends <= NOT_THERE:
                self.faults.append(f"{digest[:12]} was refused and is there: {attempts}")
            if list(attempts.values()).count("applied") > 1 and not self.total["stops"]:
                self.faults.append(f"{digest[:12]} was applied twice: {attempts}")

    def _decide(self):
        """Ask for what dead processes, and those in doubt, were about to do, and apply it again."""
        alive = {*self._agents, "judge"}
        for digest, attempts in list(self._attempts.items()):
            for attempt, end in list(attempts.items()):
                name = attempt.rpartition(".")[0]
                if end == "doubt" or (end is None and name not in alive):
                    self._decided(digest, attempt)

    def _decided(self, digest, attempt):
        with self._place.guarded() as db:
            found = db.receipt(digest)
            self._own.write(attempt=attempt, digest=digest, end="absent" if found is None else "present")
            self.total["kills while applying"] += 1
            if found is not None and (found.change, found.rows) != (digest, self._plans[digest].rows):
                self.faults.append(f"{digest[:12]} has another receipt: {found}")
            mine = f"judge.{self._chance.random()}"
            self._own.write(attempt=mine, digest=digest)
            try:
                done = db.apply(self._plans[digest])
                end = "again" if done.again else "applied"
                if not db.apply(self._plans[digest]).again:
                    self.faults.append(f"{digest[:12]} was applied, and then once more")
            except ChangeRefused as refused:
                end = type(refused).__name__
            self._own.write(attempt=mine, digest=digest, end=end)
            if found is not None and end != "again":
                self.faults.append(f"{digest[:12]} was there, and applying it again says {end}")

    def _back(self):
        """With nobody else there, take back what can be taken back, the last first."""
        engine = self._place.engine(poolclass=sa.pool.NullPool)
        with engine.connect() as connection:
            sql = "SELECT digest FROM handrail_change ORDER BY applied_at DESC LIMIT 12"
            last = [row[0] for row in connection.exec_driver_sql(sql)]
        engine.dispose()
        with self._place.guarded() as db:
            for digest in last:
                try:
                    plan = db.undo(digest)
                except ChangeRefused:
                    self.total["not taken back"] += 1
                    continue
                mine = f"judge.{self._chance.random()}"
                self._own.write(attempt=mine, digest=plan.digest, plan=plan.to_text())
                try:
                    db.apply(plan)
                    self._own.write(attempt=mine, digest=plan.digest, end="applied")
                    self.total["taken back"] += 1
                except ChangeRefused as refused:
                    self._own.write(attempt=mine, digest=plan.digest, end=type(refused).__name__)
        self._after_kills()


def play(dialect, folder, seed, kills, *, stops=()):
    """Play one round in a folder; return what happened and what must not.

    Args:
        dialect: `sqlite` or `postgres`.
        folder: An empty folder; a round with faults leaves its files there.
        seed: What is random, apart from the machine's own timing.
        kills: Agents that are killed, at least.
        stops: After how many kills the server is stopped as by a crash, and started again.
    """
    with place(dialect, folder, wal=dialect == "sqlite" and seed % 2 == 1) as there:
        one = Round(there, folder, seed, stops=stops)
        one.run(kills)
        return one.total, [f"seed {seed}: {fault}" for fault in one.faults]


def forget(folder):
    """Remove the files of a round."""
    shutil.rmtree(folder, ignore_errors=True)
