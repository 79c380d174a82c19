"""Where a database is, and texts without its passwords."""

import pytest
from sqlalchemy import create_engine

from handrail.data.dialect import Dialect
from handrail.data.reading.place import existing, place
from handrail.errors import ConfigurationError


def test_urls(tmp_path):
    """Of both kinds; nothing is connected to."""
    (tmp_path / "a b.db").touch()
    assert place(f"sqlite:///{tmp_path / 'a b.db'}").dialect is Dialect.SQLITE
    for url in ("postgresql://kim:pw@h/d", "postgresql+psycopg://kim:pw@h/d"):
        assert (place(url).dialect, place(url).owned) == (Dialect.POSTGRES, True)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://kim:hunter22@h/d",
        "postgresql+psycopg2://kim:hunter22@h/d",
        "postgresql://kim:hunter22@h:port/d",
        "no url hunter22",
        "",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file:x?uri=true",
        "sqlite:////no/such/file.db",
    ],
)
def test_what_is_not_read(url):
    """Is said in one sentence, without a password."""
    with pytest.raises(ConfigurationError) as caught:
        place(url)
    assert "hunter22" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None or caught.value.__suppress_context__


def test_no_password_in_what_is_shown():
    """Neither the known one, nor what looks like one."""
    found = place("postgresql://kim:hunter22@h/d?sslpassword=other33")
    shown = found.cleaned(
        "\x1b[31m hunter22 other33 at postgresql://bo:third44@h password=fourth55 passfile='a b'.\nmore"
    )
    for secret in ("hunter22", "other33", "third44", "fourth55", "a b", "more", "\x1b"):
        assert secret not in shown
    assert not shown.endswith(".")


def test_a_short_password_garbles_no_sentence():
    """It is hidden where an address or a setting tells it, and the words around stay."""
    for url in ("postgresql://kim:a@h/d", "postgresql://h/d?password=a"):
        shown = place(url).cleaned("a table is locked at postgresql://kim:a@h/d?password=a or password=a")
        assert shown.startswith("a table is locked at postgresql://kim:…h/d")
        assert ":a@" not in shown
        assert "=a" not in shown


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mysql://h/d", "A database of the kind mysql is not read"),
        ("postgresql+psycopg2://h/d", "postgresql by the driver psycopg2 is not read"),
    ],
)
def test_another_kind_is_named(url, text):
    """By what was written, and not by a driver that nobody named."""
    with pytest.raises(ConfigurationError, match=text):
        place(url)


def test_an_engine(tmp_path):
    """Stays somebody else's."""
    engine = create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    assert place(engine).owned is False


def test_a_file_that_exists(tmp_path):
    """By its full path; a folder is no file."""
    (tmp_path / "x.db").touch()
    assert existing(str(tmp_path / "x.db")) == (tmp_path / "x.db").resolve()
    with pytest.raises(ConfigurationError, match="There is no file"):
        existing(str(tmp_path))
