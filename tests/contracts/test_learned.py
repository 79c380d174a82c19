import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.contracts.drift import (
    ARRAY,
    BLOCK,
    BUCKETS,
    LEVELS,
    MISSING,
    NULL,
    NUMBER,
    OBJECT,
    OTHER,
    SCATTER,
    STRING,
    History,
)
from handrail.contracts.learned import DEPTH_MAX, KEY_CHARS_MAX, Field, absorb, copied, read, written

codes = st.sampled_from([MISSING, NULL, NUMBER, OTHER, STRING, STRING + 5, ARRAY + BUCKETS - 1])
histograms = st.dictionaries(codes, st.integers(1, 50), max_size=5)


def pushed(blocks):
    history = History()
    for block in blocks:
        history.push(dict(block))
    return history


def field(blocks=(), running=None, generation=0, strikes=0, fields=None, each=None):
    made = Field(pushed(blocks), dict(running or {}), generation, strikes)
    made.fields = dict(fields or {})
    made.each = each
    return made


leaves = st.builds(
    field, st.lists(histograms.filter(bool), max_size=40), histograms, st.integers(0, 2), st.integers(0, 7)
)
trees = st.builds(
    lambda root, fields, each: field(
        root.history.recent(), {OBJECT: 7}, root.generation, root.strikes, fields=fields, each=each
    ),
    leaves,
    st.dictionaries(st.text(max_size=4), leaves, max_size=3),
    st.none() | leaves,
)


@given(trees)
@settings(deadline=None)
def test_what_was_written_is_read(tree):
    """Through JSON and back nothing is lost, and a copy shares nothing."""
    state = written(tree)
    assert written(read(json.loads(json.dumps(state)))) == state
    copy = copied(tree)
    copy.open[NULL] = 10**6
    for child in copy.fields.values():
        child.history.push({NULL: 5})
    assert written(tree) == state


def test_a_field_that_saw_nothing_is_written_as_nothing():
    """States stay short."""
    assert written(Field()) == {}


BAD = [
    None,
    [],
    {"open": {"unknown": 1}},
    {"open": {"null": 0}},
    {"open": {"null": -1}},
    {"open": {"null": 1.5}},
    {"open": {"null": True}},
    {"open": {"null": 2**53 + 1}},
    {"open": []},
    {"base": {"s61": 1}},
    {"base": {"a-1": 1}},
    {"recent": {}},
    {"recent": [[{}]] * (LEVELS + 1)},
    {"recent": [[{}] * 4]},
    {"recent": [{}]},
    {"scatter": [[0] * SCATTER] * (LEVELS + 1)},
    {"scatter": [[0]]},
    {"scatter": [[-1] * SCATTER]},
    {"generation": "1"},
    {"strikes": 8},
    {"fields": []},
    {"fields": {"x" * (KEY_CHARS_MAX + 1): {}}},
    {"fields": {"a": None}},
    {"each": None},
]


@pytest.mark.parametrize("state", BAD, ids=repr)
def test_anything_else_is_no_field(state):
    """A state that nobody wrote is refused, not half believed."""
    with pytest.raises(ValueError, match="state of a learned shape"):
        read(state)


def test_a_field_has_a_depth():
    """A state cannot nest for ever."""
    state = {}
    for _ in range(DEPTH_MAX):
        state = {"each": state}
    read(state)
    with pytest.raises(ValueError, match="too deeply"):
        read({"each": state})


# --- putting together what was learned apart ---


def sums(tree):
    """What is known of each field: how it stands, and all counts."""
    counts = {code: tree.count(code) for code in {*tree.history.total, *tree.open}}
    return {
        "counts": {code: count for code, count in counts.items() if count},
        "generation": tree.generation,
        "below": {key: sums(child) for key, child in tree.below()},
    }


@given(trees, trees)
@settings(deadline=None)
def test_trees_add_in_any_order(one, two):
    """Apart means: there is nothing that both know."""
    first, second = copied(one), copied(two)
    absorb(first, two, None)
    absorb(second, one, None)
    assert written(first) == written(second)


def test_counts_add():
    """Closed blocks to closed blocks, the running one to the running one."""
    mine, theirs = field([{NULL: 2}], {NUMBER: 1}), field([{NULL: 3}], {NUMBER: 4})
    absorb(mine, theirs, None)
    assert (mine.history.recent(), mine.open) == ([{NULL: 5}], {NUMBER: 5})


def test_a_key_that_one_of_them_never_saw_was_missing_there():
    """Otherwise a rare key would look common after a merge. Elements of a list are never missing."""
    mine = field([{OBJECT: 10}], {OBJECT: 1}, fields={"a": field([{NUMBER: 4}])})
    theirs = field([{OBJECT: 20}], {OBJECT: 2}, fields={"b": field([{NUMBER: 5}])}, each=field([{NULL: 1}]))
    absorb(mine, theirs, None)
    assert mine.fields["a"].history.total == {NUMBER: 4, MISSING: 22}
    assert mine.fields["b"].history.total == {NUMBER: 5, MISSING: 11}
    assert mine.each.history.total == {NULL: 1}
    assert theirs.fields["b"].history.total == {NUMBER: 5}


def test_what_two_found_at_once_was_missing_once():
    """Both count the 10 objects without the key that they know of; together there are no 20."""
    known = field([{OBJECT: 10}])
    mine = field([{OBJECT: 10}], {OBJECT: 2}, fields={"a": field([], {NUMBER: 2})})
    theirs = field([{OBJECT: 10}], {OBJECT: 3}, fields={"a": field([], {NUMBER: 2, NULL: 1})})
    mine.fields["a"].history.credit(MISSING, 10)
    theirs.fields["a"].history.credit(MISSING, 10)
    absorb(mine, theirs, known)
    assert sums(mine)["below"]["a"]["counts"] == {MISSING: 10, NUMBER: 4, NULL: 1}


def test_what_drifted_more_often_is_taken_alone():
    """What was learned before a drift is worth nothing after it."""
    old, new = field([{NUMBER: 100}], {NUMBER: 1}), field([{NULL: 40}], {NULL: 2}, generation=1, strikes=1)
    for mine, theirs in ((copied(old), new), (copied(new), old)):
        absorb(mine, theirs, None)
        assert written(mine) == written(new)


def test_fresh_counts_join_the_running_block():
    """What others counted since is as recent here as it is there, and what was known does not count twice."""
    known = field([{NUMBER: BLOCK}] * 5, {NUMBER: 2})
    mine, theirs = copied(known), copied(known)
    mine.open[NUMBER] += 3
    theirs.history.push({NUMBER: 10, NULL: 4})
    absorb(mine, theirs, known)
    assert mine.open == {NUMBER: 5 + 10, NULL: 4}
    assert mine.history.recent() == known.history.recent()


def test_nothing_fresh_changes_nothing():
    """A process alone with its store."""
    mine = field([{OBJECT: 10}] * 9, {OBJECT: 3}, fields={"a": field([{NUMBER: 10}] * 9)})
    known, before = copied(mine), written(mine)
    absorb(mine, known, known)
    assert written(mine) == before


def test_a_store_that_was_emptied_takes_nothing_away():
    """Counts there that are lower than known are no reason to forget."""
    mine = field([{NUMBER: 10}] * 9)
    before = written(mine)
    absorb(mine, Field(), copied(mine))
    assert written(mine) == before


def test_a_drift_of_the_object_leaves_the_fields_below_alone():
    """They are counted on their own, and once."""
    known = field([{OBJECT: 10}], fields={"a": field([{NUMBER: 10}])})
    mine = copied(known)
    theirs = field([{NULL: 5}], generation=1, fields={"a": field([{NUMBER: 13}])})
    absorb(mine, theirs, known)
    assert sums(mine)["counts"] == {NULL: 5}
    assert sums(mine)["below"]["a"]["counts"] == {NUMBER: 13}


def test_a_field_that_was_dropped_to_make_room_stays_dropped():
    """Others may still have it."""
    known = field([{OBJECT: 10}], fields={"a": field([{NUMBER: 10}])})
    mine = copied(known)
    mine.drop("a")
    absorb(mine, copied(known), known)
    assert mine.below() == []
