"""Addresses of stores."""

import pytest

from handrail.errors import ConfigurationError
from handrail.stores import connect
from handrail.stores.memory import MemoryStore
from handrail.stores.sqlite import SqliteStore


def test_memory(tmp_path):
    """A trial store, gone with the process."""
    assert isinstance(connect("memory:", tmp_path), MemoryStore)


@pytest.mark.parametrize("absolute", [False, True])
def test_sqlite(tmp_path, absolute):
    """Three slashes are relative to the policy's folder, four absolute; the folder is made."""
    url = f"sqlite:///{tmp_path}/a/b.db" if absolute else "sqlite:///a/b.db"
    store = connect(url, tmp_path)
    assert isinstance(store, SqliteStore)
    assert (tmp_path / "a" / "b.db").is_file()
    assert store.url == f"sqlite:///{(tmp_path / 'a' / 'b.db').resolve()}"
    store.close()


@pytest.mark.parametrize(
    "url",
    ["", "sqlite:///", "sqlite://", "sqlite:a.db", "mysql://u:sesame@h/d", "memory", "file.db", "MEMORY:", "\x1b[2J"],
)
def test_no_such_store(tmp_path, url):
    """What names no known store is refused with the right forms; passwords and escapes are not shown."""
    with pytest.raises(ConfigurationError, match=r"sqlite:///\.handrail/handrail\.db") as caught:
        connect(url, tmp_path)
    assert "sesame" not in str(caught.value)
    assert str(caught.value).isprintable()
