import itertools
import math
from random import Random

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from handrail.contracts import drift
from handrail.contracts.drift import (
    ARRAY,
    BLOCK,
    BUCKETS,
    FALSE_EVENT_RATE,
    FANOUT,
    LEARNED_MIN,
    LEVELS,
    MISSING,
    NULL,
    NUMBER,
    STRIKES_MAX,
    STRING,
    TYPES,
    DriftKind,
    History,
    add,
    bucket,
    bucket_max,
    departure,
)

codes = st.sampled_from([MISSING, NULL, NUMBER, STRING, STRING + 5, ARRAY, ARRAY + 9])
histograms = st.dictionaries(codes, st.integers(1, 50), max_size=5)
histories = st.lists(histograms.filter(bool), max_size=60)


def pushed(blocks):
    history = History()
    for block in blocks:
        history.push(dict(block))
    return history


def stream(*parts):
    """A history of blocks: each part is a number of outcomes and the code of every one, or a function of the index."""
    outcomes = [code(i) if callable(code) else code for count, code in parts for i in range(count)]
    history = History()
    for start in range(0, len(outcomes), BLOCK):
        block = {}
        for code in outcomes[start : start + BLOCK]:
            block[code] = block.get(code, 0) + 1
        history.push(block)
    return history


def every(n, code=NULL, other=NUMBER):
    return lambda i: code if i % n == 0 else other


def plain(history):
    return history.base, history.levels, history.total, history.scatter


# --- lengths ---


@given(st.integers(0, 2**40))
@settings(deadline=None)
def test_a_length_is_in_the_first_class_that_reaches_it(length):
    """Classes cover every length, in order, without gaps."""
    index = bucket(length)
    assert 0 <= index < BUCKETS
    assert index == BUCKETS - 1 or length <= bucket_max(index)
    assert index == 0 or length > bucket_max(index - 1)


@given(st.integers(2, 2**30 - 1))
@settings(deadline=None)
def test_a_class_of_lengths_is_narrow(length):
    """Two lengths of one class differ by less than half."""
    index = bucket(length)
    assert bucket_max(index) < 1.5 * (bucket_max(index - 1) + 1)


# --- the theory ---


def test_the_weights_of_a_field_share_the_bound():
    """The streams of one field may use the field's share of false events once, not more."""
    lengths = 2 * (drift._EMPTY_WEIGHT + (BUCKETS - 1) * drift._LENGTH_WEIGHT)
    total = drift._NULL_WEIGHT + drift._MISSING_WEIGHT + len(TYPES) * drift._TYPE_WEIGHT + lengths
    assert total == pytest.approx(1)


@pytest.mark.parametrize("n", [1, 2, 7, 20, 200])
def test_the_mixture_is_a_distribution_on_sequences(n):
    """A mixture that summed to more than 1 would break the bound; less would waste evidence."""
    total = sum(math.comb(n, k) * math.exp(drift._log_mixture(k, n)) for k in range(n + 1))
    assert total == pytest.approx(1)


@given(st.integers(1, 500), st.integers(1, 500), st.floats(0.001, 0.999))
@settings(deadline=None)
def test_no_rate_explains_the_data_better_than_the_best(yes, no, rate):
    """The supremum in the test is one."""
    assert drift._log_best_rate(yes, yes + no) >= yes * math.log(rate) + no * math.log1p(-rate) - 1e-9


def evidence(n, k, m, x):
    """What the module's docstring calls evidence, whatever the split."""
    best = 0.0 if k + x in {0, n + m} else drift._log_best_rate(k + x, n + m)
    return drift._log_mixture(k, n) + drift._log_mixture(x, m) - best


@pytest.mark.parametrize("rate", [0.0, 0.003, 0.05, 0.3, 0.5, 0.99])
def test_the_evidence_is_an_e_value_whatever_the_true_rate(rate):
    """Its mean over all that can be seen is at most 1, with a baseline that is itself learned by chance."""
    n, m = 30, 20

    def weight(k, n):
        return math.comb(n, k) * rate**k * (1 - rate) ** (n - k)

    mean = sum(weight(k, n) * weight(x, m) * math.exp(evidence(n, k, m, x)) for k in range(n + 1) for x in range(m + 1))
    assert mean <= 1


def test_the_screen_hides_no_evidence():
    """What the chi-square screen looks away from could not have been raised, for one field and the greatest weight."""
    lowest_bar = math.log(1 / (drift._NULL_WEIGHT * BLOCK * FALSE_EVENT_RATE))
    shares = (0, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 1)
    for n, m, before, since in itertools.product((64, 400, 5000, 10**6), (8, 16, 48, 300, 1500), shares, shares):
        k, x = round(n * before), round(m * since)
        if 0 < k + x < n + m and evidence(n, k, m, x) >= lowest_bar:
            share = (k + x) / (n + m)
            chi2 = (x - share * m) ** 2 / (m * share * (1 - share)) + (k - share * n) ** 2 / (n * share * (1 - share))
            assert chi2 > drift._SCREEN


# --- history ---


@given(histories)
@settings(deadline=None)
def test_a_history_loses_nothing(blocks):
    """All that was pushed is in the total, and in baseline and recent histograms together."""
    history = pushed(blocks)
    total = {}
    for block in blocks:
        add(total, block)
    again = dict(history.base)
    for histogram in history.recent():
        add(again, histogram)
    assert history.total == again == total


@given(st.integers(0, 1000))
@settings(deadline=None)
def test_a_history_stays_small_and_old_histograms_are_coarse(blocks):
    """Level i holds a few histograms of exactly 2^i blocks."""
    history = pushed([{NUMBER: 1}] * blocks)
    assert len(history.levels) == LEVELS
    for index, level in enumerate(history.levels):
        assert len(level) <= FANOUT
        assert all(histogram == {NUMBER: 2**index} for histogram in level)


def test_a_history_keeps_the_order_of_time():
    """The newest histogram comes first, so a split has the newer outcomes on its near side."""
    recent = pushed([{NUMBER: i + 1} for i in range(8)]).recent()
    assert [histogram[NUMBER] for histogram in recent] == [8, 7, 6 + 5, 4 + 3, 2 + 1]


@given(histories, histories)
@settings(deadline=None)
def test_histories_add_in_any_order(one, two):
    """Neither side of a merge matters, and the counts are the sum."""
    mine, theirs = pushed(one), pushed(two)
    before = plain(pushed(one)), plain(pushed(two))
    assert plain(mine.merged(theirs)) == plain(theirs.merged(mine))
    assert mine.merged(theirs).total == add(dict(mine.total), theirs.total)
    assert (plain(mine), plain(theirs)) == before


def test_how_far_back_a_split_can_lie():
    """The figures in the documentation."""
    reach = {
        sum(map(sum, map(dict.values, pushed([{NUMBER: BLOCK}] * blocks).recent()))) for blocks in range(600, 1000)
    }
    assert (min(reach), max(reach)) == (2528, 3024)


def test_a_history_can_start_again_from_its_newest_blocks():
    """What lies before the change is forgotten, with its scatter."""
    history = stream((640, every(3)), (16, NULL), (16, NULL))
    assert any(map(any, history.scatter))
    again = history.since(2)
    assert (again.base, again.recent(), again.total) == ({NULL: 32}, [], {NULL: 32})
    assert not any(map(any, again.scatter))


# --- departures ---


def test_nothing_departs_without_a_change():
    """A constant field, and one whose nulls are spread evenly."""
    assert departure(stream((2000, NUMBER)), fields=1) is None
    assert departure(stream((2000, every(3))), fields=1) is None


def test_nulls_where_none_were():
    """The split is put where the change was, and both shares are told."""
    found = departure(stream((800, NUMBER), (48, every(4))), fields=10)
    assert found is not None
    assert (found.kind, found.code, found.baseline, found.learned) == (DriftKind.NULL, NULL, 0, 800)
    assert (found.observed, found.seen, found.blocks) == (0.25, 48, 3)


def test_more_fields_ask_for_more_evidence():
    """The bound on false events is shared by the fields of a tool."""
    history = stream((300, NUMBER), (4, NUMBER), (32, every(5)))
    assert departure(history, fields=1) is not None
    assert departure(history, fields=1000) is None


def test_a_small_difference_is_no_departure_however_certain():
    """3 points of a share, and 50 against 60 % of a million, are certain but do not matter."""
    assert departure(History({NUMBER: 10**6}, [[{NUMBER: 970, NULL: 30}]]), fields=1) is None
    assert departure(History({NUMBER: 10**6, NULL: 10**6}, [[{NUMBER: 4000, NULL: 6000}]]), fields=1) is None
    assert departure(History({NUMBER: 10**6, NULL: 10**6}, [[{NUMBER: 3000, NULL: 7000}]]), fields=1) is not None


def test_what_was_hardly_seen_is_no_baseline():
    """Fewer than LEARNED_MIN outcomes are nothing to leave; each strike doubles that."""
    recent = [[{NULL: 500}]]
    assert departure(History({NUMBER: LEARNED_MIN - 1}, recent), fields=1) is None
    assert departure(History({NUMBER: LEARNED_MIN}, recent), fields=1) is not None
    needed = LEARNED_MIN << STRIKES_MAX
    assert departure(History({NUMBER: needed - 1}, recent), fields=1, strikes=STRIKES_MAX) is None
    assert departure(History({NUMBER: needed}, recent), fields=1, strikes=STRIKES_MAX) is not None


def test_a_key_that_is_missing_less_often_departs_only_when_asked():
    """A new field is no drift; the recovery of a broken one is."""
    history = stream((800, MISSING), (64, NUMBER))
    assert departure(history, fields=1) is None
    assert departure(history, fields=1, falls=True).kind is DriftKind.MISSING


def test_nulls_that_stop_are_a_departure():
    """Somebody fills them with a default now."""
    found = departure(stream((1600, every(3)), (112, NUMBER)), fields=10)
    assert (found.kind, found.observed) == (DriftKind.NULL, 0)


def test_of_two_types_the_one_that_rises_is_named():
    """Numbers become strings: a rise of strings, once."""
    found = departure(stream((800, NUMBER), (32, STRING + 4)), fields=10)
    assert (found.kind, found.code, found.observed) == (DriftKind.TYPE, STRING, 1)


def test_nulls_and_missing_keys_do_not_count_as_types():
    """A type's share is of values that are there."""
    assert departure(stream((800, every(2, NULL, NUMBER)), (320, every(2, NULL, NUMBER))), fields=1) is None
    found = departure(stream((800, STRING), (64, every(2, MISSING, STRING))), fields=1)
    assert found.kind is DriftKind.MISSING


@pytest.mark.parametrize("container", [STRING, ARRAY])
def test_lengths(container):
    """Empty is looked at always, other lengths when asked."""
    empty = stream((800, container + 7), (48, every(3, container, container + 7)))
    assert departure(empty, fields=1, lengths=False).code == container
    cut = stream((800, lambda i: container + 2 + i % 8), (96, lambda i: container + 2 + i % 3))
    assert departure(cut, fields=1, lengths=False) is None
    found = departure(cut, fields=1)
    assert (found.kind, found.code, found.observed) == (DriftKind.LENGTH, container + 4, 1)


@given(
    st.lists(st.dictionaries(codes, st.integers(1, 2**40), min_size=1), max_size=30), st.booleans(), st.integers(0, 7)
)
@settings(deadline=None)
def test_any_history_can_be_judged(blocks, falls, strikes):
    """No counts make it raise, and what it says is within bounds."""
    history = pushed(blocks)
    found = departure(history, fields=3, strikes=strikes, falls=falls)
    if found is not None:
        assert 0 <= found.baseline <= 1
        assert 0 <= found.observed <= 1
        assert found.learned >= LEARNED_MIN
        assert 1 <= found.blocks <= len(history.recent())


# --- dispersion ---


def coin(random, rate):
    return lambda _: NULL if random.random() < rate else NUMBER


def test_independent_outcomes_have_a_dispersion_near_one():
    """So that a stream without runs loses hardly any evidence."""
    history = stream((20_000, coin(Random(3), 0.3)))
    for level in range(LEVELS):
        assert 1 <= history.dispersion(DriftKind.NULL, level) < 1.5
    assert history.dispersion(DriftKind.MISSING, 0) == 1


def test_a_block_is_not_compared_to_itself():
    """It says nothing about runs that the first block is like the total that it is most of."""
    history = pushed([{NULL: 100, NUMBER: 100}, *[{NUMBER: BLOCK}] * 3])
    assert not any(map(any, history.scatter))


def test_runs_are_allowed_for():
    """Nulls that come 40 at a time are as usual; the same stretch of nulls in a stream without runs is not."""
    runs = stream((4000, lambda i: NULL if i % 200 < 40 else NUMBER), (40, NULL))
    spread = stream((4000, every(5)), (40, NULL))
    assert runs.dispersion(DriftKind.NULL, 0) > 5
    assert departure(runs, fields=10) is None
    assert departure(spread, fields=10) is not None


def test_runs_of_lengths_and_types_are_allowed_for():
    """The same for what is not null."""
    runs = stream((4000, lambda i: STRING + 5 if i % 200 < 40 else STRING + 9), (40, STRING + 5))
    assert runs.dispersion(DriftKind.LENGTH, 0) > 5
    assert departure(runs, fields=10) is None


@given(st.integers(0, 500))
@settings(deadline=None)
def test_a_change_does_not_hide_itself(since):
    """What comes after a change never scores against a split at the change."""
    history = stream((1600, NUMBER), (since - since % BLOCK, every(5)))
    assume(since >= 3 * BLOCK)
    assert departure(history, fields=10) is not None
