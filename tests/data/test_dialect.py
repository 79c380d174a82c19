"""How names are compared."""

from handrail.data.sql import Dialect


def test_postgres_folds_what_is_not_quoted():
    """And compares the rest exactly."""
    assert Dialect.POSTGRES.folded("Lead", quoted=False) == "lead"
    assert Dialect.POSTGRES.folded("Lead", quoted=True) == "Lead"
    assert Dialect.POSTGRES.stored("Lead") == "Lead"


def test_sqlite_never_tells_the_case_apart():
    """Of the letters of ASCII."""
    assert Dialect.SQLITE.folded("Lead", quoted=True) == Dialect.SQLITE.folded("LEAD", quoted=False) == "lead"
    assert Dialect.SQLITE.stored("ÄPFEL") == "Äpfel"
