"""One line more in a policy, and nothing else."""

import stat

import pytest

from handrail.errors import PolicyError
from handrail.policy import load
from handrail.policy.amend import AmendError, add_key, add_tool, shown_diff

HEAD = "version: 1\nreviewers: [kim]\nagents: {bot: {access: write, owner: dana, tokens_per_day: 9}}\n"
LINE = "new.tool: {do: read}"


@pytest.fixture
def amend(tmp_path):
    """Adds a tool to a policy of this text; returns the text afterwards."""

    def amended(text, name="new.tool", line=LINE):
        file = tmp_path / "handrail.yaml"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        change = add_tool(file, name, line)
        assert file.read_bytes() == change.old
        change.write()
        assert name in load(file).tools
        return file.read_bytes().decode()

    return amended


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("tools:\n  a: {do: read}\n", "tools:\n  a: {do: read}\n  new.tool: {do: read}\n"),
        ("tools:\n  a: {do: read}", "tools:\n  a: {do: read}\n  new.tool: {do: read}\n"),
        ("tools:\n    a: {do: read}   # why\n\n# next\nrules: []\n",
         "tools:\n    a: {do: read}   # why\n    new.tool: {do: read}\n\n# next\nrules: []\n"),
        ("tools:\n  a:\n    do: read\n    checks:\n      - result.id != null\n\nrules: []\n",
         "tools:\n  a:\n    do: read\n    checks:\n      - result.id != null\n  new.tool: {do: read}\n\nrules: []\n"),
        ("tools:\n  a: {do: read,\n      resource: x}\nrules: []\n",
         "tools:\n  a: {do: read,\n      resource: x}\n  new.tool: {do: read}\nrules: []\n"),
        ("tools:\n  a:\n    do: read\n    description: |\n      # not a comment\n      text\nrules: []\n",
         "tools:\n  a:\n    do: read\n    description: |\n      # not a comment\n      text\n  new.tool: {do: read}\nrules: []\n"),
        ("tools:\n  a:\nrules: []\n", "tools:\n  a:\n  new.tool: {do: read}\nrules: []\n"),
        ("tools:\n  a: &same {do: read}\n  b: *same\nrules: []\n",
         "tools:\n  a: &same {do: read}\n  b: *same\n  new.tool: {do: read}\nrules: []\n"),
        ("tools:   # none yet\nrules: []\n", "tools:   # none yet\n  new.tool: {do: read}\nrules: []\n"),
        ("rules: []\n", "rules: []\ntools:\n  new.tool: {do: read}\n"),
        ("rules: []", "rules: []\ntools:\n  new.tool: {do: read}\n"),
        ("tools:\r\n  a: {do: read}\r\nrules: []\r\n", "tools:\r\n  a: {do: read}\r\n  new.tool: {do: read}\r\nrules: []\r\n"),
        ("tools:\n  ü: {do: read} # ü\U0001f600\nrules: []\n", "tools:\n  ü: {do: read} # ü\U0001f600\n  new.tool: {do: read}\nrules: []\n"),
    ],
)  # fmt: skip
def test_where_the_line_goes(amend, before, after):
    """To the end of the tools, with their indentation; comments, blank lines and line ends stay."""
    assert amend(HEAD + before) == HEAD + after
    assert amend("\ufeff" + HEAD + before) == "\ufeff" + HEAD + after


def test_the_diff_is_one_line(tmp_path):
    """Added, and none removed."""
    file = tmp_path / "handrail.yaml"
    file.write_text(HEAD + "tools:\n  a: {do: read}\nrules: []\n")
    changed = [
        line for line in add_tool(file, "new.tool", LINE).diff() if line[0] in "+-" and line[:3] not in ("+++", "---")
    ]
    assert changed == ["+  new.tool: {do: read}"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "tools: {a: {do: read}}\n",
            "'tools' is not written line by line. Add this to it yourself: new.tool: {do: read}",
        ),
        ("tools: {}\n", "'tools' is not written line by line"),
        ("tools: null\n", "'tools' is not written line by line"),
        ("tools:\n  a: {do: read}\n  new.tool: {do: pay}\n", "'tools' has 'new.tool' already. Change it by hand."),
    ],
)
def test_where_no_line_can_go(amend, text, said):
    """The person is given the line, or told why not."""
    with pytest.raises(AmendError, match=said):
        amend(HEAD + text)


def test_a_document_that_has_ended(amend):
    """What cannot be placed is not guessed."""
    with pytest.raises(AmendError, match="The place for it cannot be told from the file"):
        amend(HEAD + "rules: []\n...\n")


@pytest.mark.parametrize(
    ("name", "line", "said"),
    [
        ("x", "x: {do: reed}", "With this line the policy would not load: 'do' of tool 'x' must be one of"),
        ("x", "x: {do: read}\n  y: {do: read}", "The place for it cannot be told from the file"),
        ("x", "y: {do: read}", "The place for it cannot be told from the file"),
        ("x", "x: {do: read}\nmode: observe", "The place for it cannot be told from the file"),
        ("x", "x: {do: \udc80}", "not valid Unicode"),
    ],
)
def test_nothing_else_gets_in(amend, tmp_path, name, line, said):
    """A line that says more than its one key, or something that does not compile, is not written."""
    with pytest.raises(AmendError, match=said):
        amend(HEAD + "tools:\n  a: {do: read}\n", name, line)
    assert (tmp_path / "handrail.yaml").read_text() == HEAD + "tools:\n  a: {do: read}\n"


def test_no_new_error_of_the_check(amend):
    """A tool that asks, where nobody may answer."""
    with pytest.raises(AmendError, match="'policy check' would object: Approval: something asks a person"):
        amend("version: 1\nagents: {bot: }\ntools:\n  a: {do: read}\n", "x", "x: {do: pay, ask: always}")


def test_old_errors_stay_what_they_are(amend):
    """A policy that the check objects to already can be extended."""
    assert LINE in amend("version: 1\nagents: {bot: {access: write}}\ntools:\n  a: {do: delete}\n")


def test_a_policy_that_does_not_load(amend):
    """Is not touched."""
    with pytest.raises(PolicyError):
        amend("version: 2\n")


def test_a_key_of_a_tool(tmp_path):
    """At the end of its declaration; only where that is written line by line."""
    file = tmp_path / "handrail.yaml"
    text = HEAD + "tools:\n  a:\n    do: send  # mail\n  b: {do: send}\n"
    file.write_text(text)
    add_key(file, "a", "critical", "critical: false").write()
    assert file.read_text() == text.replace("# mail\n", "# mail\n    critical: false\n")
    with pytest.raises(AmendError, match="'b' in 'tools' is not written line by line"):
        add_key(file, "b", "critical", "critical: false")


def test_a_file_that_changed_meanwhile(tmp_path):
    """Is left as it is."""
    file = tmp_path / "handrail.yaml"
    file.write_text(HEAD)
    change = add_tool(file, "new.tool", LINE)
    file.write_text(HEAD + "# by hand\n")
    with pytest.raises(AmendError, match="was changed meanwhile"):
        change.write()
    assert file.read_text() == HEAD + "# by hand\n"
    assert [one.name for one in tmp_path.iterdir()] == ["handrail.yaml"]


def test_the_file_keeps_its_mode_and_its_link(tmp_path):
    """It is replaced at once, where it really is."""
    real = tmp_path / "real.yaml"
    real.write_text(HEAD)
    real.chmod(0o640)
    (tmp_path / "handrail.yaml").symlink_to(real)
    add_tool(tmp_path / "handrail.yaml", "new.tool", LINE).write()
    assert (tmp_path / "handrail.yaml").is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert LINE in real.read_text()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["handrail.yaml", "real.yaml"]


def test_a_file_that_is_gone(tmp_path):
    """Says so, before and while writing."""
    file = tmp_path / "handrail.yaml"
    with pytest.raises(AmendError, match="cannot be read: No such file"):
        add_tool(file, "new.tool", LINE)
    file.write_text(HEAD)
    change = add_tool(file, "new.tool", LINE)
    file.unlink()
    with pytest.raises(AmendError, match="cannot be written: No such file"):
        change.write()
    assert list(tmp_path.iterdir()) == []


def test_the_diff_is_safe_to_print(tmp_path):
    """Comments of a file may hold anything; a backslash stays one."""
    file = tmp_path / "handrail.yaml"
    file.write_text(HEAD + "tools:\n  a: {do: read}  # \u202e\nrules: []\n")
    shown = list(shown_diff(add_tool(file, 'x"', '"x\\"": {do: read}')))
    assert '+  "x\\"": {do: read}' in shown
    assert "   a: {do: read}  # \\u202e" in shown
