"""What a shell command text would run: every command of it is told, and what cannot be told says so."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.digest import to_json
from handrail.policy.shell import COMMANDS_MAX, MEMBERS, TEXT_MAX, commands


def programs(text):
    return [command["program"] for command in commands(text)]


REMOVALS = [
    "rm -rf /x",
    "ls; rm -rf /x",
    "ls && rm -rf /x",
    "ls || rm -rf /x",
    "ls | rm -rf /x",
    "ls & rm -rf /x",
    "ls\nrm -rf /x",
    "ls\r\nrm -rf /x",
    "(cd a; rm -rf /x)",
    "{ rm -rf /x; }",
    "if true; then rm -rf /x; fi",
    "while true; do rm -rf /x; done",
    "! rm -rf /x",
    "echo $(rm -rf /x)",
    'echo "$(rm -rf /x)"',
    "echo `rm -rf /x`",
    'echo "a `rm -rf /x` b"',
    "cat <(rm -rf /x)",
    "x=$(rm -rf /x)",
    "sudo rm -rf /x",
    "sudo -u root rm -rf /x",
    "env A=1 B=2 rm -rf /x",
    "A=1 rm -rf /x",
    "nohup timeout 5s nice -n 10 rm -rf /x",
    "sh -c 'rm -rf /x'",
    "bash -lc 'cd /; rm -rf /x'",
    '/bin/sh -ec "rm -rf /x"',
    "sh -c \"sh -c 'rm -rf /x'\"",
    "find . -name x -exec rm -rf /x ';'",
    "find . -execdir rm -rf /x +",
    "eval 'rm -rf /x'",
    "/bin/rm -rf /x",
    "r''m -rf /x",
    'r"m" -rf /x',
    "\\rm -rf /x",
    "rm\\\n -rf /x",
    "cat <<EOF\nhello\nEOF\nrm -rf /x",
    "# a comment\nrm -rf /x",
    "echo a # b\nrm -rf /x",
    "echo 'it''s' ; rm -rf /x",
    "time rm -rf /x",
    "command rm -rf /x",
    'echo "\\" && rm -rf /x',
    "if exist a rm -rf /x",
    "cat <<E\n E\ncat <<'F'\nE\nrm -rf /x\nF",
    'cat "\\"" \\" "$(rm -rf /x)" $(echo ")")',
    "bash -c -- 'rm -rf /x'",
    "bash -c -x 'rm -rf /x'",
    "bash -c +x 'rm -rf /x'",
    "bash -euo pipefail -c 'rm -rf /x'",
    "sudo -p x rm -rf /x",
    "env --unset A -C /tmp rm -rf /x",
    "stdbuf -o L rm -rf /x",
    "ionice --class 3 rm -rf /x",
    "chroot /jail rm -rf /x",
    "flock /lock rm -rf /x",
    "exec -a name rm -rf /x",
    "timeout -s KILL 5 rm -rf /x",
    "rm {-r,-f} /x",
    "rm -{r,f} /x",
]


@pytest.mark.parametrize("text", REMOVALS)
def test_a_command_is_found_wherever_it_stands(text):
    """Behind anything that a shell reads as a beginning of a command, inside anything that it runs."""
    found = [command for command in commands(text) if command["program"] == "rm"]
    assert found, programs(text)
    assert {"-r", "-f"} <= set(found[0]["flags"])
    assert found[0]["targets"] == ["/x"]


@pytest.mark.parametrize(
    "text",
    [
        "echo 'rm -rf /x; ls'",
        'echo "rm -rf /x && ls"',
        "echo rm -rf /x",
        "git commit -m 'sh -c \"rm x\"'",
        "# rm -rf /x",
        "echo a\\;rm",
        "cat <<EOF\nrm -rf /x\nEOF",
        "grep 'a|rm' f",
    ],
)
def test_text_is_no_command(text):
    """What is quoted, commented or fed is not told as a command."""
    assert "rm" not in programs(text)
    assert not any(command["opaque"] for command in commands(text))


@pytest.mark.parametrize(
    "text",
    [
        "$CMD x", "${X} y", "$(which rm) x", "`which rm` x", "python3 -c 'import os'", "node -e 1", "perl -e 1",
        "awk 'BEGIN{system(\"rm\")}'", 'eval "$x"', "source x", ". x", "bash", "cat x | sh", "sh script.sh", "ssh host ls",
        "for f in *; do echo $f; done", "case x in a) ls;; esac", "function f() { ls; }", "echo 'x", 'echo "x', "echo $(ls",
        "echo `ls", "echo ${x", "x > $y", "/bin/r? x", "echo ${x:-$(ls)}", "a\x00b", "python", "cat <<EOF\n$(rm x)\nEOF",
        "$'\\x72m' x",
        "echo $(( $(rm x) ))",
        "echo $((1 + `rm x`))",
        "echo $((rm x) ; (ls))",
        'ls ${A:-"}"}; rm x; ls ${A:-"}"}',
        "ls ''$'\\''; rm x #'",
        "sudo -q x git push",
        "env -S 'rm x' y",
        "env --unknown A rm x",
        "exec -z a rm x",
        "bash x.sh -c ls",
        "bash -i -c ls",
        "python3 -Ic 'x'",
        "python3 - < x",
        "perl -ne 'x'",
        "node --eval 'x'",
        "node -p 1",
        "su -c ls",
        "parallel rm",
        "a{b{c,d},e} x",
        "bash -O extglob x",
        "cat <<E\nno end",
        "sudo -s",
    ],
)  # fmt: skip
def test_what_cannot_be_told_says_so(text):
    """Code for an interpreter, names known only later, loops, what is not closed."""
    assert any(command["opaque"] for command in commands(text)), commands(text)


@pytest.mark.parametrize("text", [None, 3, ["ls"], {"a": 1}, "x" * (TEXT_MAX + 1), "a;" * (COMMANDS_MAX + 1)])
def test_what_is_no_text_is_opaque(text):
    """A value of another kind, and more than is read."""
    (only,) = commands(text)
    assert only["opaque"]


def test_members():
    """All of them, for every command; flags with their clusters, targets, files that are written, variables that are set."""
    (command,) = commands("HOME=/tmp tar -czf out.tgz --exclude=x a b > log 2>/dev/null 2>&1")
    assert set(command) == MEMBERS
    assert command["flags"] == ["-czf", "-c", "-z", "-f", "--exclude"]
    assert command["targets"] == ["out.tgz", "a", "b"]
    assert command["writes"] == ["log"]
    assert command["sets"] == ["HOME"]
    assert commands("rm -- -rf")[0]["targets"] == ["-rf"]
    assert commands("rm *.db")[0]["dynamic"]
    assert commands("cat a | xargs rm")[1]["dynamic"]
    assert commands("&>> both ls")[0]["writes"] == ["both"]
    assert commands("") == commands("  # only a comment") == []


def test_groups_are_several_words():
    """`{a,b}` stands for each; ordinary braces are letters."""
    assert commands("git push {--force,origin}")[0]["flags"] == ["--force"]
    assert commands("mkdir -p src/{a,b}/{c,d}")[0]["targets"] == ["src/a/c", "src/a/d", "src/b/c", "src/b/d"]
    assert commands("find . -exec ls {} +")[1]["program"] == "find"
    assert not any(command["opaque"] for command in commands("echo {} {x} a{b}"))


ORDINARY = [
    "cd repo && npm ci && npm test 2>&1 | tail -20",
    "git status --short",
    'git commit -m "Fix the $HOME bug (again)"',
    "for_each=1 make -j4",
    "echo $((1 + 2)) ${HOME} ${X:-default} $?",
    "cat <<'EOF' > notes.txt\nrm -rf / (x\nEOF\nls",
    "cat <<-EOF\n\thello\n\tEOF",
    "grep -rn 'a|b' src/ --include=*.py",
    "python3 manage.py migrate --plan",
    "node build.js",
    "sudo apt-get update",
    "curl -sS https://example.com -o out.html",
    "test -d build || mkdir -p build",
    "find . -name '*.pyc' -print0 | xargs -0 ls",
    "export A=1 B='two words'",
    "docker compose up -d --build",
    'echo "$(git rev-parse --short HEAD)"',
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_work_is_understood(text):
    """What agents do all day is read to the end."""
    assert not any(command["opaque"] for command in commands(text))


def test_other_shells():
    """What only cmd.exe would run is read as it does: backslashes are letters, and `if exist` tests."""
    found = commands('if exist "..\\a b\\" echo yes')
    assert [(c["program"], c["targets"]) for c in found] == [("if", ["exist", "../a b/"]), ("echo", ["yes"])]
    assert commands('mkdir "..\\a b"')[0]["targets"] == ["..\\a b"]


@given(st.text(alphabet="ab \n'\"\\$`(){}[];|&<>#*=-x", max_size=60))
def test_anything_can_be_read(text):
    """No text makes it fail or hang, and what it tells is plain JSON."""
    found = commands(text)
    assert to_json(found) == json.loads(json.dumps(found))
    assert found or not text.strip() or text.strip().startswith("#")
