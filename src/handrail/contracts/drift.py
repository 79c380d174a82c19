"""Has a stream of yes/no outcomes left what was learned from it? The detector behind learned shapes.

A field of a tool's results is watched as a handful of yes/no streams: is the key missing, is the value null, is it a
number, is it at most 11 characters long. While nothing changes, each stream is a coin of constant but *unknown* bias.

**The trap.** The bias is estimated from a finite past. No null in 200 results does not mean that the rate is zero, and
a detector that takes the estimate for the truth raises events about its own estimation error: where it was unlucky in
learning, again and again. `bench/drift.py` measures it: a log-likelihood CUSUM with the learned rate plugged in raises
17 false events in 100,000 results of ten streams, where its bound was 1.

**The test.** Split a stream into `n` outcomes with `k` yes, and `m` outcomes with `x` yes after them:

    evidence = log q(k, n) + log q(x, m) - sup over p of log p^(k+x) (1-p)^(n+m-k-x)

where `q` is a fixed distribution on sequences: a mixture of "never", "always" and Jeffreys' Beta(1/2, 1/2). What is
subtracted is the best constant rate for *all* the data. So whatever the true rate is, exp(evidence) is at most a
likelihood ratio against it: a non-negative martingale of mean 1, which *ever* reaches c with a chance of at most 1/c
(Ville). Nothing is assumed about the rate: the error of the learned baseline is inside the bound, and every further
result refines the baseline.

**The bound.** Splits lie between blocks of `BLOCK` results: T / BLOCK of them in T results. The streams of one field
have weights w that sum to 1, and F fields share the bound. A stream is raised at

    exp(evidence) >= F / (w * BLOCK * FALSE_EVENT_RATE)

so that by the union over fields, streams and splits at most FALSE_EVENT_RATE * T false events are expected in T
results of the whole tool. Looking at fewer splits (they thin out with age), looking less often, and asking for a
difference that matters besides, can only lower it.

**Runs.** Results are seldom independent: an agent reads all leads of one customer, then all of another. So evidence is
divided by the dispersion of the stream, which is how far its blocks of that age lay from the mean in the past, as a
multiple of what chance makes of it (Pearson's chi-square per degree of freedom, at least 1). For a stream without runs
that is nearly 1. It is never more evidence than before, so the bound stands. A block is scored when it is older than
every split that will be judged by its score: a change cannot hide itself by being large.

**Why not another test.** Measured side by side in the bench: a CUSUM against a Clopper-Pearson bound of the learned
rate is as quiet, but spends its confidence once, on the learning period, and cannot use what it sees afterwards.

Sources: Wasserman, Ramdas, Balakrishnan 2020, "Universal inference" (the ratio to the supremum); Shin, Ramdas, Rinaldo
2023, "E-detectors: a nonparametric framework for sequential change detection" (one e-process for each possible start,
on a coarser clock where wanted); Lorden 1971 (the union over starts); Krichevsky, Trofimov 1981 (the mixture); Bifet,
Gavalda 2007, "ADWIN" (splits that thin out with age); McCullagh, Nelder 1989, section 4.5 (dispersion).

**Known limits.** The proof is for independent results. Dispersion has to be seen before it can be allowed for, and
rare long runs look like the change that, while they last, they are: `docs/drift.md` says how often.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate, zip_longest
from typing import NamedTuple

BLOCK = 16
"""Results between two looks at the evidence, and between two possible splits."""

FALSE_EVENT_RATE = 1e-5
"""Bound on the false events per result of a whole tool, if results are independent: 1 in 100,000."""

LEARNED_MIN = 64
"""Outcomes of a stream that must lie before a split: with fewer there is no "normal" to leave."""

FANOUT = 3
"""Histograms of one age class that are kept before two of them become one of the next."""

LEVELS = 6
"""Age classes. With `BLOCK` and `FANOUT`: the last 1,248 to 1,488 results can be split, what is older is baseline."""

SCATTER = 6
"""Numbers per age class in a `History.scatter`."""

STRIKES_MAX = 7
"""Events of one field after which its pause no longer doubles: at 64 * 2^7 = 8,192 results."""

# What one result shows of one field is one small integer, so a field's past is a histogram of them.
MISSING, NULL, BOOLEAN, NUMBER, OBJECT, OTHER = range(6)
STRING = 16
BUCKETS = 61
ARRAY = STRING + BUCKETS
CODES_MAX = ARRAY + BUCKETS

TYPES = {
    BOOLEAN: (BOOLEAN,),
    NUMBER: (NUMBER,),
    OBJECT: (OBJECT,),
    OTHER: (OTHER,),
    STRING: tuple(range(STRING, ARRAY)),
    ARRAY: tuple(range(ARRAY, CODES_MAX)),
}
"""The types of values that are there, and the outcomes that each stands for."""

Histogram = dict[int, int]
"""An outcome, and how often it was seen. Counts are at least 1: what was not seen has no entry."""

# Shares of the bound on false events; those of one field sum to 1. Nulls and missing keys are the commonest drift.
_NULL_WEIGHT = 0.5
_MISSING_WEIGHT = 0.2
_TYPE_WEIGHT = 0.2 / len(TYPES)
_EMPTY_WEIGHT = 0.05 / 2  # strings and arrays
_LENGTH_WEIGHT = 0.05 / 2 / (BUCKETS - 1)

# A difference below these is not raised, however certain it is.
_SHARE_FLOOR = 0.05
_LENGTH_FLOOR = 0.15
_ODDS_FLOOR = 2.0

# Scores of 1 that a dispersion starts with, so that the first one seen does not decide.
_CALM = 8

# "Never", "always", "at some rate" in q. Never is what most fields do with nulls: to be sure of it soon is worth most.
_NEVER, _ALWAYS, _SOME = 0.45, 0.10, 0.45
_LOG_SOME = math.log(_SOME / math.pi)

# Evidence enough for an event never comes with a chi-square below this: a cheap way to look away (a test checks it).
_SCREEN = 10.0


class DriftKind(StrEnum):
    """What has changed about a field."""

    LENGTH = "length"
    """How long its strings or arrays are."""
    MISSING = "missing"
    """How often the key is absent."""
    NULL = "null"
    """How often it is null where the key is there."""
    TYPE = "type"
    """How often a value that is not null is of some type."""


@dataclass(frozen=True, slots=True)
class Departure:
    """A field has left what was learned about it.

    Attributes:
        kind: What has changed.
        code: The outcome that counts as yes: `MISSING`, `NULL`, a key of `TYPES`; for a length, the code of the longest
            length that is yes.
        baseline: Share of yes before the change, 0 to 1.
        observed: Share of yes since, 0 to 1.
        learned: Outcomes before the change.
        seen: Outcomes since.
        blocks: How many of the history's recent histograms lie after the change.
        evidence: Logarithm of the e-value, in nats.
    """

    kind: DriftKind
    code: int
    baseline: float
    observed: float
    learned: int
    seen: int
    blocks: int
    evidence: float


def bucket(length: int) -> int:
    """Return the class of a length: exact up to 3, then two classes to each doubling.

    Args:
        length: Characters or elements, at least 0.

    Returns:
        A number from 0 to `BUCKETS` - 1 that grows with the length. Everything from 2^30 on is in the last class.
    """
    if length < 2:
        return length
    bits = length.bit_length()
    return min(2 * (bits - 1) + (length >> (bits - 2) & 1), BUCKETS - 1)


def bucket_max(index: int) -> int:
    """Return the greatest length of a class."""
    if index < 2:
        return index
    base = 1 << (index >> 1)
    return 2 * base - 1 if index & 1 else base + (base >> 1) - 1


def add(into: Histogram, more: Mapping[int, int]) -> Histogram:
    """Add the counts of `more` to `into`, and return `into`."""
    for code, count in more.items():
        into[code] = into.get(code, 0) + count
    return into


class History:
    """What was seen of one field: a baseline, and recent histograms that get coarser with age.

    Changed in place, because every result of every tool passes through one. It holds nothing but sums, so two histories
    that were learned apart can be added.

    Attributes:
        base: Everything older than the recent histograms.
        levels: `levels[i]` holds at most `FANOUT` histograms of 2^i blocks each, newest first.
        total: The sum of all of these.
        scatter: `scatter[i]` is how far histograms that left `levels[i]` lay from the total: a sum of scores in
            thousandths and how many they are, for missing keys, for nulls, and for types and lengths.
    """

    __slots__ = ("base", "levels", "scatter", "total")

    def __init__(
        self,
        base: Histogram | None = None,
        levels: Sequence[list[Histogram]] = (),
        scatter: Sequence[list[int]] = (),
    ) -> None:
        self.base: Histogram = base or {}
        self.levels: list[list[Histogram]] = [*levels, *([] for _ in range(LEVELS - len(levels)))]
        self.scatter: list[list[int]] = [*scatter, *([0] * SCATTER for _ in range(LEVELS - len(scatter)))]
        self.total: Histogram = dict(self.base)
        for histogram in self.recent():
            add(self.total, histogram)

    def recent(self) -> list[Histogram]:
        """Return the histograms that are not baseline yet, newest first."""
        return [histogram for level in self.levels for histogram in level]

    def push(self, block: Histogram) -> None:
        """Take the outcomes of one more block, which belongs to the history from now on."""
        add(self.total, block)
        for level, scatter in zip(self.levels, self.scatter, strict=True):
            level.insert(0, block)
            if len(level) <= FANOUT:
                return
            block = level.pop()
            if len(self.total) > 1:
                _score(scatter, block, self.total)
            if level is not self.levels[-1]:
                block = add(level.pop(), block)
        add(self.base, block)

    def credit(self, code: int, count: int) -> None:
        """Add `count` outcomes of one kind to the baseline, or take so many away, as far as they are there."""
        count = max(count, -self.base.get(code, 0))
        for histogram in (self.base, self.total):
            if not add(histogram, {code: count})[code]:
                del histogram[code]

    def since(self, blocks: int) -> History:
        """Return a history whose baseline is the newest `blocks` histograms, and nothing else."""
        base: Histogram = {}
        for histogram in self.recent()[:blocks]:
            add(base, histogram)
        return History(base)

    def dispersion(self, kind: DriftKind, level: int) -> float:
        """Return how much more a kind of stream varies at the scale of a level than by chance, at least 1."""
        worst = 1.0
        slot = {DriftKind.MISSING: 0, DriftKind.NULL: 2}.get(kind, 4)
        for scatter in self.scatter[level : level + 2]:
            worst = max(worst, (scatter[slot] / 1000 + _CALM) / (scatter[slot + 1] + _CALM))
        return worst

    def merged(self, other: History) -> History:
        """Return the sum of two histories that were learned apart; neither is changed."""
        nothing: Histogram = {}
        levels = [
            [add(dict(one), two) for one, two in zip_longest(mine, theirs, fillvalue=nothing)]
            for mine, theirs in zip(self.levels, other.levels, strict=True)
        ]
        scatter = [
            [one + two for one, two in zip(mine, theirs, strict=True)]
            for mine, theirs in zip(self.scatter, other.scatter, strict=True)
        ]
        return History(add(dict(self.base), other.base), levels, scatter)


def _score(scatter: list[int], block: Histogram, total: Histogram) -> None:
    """Add to `scatter` how far a block lies from the total that it is part of."""
    seen, outcomes = sum(block.values()), sum(total.values())
    if outcomes < 4 * seen:  # the block would be compared to itself
        return
    for slot, code in ((0, MISSING), (2, NULL)):
        if code in total:
            share, yes = total[code] / outcomes, block.get(code, 0)
            if seen and share < 1:
                _note(scatter, slot, (yes - seen * share) ** 2 / (seen * share * (1 - share)))
            seen -= yes
            outcomes -= total[code]
    # What is expected less than once is taken together: single rare outcomes say little, and say it loudly.
    cells, score, rare, rare_expected = 0, 0.0, 0, 0.0
    for code, count in total.items():
        if code > NULL:
            expected = seen * count / outcomes
            if expected < 1:
                rare += block.get(code, 0)
                rare_expected += expected
            else:
                cells += 1
                score += (block.get(code, 0) - expected) ** 2 / expected
    if rare_expected >= 1:
        cells += 1
        score += (rare - rare_expected) ** 2 / rare_expected
    if cells > 1:
        _note(scatter, 4, score / (cells - 1))


def _note(scatter: list[int], slot: int, score: float) -> None:
    scatter[slot] += int(1000 * min(score, 1e6))
    scatter[slot + 1] += 1


def departure(
    history: History, *, fields: int, strikes: int = 0, falls: bool = False, lengths: bool = True
) -> Departure | None:
    """Return the clearest departure of a field from its baseline, if there is one to raise.

    Args:
        history: What was seen of the field.
        fields: How many fields of the tool are watched, at least 1: they share the bound on false events.
        strikes: Recent events of this field, 0 to `STRIKES_MAX`. Each doubles what has to be learned first.
        falls: Whether it is a departure when a key is missing less often.
        lengths: Whether to look at lengths other than empty, which costs the most.
    """
    if len(history.total) < 2:  # ever the same outcome: nothing can have changed
        return None
    best: Departure | None = None
    best_margin = 0.0
    for stream in _streams(history, falls=falls, lengths=lengths):
        bar = math.log(fields / (stream.weight * BLOCK * FALSE_EVENT_RATE))
        found = _clearest(stream, history, LEARNED_MIN << strikes)
        if found is not None and found.evidence - bar >= best_margin:
            best, best_margin = found, found.evidence - bar
    return best


class _Stream(NamedTuple):
    """One yes/no stream of a field, counted in all and in each step of the past, newest step first."""

    kind: DriftKind
    code: int
    weight: float
    floor: float
    falls: bool  # whether a falling share is a departure too
    yes: int
    outcomes: int
    yes_steps: Sequence[int]
    outcomes_steps: Sequence[int]
    splits: Sequence[tuple[int, int]]  # where each step begins: the recent histograms after it, and its age class


def _streams(history: History, *, falls: bool, lengths: bool) -> Iterator[_Stream]:
    """Narrow what was seen step by step: of all, missing; of what is there, null; of what is not null, the types.

    Streams of one outcome only are left out, because they cannot have changed.
    """
    total = history.total
    families: dict[int, list[int]] = {}
    for code in sorted(total):
        if code > NULL:
            families.setdefault(code if code < STRING else STRING if code < ARRAY else ARRAY, []).append(code)
    sized = [(first, codes) for first, codes in families.items() if len(codes) > 1]
    if MISSING in total or NULL in total or len(families) > 1:
        yield from _share_streams(history, families, falls=falls)
    if lengths:
        for first, codes in sized:
            yield from _length_streams(history, first, codes)
    else:
        for first, codes in sized:
            if codes[0] == first:
                yield from _empty_stream(history, first, codes)


def _share_streams(history: History, families: Mapping[int, list[int]], *, falls: bool) -> Iterator[_Stream]:
    total, recent = history.total, history.recent()
    splits = _splits(history)
    outcomes = sum(total.values())
    steps = [sum(histogram.values()) for histogram in recent]
    for kind, code, weight, falling in (
        (DriftKind.MISSING, MISSING, _MISSING_WEIGHT, falls),
        (DriftKind.NULL, NULL, _NULL_WEIGHT, True),
    ):
        if code in total:
            yes, yes_steps = total[code], [histogram.get(code, 0) for histogram in recent]
            yield _Stream(kind, code, weight, _SHARE_FLOOR, falling, yes, outcomes, yes_steps, steps, splits)
            outcomes -= yes
            steps = [count - gone for count, gone in zip(steps, yes_steps, strict=True)]
    if len(families) > 1:
        for first, codes in families.items():
            # A rise only: when the share of one type falls, that of another rises.
            yes, yes_steps = _sum(total, codes), [_sum(histogram, codes) for histogram in recent]
            yield _Stream(
                DriftKind.TYPE, first, _TYPE_WEIGHT, _SHARE_FLOOR, False, yes, outcomes, yes_steps, steps, splits
            )


def _empty_stream(history: History, first: int, codes: list[int]) -> Iterator[_Stream]:
    """Is a string or array empty."""
    recent = history.recent()
    yield _Stream(
        DriftKind.LENGTH,
        first,
        _EMPTY_WEIGHT,
        _SHARE_FLOOR,
        True,
        history.total[first],
        _sum(history.total, codes),
        [histogram.get(first, 0) for histogram in recent],
        [_sum(histogram, codes) for histogram in recent],
        _splits(history),
    )


def _length_streams(history: History, first: int, codes: list[int]) -> Iterator[_Stream]:
    """Is a string or array at most as long as each class of lengths that was seen.

    They are many, so that the older age classes are one step each.
    """
    fine = history.levels[0] + history.levels[1]
    coarse = [level for level in history.levels[2:] if level]
    splits = _splits(history)
    splits = splits[: len(fine)] + [splits[end - 1] for end in accumulate(map(len, coarse), initial=len(fine))][1:]
    rows = [list(accumulate([block.get(code, 0) for code in codes])) for block in fine]
    rows += [list(accumulate([sum([block.get(code, 0) for block in level]) for code in codes])) for level in coarse]
    in_all = list(accumulate([history.total[code] for code in codes]))
    steps = [row[-1] for row in rows]
    for index, code in enumerate(codes[:-1]):
        weight, floor = (_EMPTY_WEIGHT, _SHARE_FLOOR) if code == first else (_LENGTH_WEIGHT, _LENGTH_FLOOR)
        yes_steps = [row[index] for row in rows]
        yield _Stream(DriftKind.LENGTH, code, weight, floor, True, in_all[index], in_all[-1], yes_steps, steps, splits)


def _splits(history: History) -> list[tuple[int, int]]:
    levels = [index for index, level in enumerate(history.levels) for _ in level]
    return list(enumerate(levels, 1))


def _sum(histogram: Histogram, codes: Sequence[int]) -> int:
    return sum([histogram.get(code, 0) for code in codes])


def _clearest(stream: _Stream, history: History, learned_min: int) -> Departure | None:
    """Return the split of a stream with the most evidence, among those whose difference matters."""
    kind, code, _, floor, falls, yes, outcomes, yes_steps, outcomes_steps, splits = stream
    best: Departure | None = None
    share = yes / outcomes
    screen = _SCREEN * share * (1 - share) / outcomes
    x = m = 0
    for step_yes, step, (after, level) in zip(yes_steps, outcomes_steps, splits, strict=True):
        x += step_yes
        m += step
        n = outcomes - m
        if n < learned_min:
            break
        lean = x - share * m
        # Pearson's chi-square of before against after; nothing after, or nothing but yes, is below it too.
        if lean * lean <= screen * m * n or (lean < 0 and not falls):
            continue
        baseline, observed = (yes - x) / n, x / m
        if not _matters(baseline, observed, floor):
            continue
        evidence = _log_mixture(x, m) + _log_mixture(yes - x, n) - _log_best_rate(yes, outcomes)
        evidence /= history.dispersion(kind, level)
        if best is None or evidence > best.evidence:
            best = Departure(kind, code, baseline, observed, n, m, after, evidence)
    return best


def _matters(one: float, two: float, floor: float) -> bool:
    low, high = min(one, two), max(one, two)
    return high - low >= floor and high * (1 - low) >= _ODDS_FLOOR * low * (1 - high)


def _log_mixture(yes: int, outcomes: int) -> float:
    """Return log q: never, always, or a rate drawn from Beta(1/2, 1/2)."""
    some = _LOG_SOME + math.lgamma(yes + 0.5) + math.lgamma(outcomes - yes + 0.5) - math.lgamma(outcomes + 1)
    if yes == 0:
        return math.log(_NEVER + math.exp(some))
    if yes == outcomes:
        return math.log(_ALWAYS + math.exp(some))
    return some


def _log_best_rate(yes: int, outcomes: int) -> float:
    """Return the log-likelihood of a sequence under the constant rate that suits it best; 0 < yes < outcomes."""
    no = outcomes - yes
    return yes * math.log(yes / outcomes) + no * math.log(no / outcomes)
