"""No name leads out of the root, and what is read is a whole regular file."""

import hashlib
import os
from pathlib import Path

import pytest

from handrail.data.resources.results import CannotDo
from handrail.data.resources.tree import found_version, parent, parts_of, read, version_of


@pytest.mark.parametrize("id", ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "./a", "a/../../b", "a\0", "\ud800"])
def test_one_spelling_only(id):
    """Two ids are never one file by spelling, and none leads up."""
    with pytest.raises(CannotDo):
        parts_of(id)


def test_plain_names_pass():
    """Dots inside a name, blanks, other scripts."""
    assert parts_of("a/.b/..c/d e/ü") == ("a", ".b", "..c", "d e", "ü")


def test_versions():
    """Digest and size, or absent."""
    assert version_of(b"abc") == f"sha256:{hashlib.sha256(b'abc').hexdigest()}:3"
    assert found_version(None) == "absent"


def test_read_tells_all(tmp_path):
    """Content, mode, number of names, inode."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x").write_bytes(b"abc")
    (tmp_path / "sub" / "x").chmod(0o640)
    os.link(tmp_path / "sub" / "x", tmp_path / "y")
    with parent(tmp_path, "sub/x") as (fd, name):
        found = read(fd, name, "sub/x", 3)
        assert read(fd, "none", "sub/none", 3) is None
        with pytest.raises(CannotDo, match="limit"):
            read(fd, name, "sub/x", 2)
    stat = (tmp_path / "y").stat()
    assert (found.content, found.mode, found.links) == (b"abc", 0o640, 2)
    assert found.inode == (stat.st_dev, stat.st_ino)
    assert found.owner == (stat.st_uid, stat.st_gid)


def test_a_link_anywhere_on_the_way_is_refused(tmp_path):
    """Even one that stays inside; and a file is no folder."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x").write_bytes(b"")
    (tmp_path / "way").symlink_to("sub")
    for id in ("way/x", "sub/x/y", "none/x"):
        with pytest.raises(CannotDo), parent(tmp_path, id):
            pass
    (tmp_path / "root").symlink_to(tmp_path / "sub")
    with pytest.raises(CannotDo, match="root folder"), parent(tmp_path / "root", "x"):
        pass


def test_what_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    """Half of one content and half of another has no version."""
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    real = os.fdopen

    def slow(fd, *args, **kwargs):
        path.write_bytes(b"abcdef")
        return real(fd, *args, **kwargs)

    monkeypatch.setattr(os, "fdopen", slow)
    with parent(tmp_path, "x") as (fd, name), pytest.raises(CannotDo, match="right now"):
        read(fd, name, "x", 100)


def test_descriptors_are_closed(tmp_path):
    """Also where the way ends early."""
    (tmp_path / "sub").mkdir()
    before = len([*Path("/proc/self/fd").iterdir()])
    for id in ("sub/x", "sub/sub/x", "sub"):
        try:
            with parent(tmp_path, id) as (fd, name):
                read(fd, name, id, 10)
        except CannotDo:
            continue
    assert len([*Path("/proc/self/fd").iterdir()]) == before
