"""A file is there whole, or not at all."""

import os
import stat

import pytest

from handrail.data.resources.durable import new_file, replace_file


@pytest.fixture
def folder_fd(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def test_a_new_file_has_content_and_mode(folder_fd, tmp_path):
    """Whatever the umask, and it is synced before the call returns."""
    new_file("x", b"abc", folder_fd=folder_fd, mode=0o666, owner=(os.geteuid(), os.getegid()))
    assert (tmp_path / "x").read_bytes() == b"abc"
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o666


def test_nothing_is_overwritten_or_followed(folder_fd, tmp_path):
    """Neither a file nor what a link points to."""
    (tmp_path / "x").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("x", "link"):
        with pytest.raises(FileExistsError):
            new_file(name, b"ours", folder_fd=folder_fd)
    assert (tmp_path / "x").read_bytes() == b"theirs"
    assert not (tmp_path / "target").exists()


def test_a_short_write_is_continued(folder_fd, tmp_path, monkeypatch):
    """The system may take less than it is given."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:2]))
    new_file("x", b"abcde", folder_fd=folder_fd)
    assert (tmp_path / "x").read_bytes() == b"abcde"


def test_a_failed_sync_leaves_nothing(folder_fd, tmp_path, monkeypatch):
    """Old content stands; nothing half-written stays."""
    replace_file(tmp_path / "x", b"old")

    def broken(fd):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match="Input/output"):
        replace_file(tmp_path / "x", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"old")]


def test_replacing_clears_what_a_crash_left(tmp_path):
    """And syncs file and folder, in this order."""
    (tmp_path / "x.new").write_bytes(b"half")
    replace_file(tmp_path / "x", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("x", b"new")]


def test_file_and_folder_are_synced(tmp_path, monkeypatch):
    """The file before it gets its name, the folder after."""
    steps = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(stat.S_ISDIR(os.fstat(fd).st_mode)), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *a, **k: (steps.append("replace"), replace(*a, **k)))
    replace_file(tmp_path / "x", b"new")
    assert steps == [False, "replace", True]
