"""Files: every change, what is refused, what a crash leaves, and that nobody's later write is ever lost."""

import json
import os
import shutil
import signal
import stat
import sys
import tempfile
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.data.resources import (
    ABSENT,
    Clash,
    Conflict,
    CreateFile,
    DeleteFile,
    Files,
    Idempotency,
    InDoubt,
    MoveFile,
    NotApplied,
    Precondition,
    Receipt,
    Refused,
    Stale,
    UndoKind,
    Undone,
    WriteFile,
)
from handrail.data.resources import files as module
from handrail.errors import ConfigurationError


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a").write_bytes(b"old")
    return root


@pytest.fixture
def files(root, tmp_path):
    return Files(root, tmp_path / "ours")


def versions(files, change):
    preview = files.preview(change)
    assert not isinstance(preview, Refused), preview
    return preview.versions


def make(files, change, key="k"):
    receipt = files.apply(change, versions(files, change), key)
    assert isinstance(receipt, Receipt), receipt
    return receipt


def tree(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


CHANGES = [
    (WriteFile("a", b"new"), {"a": b"new"}),
    (CreateFile("sub/b", b"made"), {"a": b"old", "sub/b": b"made"}),
    (DeleteFile("a"), {}),
    (MoveFile("a", "sub/c"), {"sub/c": b"old"}),
]
NAMES = ["write", "create", "delete", "move"]


@pytest.mark.parametrize(("change", "after"), CHANGES, ids=NAMES)
def test_a_change_is_made_and_taken_back(files, root, change, after):
    """Byte for byte, without a trace in the root."""
    receipt = make(files, change)
    assert tree(root) == after
    assert files.observe([one.id for one in receipt.touched]) == {one.id: one.after for one in receipt.touched}
    assert isinstance(files.undo(receipt), Undone)
    assert tree(root) == {"a": b"old"}
    assert isinstance(files.undo(receipt), Undone), "again, which does nothing"
    assert isinstance(files.decide("k"), Undone)
    again = files.apply(change, {one.id: one.before for one in receipt.touched}, "k")
    assert isinstance(again, Refused)
    assert "undone" in again.why


@pytest.mark.parametrize(("change", "after"), CHANGES, ids=NAMES)
def test_a_preview_says_all_and_does_nothing(files, root, change, after):
    """Content before and after, and the versions that apply expects."""
    preview = files.preview(change)
    assert tree(root) == {"a": b"old"}
    shown = {"a": b"old"} | {one.id: one.after for one in preview.pictures}
    assert {id: content for id, content in shown.items() if content is not None} == after
    assert {one.id: one.before for one in preview.pictures if one.before} in ({"a": b"old"}, {})
    assert preview.precondition is Precondition.CHECK_THEN_ACT


@pytest.mark.parametrize(("change", "after"), CHANGES, ids=NAMES)
def test_a_stale_plan_writes_nothing(files, root, change, after):
    """Somebody wrote after the preview; the clash is named."""
    expected = versions(files, change)
    (root / change.path).write_bytes(b"theirs")
    stale = files.apply(change, expected, "k")
    assert isinstance(stale, Stale)
    assert stale.clashes[0] == Clash(change.path, expected[change.path], files.observe([change.path])[change.path])
    assert (root / change.path).read_bytes() == b"theirs"
    assert isinstance(files.decide("k"), NotApplied)


@pytest.mark.parametrize(("change", "after"), CHANGES, ids=NAMES)
def test_an_undo_leaves_a_later_write_alone(files, root, change, after):
    """It reports the conflict and touches none of the change's files."""
    receipt = make(files, change)
    last = receipt.touched[-1].id
    (root / last).write_bytes(b"theirs")
    before = tree(root)
    conflict = files.undo(receipt)
    assert isinstance(conflict, Conflict)
    assert [clash.id for clash in conflict.clashes] == [last]
    assert tree(root) == before


def test_a_repeat_by_key_gets_the_first_receipt(files, root):
    """Even after somebody wrote since; another change under the key is refused."""
    change = WriteFile("a", b"new")
    expected = versions(files, change)
    receipt = files.apply(change, expected, "k")
    (root / "a").write_bytes(b"theirs")
    assert files.apply(change, expected, "k") == receipt == files.decide("k")
    assert (root / "a").read_bytes() == b"theirs"
    other = files.apply(DeleteFile("a"), versions(files, DeleteFile("a")), "k")
    assert isinstance(other, Refused)
    assert "another change" in other.why


def test_mode_is_kept(files, root, tmp_path):
    """Whatever the umask, through write, delete and their undo."""
    (root / "a").chmod(0o751)
    receipt = make(files, WriteFile("a", b"new"))
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o751
    files.undo(receipt)
    receipt = make(files, DeleteFile("a"), "d")
    files.undo(receipt)
    assert stat.S_IMODE((root / "a").stat().st_mode) == 0o751
    make(files, CreateFile("b", b"", 0o666), "c")
    assert stat.S_IMODE((root / "b").stat().st_mode) == 0o666
    ours = [path for path in (tmp_path / "ours").rglob("*") if path.is_file()]
    assert ours
    assert {stat.S_IMODE(path.stat().st_mode) for path in ours} == {0o600}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (WriteFile("../a", b""), "root"),
        (WriteFile("/etc/passwd", b""), "root"),
        (WriteFile("sub/../a", b""), "root"),
        (WriteFile("link", b"x"), "is a link"),
        (CreateFile("out/x", b"x"), "is a link"),
        (DeleteFile("link"), "is a link"),
        (WriteFile("twin", b"x"), "hard links"),
        (WriteFile("sub", b"x"), "regular"),
        (WriteFile("pipe", b"x"), "regular"),
        (WriteFile("none", b"x"), "no file"),
        (WriteFile("a", b"old"), "nothing to change"),
        (WriteFile("a", b"x" * 101), "limit"),
        (WriteFile("big", b"x"), "limit"),
        (CreateFile("a", b"x"), "already"),
        (CreateFile("none/x", b"x"), "create it first"),
        (CreateFile("x", b"x", 0o100644), "permission bits"),
        (CreateFile(".handrail-x", b"x"), "temporary"),
        (MoveFile("a", "a"), "already"),
        (MoveFile("a", "twin"), "already"),
        (MoveFile("a", "out/x"), "is a link"),
        (CreateFile("x" * 300, b"x"), "name"),
        (CreateFile("x\ud800", b"x"), "Unicode"),
        (CreateFile("x\0", b"x"), "names"),
    ],
)
def test_what_is_refused(root, tmp_path, change, word):
    """With one sentence, before anything is written, and apply refuses it too."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (root / "out").symlink_to(outside)
    (root / "link").symlink_to(outside / "secret")
    os.link(outside / "secret", root / "twin")
    os.mkfifo(root / "pipe")
    (root / "big").write_bytes(b"x" * 101)
    files = Files(root, tmp_path / "ours", bytes_max=100)
    preview = files.preview(change)
    assert isinstance(preview, Refused)
    assert word in preview.why
    found = files.observe(module.file_change.ids(change))
    expected = found if isinstance(found, dict) else dict.fromkeys(module.file_change.ids(change), ABSENT)
    assert isinstance(files.apply(change, expected, "k"), Refused | Stale)
    assert tree(outside) == {"secret": b"secret"}
    assert isinstance(files.decide("k"), NotApplied)


def test_a_folder_that_becomes_a_link_leads_nowhere(files, root, tmp_path):
    """The way is walked again at every verb."""
    change = CreateFile("sub/b", b"x")
    expected = versions(files, change)
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "sub").rmdir()
    (root / "sub").symlink_to(outside)
    assert isinstance(files.apply(change, expected, "k"), Refused)
    assert list(outside.iterdir()) == []


def test_versions_must_be_exactly_of_the_change(files):
    """One too few, one too many."""
    change = MoveFile("a", "b")
    expected = versions(files, change)
    for wrong in ({"a": expected["a"]}, {**expected, "c": ABSENT}):
        refused = files.apply(change, wrong, "k")
        assert isinstance(refused, Refused)
        assert "exactly" in refused.why


@pytest.mark.parametrize("key", ["", "../x", "ä", "x" * 201, "a b"])
def test_a_key_is_plain(files, key):
    """It is a digest, and nothing else may look like one."""
    assert isinstance(files.apply(WriteFile("a", b"x"), {}, key), Refused)
    assert isinstance(files.decide(key), Refused)


def test_a_receipt_must_be_ours(files, root, tmp_path):
    """One of another folder, or an edited one, undoes nothing."""
    receipt = make(files, WriteFile("a", b"new"))
    value = json.loads(json.dumps(receipt.to_json()))
    assert Receipt.from_json(value) == receipt
    value["kept"]["mode"] = 0o777
    for bad in (files.undo(Receipt.from_json(value)), Files(root, tmp_path / "others").undo(receipt)):
        assert isinstance(bad, Refused)
    assert (root / "a").read_bytes() == b"new"
    other = tmp_path / "other-root"
    other.mkdir()
    assert isinstance(Files(other, tmp_path / "ours").undo(receipt), Refused)


def test_a_damaged_copy_or_record_stops_the_undo(files, root, tmp_path):
    """Nothing is written from what nobody can trust."""
    receipt = make(files, WriteFile("a", b"new"))
    (image,) = (tmp_path / "ours" / "images").iterdir()
    image.write_bytes(b"evil")
    assert "damaged" in files.undo(receipt).why
    (record,) = (tmp_path / "ours" / "changes").glob("*.json")
    record.write_text("{}")
    assert "damaged" in files.undo(receipt).why
    assert "damaged" in files.decide("k").why
    assert (root / "a").read_bytes() == b"new"


def test_the_folders_must_lie_apart(root, tmp_path):
    """An agent that writes below the root must not reach the before-copies."""
    for folder in (root / "ours", root, tmp_path):
        with pytest.raises(ConfigurationError, match="must not lie"):
            Files(root, folder)
    with pytest.raises(ConfigurationError, match="not a folder"):
        Files(root / "a", tmp_path / "ours")


def test_the_traits_are_honest(files):
    """Plain files have no compare-and-swap."""
    traits = files.traits
    assert traits.precondition is Precondition.CHECK_THEN_ACT
    assert (traits.undo, traits.idempotency) == (UndoKind.EXACT, Idempotency.KEY)


@pytest.mark.parametrize("failing", ["link", "replace", "unlink"])
def test_a_full_disk_changes_nothing(files, root, monkeypatch, failing):
    """The system breaks the step off: refused, as before, no temporary file stays; later the same key goes on."""
    change = {"link": CreateFile("b", b"x"), "replace": WriteFile("a", b"x"), "unlink": DeleteFile("a")}[failing]
    expected = versions(files, change)
    real, blocked = getattr(os, failing), "a" if failing == "unlink" else module._temporary("k")

    def full(name, *args, **kwargs):
        if kwargs.get("dir_fd", kwargs.get("src_dir_fd")) and name == blocked:
            raise OSError(28, "No space left on device")
        return real(name, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, failing, full)
        refused = files.apply(change, expected, "k")
    assert isinstance(refused, Refused)
    assert "No space left" in refused.why
    assert tree(root) == {"a": b"old"}
    assert isinstance(files.apply(change, expected, "k"), Receipt)


@pytest.mark.parametrize(("number", "word"), [(18, "another file system"), (1, "risk of overwriting")])
def test_a_file_system_without_links(files, root, monkeypatch, number, word):
    """Refused, since any other way could overwrite; no temporary file and no record stay."""

    def link(*args, **kwargs):
        raise OSError(number, "No")

    monkeypatch.setattr(os, "link", link)
    for change in (CreateFile("b", b"x"), MoveFile("a", "b")):
        refused = files.apply(change, versions(files, change), "k")
        assert isinstance(refused, Refused)
        assert word in refused.why
        assert tree(root) == {"a": b"old"}
        assert files._ledger.find("k") is None


def test_a_writer_just_before_the_step_wins(files, root, monkeypatch):
    """The last look is right before the rename, and a create or move never overwrites at all."""
    real_make, real_link = module._make, module._link

    def make_late(*args, **kwargs):
        real_make(*args, **kwargs)
        (root / "a").write_bytes(b"theirs")

    def link_late(name, to_name, from_fd, to_fd):
        (root / "sub" / "b").write_bytes(b"theirs")
        real_link(name, to_name, from_fd, to_fd)

    change = WriteFile("a", b"new")
    expected = versions(files, change)
    with monkeypatch.context() as patch:
        patch.setattr(module, "_make", make_late)
        assert isinstance(files.apply(change, expected, "w"), Stale)
    for key, change in (("c", CreateFile("sub/b", b"x")), ("m", MoveFile("a", "sub/b"))):
        expected = versions(files, change)
        with monkeypatch.context() as patch:
            patch.setattr(module, "_link", link_late)
            assert isinstance(files.apply(change, expected, key), Stale)
        (root / "sub" / "b").unlink()
    assert tree(root) == {"a": b"theirs"}


def test_a_move_gives_way_to_whoever_replaces_the_file(files, root, monkeypatch):
    """Between the link and the removal of the old name somebody saves the file anew: theirs stays, ours goes."""
    real = module._link

    def link_then_save(*args):
        real(*args)
        (root / "tmp").write_bytes(b"theirs")
        (root / "tmp").replace(root / "a")

    change = MoveFile("a", "sub/b")
    expected = versions(files, change)
    monkeypatch.setattr(module, "_link", link_then_save)
    assert isinstance(files.apply(change, expected, "k"), Stale)
    assert tree(root) == {"a": b"theirs"}


@pytest.mark.parametrize("theirs", ["link", "file"])
def test_a_move_leaves_what_somebody_puts_in_its_place(files, root, monkeypatch, theirs):
    """Between the link and the removal of the old name the new one is replaced: theirs stays, and so does the file."""
    real = module._link

    def link_then_replace(*args):
        real(*args)
        if theirs == "link":
            (root / "tmp").symlink_to("elsewhere")
        else:
            (root / "tmp").write_bytes(b"theirs")
        (root / "tmp").replace(root / "sub" / "b")

    change = MoveFile("a", "sub/b")
    expected = versions(files, change)
    monkeypatch.setattr(module, "_link", link_then_replace)
    assert isinstance(files.apply(change, expected, "k"), Stale | Refused)
    assert (root / "a").read_bytes() == b"old"
    assert (root / "sub" / "b").is_symlink() or (root / "sub" / "b").read_bytes() == b"theirs"


def killed_at(stop, work):
    """Run `work` in a child that is killed at the `stop`-th entry into or return from a system function."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn when some other test left a thread
        child = os.fork()
    if child == 0:
        left = [stop]

        def count(frame, event, arg):
            if event in ("c_call", "c_return") and getattr(arg, "__module__", "") in ("posix", "fcntl"):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.setprofile(count)
            work()
            sys.setprofile(None)
        except BaseException:
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return True
    assert os.waitstatus_to_exitcode(status) == 0
    return False


@pytest.mark.parametrize("way", ["apply", "undo"])
@pytest.mark.parametrize(("change", "after"), CHANGES, ids=NAMES)
def test_kill_at_every_step(change, after, way):
    """kill -9 before and after every system call: the hashes decide, repeating finishes, undo gives all back."""
    stop, states = 0, set()
    while True:
        stop += 1
        with tempfile.TemporaryDirectory() as folder:
            root, ours = Path(folder, "root"), Path(folder, "ours")
            (root / "sub").mkdir(parents=True)
            (root / "a").write_bytes(b"old")
            files = Files(root, ours)
            expected = versions(files, change)
            receipt = make(files, change) if way == "undo" else None

            def work(files=files, expected=expected, receipt=receipt):
                result = files.undo(receipt) if receipt else files.apply(change, expected, "k")
                assert isinstance(result, Undone if receipt else Receipt), result

            died = killed_at(stop, work)
            became = Files(root, ours).decide("k")
            states.add(type(became))
            if isinstance(became, Receipt):
                assert tree(root) == after
            else:
                assert isinstance(became, Undone if receipt else NotApplied), became
                assert {n: c for n, c in tree(root).items() if ".handrail-" not in n} == {"a": b"old"}
            files = Files(root, ours)
            receipt = receipt or files.apply(change, expected, "k")
            assert isinstance(receipt, Receipt), receipt
            assert way == "undo" or tree(root) == after
            assert isinstance(files.undo(receipt), Undone)
            assert tree(root) == {"a": b"old"}
        if not died:
            break
    assert stop > 30
    assert states == ({Receipt, NotApplied} if way == "apply" else {Receipt, Undone})


def test_a_write_after_a_crash_is_left_alone(files, root):
    """Cut off between intent and mark, then written by somebody: in doubt, and theirs stays."""
    change = WriteFile("a", b"new")
    expected = versions(files, change)
    while_open = {"stop": 0}
    for stop in range(1, 200):
        killed_at(stop, lambda: files.apply(change, expected, "k"))
        noted = files._ledger.find("k")
        if noted is not None:
            while_open["stop"] = stop
            break
    assert noted.state == "begun"
    (root / "a").write_bytes(b"theirs")
    for result in (files.decide("k"), files.apply(change, expected, "k"), files.undo(noted.receipt)):
        assert isinstance(result, InDoubt)
        assert result.clashes[0].id == "a"
    assert (root / "a").read_bytes() == b"theirs"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["write", "create", "delete", "move", "undo", "theirs", "their-delete", "stale"]),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(0, 3),
    ),
    min_size=6,
    max_size=30,
)


@settings(max_examples=120, deadline=None)
@given(STEPS)
def test_nobodys_later_write_is_overwritten(steps):
    """Random changes, late changes and undos by us, and writes by others: what others wrote goes only by a plan that saw it."""
    folder = Path(tempfile.mkdtemp())
    try:
        _play(folder, steps)
    finally:
        shutil.rmtree(folder)


def _play(folder, steps):
    root = folder / "root"
    root.mkdir()
    files, world, receipts, plans, done = Files(root, folder / "ours"), {}, [], [], {}
    for number, (what, one, two, content) in enumerate(steps):
        path, to, data = f"f{one}", f"f{two}", b"%d" % content
        change = {
            "write": WriteFile(path, data),
            "create": CreateFile(path, data),
            "delete": DeleteFile(path),
            "move": MoveFile(path, to),
        }.get(what)
        if change is not None:
            preview = files.preview(change)
            if isinstance(preview, Refused):
                continue
            plans.append((change, preview, f"late-{number}"))
            result = files.apply(change, preview.versions, f"now-{number}")
            assert isinstance(result, Receipt)
            receipts.append((result, dict(world), preview))
            world |= {picture.id: picture.after for picture in preview.pictures}
        elif what == "stale" and plans:
            change, preview, key = plans[content % len(plans)]
            current = all(world.get(picture.id) == picture.before for picture in preview.pictures)
            result = files.apply(change, preview.versions, key)
            if key in done:  # a repeat: the first receipt, and nothing happens
                assert result == done[key]
            else:
                assert isinstance(result, Receipt if current else Stale)
            if isinstance(result, Receipt) and key not in done:
                done[key] = result
                world |= {picture.id: picture.after for picture in preview.pictures}
        elif what == "undo" and receipts:
            receipt, _, preview = receipts.pop(content % len(receipts))
            untouched = all(world.get(picture.id) == picture.after for picture in preview.pictures)
            result = files.undo(receipt)
            assert isinstance(result, Undone if untouched else Conflict)
            if untouched:
                world |= {picture.id: picture.before for picture in preview.pictures}
        elif what == "theirs":
            world[path] = b"theirs-%d" % number if content else data
            (root / path).write_bytes(world[path])
        elif what == "their-delete" and world.get(path) is not None:
            world[path] = None
            (root / path).unlink()
        assert tree(root) == {name: value for name, value in world.items() if value is not None}


@pytest.mark.parametrize(("change", "after"), CHANGES, ids=NAMES)
def test_an_undo_is_previewed(files, root, change, after):
    """It shows what comes back, does nothing, and says when somebody wrote since."""
    receipt = make(files, change)
    preview = files.preview_undo(receipt)
    assert tree(root) == after
    shown = after | {one.id: one.after for one in preview.pictures}
    assert {id: content for id, content in shown.items() if content is not None} == {"a": b"old"}
    assert preview.versions == {one.id: one.after for one in receipt.touched}
    assert files.undo_precondition(receipt) is Precondition.CHECK_THEN_ACT
    (root / receipt.touched[-1].id).write_bytes(b"theirs")
    assert isinstance(files.preview_undo(receipt), Conflict)


def test_the_ledger_is_asked_without_a_look_at_the_files(files, root, tmp_path, monkeypatch):
    """What was begun, applied, undone; a damaged record is refused, and one of another root."""
    assert files.recorded("k") is None
    assert isinstance(files.recorded("no key"), Refused)
    receipt = make(files, WriteFile("a", b"new"))
    assert files.where == str(root)
    (tmp_path / "else").mkdir()
    assert isinstance(Files(tmp_path / "else", tmp_path / "ours").recorded("k"), Refused)
    with monkeypatch.context() as patch:
        patch.setattr(Files, "_perform", lambda *args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            files.undo(receipt)
    assert files.recorded("k").state == "undoing"
    assert files.preview_undo(receipt).pictures == (), "what there is to see may be half of it"
    files.undo(receipt)
    assert (files.recorded("k").state, files.recorded("k").receipt) == ("undone", receipt)
    shutil.rmtree(root)
    assert files.recorded("k").state == "undone"
