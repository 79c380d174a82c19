"""The agent that was told "fix records with status = 'error'", and wrote LIKE 'e%': planned, seen, approved, undone."""

import json
import os
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp.client.stdio import StdioServerParameters, stdio_client

from mcp import Client
from tests.mcp.guarded import DataWire, guarded, handrail, policy, words
from tests.mcp.wire import text

SECRET = "a secret of dana's"
MISREAD = "UPDATE lead SET status = 'new' WHERE status LIKE 'e%'"
TABLES = "{lead: {write: [status], rows_max: 5000, rows_free: 2}}"
TOOLS = ["query", "describe", "plan_change", "apply_change", "undo_change"]


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request, tmp_path):
    """A database of leads with its history and a policy, and a reviewer with a secret."""
    with guarded(request.param, tmp_path) as made:
        made.install()
        (tmp_path / "handrail.yaml").write_text(policy(made.url, TABLES))
        handrail(tmp_path, "reviewer", "add", "dana@example.com", "--secret-stdin", input=SECRET)
        yield made


@asynccontextmanager
async def connected(folder, mode="auto"):
    """The SDK's client of a server of its own."""
    command, *args = words("shop")
    with Path(folder / "stderr.txt").open("a") as errors:  # noqa: ASYNC230 (a file of the test)
        parameters = StdioServerParameters(command=command, args=args, cwd=folder, env=dict(os.environ))
        async with Client(stdio_client(parameters, errlog=errors), mode=mode) as client:
            yield client


async def done(client, tool, **args):
    """Call a tool; return its answer."""
    result = await client.call_tool(tool, args)
    assert not result.is_error, result.content
    assert json.loads(result.content[0].text) == result.structured_content
    return result.structured_content


async def refused(client, tool, **args):
    """Call a tool that refuses; return its sentence."""
    result = await client.call_tool(tool, args)
    assert result.is_error, result.structured_content
    assert result.structured_content is None
    return result.content[0].text


async def held(client, tool, **args):
    """Call a tool that is held; return the ticket."""
    result = await client.call_tool(tool, args)
    assert result.is_error, result.structured_content
    assert f"call {tool} again with the same 'change'" in result.content[0].text
    ticket = result.meta["handrail/ticket"]
    assert f"ticket {ticket}" in result.content[0].text
    return ticket


def approve(folder, ticket):
    """A person looks and approves, in another process."""
    assert ticket in handrail(folder, "review", "show", ticket)
    handrail(folder, "review", "approve", ticket, "--as", "dana@example.com", "--secret-stdin", input=SECRET)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_a_misread_condition_is_seen_before_it_happens_and_taken_back_after(shop, tmp_path, mode):
    """The plan tells 3,412 rows where 308 were meant; once approved it runs once, and its undo harms nobody else."""
    before = shop.rows()
    async with connected(tmp_path, mode) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == TOOLS
        plan = await done(client, "plan_change", sql=MISREAD)
        change = plan["change"]
        assert plan["rows"] == 3412
        assert plan["breakdown"] == {"status": [["expired", 3104], ["error", 308]]}
        assert any("A condition named these 3,412 rows" in why for why in plan["asks"])
        assert "held until a person approves" in plan["next"]
        sample = plan["samples"][0]
        assert (sample["before"]["status"], sample["after"]["status"]) == ("expired", "new")
        assert shop.rows() == before

        ticket = await held(client, "apply_change", change=change)
        assert await held(client, "apply_change", change=change) == ticket
        assert shop.rows() == before
        approve(tmp_path, ticket)
        receipt = await done(client, "apply_change", change=change)
        assert (receipt["rows"], receipt["change"], receipt["again"]) == (3412, change, False)
        (counts,) = receipt["footprint"].values()
        assert counts == {"inserted": 0, "updated": 3412, "deleted": 0}
        assert shop.counts() == {"new": 1200 + 3412, "won": 388}

        shop.run("UPDATE lead SET status = 'error' WHERE id = 7")
        again = await done(client, "apply_change", change=change)
        assert again["again"] is True
        assert "applied before" in again["next"]
        assert "nothing was changed now" in again["next"]
        assert shop.counts()["error"] == 1

        edited = shop.rows()
        why = await refused(client, "undo_change", change=change)
        assert ": 7" in why
        assert shop.rows() == edited
        shop.run("UPDATE lead SET status = 'new' WHERE id = 7")
        ticket = await held(client, "undo_change", change=change)
        approve(tmp_path, ticket)
        undone = await done(client, "undo_change", change=change)
        assert (undone["rows"], undone["undo_of"]) == (3412, change)
        assert shop.rows() == before


async def test_a_row_that_changes_while_a_person_looks_stops_the_undo(shop, tmp_path):
    """The approval was for the rows as they were: the undo is refused as stale with the key, and nothing is undone."""
    before = shop.rows()
    async with connected(tmp_path) as client:
        change = (await done(client, "plan_change", sql=MISREAD))["change"]
        approve(tmp_path, await held(client, "apply_change", change=change))
        await done(client, "apply_change", change=change)
        ticket = await held(client, "undo_change", change=change)
        shop.run("UPDATE lead SET status = 'won' WHERE id = 3200")
        edited = shop.rows()
        approve(tmp_path, ticket)
        result = await client.call_tool("undo_change", {"change": change})
        assert result.is_error
        assert result.meta["handrail/reason"] == "stale"
        assert ": 3200" in result.content[0].text
        assert shop.rows() == edited
        shop.run("UPDATE lead SET status = 'new' WHERE id = 3200")
        approve(tmp_path, await held(client, "undo_change", change=change))
        await done(client, "undo_change", change=change)
    assert shop.rows() == before


async def test_a_row_that_changes_while_a_person_looks_stops_the_change(shop, tmp_path):
    """Nothing is written, the key is named, and the approval is spent."""
    async with connected(tmp_path) as client:
        change = (await done(client, "plan_change", sql=MISREAD))["change"]
        ticket = await held(client, "apply_change", change=change)
        shop.run("UPDATE lead SET status = 'errand' WHERE id = 12")
        before = shop.rows()
        approve(tmp_path, ticket)
        assert ": 12" in await refused(client, "apply_change", change=change)
    assert shop.rows() == before


REFUSED = {
    "DROP TABLE lead": "",
    "CREATE TABLE mine (id integer)": "",
    "ALTER TABLE lead ADD COLUMN x integer": "",
    "TRUNCATE lead": "",
    "DELETE FROM lead; DELETE FROM lead": "",
    "SELECT pg_sleep(10)": "pg_sleep",
    "UPDATE nowhere SET a = 1": "nowhere",
    "UPDATE secret SET word = 'x' WHERE id = 1": "secret",
    "UPDATE lead SET note = 'x' WHERE id = 1": "note",
    "DELETE FROM lead WHERE id = 1": "deleted",
    "INSERT INTO lead (id, status) VALUES (90001, 'x')": "added",
    "SELECT 1": "query",
}
READS_REFUSED = ("DROP TABLE lead", "DELETE FROM lead", "SELECT pg_sleep(10)", "SELECT * FROM nowhere", MISREAD)


async def test_everything_else_is_refused_with_a_sentence(shop, tmp_path):
    """Definitions, several statements, functions that wait, what is not declared; and nothing is changed by any."""
    before = shop.rows()
    async with connected(tmp_path) as client:
        for sql, part in REFUSED.items():
            why = await refused(client, "plan_change", sql=sql)
            assert part in why, (sql, why)
            assert why.endswith((".", "?", "]", "}")), (sql, why)
        for sql in READS_REFUSED:
            assert (await refused(client, "query", sql=sql)).endswith((".", "?")), sql
        rows = await done(client, "query", sql="SELECT status, count(*) AS n FROM lead GROUP BY status ORDER BY status")
        assert rows["rows"] == [["error", 308], ["expired", 3104], ["new", 1200], ["won", 388]]
        described = await done(client, "describe", table="lead")
        assert described["tables"][0]["may"]["update"] == ["status"]
        names = [table["table"] for table in (await done(client, "describe"))["tables"]]
        assert "lead" in names
        assert not [name for name in names if name.startswith("handrail_")]
    assert shop.rows() == before


async def test_a_change_that_nobody_planned_is_refused(shop, tmp_path):
    """Made up, edited, or no digest at all; and an undo of what was not applied."""
    before = shop.rows()
    async with connected(tmp_path) as client:
        change = (await done(client, "plan_change", sql=MISREAD))["change"]
        edited = change[:-1] + ("0" if change[-1] != "0" else "1")
        for digest in (edited, "0" * 64):
            assert "Plan the change again" in await refused(client, "apply_change", change=digest)
            assert digest[:12] in await refused(client, "undo_change", change=digest)
        for digest in ("", "abc", "xyz" * 20, f" {change}", change.upper().replace("0", "O")):
            assert "change" in await refused(client, "apply_change", change=digest)
            assert "change" in await refused(client, "undo_change", change=digest)
        assert change[:12] in await refused(client, "undo_change", change=change)
        assert "not declared" in await refused(client, "drop_table", table="lead")
    assert shop.rows() == before


def test_a_kept_plan_outlives_the_server(shop, tmp_path):
    """Killed between plan and apply: the next one holds the same plan, and applies it after approval."""
    wire = DataWire(tmp_path)
    wire.begin()
    plan = wire.call("plan_change", sql=MISREAD)["structuredContent"]
    ticket = wire.call("apply_change", change=plan["change"])["_meta"]["handrail/ticket"]
    wire.kill()
    approve(tmp_path, ticket)
    wire = DataWire(tmp_path)
    wire.begin()
    result = wire.call("apply_change", change=plan["change"])
    assert "isError" not in result, text(result)
    assert result["structuredContent"]["rows"] == 3412
    assert wire.end() == 0
    assert shop.counts() == {"new": 1200 + 3412, "won": 388}
    rows = [json.loads(row) for row in handrail(tmp_path, "log", "--json").splitlines()]
    done = [row for row in rows if row["tool"] == "shop.apply_change" and row["kind"] == "outcome"]
    assert [row["status"] for row in done] == ["success"]
