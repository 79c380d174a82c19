"""All that one run did to rows, a file, an HTTP resource and an MCP tool is taken back by a person, in one command."""

import json
import os
import sys
from pathlib import Path

import anyio
import pytest
from mcp.client.stdio import StdioServerParameters, stdio_client
from typer.testing import CliRunner

import handrail
from handrail.cli.app import app
from handrail.data.resources import PatchJson, WriteFile
from handrail.review import decide
from mcp import Client
from tests.data.resources import server as api
from tests.mcp.guarded import guarded
from tests.mcp.guarded import handrail as command

SECRET = "a secret of dana's"
POLICY = """\
version: 1
four_eyes: false
reviewers: [dana@example.com]
agents: {{bot: {{access: write, owner: kim@example.com, tokens_per_day: 1000}}}}
databases:
  shop: {{url: {url}, tables: {{lead: {{write: [status], rows_free: 5}}}}}}
files:
  notes: {{root: notes}}
http:
  api: {{url: "{base}", if_match: true}}
tools:
  crm.get_account: {{do: read, resource: "account/{{args.id}}"}}
  crm.set_account:
    do: update
    resource: "account/{{args.id}}"
    ask: never
    before: {{call: crm.get_account, args: {{id: args.id}}}}
    undo: {{call: crm.set_account, args: {{id: args.id, plan: before.plan}}}}
  crm.send_mail: {{do: send, resource: "email/{{args.to}}", ask: never}}
"""
CRM = """\
import json
from pathlib import Path
from mcp.server.mcpserver import MCPServer
app = MCPServer("crm")
FILE = Path(__file__).parent / "crm.json"
@app.tool()
def get_account(id: str) -> dict: return json.loads(FILE.read_text())[id]
@app.tool()
def set_account(id: str, plan: str) -> dict:
    accounts = json.loads(FILE.read_text())
    accounts[id]["plan"] = plan
    FILE.write_text(json.dumps(accounts))
    return accounts[id]
@app.tool()
def send_mail(to: str) -> str: return "sent"
app.run()
"""


class World:
    """What the run changes, and what people do."""

    def __init__(self, folder: Path, shop, http) -> None:
        self.folder, self.shop, self.http = folder, shop, http
        (folder / "handrail.yaml").write_text(POLICY.format(url=json.dumps(shop.url), base=http.base))
        (folder / "crm.json").write_text(json.dumps({"1": {"id": "1", "plan": "free"}}))
        (folder / "crm.py").write_text(CRM)
        (folder / "notes").mkdir()
        self.note.write_text("as it was\n")
        http.docs["deals/7"] = {"stage": "open", "value": 100}
        with handrail.open(folder / "handrail.yaml", alerts=False) as hr:
            decide.add_reviewer(hr.store, hr.policy, "dana@example.com", SECRET)

    @property
    def note(self):
        return self.folder / "notes" / "lead.txt"

    def state(self):
        """Return all that the run may change."""
        leads = self.shop.rows("SELECT id, status FROM lead WHERE id < 7 ORDER BY id")
        accounts = json.loads((self.folder / "crm.json").read_text())
        return (
            [status for _, status in leads],
            self.note.read_text(),
            self.http.docs["deals/7"]["stage"],
            accounts["1"]["plan"],
        )

    def in_a_program(self):
        """The first part of the run: guarded data."""
        with handrail.open(self.folder / "handrail.yaml", alerts=False) as hr, hr.run(agent="bot", id="R1"):
            shop, notes, deals = hr.database("shop"), hr.files("notes"), hr.http("api")
            shop.apply(shop.update("lead", [1, 2], {"status": "new"}))
            shop.apply(shop.update("lead", [2, 3], {"status": "won"}))  # 2 again
            shop.apply(shop.update("lead", [4], {"status": "won"}))
            approved(hr, notes, notes.plan(WriteFile("lead.txt", b"as the agent wants it\n")))
            approved(hr, deals, deals.plan(PatchJson("deals/7", {"stage": "lost"})))

    async def through_the_proxy(self):
        """The second part: a real client and server, with the proxy between them."""
        words = [
            "-m",
            "handrail",
            "mcp",
            "serve",
            "--agent",
            "bot",
            "--run",
            "R1",
            "--server",
            "crm",
            "--",
            sys.executable,
            "crm.py",
        ]
        with (self.folder / "stderr.txt").open("a") as errors:
            parameters = StdioServerParameters(
                command=sys.executable, args=words, cwd=self.folder, env=dict(os.environ)
            )
            async with Client(stdio_client(parameters, errlog=errors)) as client:
                for tool, args in (("set_account", {"id": "1", "plan": "gold"}), ("send_mail", {"to": "all"})):
                    result = await client.call_tool(tool, args)
                    assert not result.is_error, result.content

    def undo(self):
        """Take back as dana, in a process of its own; return what became of what, newest first."""
        words = ("undo", "--run", "R1", "--json", "--secret-stdin", *self.server)
        return fates(command(self.folder, *words, input=SECRET + "\n", code=1))

    def look(self, *words):
        """Return what the command line tells without a secret."""
        return fates(CliRunner().invoke(app, ["undo", "--run", "R1", "--json", *words, *self.server]).stdout)

    server = ("--server", "crm", "--", sys.executable, "crm.py")


def fates(told):
    return [(one["tool"], one["fate"]) for one in json.loads(told)["actions"]]


def approved(hr, place, plan):
    """Apply a plan that a person has to see first."""
    with pytest.raises(handrail.ReviewRequired) as held:
        place.apply(plan)
    decide.approve(hr.store, hr.policy, held.value.ticket, reviewer="dana@example.com", secret=SECRET)
    place.apply(plan)


@pytest.fixture(params=["sqlite", "postgres"])
def world(request, tmp_path, monkeypatch):
    """The run's world, with the shop in each kind of database."""
    monkeypatch.chdir(tmp_path)
    statuses = (("old", 6),)
    with guarded(request.param, tmp_path, statuses) as shop, api.running() as http:
        shop.install()
        yield World(tmp_path, shop, http)


def test_one_command_takes_back_what_a_run_did(world):
    """Newest first; what a colleague changed since is left and listed, and so is what has no way back."""
    before = world.state()
    world.in_a_program()
    anyio.run(world.through_the_proxy)
    assert world.state() == (["new", "won", "won", "won", "old", "old"], "as the agent wants it\n", "lost", "gold")
    world.shop.run("UPDATE lead SET status = 'mine' WHERE id = 4")
    changed = world.state()
    assert world.look("--dry-run") == [
        ("crm.send_mail", "impossible"),
        ("crm.set_account", "ready"),
        ("api.apply_change", "ready"),
        ("notes.apply_change", "ready"),
        ("shop.apply_change", "conflict"),
        ("shop.apply_change", "ready"),
        ("shop.apply_change", "ready_after"),
    ]
    assert world.state() == changed
    assert world.undo() == [
        ("crm.send_mail", "impossible"),
        ("crm.set_account", "undone"),
        ("api.apply_change", "undone"),
        ("notes.apply_change", "undone"),
        ("shop.apply_change", "conflict"),
        ("shop.apply_change", "undone"),
        ("shop.apply_change", "undone"),
    ]
    assert world.state() == (["old", "old", "old", "mine", "old", "old"], *before[1:])
    again = world.look()
    assert [fate for _, fate in again].count("already") == 5


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_colleagues_work_on_files_and_resources_is_kept(world):
    """Each is a conflict of its own."""
    world.in_a_program()
    world.note.write_text("a colleague's\n")
    world.http.put("deals/7", {"stage": "won", "value": 100})
    fates = world.undo()
    assert fates[:2] == [("api.apply_change", "conflict"), ("notes.apply_change", "conflict")]
    assert [fate for _, fate in fates[2:]] == ["undone"] * 3
    assert world.state() == (["old"] * 6, "a colleague's\n", "won", "free")
