"""Resources that stand in others."""

import pytest

from handrail.policy.folders import folders

AROUND = folders({"bucket": True, "path": False}).around


@pytest.mark.parametrize(
    ("resource", "above", "below"),
    [
        ("file//a/b/c", ("file//a/b", "file//a", "file//"), "file//a/b/c/"),
        ("file//a", ("file//",), "file//a/"),
        ("file//", (), "file//"),
        ("file/a/b", ("file/a", "file/."), "file/a/b/"),
        ("file/.", (), "file/"),
        ("file/../x", ("file/..", "file/."), "file/../x/"),
        ("bucket/a/b", ("bucket/a", "bucket/."), "bucket/a/b/"),
        ("path//a/b", (), ""),
        ("lead/a/b", (), ""),
        ("lead", (), ""),
    ],
)
def test_above_and_below(resource, above, below):
    """Folders nearest first; how the ids of what it holds start; nothing for other kinds."""
    assert AROUND(resource) == (above, below)


@pytest.mark.parametrize("name", ["*", "*.db", "x?", "[ab]", "{a,b}", "b*/c"])
def test_wildcards_mean_the_folder(name):
    """What a name with wildcards holds is whatever stands in its folder."""
    above, below = AROUND(f"file//a/{name}")
    assert below == "file//a/"
    assert above[-2:] == ("file//a", "file//")
