"""`handrail init` as a new user meets it: real servers as child processes, real configs, an empty folder."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from handrail.cli.app import app
from handrail.mcp.lock import Lock
from handrail.policy import load
from handrail.policy.check import check

SERVER = Path(__file__).parents[1] / "mcp" / "scripted_server.py"
DANA = "dana@example.com"

MINI = '''
from mcp.server import MCPServer

server = MCPServer("mini")

@server.tool()
def get_note(note_id: str) -> str:
    """Get a note."""
    return note_id

@server.tool()
def delete_note(note_id: str) -> str:
    """Delete a note."""
    return note_id

@server.resource("note://{name}")
def note(name: str) -> str:
    return name

server.run()
'''


class Folder:
    """A project's folder, and the command line in it."""

    def __init__(self, path):
        self.path = path

    def init(self, *words):
        result = CliRunner().invoke(app, ["init", *map(str, words)])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    def ok(self, *words):
        result = self.init(*words)
        assert result.exit_code == 0, result.output
        return result

    def config(self, name, servers, key="mcpServers"):
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps({key: servers}))

    def tools(self, *tools):
        """Return the command of a server that lists these tools."""
        file = self.path / "tools.json"
        file.write_text(json.dumps([{"inputSchema": {"type": "object"}, **tool} for tool in tools]))
        return [sys.executable, str(SERVER), "listed", str(file)]

    def entry(self, *tools, **more):
        program, *args = self.tools(*tools)
        return {"command": program, "args": args, **more}

    @property
    def policy(self):
        return load(self.path / "handrail.yaml")

    @property
    def lock(self):
        return Lock.load(self.path / "handrail.lock")

    def files(self):
        return sorted(one.name for one in self.path.iterdir() if one.name != "tools.json")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of a user without any config, environment or git identity."""
    for name in [name for name in os.environ if name.startswith("HANDRAIL_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "home"
    project = tmp_path / "project"
    home.mkdir()
    project.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(project)
    return Folder(project)


# --- what is written --------------------------------------------------------------------------------------------------


def test_one_command_gives_plain_names(folder):
    """Policy and lock load, the check has nothing to say but that four eyes are off, and the next steps are named."""
    command = folder.tools({"name": "get_it", "description": "Gets it."}, {"name": "drop_it"}, {"name": "frob"})
    result = folder.ok("--reviewer", DANA, "--", *command)
    assert folder.files() == ["handrail.lock", "handrail.yaml"]
    assert sorted(folder.policy.tools) == ["drop_it", "frob", "get_it"]
    assert [one.message[:12] for one in check(folder.policy)] == ["'four_eyes: "]
    assert list(folder.lock.servers) == [""]
    assert sorted(folder.lock.servers[""]) == ["drop_it", "frob", "get_it"]
    assert "WARNING: FOUR EYES ARE OFF" in result.stderr
    assert "The server: 3 tools; 1 may run, 2 ask a person first." in result.stdout
    assert f"handrail reviewer add {DANA}" in result.stdout
    assert '"--", "' in result.stdout
    assert "--server" not in result.stdout


def test_a_named_command_has_its_name_everywhere(folder):
    """In the policy, the lock, and what is to be written into the config."""
    result = folder.ok(
        "--reviewer", DANA, "--server", "crm", "--agent", "docs-bot", "--", *folder.tools({"name": "get"})
    )
    assert list(folder.policy.tools) == ["crm.get"]
    assert list(folder.lock.servers) == ["crm"]
    assert '"--agent", "docs-bot", "--policy"' in result.stdout
    assert '"--server", "crm", "--"' in result.stdout


def test_three_clients_with_real_servers(folder):
    """Claude Code, Cursor and VS Code; two repositories; reads pass and writes ask at once."""
    for name in ("one", "two"):
        subprocess.run(["git", "init", "-q", name], cwd=folder.path, check=True)
    (folder.path / "mini.py").write_text(MINI)
    git = [sys.executable, "-m", "mcp_server_git", "--repository"]
    folder.config(".mcp.json", {"git": {"command": git[0], "args": [*git[1:], "one"]}})
    folder.config(".cursor/mcp.json", {"notes": {"command": sys.executable, "args": ["${workspaceFolder}/mini.py"]}})
    folder.config(".vscode/mcp.json", {"git": {"command": git[0], "args": [*git[1:], "two"]}}, key="servers")
    result = folder.ok("--yes", "--reviewer", DANA)
    policy = folder.policy
    for server in ("git", "git-2"):
        assert policy.document.tools[f"{server}.git_status"].reads
        assert policy.document.tools[f"{server}.git_commit"].ask.value == "always"
        assert policy.document.tools[f"{server}.git_reset"].effects[0].verb.value == "update"
    assert policy.document.tools["notes.get_note"].reads
    assert policy.document.tools["notes.delete_note"].effects[0].verb.value == "delete"
    assert "notes.resources/read" in policy.tools
    assert "notes.prompts/get" not in policy.tools
    assert [one.level.value for one in check(policy)] == ["warning"]
    assert sorted(folder.lock.servers) == ["git", "git-2", "notes"]
    for client in ("Claude Code", "Cursor", "VS Code"):
        assert f"Then, {client}: " in result.stdout
    assert '"args": ["mcp"' in result.stdout or '"args": ["-m", "handrail", "mcp"' in result.stdout


def test_two_people_keep_four_eyes(folder):
    """The owner is the first reviewer unless said."""
    result = folder.ok("--reviewer", DANA, "--reviewer", "kim@example.com", "--", *folder.tools({"name": "drop"}))
    assert folder.policy.four_eyes
    assert "FOUR EYES" not in result.output
    assert check(folder.policy) == []


def test_the_reviewer_is_gits_user_unless_named(folder):
    """And says so; without one, somebody has to be named."""
    command = folder.tools({"name": "get"})
    refused = folder.init("--", *command)
    assert refused.exit_code == 2
    assert "--reviewer you@example.com" in refused.stderr
    assert folder.files() == []
    subprocess.run(["git", "config", "--global", "user.email", DANA], check=True)
    assert f"The reviewer is {DANA}" in folder.ok("--", *command).stderr
    assert folder.policy.reviewers == (DANA,)


# --- what is refused --------------------------------------------------------------------------------------------------


def test_nothing_is_overwritten(folder):
    """Neither a policy nor a link to nowhere; a dry run prints, another file may be named."""
    command = folder.tools({"name": "get"})
    (folder.path / "handrail.yaml").write_text("version: 1\n")
    refused = folder.init("--reviewer", DANA, "--", *command)
    assert refused.exit_code == 3
    assert "handrail.yaml is there already, and init never overwrites it" in refused.stderr
    assert (folder.path / "handrail.yaml").read_text() == "version: 1\n"
    printed = folder.ok("--dry-run", "--reviewer", DANA, "--", *command).stdout
    assert "  get: {do: read}\n" in printed
    assert folder.files() == ["handrail.yaml"]
    (folder.path / "other.yaml").symlink_to("nowhere")
    assert folder.init("--policy", "other.yaml", "--reviewer", DANA, "--", *command).exit_code == 3
    said = folder.ok("--policy", "third.yaml", "--reviewer", DANA, "--", *command).stdout
    assert "handrail doctor --policy third.yaml" in said
    assert list(load(folder.path / "third.yaml").tools) == ["get"]


def test_pins_that_are_there_stay(folder):
    """Somebody looked at those; the new draft does not take over what changed since."""
    folder.ok("--reviewer", DANA, "--", *folder.tools({"name": "get"}))
    before = folder.lock
    (folder.path / "handrail.yaml").unlink()
    changed = folder.ok("--reviewer", DANA, "--", *folder.tools({"name": "get", "description": "Other."}))
    assert "Tools of the server differ from what handrail.lock has, and stay denied" in changed.stderr
    assert folder.lock == before


def test_a_broken_lock_writes_nothing(folder):
    """Both files or neither."""
    (folder.path / "handrail.lock").write_text("{")
    refused = folder.init("--reviewer", DANA, "--", *folder.tools({"name": "get"}))
    assert refused.exit_code == 3
    assert "handrail.lock cannot be used" in refused.stderr
    assert folder.files() == ["handrail.lock"]


def test_a_lock_that_cannot_be_written_takes_the_policy_along(folder):
    """A policy without its pins would let changed tools pass; here no file may grow beyond 8 KiB."""
    limit = "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))"
    program = f"{limit}; runpy.run_module('handrail', run_name='__main__', alter_sys=True)"
    words = ["init", "--reviewer", DANA, "--", *folder.tools({"name": "get", "description": f"{40 * 'x'}\n" * 350})]
    ended = subprocess.run(
        [sys.executable, "-c", program, *words], check=False, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 3
    assert "handrail.lock cannot be written: File too large" in ended.stderr
    assert folder.files() == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "No MCP server was found in .mcp.json, .cursor/mcp.json, .vscode/mcp.json, ~/.config/Claude/"),
        (["--server", "x"], 2, "Add the command: -- COMMAND"),
        (["--server", "a.b", "--", "x"], 2, "letters, digits, '_' and '-' only"),
        (["--agent", "Dana@example.com", "--", "x"], 2, "The agent has the name of a person"),
        (["--store", "sqlite:///x", "--", "x"], 2, "neither --store nor --config"),
        (["--policy", "no/handrail.yaml", "--", "x"], 2, "Make it first."),
        (["--", "no-such-program-here"], 1, "there is no program 'no-such-program-here'"),
        (["--timeout", "0", "--", "x"], 2, "--timeout"),
    ],
)
def test_what_is_refused_says_what_to_do(folder, words, code, said):
    """And leaves nothing behind; with `--json` too."""
    for more in ([], ["--json"]):
        refused = folder.init(*more, "--reviewer", DANA, *words)
        assert refused.exit_code == code
        assert said in refused.stderr
        assert folder.files() == []
        assert bool(more) == bool(refused.stdout)
        assert not more or json.loads(refused.stdout)["error"]


def test_commands_of_configs_are_not_started_unasked(folder):
    """A config may have come with somebody's repository: without a terminal, `--yes` has to be said."""
    marker = folder.path / "started"
    folder.config(".mcp.json", {"evil": {"command": "touch", "args": [str(marker)]}})
    refused = folder.init("--reviewer", DANA)
    assert refused.exit_code == 2
    assert f"evil (Claude Code): touch {marker}" in refused.stderr
    assert "run it again with --yes" in refused.stderr
    assert not marker.exists()


def test_one_server_that_fails_does_not_keep_the_others(folder):
    """Its sentence stands on the screen and in the file, and the code says so."""
    folder.config(
        ".mcp.json",
        {
            "dead": {"command": sys.executable, "args": [str(SERVER), "dies"]},
            "slow": {"command": "sleep", "args": ["60"]},
            "good": folder.entry({"name": "get"}),
            "web": {"url": "https://example.com/mcp", "headers": {"Authorization": "hunter2"}},
            "odd": {"command": "x", "args": ["${input:tok}"]},
        },
    )
    result = folder.init("--yes", "--reviewer", DANA, "--timeout", "2")
    assert result.exit_code == 1
    assert list(folder.policy.tools) == ["good.get"]
    text = (folder.path / "handrail.yaml").read_text()
    for name, said in (
        ("dead", "It ended with code 3 before it answered initialize."),
        ("slow", "It did not answer initialize within 2 s."),
        ("odd", "Only the client can fill in '${input:tok}'"),
    ):
        assert f"Server '{name}' could not be asked, so no tool of it is allowed. {said}" in result.stderr
        assert (
            f'# --- "{name} (Claude Code)" ---\n  # Nothing of it is declared, since it could not be asked. {said}'
            in text
        )
    assert "Server 'web' (Claude Code) is reached by a web address and is NOT guarded" in result.stderr
    assert "hunter2" not in result.output + text


def test_a_broken_config_does_not_keep_the_others(folder):
    """One sentence with its file."""
    folder.config(".cursor/mcp.json", {"good": folder.entry({"name": "get"})})
    (folder.path / ".mcp.json").write_text("{,")
    result = folder.init("--yes", "--reviewer", DANA)
    assert result.exit_code == 1
    assert ".mcp.json cannot be used: it is not JSON" in result.stderr
    assert list(folder.policy.tools) == ["good.get"]


def test_ctrl_c_ends_the_servers_that_were_started(folder):
    """Also one that heeds no signal, with what it started."""
    pid = folder.path / "pid"
    heed = (
        "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler)"  # behind nohup it is ignored
    )
    program = f"{heed}; runpy.run_module('handrail', run_name='__main__', alter_sys=True)"
    words = ["init", "--reviewer", DANA, "--", sys.executable, str(SERVER), "deaf", str(pid)]
    process = subprocess.Popen([sys.executable, "-c", program, *words], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: pid.exists() and pid.read_text())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in said
    wait_for(lambda: not running(int(pid.read_text())))
    assert folder.files() == ["pid"]


def running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def wait_for(holds):
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- what is said -----------------------------------------------------------------------------------------------------


def test_secrets_reach_the_server_and_nothing_else(folder):
    """Not the screen, not JSON, not the files."""
    seen = folder.path / "seen"
    script = f"import os, sys; open({str(seen)!r}, 'w').write(os.environ['API_KEY'] + sys.argv[2])"
    args = ["-c", script, "--token", "hunter3"]
    folder.config(".mcp.json", {"a": {"command": sys.executable, "args": args, "env": {"API_KEY": "hunter2"}}})
    folder.config(".cursor/mcp.json", {"b": {**folder.entry({"name": "get"}), "env": {"API_KEY": "hunter2"}}})
    said = folder.init("--yes", "--reviewer", DANA, "--json").output
    said += folder.init("--reviewer", DANA, "--policy", "x.yaml").output
    said += "".join(one.read_text() for one in folder.path.glob("handrail.*"))
    assert seen.read_text() == "hunter2hunter3"
    assert "hunter" not in said
    assert "(as it stands)" in said


def test_for_machines(folder):
    """One object: the servers, each tool, each change, the warnings, the next steps."""
    folder.config(".mcp.json", {"crm": folder.entry({"name": "get"}, {"name": "drop"}, {"name": "x"}, {"name": "x"})})
    told = json.loads(folder.ok("--yes", "--reviewer", DANA, "--json").stdout)
    assert told["written"]
    assert told["policy"] == str(folder.path / "handrail.yaml")
    assert told["lock"] == str(folder.path / "handrail.lock")
    (server,) = told["servers"]
    assert [(one["tool"], one["do"], one["asks"]) for one in server["tools"]] == [
        ("crm.get", "read", False),
        ("crm.drop", "delete", True),
    ]
    assert server["left_out"] == [
        "Its tool 'x' is listed twice, so nobody knows which one would run. It is left out, and so denied."
    ]
    (change,) = told["changes"]
    assert (change["client"], change["config"], change["server"]) == (
        "Claude Code", str(folder.path / ".mcp.json"), "crm",
    )  # fmt: skip
    assert change["args"][-5:] == ["--", sys.executable, str(SERVER), "listed", str(folder.path / "tools.json")]
    assert told["four_eyes"] is False
    assert len(told["warnings"]) == 1
    dry = json.loads(folder.ok("--yes", "--reviewer", DANA, "--dry-run", "--json").stdout)
    assert not dry["written"]
    assert dry["text"] == (folder.path / "handrail.yaml").read_text()


def test_the_change_works_once_it_is_made(folder):
    """A config that is changed as said asks the same server under the same name, and needs no further change."""
    folder.config(".mcp.json", {"crm": folder.entry({"name": "get"})})
    (change,) = json.loads(folder.ok("--yes", "--reviewer", DANA, "--json").stdout)["changes"]
    folder.config(".mcp.json", {"crm": {"command": change["command"], "args": change["args"]}})
    (folder.path / "handrail.yaml").unlink()
    again = folder.ok("--yes", "--reviewer", DANA)
    assert "server 'crm': Handrail is in front of it already." in again.stdout
    assert list(folder.policy.tools) == ["crm.get"]
    assert "differ" not in again.stderr


HOSTILE = [
    {"name": "a: # {}", "description": "x\nrules: []\n# y"},
    {"name": "b\nrules: []", "description": "\x1b[2J\x1b]0;title\x07 four\u2028eyes: \u202efalse"},
    {"name": '"}: {do: read}', "description": "\x85mode: observe"},
    {"name": "get_c", "description": ["not", "text"], "annotations": 7},
    {"name": "get_d", "inputSchema": {"required": ["}: x"], "properties": {"}: x": {"type": "string"}}}},
    {"name": "e", "inputSchema": []},
    {"name": "get_f", "description": "x" * 100_000},
    {"name": "twice"},
    {"name": "twice"},
    {"name": "\u202egnp", "annotations": {"readOnlyHint": True}},
    {"name": "delete_all", "annotations": {"readOnlyHint": True}},
]


def test_a_hostile_server_changes_nothing_but_its_own_entries(folder):
    """Names come back as they are, comments hold, the terminal is left alone."""
    result = folder.ok("--reviewer", DANA, "--", *folder.tools(*HOSTILE))
    policy = folder.policy
    assert set(policy.tools) == {one["name"] for one in HOSTILE} - {"e", "twice"}
    assert policy.rules == ()
    assert policy.mode.value == "enforce"
    assert not policy.four_eyes
    assert [one for one in check(policy) if one.level.value == "error"] == []
    assert not policy.document.tools["delete_all"].reads
    assert policy.document.tools["a: # {}"].ask.value == "always"
    for char in "\x1b\x07\u2028\u202e\x85":
        assert char not in result.output + (folder.path / "handrail.yaml").read_text()
    assert "Its tool 'twice' is listed twice" in result.stderr
    assert "Its tool 'e' has no object as its input schema" in result.stderr


def test_many_tools_are_counted_not_listed(folder):
    """The file has them all."""
    result = folder.ok("--reviewer", DANA, "--", *folder.tools(*({"name": f"get_{number}"} for number in range(300))))
    assert len(folder.policy.tools) == 300
    assert "300 tools; 300 may run, 0 ask" in result.stdout
    assert "get_7" not in result.stdout
