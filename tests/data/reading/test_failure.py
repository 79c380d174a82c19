"""Errors of the read path."""

from handrail.data.reading import QueryError, QueryFailed, QueryRefused
from handrail.errors import HandrailError


def test_one_base():
    """A refusal and a failure can be told apart, and caught together; each says what to do."""
    assert issubclass(QueryError, HandrailError)
    for kind in (QueryRefused, QueryFailed):
        assert issubclass(kind, QueryError)
        assert str(kind()) == kind.__doc__
    assert not issubclass(QueryRefused, QueryFailed)
