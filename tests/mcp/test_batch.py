"""Requests of one array are answered in one array."""

import json

from handrail.mcp.batch import Batches


def test_answers_are_kept_until_all_are_there():
    """In the order in which they come; what came alone goes alone."""
    written = []
    batches = Batches(written.append)
    batches.begin([1, "1"], [b'{"id":null}'])
    assert 1 in batches
    assert "1" in batches
    batches.answer(2, b'{"id":2}')
    batches.answer("1", b'{"id":"1"}')
    assert written == [b'{"id":2}']
    batches.answer(1, b'{"id":1}')
    assert [one["id"] for one in json.loads(written[1])] == [None, "1", 1]
    assert 1 not in batches


def test_what_is_not_answered_does_not_hold_the_rest():
    """A cancelled request gets no answer; a batch of nothing else gets none either."""
    written = []
    batches = Batches(written.append)
    batches.begin([1, 2], [])
    batches.answer(1, b"{}")
    batches.drop(2)
    batches.drop(3)
    assert written == [b"[{}]"]
    batches.begin([4], [])
    batches.drop(4)
    assert len(written) == 1


def test_a_batch_that_needs_no_waiting_is_answered_at_once():
    """Everything in it was broken; notifications alone get nothing."""
    written = []
    batches = Batches(written.append)
    batches.begin([], [b"{}"])
    batches.begin([], [])
    assert written == [b"[{}]"]
