"""`handrail mcp serve` on the command line; what it serves is tested in tests/mcp."""

import pytest


def test_the_server_has_to_be_named(project):
    """With how."""
    result = project.run("mcp", "serve", "--agent", "lead-enricher")
    assert result.exit_code == 2
    assert "handrail mcp serve --agent NAME -- COMMAND" in result.stderr


def test_the_agent_has_to_be_named(project):
    """There is no default for who acts."""
    result = project.run("mcp", "serve", "--", "true")
    assert result.exit_code == 2
    assert "--agent" in result.stderr


def test_the_agent_has_to_be_declared(project):
    """With the nearest name."""
    result = project.run("mcp", "serve", "--agent", "lead-enrichr", "--", "true")
    assert result.exit_code == 3
    assert "Did you mean 'lead-enricher'?" in result.stderr


@pytest.mark.parametrize("wait", ["-1", "soon"])
def test_waiting_takes_seconds(project, wait):
    """Zero or more."""
    assert project.run("mcp", "serve", "--agent", "lead-enricher", "--wait", wait, "--", "true").exit_code == 2


def test_without_a_policy_nothing_is_served(project):
    """It says what to do."""
    (project.folder / "handrail.yaml").unlink()
    result = project.run("mcp", "serve", "--agent", "lead-enricher", "--", "true")
    assert result.exit_code == 3
    assert "There is no policy" in result.stderr
