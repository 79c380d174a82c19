"""A project in an empty folder, real guarded calls in it, and the command line run inside this process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import handrail
from handrail.cli.app import app

POLICY = """\
version: 1
reviewers: [dana@example.com, kim@example.com]
zones: {production: [prod, live], staging: [stage]}
agents:
  lead-enricher: {access: write, owner: dana@example.com, tokens_per_day: 1000}
  lead-enricher/worker: {access: write, parent: lead-enricher, tokens_per_day: 1000}
tools:
  crm.get_lead: {do: read, resource: "lead/{args.id}"}
  crm.update_lead:
    do: update
    resource: "lead/{args.id}"
    zone: args.env?
    before: {call: crm.get_lead, args: {id: args.id}}
    undo: {call: crm.update_lead, args: before}
  crm.drop: {do: delete, resource: "lead/{args.id}", before: {call: crm.get_lead, args: {id: args.id}}}
  crm.new: {do: create, resource: "lead/{result.id}", zone: args.env?}
  mail.send: {do: send, resource: "email/{args.to}"}
  files.copy: {do: copy, resource: "file/{args.src}", to: "file/{args.dst}", ask: always}
rules:
  - {id: production, when: effect.zone == "production", then: ask}
  - {id: no-boss, when: 'effect.resource == "email/boss"', then: deny}
"""
SECRETS = {"dana@example.com": "dana's secret", "kim@example.com": "kim's secret"}
AGENT = "lead-enricher"


class Project:
    """A folder with a policy, and what people and agents do in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.leads = {"lead-1": {"id": "lead-1", "company_size": 12, "name": "Acme"}}
        (folder / "handrail.yaml").write_text(POLICY)

    def run(self, *args, input=None):
        """Run a command and return its result; nothing but our own exits may come out."""
        result = CliRunner().invoke(app, [str(arg) for arg in args], input=input)
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result

    def ok(self, *args, input=None):
        """Run a command that has to succeed; return its stdout."""
        result = self.run(*args, input=input)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *args, code=0, input=None):
        """Run a command with --json; return the object that it prints."""
        result = self.run(*args, "--json", input=input)
        assert result.exit_code == code, result.output
        assert result.stdout.isascii()
        return json.loads(result.stdout)

    def decide(self, *args, by="kim@example.com"):
        """Run a command that asks for a secret."""
        return self.run(*args, "--as", by, "--secret-stdin", input=SECRETS[by] + "\n")

    def enroll(self):
        """Give every reviewer a secret."""
        for name, secret in SECRETS.items():
            self.ok("reviewer", "add", name, "--secret-stdin", input=secret + "\n")

    def call(self, tool, run="run-1", call=None, agent=AGENT, **args):
        """Make one guarded call as the agent; return its value or what it raised."""
        with handrail.open(self.folder / "handrail.yaml", alerts=False) as hr:
            tools = {name: hr.tool(name)(function) for name, function in self._tools().items()}
            with hr.run(agent=agent, id=run) as began:
                try:
                    if call is None:
                        return tools[tool](**args)
                    with began.call(call):
                        return tools[tool](**args)
                except (handrail.HandrailError, handrail.Killed, RuntimeError) as error:
                    return error

    def _tools(self):
        def get_lead(id: str) -> dict[str, object]:
            return dict(self.leads[id])

        def update_lead(id: str, company_size: int, note: str = "", env: str = "stage") -> dict[str, object]:
            self.leads[id] |= {"company_size": company_size}
            return {"id": id}

        def drop(id: str) -> dict[str, object]:
            return {}

        def new(id: str, env: str = "stage") -> dict[str, object]:
            return {"id": id} if id != "lost" else {}

        def send(to: str, body: str = "") -> dict[str, object]:
            if to == "broken":
                raise RuntimeError(body)
            return {}

        def copy(src: str, dst: str) -> dict[str, object]:
            return {}

        return {
            "crm.get_lead": get_lead,
            "crm.update_lead": update_lead,
            "crm.drop": drop,
            "crm.new": new,
            "mail.send": send,
            "files.copy": copy,
        }

    def hold(self, **args):
        """Have the agent ask for an update in production; return the ticket's id."""
        held = self.call("crm.update_lead", **{"id": "lead-1", "company_size": 40, "env": "live", **args})
        assert isinstance(held, handrail.ReviewRequired), held
        return held.ticket

    def die(self, run="run-d", call="c", id="lead-9", env="stage"):
        """Have an agent's process die between intent and outcome; return the action's id."""
        script = (
            "import handrail, os, sys\n"
            "hr = handrail.open(alerts=False)\n"
            "@hr.tool('crm.new')\n"
            "def new(id: str, env: str = 'stage') -> dict: os._exit(9)\n"
            "with hr.run(agent=sys.argv[1], id=sys.argv[2]) as run, run.call(sys.argv[3]): new(sys.argv[4], sys.argv[5])\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", script, AGENT, run, call, id, env], cwd=self.folder, check=False, timeout=60
        )
        assert ended.returncode == 9
        return json.loads(self.ok("log", "--run", run, "--json").splitlines()[-1])["action"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project; the current folder is in it, and the environment names nothing."""
    for name in [name for name in os.environ if name.startswith("HANDRAIL_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path)


@pytest.fixture
def staffed(project):
    """A project whose reviewers have secrets."""
    project.enroll()
    return project
