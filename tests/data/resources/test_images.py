"""Before-copies are found by their content, or not at all."""

import pytest

from handrail.data.resources.images import Images
from handrail.data.resources.results import CannotDo


def test_kept_once_and_given_back(tmp_path):
    """The same content is one copy."""
    images = Images(tmp_path)
    digest = images.keep(b"old")
    assert images.keep(b"old") == digest != images.keep(b"other")
    assert Images(tmp_path).get(digest) == b"old"
    assert len(list((tmp_path / "images").iterdir())) == 2


def test_damage_is_seen_and_repaired(tmp_path):
    """Never given out; keeping the content again writes it anew."""
    images = Images(tmp_path)
    digest = images.keep(b"old")
    (tmp_path / "images" / digest).write_bytes(b"evil")
    with pytest.raises(CannotDo, match="damaged"):
        images.get(digest)
    images.keep(b"old")
    assert images.get(digest) == b"old"
    (tmp_path / "images" / digest).unlink()
    with pytest.raises(CannotDo, match="cannot be read"):
        images.get(digest)
