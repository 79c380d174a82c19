"""The command line as a process of its own: start, signals, terminals, the environment."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time

import pytest

import handrail

COMMAND = [sys.executable, "-m", "handrail"]

WAIT_S = 60
"""Seconds that one process may take; whatever takes longer is killed, so that a test fails and does not hang."""


def heed_ctrl_c():
    """Undo an inherited SIG_IGN: behind nohup, or in the background of a shell, SIGINT is ignored down the line."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(project, *words, **options):
    process = subprocess.Popen(
        [*COMMAND, *words],
        cwd=project.folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=heed_ctrl_c,  # noqa: PLW1509 (it takes no lock)
        **options,
    )
    watchdog = threading.Timer(WAIT_S, process.kill)
    watchdog.daemon = True
    watchdog.start()
    return process


def run(words, **options):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=WAIT_S, **options)


def test_version_loads_nothing_heavy(project):
    """Neither typer nor rich."""
    script = (
        "import sys; sys.argv = ['handrail', '--version']; from handrail.cli import main; main(); "
        "sys.exit(bool({'typer', 'rich', 'cryptography', 'sqlite3'} & set(sys.modules)))"
    )
    ended = run([sys.executable, "-c", script])
    assert (ended.returncode, ended.stdout) == (0, f"handrail {handrail.__version__}\n")


def test_the_environment_names_policy_and_store(project, tmp_path_factory):
    """From any folder."""
    project.call("crm.get_lead", id="lead-1")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    env = os.environ | {"HANDRAIL_POLICY": str(project.folder / "handrail.yaml")}
    ended = run([*COMMAND, "log", "verify", "--json"], cwd=elsewhere, env=env)
    assert json.loads(ended.stdout)["rows"] == 3
    env["HANDRAIL_STORE"] = f"sqlite:///{elsewhere / 'no.db'}"
    ended = run([*COMMAND, "log"], cwd=elsewhere, env=env)
    assert ended.returncode == 3
    assert "HANDRAIL_STORE: there is no store at" in ended.stderr


def test_following_ends_on_ctrl_c_with_130(project):
    """And prints what came meanwhile."""
    project.call("crm.get_lead", id="lead-1")
    process = start(project, "log", "--follow", "--json")
    first = [json.loads(process.stdout.readline())["kind"] for _ in range(2)]
    assert first == ["attempt", "outcome"]
    project.call("mail.send", to="boss")
    assert json.loads(process.stdout.readline())["status"] == "denied"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert out == ""


def test_a_reader_that_leaves_early_is_no_error(project):
    """`handrail log | head`: no traceback."""
    for _ in range(3):
        project.call("crm.get_lead", id="lead-1")
    process = start(project, "log", "--json")
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    process.wait(timeout=10)
    process.stderr.close()


def test_without_a_terminal_a_secret_has_to_be_piped(staffed):
    """Nothing hangs."""
    ticket = staffed.hold()
    process = start(
        staffed,
        "review",
        "approve",
        ticket,
        "--as",
        "kim@example.com",
        stdin=subprocess.DEVNULL,
        start_new_session=True,
    )
    _, err = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "--secret-stdin" in err


@pytest.fixture
def terminal(project):
    """Runs a command on a terminal of its own, typing lines when prompts appear."""

    def run(words, typed, columns=80):
        pid, master = pty.fork()
        if pid == 0:
            heed_ctrl_c()
            os.environ["COLUMNS"] = str(columns)
            os.chdir(project.folder)
            os.execv(sys.executable, [*COMMAND, *words])
        seen = b""
        deadline = time.monotonic() + WAIT_S
        for prompt, answer in (*typed, (None, None)):
            while time.monotonic() < deadline and (prompt is None or prompt.encode() not in seen):
                if not select.select([master], [], [], 0.5)[0]:
                    continue
                try:
                    seen += os.read(master, 4096)
                except OSError:
                    break
            if answer is not None:
                seen = seen.replace(prompt.encode(), b"(prompt)")
                os.write(master, answer.encode())
        if time.monotonic() >= deadline:
            os.kill(pid, signal.SIGKILL)
        os.close(master)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen.decode()

    return run


def test_a_secret_is_typed_unseen(project, terminal):
    """Twice when it is new; never echoed."""
    words = ["reviewer", "add", "kim@example.com"]
    code, seen = terminal(words, [("New secret", "kim's secret\n"), ("The same again", "other secret\n")])
    assert code == 2
    assert "The two secrets differ" in seen
    code, seen = terminal(words, [("New secret", "kim's secret\n"), ("The same again", "kim's secret\n")])
    assert code == 0
    assert "secret\r\n" not in seen.replace("New secret", "")
    ticket = project.hold()
    code, seen = terminal(
        ["review", "approve", ticket, "--as", "kim@example.com"], [("Secret of kim", "kim's secret\n")]
    )
    assert code == 0
    assert "wants to update lead/lead-1" in seen.split("(prompt)")[0]
    assert "kim's secret" not in seen


def test_ctrl_c_at_the_prompt_ends_with_130(staffed, terminal):
    """Nothing is decided."""
    ticket = staffed.hold()
    code, _ = terminal(["review", "approve", ticket, "--as", "kim@example.com"], [("Secret of kim", "\x03")])
    assert code == 130
    assert staffed.json("review", "show", ticket)["state"] == "pending"


def test_a_secret_is_not_read_from_a_terminal_as_stdin(staffed, terminal):
    """It would be seen."""
    ticket = staffed.hold()
    code, seen = terminal(["review", "approve", ticket, "--as", "kim@example.com", "--secret-stdin"], [])
    assert code == 2
    assert "would show what you type" in seen


def test_colours_on_a_terminal_only_and_not_against_no_color(project, terminal, monkeypatch):
    """NO_COLOR is respected."""
    project.call("crm.get_lead", id="lead-1")
    assert "\x1b[32m" in terminal(["log"], [])[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in terminal(["log"], [])[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" not in project.ok("log")


def plain(seen):
    """Without colours and carriage returns."""
    return re.sub(r"\x1b\[[0-9;]*m", "", seen).replace("\r\n", "\n")


def test_tables_at_80_columns_break_no_word(staffed, terminal):
    """What does not fit stands on a second line; ids are whole."""
    staffed.call("crm.get_lead", id="lead-1")
    ticket = staffed.hold()
    staffed.decide("review", "approve", ticket, "--remember")
    (grant,) = staffed.json("review", "grants")["grants"]
    action = json.loads(staffed.ok("log", "--status", "human_review_required", "--json"))["action"]
    for words, whole in (
        (["log"], [action, "crm.update_lead", "human_review_required", "reason: rule"]),
        (
            ["review", "show", ticket],
            ["crm.get_lead (by Handrail)", "human_review_required", "lead/lead-1 (production)"],
        ),
        (["review", "grants"], [grant["grant"], "lead-enricher", "crm.update_lead", "company_size=40"]),
    ):
        printed = plain(terminal(words, [])[1])
        for part in whole:
            assert part in printed, (words, printed)
        for table_line in printed.splitlines():
            assert len(table_line) <= 80 or words[0] == "review"


def test_what_follows_stands_under_the_headings(staffed):
    """Whatever was known when they were printed."""
    staffed.call("crm.get_lead", id="lead-1")
    process = start(staffed, "log", "--follow", env=os.environ | {"PYTHONUNBUFFERED": "1"})
    head = process.stdout.readline()
    for _ in range(4):
        process.stdout.readline()
    staffed.hold()
    seen = [process.stdout.readline() for _ in range(4)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=WAIT_S)
    held = next(line for line in seen if "human_review_required" in line)
    assert held.index("human_review_required") == head.index("status")
    assert held.index("crm.update_lead") == head.index("tool")


def test_pruning_everything_asks_at_a_terminal(project, terminal):
    """And takes only yes for yes."""
    project.call("crm.get_lead", id="lead-1")
    words = ["log", "prune", "--before", "0d"]
    assert terminal(words, [("Type yes: ", "no\n")])[0] == 2
    code, seen = terminal(words, [("Type yes: ", "yes\n")])
    assert code == 0
    assert "Removed the contents of" in seen


def test_a_new_secret_that_is_too_short_is_asked_for_once(project, terminal):
    """The second time would be for nothing."""
    code, seen = terminal(["reviewer", "add", "kim@example.com"], [("New secret", "short\n")])
    assert code == 1
    assert "at least 8 characters. Nothing" in seen
    assert "The same again" not in seen
