"""Changes of files as values."""

import pytest

from handrail.data.resources import file_change
from handrail.data.resources.file_change import (
    CreateFile,
    DeleteFile,
    MoveFile,
    WriteFile,
    described,
    ids,
    inverse,
    operation,
    touched,
)
from handrail.data.resources.images import Images
from handrail.data.resources.receipt import ABSENT, Receipt, Touched
from handrail.data.resources.results import CannotDo
from handrail.data.resources.traits import Precondition
from handrail.data.resources.tree import ReadFile, version_of

OLD = ReadFile(b"old", 0o640, (1, 2), 1, (1, 1))
V1, V2 = version_of(b"old"), version_of(b"new")


def test_every_change_is_described_apart():
    """By what it does, where, with which content and mode."""
    changes = [
        WriteFile("a", b"x"),
        WriteFile("a", b"y"),
        WriteFile("b", b"x"),
        CreateFile("a", b"x"),
        CreateFile("a", b"x", 0o600),
        CreateFile("a", b"x", 0o600, (1, 1)),
        DeleteFile("a"),
        MoveFile("a", "b"),
        MoveFile("b", "a"),
    ]
    assert len({str(described(change)) for change in changes}) == len(changes)
    assert [operation(change) for change in changes[-3:]] == ["delete", "move", "move"]
    assert ids(changes[-1]) == ("b", "a")


def test_what_is_touched():
    """From which version to which."""
    assert touched(WriteFile("a", b"new"), {"a": OLD}) == (Touched("a", V1, V2),)
    assert touched(CreateFile("a", b"new"), {"a": None}) == (Touched("a", ABSENT, V2),)
    assert touched(DeleteFile("a"), {"a": OLD}) == (Touched("a", V1, ABSENT),)
    assert touched(MoveFile("a", "b"), {"a": OLD, "b": None}) == (Touched("a", V1, ABSENT), Touched("b", ABSENT, V1))


@pytest.mark.parametrize("change", [WriteFile("a", b"x"), DeleteFile("a"), MoveFile("a", "b")])
def test_a_file_of_several_names_is_left_alone(change):
    """One of them may lie outside the root."""
    with pytest.raises(CannotDo, match="hard links"):
        touched(change, {"a": ReadFile(b"old", 0o644, (1, 1), 2, (1, 1)), "b": None})


def test_what_takes_it_back(tmp_path):
    """The opposite change, with the old content, mode and owner."""
    images = Images(tmp_path)
    kept = {"image": images.keep(b"old"), "mode": 0o640, "owner": [1, 2]}

    def back(word, *each, kept=kept):
        return inverse(Receipt("/", word, "k", each, Precondition.NONE, kept), images)

    assert back("write", Touched("a", V1, V2)) == WriteFile("a", b"old")
    assert back("create", Touched("a", ABSENT, V2), kept={}) == DeleteFile("a")
    assert back("delete", Touched("a", V1, ABSENT)) == CreateFile("a", b"old", 0o640, (1, 2))
    assert back("move", Touched("a", V1, ABSENT), Touched("b", ABSENT, V1)) == MoveFile("b", "a")
    with pytest.raises(CannotDo, match="how to take it back"):
        back("delete", Touched("a", V1, ABSENT), kept={})


@pytest.mark.parametrize("owner", [None, (7, 8)])
def test_a_change_comes_back_from_its_description(owner):
    """With its content; any other content or form is refused."""
    for change in (
        WriteFile("a", b"x"), CreateFile("a", b"x", 0o600, owner), DeleteFile("a"), MoveFile("a", "b"),
    ):  # fmt: skip
        about = file_change.described(change)
        assert file_change.of_described(about, file_change.content(change)) == change
    for about, content in [
        ({"operation": "write", "ids": ["a"], "content": "0" * 64}, b"x"),
        ({"operation": "write", "ids": ["a"]}, b"x"),
        ({"operation": "move", "ids": ["a"]}, b""),
        ({**file_change.described(CreateFile("a", b"x")), "owner": ["root", 0]}, b"x"),
        (None, b""),
    ]:
        with pytest.raises(ValueError, match="change"):
            file_change.of_described(about, content)
