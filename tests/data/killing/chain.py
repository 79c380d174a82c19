"""An independent judge: the writes of each row have to form one chain, from what it was to what it is.

It is sent what is in the database at one moment, and what the processes said they would do. From the plans it takes
what was to be written, from the history what was there before, from the writers of raw SQL what they wrote. A write
that happened twice or not at all, a change outside a plan, half a plan, a lost or an overwritten write, an image that
is missing or wrong: each leaves a break in the chain of some row, or contents that are not those of its token.
"""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.data.killing.world import ABSENT, COLUMNS, KEYS, key_text, value_text

VERSIONED = {"stock": "rev"}


class Edge(NamedTuple):
    """A write of one row: from a token to a token, with what it sets; None for an undo, which brings a content back."""

    before: str
    after: str
    sets: dict | None
    who: str


@dataclass
class Seen:
    """A database at one moment.

    Attributes:
        rows: Its rows by table and key, as texts by column.
        changes: The history: number, digest and count of each change.
        kept: The images of each change by part and number: key, before and after.
        wrote: What the writers of raw SQL did.
    """

    rows: dict = field(default_factory=dict)
    changes: dict = field(default_factory=dict)
    kept: dict = field(default_factory=dict)
    wrote: list = field(default_factory=list)


def look(connection, images):
    """Return the database as it is in the transaction of a connection; `images` reads one image."""
    seen = Seen()
    postgres = connection.dialect.name == "postgresql"
    for table, columns in COLUMNS.items():
        names = ", ".join(f"CAST({name} AS text)" if postgres else name for name in columns)
        for row in connection.exec_driver_sql(f"SELECT {names} FROM {table}"):
            content = dict(zip(columns, map(value_text, row), strict=True))
            seen.rows[table, key_text(content[name] for name in KEYS[table])] = content
    for number, digest, rows in connection.exec_driver_sql("SELECT id, digest, rows FROM handrail_change"):
        seen.changes[digest] = (number, rows)
    kept = defaultdict(dict)
    for change, part, n, *found in connection.exec_driver_sql(
        "SELECT change_id, part, n, key, before, after FROM handrail_row"
    ):
        kept[change][part, n] = tuple(images(one) for one in found)
    seen.kept = kept
    seen.wrote = list(connection.exec_driver_sql("SELECT name, key, before, after, sets, n FROM wrote ORDER BY n"))
    return seen


class Judge:
    """Says what is wrong.

    Attributes:
        faults: Sentences.
        undone_twice: Changes that were undone again though nobody had taken their undo back: a known fault of the
            library, see `test_undo.py`. The version of a row runs back then, so it is not compared.
    """

    def __init__(self, initial):
        self._initial = initial.rows
        self._edges = {}
        self.faults = []
        self.undone_twice = set()

    def judge(self, seen, plans, asked):
        """Compare a moment with the plans that were about to be applied, and with what was asked for.

        Args:
            seen: The moment.
            plans: The plans by digest.
            asked: What each plan was made from, by digest.
        """
        faults = len(self.faults)
        for digest in seen.changes.keys() - plans.keys():
            self._say(f"{digest[:12]} was applied, and nobody was about to")
        if gone := self._edges.keys() - seen.changes.keys():
            self._say(f"the changes {gone} are gone from the history")
        orphans = seen.kept.keys() - {number for number, _ in seen.changes.values()}
        if orphans:
            self._say(f"images without their change: {orphans}")
        todo = [one for one in seen.changes if one in plans and one not in self._edges]
        while todo:  # an undo comes after what it undoes
            digest = todo.pop(0)
            if plans[digest].undo_of in todo:
                todo.append(digest)
                continue
            self._edges[digest] = self._taken(digest, plans[digest], asked.get(digest), seen)
        often = self._often(plans)
        edges = defaultdict(list)
        for found in self._edges.values():
            for place, edge in found:
                edges[place].append(edge)
        for name, key, before, after, sets, n in seen.wrote:
            edges[name, key].append(Edge(before, after, json.loads(sets), f"raw {n}"))
        for place in self._initial.keys() | seen.rows.keys() | edges.keys():
            self._chain(place, edges.get(place, []), seen.rows.get(place))
            if place not in often:
                self._version(place, edges.get(place, []), self._initial.get(place), seen.rows.get(place))
        return self.faults[faults:]

    def _say(self, fault):
        self.faults.append(fault)

    def _often(self, plans):
        """Find what was undone twice; return the rows of all changes with more than one undo."""
        undos = defaultdict(list)
        for digest in self._edges:
            if plans[digest].undo_of:
                undos[plans[digest].undo_of].append(digest)

        def stands(digest):
            return not any(map(stands, undos.get(digest, ())))

        several = [one for one, found in undos.items() if len(found) > 1 and self._edges.get(one)]
        self.undone_twice |= {one for one in several if sum(map(stands, undos[one])) > 1}
        return {place for one in several for place, _ in self._edges[one]}

    def _taken(self, digest, plan, asked, seen):
        """Return the writes of a change by row, after a look at its images."""
        number, count = seen.changes[digest]
        kept, found = seen.kept.get(number, {}), []
        if count != plan.rows or len(kept) != plan.rows:
            self._say(f"{digest[:12]} plans {plan.rows} rows, says {count}, keeps {len(kept)}")
        if plan.undo_of:
            inverse = Counter((place, edge.after, edge.before) for place, edge in self._edges.get(plan.undo_of, []))
            if not inverse and plan.rows:
                self._say(f"{digest[:12]} undoes {plan.undo_of[:12]}, which was not made")
            written = Counter((place, edge.before, edge.after) for place, edge in self._undone(digest, plan, kept))
            if written != inverse:
                self._say(
                    f"{digest[:12]} does not undo {plan.undo_of[:12]}: {written - inverse} for {inverse - written}"
                )
            return [(place, Edge(before, after, None, digest[:12])) for place, before, after in inverse.elements()]
        for part_number, part in enumerate(plan.parts):
            for n, row in enumerate(part.rows):
                image = kept.get((part_number, n))
                place = (part.table, key_text(row.key))
                if image is None or key_text(image[0]) != place[1]:
                    self._say(f"{digest[:12]} keeps nothing of {place}, or of another row")
                    continue
                wanted = dict(zip(part.columns, map(value_text, row.values or [None] * len(part.columns)), strict=True))
                was, now = (self._image(part, one) for one in image[1:])
                found.append((place, self._edge(digest, part, wanted, was, now)))
        self._as_asked(digest, plan, asked)
        return found

    def _image(self, part, image):
        return None if image is None else dict(zip(part.columns, map(value_text, image), strict=True))

    def _edge(self, digest, part, wanted, was, now):
        if part.operation == "delete":
            if was is None or now is not None:
                self._say(f"{digest[:12]} lacks an image of a removed row of {part.table}")
            return Edge((was or {}).get("token", "lost"), ABSENT, was, digest[:12])
        if now != wanted:
            self._say(f"{digest[:12]} wrote {now} where the plan says {wanted}")
        if (was is None) != (part.operation == "insert"):
            self._say(f"{digest[:12]} lacks an image of a row of {part.table}")
        before = ABSENT if part.operation == "insert" else (was or {}).get("token", "lost")
        return Edge(before, wanted["token"], wanted, digest[:12])

    def _undone(self, digest, plan, kept):
        for part_number, part in enumerate(plan.parts):
            for n, row in enumerate(part.rows):
                image = kept.get((part_number, n))
                if image is None or key_text(image[0]) != key_text(row.key):
                    self._say(f"{digest[:12]} keeps nothing of {part.table} {row.key}, or of another row")
                    continue
                was, now = (self._image(part, one) for one in image[1:])
                before = ABSENT if was is None else was["token"]
                yield (part.table, key_text(row.key)), Edge(before, ABSENT if now is None else now["token"], None, "")

    def _as_asked(self, digest, plan, asked):
        """Compare a plan with what was asked for, as far as that names rows and values."""
        if asked is None:
            return
        part = plan.parts[0]
        keys = {key_text(row.key) for row in part.rows}
        allowed = asked.get("ids")
        if (part.table, part.operation.value) != (asked["table"], asked["operation"]):
            self._say(f"{digest[:12]} is another operation than was asked for")
        if allowed is not None and not keys <= set(allowed):
            self._say(f"{digest[:12]} touches rows that were not asked for: {keys - set(allowed)}")
        for row in part.rows if "set" in asked else ():
            if {name: value_text(value) for name, value in zip(part.columns, row.values, strict=True)} != asked["set"]:
                self._say(f"{digest[:12]} writes other values than were asked for")

    def _chain(self, place, edges, now):
        """Compare the writes of one row with what it was and what it is."""
        first = self._initial.get(place)
        start, end = (ABSENT if one is None else one["token"] for one in (first, now))
        balance = Counter({start: 1})
        balance.subtract([end])
        reached = defaultdict(list)
        for edge in edges:
            balance[edge.before] -= 1
            balance[edge.after] += 1
            reached[edge.before].append(edge)
        if any(balance.values()):
            told = ", ".join(f"{edge.who}: {edge.before} -> {edge.after}" for edge in edges)
            self._say(f"{place} went from {start} to {end}, which is no chain of [{told}]")
            return
        contents, todo, used = {start: _settled(place, first)}, [start], 0
        while todo:
            token = todo.pop()
            for edge in reached.pop(token, ()):
                used += 1
                content = self._after(place, contents[token], edge)
                if edge.after not in contents and content is not None:
                    contents[edge.after] = content
                    todo.append(edge.after)
                elif content is not None and contents[edge.after] != content:
                    self._say(f"{place} has two contents with the token {edge.after}")
        if used != len(edges):
            self._say(f"{place} has writes that hang in the air: {list(reached)}")
        elif _settled(place, now) != contents.get(end):
            self._say(f"{place} is {now}, and its writes make it {contents.get(end)}")

    def _after(self, place, before, edge):
        """Return the content after a write; None where only another write tells."""
        if edge.after == ABSENT:
            if edge.sets is not None and before is not None and _settled(place, edge.sets) != before:
                self._say(f"{edge.who} kept {edge.sets} of {place}, which was {before}")
            return {}
        if edge.sets is None:
            return None
        empty = {**dict.fromkeys(COLUMNS[place[0]]), **_named(place)}
        return _settled(place, {**(empty if edge.before == ABSENT else before), **edge.sets})

    def _version(self, place, edges, first, now):
        column = VERSIONED.get(place[0])
        if column is None or now is None:
            return
        updates = sum(ABSENT not in (edge.before, edge.after) for edge in edges)
        if int(now[column]) != (1 if first is None else int(first[column])) + updates:
            self._say(f"{place} has the version {now[column]} after {updates} updates")


def _named(place):
    return dict(zip(KEYS[place[0]], json.loads(place[1]), strict=True))


def _settled(place, content):
    """Return a content without the version, which counts on in an undo."""
    return (
        {} if content is None else {name: value for name, value in content.items() if name != VERSIONED.get(place[0])}
    )
