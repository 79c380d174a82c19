"""A SQLite file that was replaced or removed is not the one that was opened."""

import shutil
import sqlite3

import pytest

from handrail.data.reading import DataReader, QueryFailed
from handrail.data.reading.opened_file import OpenedFile


def test_a_file_that_stays(tmp_path):
    """Its content may change; what is written into it is the same file."""
    (tmp_path / "a").write_text("x")
    opened = OpenedFile.of(tmp_path / "a")
    (tmp_path / "a").write_text("y")
    assert opened.gone() == ""


def test_a_file_that_does_not(tmp_path):
    """It is told which of both, and what to do."""
    for name in "ab":
        (tmp_path / name).write_text(name)
    opened = OpenedFile.of(tmp_path / "a")
    (tmp_path / "b").replace(tmp_path / "a")
    assert "was replaced since it was opened" in opened.gone()
    (tmp_path / "a").unlink()
    assert "was removed since it was opened" in opened.gone()
    assert "start the server or program again" in opened.gone()
    assert "was removed" in OpenedFile.of(tmp_path / "never").gone()


def test_a_reader_says_so(tmp_path):
    """It gives no rows of another file, and makes no new one."""
    file = tmp_path / "shop.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE lead (id integer PRIMARY KEY)")
    connection.close()
    with DataReader(f"sqlite:///{file}") as reader:
        assert reader.query("SELECT count(*) AS n FROM lead").rows == ((0,),)
        shutil.copy(file, tmp_path / "copy.db")
        (tmp_path / "copy.db").replace(file)
        for ask in (lambda: reader.query("SELECT 1 AS one"), reader.describe):
            with pytest.raises(QueryFailed, match="was replaced"):
                ask()
        file.unlink()
        with pytest.raises(QueryFailed, match="was removed"):
            reader.query("SELECT * FROM gone")
        assert not file.exists()
