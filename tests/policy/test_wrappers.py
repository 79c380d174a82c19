"""Where a program that runs another begins it."""

import pytest

from handrail.policy.wrappers import WRAPPERS


@pytest.mark.parametrize(
    ("name", "words", "at"),
    [
        ("sudo", ["-n", "-u", "root", "A=1", "ls"], 4),
        ("sudo", ["-nu", "root", "ls"], 2),
        ("sudo", ["-uroot", "ls"], 1),
        ("sudo", ["--user=root", "ls"], 1),
        ("sudo", ["--user", "root", "--", "ls"], 3),
        ("sudo", ["-i"], None),
        ("sudo", ["-z", "ls"], None),
        ("env", ["-i", "A=1", "ls", "B=2"], 2),
        ("env", ["-S", "ls"], None),
        ("timeout", ["-k", "5", "10", "ls"], 3),
        ("timeout", ["10"], None),
        ("nice", ["-n", "5", "ls"], 2),
        ("nohup", ["ls"], 0),
        ("nohup", ["--", "ls"], 1),
        ("nohup", [], None),
        ("chroot", ["--", "/jail", "ls"], 2),
        ("xargs", ["-0", "-I", "{}", "rm", "{}"], 3),
        ("xargs", ["--max-args", "3", "rm"], 2),
    ],
)
def test_where_the_program_begins(name, words, at):
    """Behind known options and their values, assignments and operands; an unknown option is told by nobody."""
    assert WRAPPERS[name].command(words) == at
