"""The five tools of a guarded database: what they say of themselves, what their arguments are, what they answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from handrail.core.digest import Json
from handrail.core.names import did_you_mean
from handrail.core.outcome import Violation
from handrail.core.text import safe
from handrail.data.summary import plain
from handrail.policy.guarded import Act

if TYPE_CHECKING:
    from handrail.data.database import Database
    from handrail.data.rows import ChangeReceipt
    from handrail.mcp.message import Object

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class DataTool:
    """One tool.

    Attributes:
        act: What it does; its name.
        title: Its name for people.
        description: What a model reads of it.
        argument: The one argument that it takes.
        schema: What that argument is, as JSON Schema.
        required: Whether the argument has to be given.
        reads: Whether it changes nothing.
        idempotent: Whether a second call does nothing more.
    """

    act: Act
    title: str
    description: str
    argument: str
    schema: Mapping[str, Json]
    required: bool = True
    reads: bool = True
    idempotent: bool = True

    def listed(self) -> dict[str, Json]:
        """Return it as `tools/list` tells it."""
        required: list[Json] = [self.argument] if self.required else []
        hints: dict[str, Json] = {"title": self.title, "readOnlyHint": self.reads, "openWorldHint": False}
        if not self.reads:
            hints |= {"destructiveHint": True, "idempotentHint": self.idempotent}
        return {
            "name": self.act.value,
            "title": self.title,
            "description": self.description,
            "inputSchema": {
                "type": "object",
                "properties": {self.argument: dict(self.schema)},
                "required": required,
                "additionalProperties": False,
            },
            "annotations": hints,
        }

    def violations(self, args: Mapping[str, Json]) -> tuple[Violation, ...]:
        """Return what is wrong with arguments, sentences that are safe to print."""
        found = [
            f"'{self.act}' takes no argument '{safe(name, max_chars=60)}'.{did_you_mean(name, (self.argument,))}"
            for name in args
            if name != self.argument
        ]
        value = args.get(self.argument)
        if value is None and not self.required:
            pass
        elif not isinstance(value, str):
            found.append(f"The argument '{self.argument}' has to be text.")
        elif not value.strip():
            found.append(f"The argument '{self.argument}' is empty. Give {_WANTED[self.argument]}.")
        elif "pattern" in self.schema and not _DIGEST.fullmatch(value):
            found.append(f"'{safe(value, max_chars=80)}' names no change. Give the 'change' that {Act.PLAN} returned.")
        return tuple(Violation(self.argument, "", why) for why in found)


_WANTED = {"sql": "one statement", "table": "the name of a table, or leave it out", "change": "the name of a change"}
"""What is to be given for each argument."""

_SQL: Mapping[str, Json] = {"type": "string", "minLength": 1}
_CHANGE: Mapping[str, Json] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

TOOLS: Mapping[str, DataTool] = {
    tool.act.value: tool
    for tool in (
        DataTool(
            Act.QUERY,
            "Read rows",
            "Run one SELECT and return its 'columns' and 'rows', as many as the limits allow. 'truncated' says whether "
            "there are more, and 'why' which limit was reached and how to go on. It cannot change anything.",
            "sql",
            {**_SQL, "description": "One SELECT statement, with its values written out."},
        ),
        DataTool(
            Act.DESCRIBE,
            "Describe tables",
            "Return the tables with their columns and primary keys. 'may' says what you may change in each; where it "
            "is 'read', 'why' says why nothing.",
            "table",
            {"type": "string", "description": "The name of one table. Without it, all of them."},
            required=False,
        ),
        DataTool(
            Act.PLAN,
            "Plan a change",
            "Plan what one INSERT, UPDATE or DELETE would do. Nothing is changed. The answer names the change and "
            "tells how many rows it touches, which values they have, some of them before and after, and in 'asks' why "
            "the plan itself needs a person; rules of the policy and earlier refusals may ask as well. Look whether "
            "that is what was meant, then call apply_change with this 'change', after approval too: planning again "
            "makes another plan, which has to be approved anew.",
            "sql",
            {**_SQL, "description": "One INSERT … VALUES, UPDATE or DELETE. Name rows by their key where you can."},
        ),
        DataTool(
            Act.APPLY,
            "Apply a planned change",
            "Apply a planned change: exactly the planned rows, all or none, and once however often it is called. If a "
            "person has to approve it, it is held: call it again with the same 'change' after approval; do not plan "
            "again. 'made' in the answer tells the keys of new rows, the first 20 of each table.",
            "change",
            {**_CHANGE, "description": "The 'change' that plan_change returned."},
            reads=False,
        ),
        DataTool(
            Act.UNDO,
            "Undo an applied change",
            "Put the rows of an applied change back as they were, all or none. Refused if somebody changed one of "
            "them since; the answer names those rows. If a person has to approve it, it is held: call it again with "
            "the same 'change' after approval.",
            "change",
            {**_CHANGE, "description": "The 'change' that was applied."},
            reads=False,
            idempotent=False,
        ),
    )
}
"""What is offered, by name; there is nothing else."""


def run(tool: DataTool, args: Mapping[str, Json], database: Database) -> Object:
    """Do what a tool does, as an action of the run that is open here.

    Args:
        tool: The tool.
        args: Its arguments, which break nothing.
        database: The database.

    Returns:
        The structured answer.

    Raises:
        HandrailError: As the verbs of `Database`.
    """
    given = args.get(tool.argument)
    value = "" if given is None else str(given)
    match tool.act:
        case Act.QUERY:
            rows = database.query(value)
            lines: list[Json] = [list(row) for row in rows.rows]
            return {"columns": list(rows.columns), "rows": lines, "truncated": rows.truncated, "why": rows.why}
        case Act.DESCRIBE:
            return {"tables": database.describe(value or None)}
        case Act.PLAN:
            return _planned(database.tell_sql(value))
        case Act.APPLY:
            return _done(database.apply(value))
        case Act.UNDO:
            return _done(database.undo(value))


def _planned(told: Object) -> Object:
    """Return what is told of a plan: what a person will see, why one is asked, and what to do next."""
    held = (
        f"it is held until a person approves it; then call {Act.APPLY} with the same 'change' again. Rules of the "
        "policy and earlier refusals may ask as well."
        if told["asks"]
        else "nothing in the plan itself asks a person, but rules of the policy and earlier refusals may."
    )
    follow = (
        f"Nothing was changed. If these are the rows that were meant, keep 'change' and call {Act.APPLY} with it: "
        f"{held} If not, plan another change. Planning again, the same statement too, makes another plan, which has to "
        "be approved anew."
    )
    return {**told, "next": follow}


def _done(receipt: ChangeReceipt) -> Object:
    """Return what is told of a change that was made."""
    one = receipt.rows == 1
    rows = "1 row" if one else f"{receipt.rows:,} rows"
    if receipt.again:
        follow = f"This change was applied before, at {receipt.applied_at}; nothing was changed now."
    elif not receipt.rows:
        follow = "The plan had no rows, so nothing was changed."
    elif receipt.undo_of:
        follow = f"{rows} {'is as it was' if one else 'are as they were'} before the change {receipt.undo_of[:12]}."
    else:
        follow = f"{rows} {'was' if one else 'were'} changed. To take that back, call {Act.UNDO} with this change."
    footprint: dict[str, Json] = {
        table: {"inserted": counts[0], "updated": counts[1], "deleted": counts[2]}
        for table, counts in receipt.footprint.items()
    }
    made: dict[str, Json] = {
        table: [plain(key[0]) if len(key) == 1 else [plain(cell) for cell in key] for key in keys]
        for table, keys in receipt.keys.items()
    }
    return {
        "change": receipt.change, "rows": receipt.rows, "footprint": footprint, "made": made,
        "applied_at": receipt.applied_at, "undo_of": receipt.undo_of, "again": receipt.again, "next": follow,
    }  # fmt: skip
