"""Changes are checked before anybody looks, and their ids mean one thing to the policy and to the file system."""

import pytest

from handrail.core.effect import Verb
from handrail.data.resources import (
    CreateFile,
    CreateJson,
    DeleteFile,
    DeleteJson,
    Files,
    HttpResources,
    MoveFile,
    PatchJson,
    Precondition,
    PutJson,
    WriteFile,
)
from handrail.data.resources import kinds as module
from handrail.data.resources.kinds import FileKind, HttpKind, inverted, touches
from handrail.data.resources.results import CannotDo
from handrail.policy.normal import normaliser


@pytest.fixture
def files(tmp_path):
    (tmp_path / "root").mkdir()
    return FileKind(Files(tmp_path / "root", tmp_path / "ours"))


@pytest.fixture
def http(tmp_path):
    return HttpKind(HttpResources("http://Crm.test/api", tmp_path / "ours"))


HOSTILE = [
    "", "/etc/passwd", "../a", "a/../b", "a//b", "./a", "a\0", "\ud800", "a\nb", "\x1b[2J", "notes\\..\\plan", " a", "a ",
    "a\u202eb", "a{?}", "x" * 1001, ".handrail-1", 7, None,
]  # fmt: skip


@pytest.mark.parametrize("id", HOSTILE)
def test_ids_of_files_that_mean_two_things(files, id):
    """Refused before anything is looked at; the words are safe to print."""
    with pytest.raises(CannotDo) as refused:
        files.checked(DeleteFile(id))
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("id", [id for id in HOSTILE if id not in (".handrail-1", "\ud800")])
def test_ids_of_resources_that_mean_two_things(http, id):
    """The same for URLs."""
    with pytest.raises(CannotDo):
        http.checked(DeleteJson(id))


@pytest.mark.parametrize("id", ["a", "sub/b.txt", "d e/ü", "..a", "*.md", "a:b", "100%"])
def test_an_id_is_the_resource_that_other_tools_name(files, http, id):
    """The policy's own form of the absolute path, or of the whole URL."""
    normalise = normaliser()
    root = files.adapter.where
    assert normalise(files.resource(id)) == files.resource(id) == f"file/{root}/{id}"
    assert normalise(http.resource(id)).startswith("url/http://crm.test/api/")
    assert normalise(normalise(http.resource(id))) == normalise(http.resource(id))


def test_a_hostile_id_would_have_been_another_file(files):
    """What the refusal is for: the policy reads a backslash as a slash, the file system does not."""
    assert normaliser()(files.resource("notes\\..\\plan")) == files.resource("plan")


@pytest.mark.parametrize(
    "change",
    [
        PutJson("a", {}), "rm -rf", None, WriteFile("a", "text"), WriteFile("a", bytearray(b"x")),
        CreateFile("a", b"", 0o4755), CreateFile("a", b"", -1), CreateFile("a", b"", "644"),
        CreateFile("a", b"", 0o644, (0, 0)),
    ],
)  # fmt: skip
def test_no_change_of_a_file(files, change):
    """Another kind's, no bytes, set-id bits, another owner."""
    with pytest.raises(CannotDo):
        files.checked(change)


def test_content_has_a_limit(files, http, monkeypatch):
    """Which the refusal names; a body has one too."""
    monkeypatch.setattr(module, "CONTENT_MAX", 10)
    assert files.checked(WriteFile("a", b"x" * 10))
    with pytest.raises(CannotDo, match="10"):
        files.checked(WriteFile("a", b"x" * 11))
    with pytest.raises(CannotDo, match="limit"):
        http.checked(PutJson("a", {"note": "long enough"}))


@pytest.mark.parametrize("change", [WriteFile("a", b""), PutJson("a", float("nan")), PatchJson("a", [1]), {}])
def test_no_change_of_a_json_resource(http, change):
    """Another kind's, no JSON, a patch that is no object."""
    with pytest.raises(CannotDo):
        http.checked(change)


def test_a_checked_body_is_its_own(http):
    """What the caller changes afterwards is not planned."""
    body = {"tags": ["a"]}
    own = http.checked(PutJson("lead/1", body))
    body["tags"].append("b")
    assert own == PutJson("lead/1", {"tags": ["a"]})


FILE_CHANGES = [WriteFile("a", b"x"), CreateFile("a", b"x", 0o600), DeleteFile("a"), MoveFile("a", "b")]
JSON_CHANGES = [PutJson("a", [1.5]), PatchJson("a", {"x": None}), CreateJson("a", None), DeleteJson("a")]


@pytest.mark.parametrize(("kind", "changes"), [("files", FILE_CHANGES), ("http", JSON_CHANGES)])
def test_a_change_comes_back_from_what_is_told(kind, changes, request):
    """With its content, and with no other."""
    kind = request.getfixturevalue(kind)
    for change in changes:
        told = kind.told(change)
        assert kind.of_told(told, kind.content(change)) == change
        if "content" in told:
            with pytest.raises(ValueError, match="content"):
                kind.of_told(told, b"other")
        with pytest.raises(ValueError, match="not a change"):
            kind.of_told({**told, "operation": "chmod"}, kind.content(change))
    assert len({str(kind.told(change)) for change in changes}) == 4


def test_what_is_touched(files, http):
    """The verb and the resource; of a move both ends. An undo goes the other way."""
    root = files.adapter.where
    (touch,) = touches(files, "move", ("a", "b"))
    assert (touch.verb, touch.place, touch.to) == (Verb.MOVE, f"file/{root}/a", f"file/{root}/b")
    assert inverted("move", ("a", "b")) == ("move", ("b", "a"))
    for operation, verb in [("write", Verb.UPDATE), ("create", Verb.CREATE), ("delete", Verb.DELETE)]:
        assert touches(files, operation, ("a",))[0].verb is verb
    assert touches(http, "patch", ("a",))[0].verb is Verb.UPDATE
    assert (inverted("create", ("a",))[0], inverted("delete", ("a",))[0]) == ("delete", "create")
    assert (inverted("patch", ("a",))[0], inverted("write", ("a",))[0]) == ("put", "write")


def test_what_is_said_of_the_precondition(files, http):
    """Of a server that cannot compare, to rules and to people; of files nothing, which know no other way."""
    assert files.said(Precondition.CHECK_THEN_ACT) == {}
    assert files.warnings(Precondition.CHECK_THEN_ACT) == ()
    assert http.said(Precondition.CHECK_THEN_ACT) == {"precondition": "check_then_act"}
    assert "cannot compare" in http.warnings(Precondition.CHECK_THEN_ACT)[0]
    assert http.warnings(Precondition.ATOMIC) == ()


def test_unusual_rights_are_told(files):
    """A new file that runs, or that others write."""
    (runs,) = files.warnings(Precondition.CHECK_THEN_ACT, CreateFile("a", b"", 0o755))
    assert "program" in runs
    (written,) = files.warnings(Precondition.CHECK_THEN_ACT, CreateFile("a", b"", 0o666))
    assert "other users" in written
    assert files.warnings(Precondition.CHECK_THEN_ACT, CreateFile("a", b"")) == ()
