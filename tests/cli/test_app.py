"""The root: loading, errors, exit codes."""

import json
import sys

import pytest

import handrail
from handrail import errors
from handrail.cli import app as root
from handrail.cli.exits import CODES, Code, UsageError, code_of
from handrail.core.outcome import Outcome, Status


def test_version(project):
    """One line."""
    assert project.ok("--version") == f"handrail {handrail.__version__}\n"


def test_help_lists_every_command_that_is_installed(project):
    """Each with one whole sentence."""
    listed = project.ok("--help")
    for name in ("review", "reviewer", "log", "stop", "start", "store", "alert"):
        line = next(line for line in listed.splitlines() if line.strip().startswith(f"{name} "))
        assert line.endswith(".") and not line.endswith("...")


def test_help_ends_with_the_first_steps_and_names_values_alike(project):
    """Each step a command of its own line; values in upper case."""
    assert [line.strip().split("  ")[0] for line in project.ok("--help").rstrip().splitlines()[-4:]] == [
        "handrail demo",
        "handrail init",
        "handrail policy check",
        "handrail doctor",
    ]
    told = project.ok("policy", "explain", "--help")
    assert "AGENT TOOL ARGS_JSON" in told.replace("{", "").replace("}", "")
    assert "--by NAME" in project.ok("stop", "--help")


def test_a_command_that_is_not_installed_is_not_listed(project, monkeypatch):
    """And naming it is a usage error."""
    monkeypatch.setitem(root.COMMANDS, "later", "handrail.cli.later:app")
    assert "later" not in project.ok("--help")
    assert project.run("later").exit_code == Code.USAGE


def test_no_command_prints_the_help_and_is_a_usage_error(project):
    """On stderr, since nothing was asked for."""
    result = project.run()
    assert (result.exit_code, result.stdout) == (Code.USAGE, "")
    assert "Usage: handrail" in result.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rewiew"], "There is no command 'rewiew'. Did you mean 'review'?"),
        (["review", "lst"], "There is no command 'lst'. Did you mean 'list'? See: handrail review --help"),
        (["review", "show"], "Missing argument 'TICKET'. See: handrail review show --help"),
        (["review", "list", "--alll"], "There is no option '--alll'. Did you mean '--all'? See: handrail review list"),
        (["log", "--limit", "0"], "--limit is 0, and has to be a number of rows"),
        (["log", "--limit", "x"], "it has to be a whole number. See"),
        (["demo", "x"], "There is no scene x. There are: 1"),
        (["log", "--status", "odd"], "'odd' is not one of"),
        (["log", "--run", "x", "verify"], "do not go with 'log verify'"),
    ],
)
def test_usage_errors_are_one_sentence_with_code_2(project, words, said):
    """On stderr; with --json also on stdout."""
    result = project.run(*words)
    assert (result.exit_code, result.stdout) == (Code.USAGE, "")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    told = project.json(*words, code=2)
    assert told["kind"] == "UsageError"
    assert said in told["error"]


@pytest.mark.parametrize(
    "place", [["--json", "log", "verify"], ["log", "--json", "verify"], ["log", "verify", "--json"]]
)
def test_the_common_options_may_stand_anywhere(project, place):
    """Before the command, between, and after."""
    assert json.loads(project.ok(*place))["whole"] is True


def test_every_error_has_a_code():
    """The first class that fits counts, so a class may not stand behind its base."""
    outcome = Outcome(Status.DENIED)
    assert code_of(errors.ReviewRequired(outcome)) == Code.WAITS
    assert code_of(errors.Denied(outcome)) == Code.FINDINGS
    assert code_of(errors.Killed(outcome)) == Code.KILLED
    assert code_of(errors.StoreVersionError()) == Code.CONFIGURATION
    assert code_of(errors.NotFoundError()) == Code.NOT_FOUND
    assert code_of(UsageError()) == Code.USAGE
    assert code_of(ValueError()) == Code.BUG
    for index, (kind, _) in enumerate(CODES):
        assert not any(issubclass(kind, before) for before, _ in CODES[:index])


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (errors.Killed(Outcome(Status.KILLED)), 7)])
def test_what_is_no_exception_ends_with_a_code_too(project, monkeypatch, error, code):
    """Ctrl-C and a kill."""

    def fail(*_, **__):
        raise error

    monkeypatch.setattr("handrail.cli.session.opened_store", fail)
    assert project.run("log", "verify").exit_code == code


def test_a_bug_prints_a_trace_that_is_safe_to_print(project, monkeypatch):
    """Even when the exception carries an agent's text."""

    def fail(*_, **__):
        raise ValueError("odd \x1b[2J\u202e[red]")

    monkeypatch.setattr("handrail.cli.session.opened_store", fail)
    result = project.run("log", "verify")
    assert result.exit_code == Code.BUG
    assert "\x1b" not in result.output
    assert "Handrail itself failed: ValueError: odd \\x1b[2J\\u202e[red]" in result.stderr
    assert project.json("log", "verify", code=70)["kind"] == "ValueError"


def test_the_root_loads_no_command(monkeypatch):
    """A command's module is imported when it is used."""
    for name in [name for name in sys.modules if name.startswith("handrail.cli.review")]:
        monkeypatch.delitem(sys.modules, name)
    root.Root(name="handrail")
    assert "handrail.cli.review" not in sys.modules
