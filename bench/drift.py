"""Learned shapes: how often they are wrong, how fast they are right, and what a result costs.

    python bench/drift.py [--quick] [--json]

- Stationary results of one tool, ten fields: false events.
- One field goes from no nulls to 20 %: results until the event, after learning periods of several lengths.
- Other changes, the same way.
- Tests that were not chosen, on null rates alone: a CUSUM that takes the learned rate for the true one, and one
  against a Clopper-Pearson bound of it.
- Where the proof does not reach: results that come in runs, and a field that flips for ever.
- Cost, beside `json.dumps` of the same results; hostile results.

Every random number comes from a seed, so all figures but the cost are the same in every run.
"""

import json
import math
import time
from collections.abc import Callable, Generator, Iterator
from random import Random
from statistics import median
from typing import Any

from figures import Figure, at_most, options, report

from handrail.contracts.drift import BLOCK, FALSE_EVENT_RATE, NULL, NUMBER, History, departure
from handrail.contracts.shapes import DriftEvent, Shape

RESULTS = 100_000
Value = Any
Result = dict[str, Value]


def lead(random: Random) -> Result:
    """One lead: null rates of 0, 1, 5, 30 and 50 %, a key that is missing at times, two types, skewed lengths."""
    roll = random.random
    result: Result = {
        "id": 7,
        "name": "n" * (3 + int(20 * roll())),
        "company": "c" * int(random.lognormvariate(2.5, 0.7)),
        "company_size": 40,
        "email": None if roll() < 0.01 else "e@example.com",
        "industry": None if roll() < 0.05 else "retail",
        "phone": None if roll() < 0.3 else "5550100",
        "notes": None if roll() < 0.5 else "n" * int(random.lognormvariate(4, 1.5)),
        "score": 0.5 if roll() < 0.9 else "high",
        "tags": ["t"] * min(int(random.expovariate(0.3)), 50),
    }
    if roll() < 0.05:
        del result["email"]
    return result


def broken(**change: Callable[[Random, Result], Value]) -> Callable[[Random], Result]:
    """Leads in which some fields are changed; a change to `...` takes the key away."""

    def one(random: Random) -> Result:
        result = lead(random)
        for field, value in change.items():
            new = value(random, result)
            if new is ...:
                result.pop(field, None)
            else:
                result[field] = new
        return result

    return one


# --- whole tools ---


def events(seed: int, results: int, make: Callable[[Random], Result] = lead) -> list[DriftEvent]:
    random, shape = Random(seed), Shape("crm.get_lead")
    return [event for _ in range(results) for event in shape.observe(make(random))]


def stationary(seeds: int) -> list[Figure]:
    found = [len(events(seed, RESULTS)) for seed in range(seeds)]
    return [
        at_most(f"false events in {RESULTS:,} stationary results, worst of {seeds} seeds", max(found), "events", 1),
        Figure(f"false events in {seeds * RESULTS:,} stationary results", sum(found), "events"),
        Figure(f"proven bound for {RESULTS:,} results", FALSE_EVENT_RATE * RESULTS, "events"),
    ]


def delay(seed: int, learned: int, field: str, make: Callable[[Random], Result]) -> tuple[float, str]:
    """Results from the change to the event about the field, at most 2,000."""
    random, shape = Random(seed), Shape("crm.get_lead")
    for _ in range(learned - BLOCK + random.randrange(BLOCK)):  # the change is anywhere in a block
        shape.observe(lead(random))
    for results in range(1, 2000):
        for event in shape.observe(make(random)):
            if event.field == field:
                return results, event.sentence
    return 2000, ""


def nulls(seeds: int) -> list[Figure]:
    figures = []
    make = broken(company_size=lambda random, lead: None if random.random() < 0.2 else lead["company_size"])
    for learned in (200, 300, 400, 500, 1000):
        delays = [delay(seed, learned, "company_size", make)[0] for seed in range(seeds)]
        name = f"null 0 -> 20 % after {learned:,} learned"
        figures.append(Figure(f"{name}: median", median(delays), "results"))
        worst = f"{name}: slowest of {seeds} seeds"
        figures.append(
            at_most(worst, max(delays), "results", 100) if learned >= 500 else Figure(worst, max(delays), "results")
        )
        figures.append(Figure(f"{name}: found within 100", sum(d <= 100 for d in delays) / seeds * 100, "%"))
    return figures


CHANGES: dict[str, tuple[str, Callable[[Random], Result]]] = {
    "null 0 -> 100 %": ("company_size", broken(company_size=lambda *_: None)),
    "null 5 -> 15 %": ("industry", broken(industry=lambda random, _: None if random.random() < 0.15 else "retail")),
    "null 5 -> 20 %": ("industry", broken(industry=lambda random, _: None if random.random() < 0.2 else "retail")),
    "null 30 -> 0 %": ("phone", broken(phone=lambda *_: "5550100")),
    "missing 0 -> 20 %": ("name", broken(name=lambda random, lead: ... if random.random() < 0.2 else lead["name"])),
    "number -> 20 % strings": (
        "company_size",
        broken(company_size=lambda random, _: "40" if random.random() < 0.2 else 40),
    ),
    "20 % of strings empty": (
        "name",
        broken(name=lambda random, lead: "" if random.random() < 0.2 else lead["name"]),
    ),
    "strings cut at 8 characters": ("name", broken(name=lambda _, lead: lead["name"][:8])),
    "lists cut at 2 elements": ("tags", broken(tags=lambda _, lead: lead["tags"][:2])),
}


def changes(seeds: int) -> list[Figure]:
    figures = []
    for name, (field, make) in CHANGES.items():
        for learned in (1000, 3000) if name.startswith("null 5") else (1000,):
            delays = [delay(seed, learned, field, make)[0] for seed in range(seeds)]
            after = f"{name}, after {learned:,} learned"
            figures.append(Figure(f"{after}: median", median(delays), "results"))
            figures.append(Figure(f"{after}: found within 1,000", sum(d <= 1000 for d in delays) / seeds * 100, "%"))
    return figures


# --- tests that were not chosen: one stream of nulls ---


def rising(rate: float, over: float) -> Generator[bool, bool, None]:
    """A CUSUM of the log-likelihood ratio to a higher rate; raises at a ratio of `over`, then starts again."""
    target = min(max(2 * rate, rate + 0.05), (1 + rate) / 2)
    yes, no, score, event = math.log(target / rate), math.log((1 - target) / (1 - rate)), 0.0, False
    while True:
        null = yield event
        score = max(0.0, score) + (yes if null else no)
        event = score >= math.log(over)
        if event:
            score = 0.0


def plugged_in(nulls: int, learned: int) -> float:
    return max(nulls, 0.5) / learned


def clopper_pearson(nulls: int, learned: int, wrong: float = 0.001) -> float:
    """The highest rate under which so few nulls are not rarer than `wrong`."""
    low, high = nulls / learned, 1.0
    for _ in range(60):
        rate = (low + high) / 2
        tail = sum(
            math.exp(
                math.lgamma(learned + 1)
                - math.lgamma(k + 1)
                - math.lgamma(learned - k + 1)
                + k * math.log(rate)
                + (learned - k) * math.log1p(-rate)
            )
            for k in range(nulls + 1)
        )
        low, high = (rate, high) if tail > wrong else (low, rate)
    return min(low, 0.9)


def cusum(
    estimate: Callable[[int, int], float], random: Random, learned: int, rate: float, after: float
) -> Iterator[bool]:
    known = sum(random.random() < rate for _ in range(learned))
    score = rising(estimate(known, learned), over=10 / FALSE_EVENT_RATE)  # ten fields share the bound
    next(score)
    while True:
        yield score.send(random.random() < after)


def chosen(random: Random, learned: int, rate: float, after: float) -> Iterator[bool]:
    history, block = History(), dict[int, int]()
    results = -learned
    while True:
        code = NULL if random.random() < (rate if results < 0 else after) else NUMBER
        block[code] = block.get(code, 0) + 1
        results += 1
        event = False
        if sum(block.values()) == BLOCK:
            history.push(block)
            block = {}
            found = departure(history, fields=10)
            if found is not None:
                event, history = True, history.since(found.blocks)
        if results > 0:
            yield event


def alternatives(seeds: int) -> list[Figure]:
    tests: dict[str, Callable[[Random, int, float, float], Iterator[bool]]] = {
        "CUSUM with the learned rate": lambda *args: cusum(plugged_in, *args),
        "CUSUM against a Clopper-Pearson bound": lambda *args: cusum(clopper_pearson, *args),
        "chosen": chosen,
    }
    figures = []
    for name, test in tests.items():
        false = []
        for seed in range(seeds):
            for rate in (0.001, 0.01, 0.05, 0.3, 0.5):
                stream = test(Random(seed), 200, rate, rate)
                false.append(sum(next(stream) for _ in range(RESULTS // 5)))
        mean = sum(false) / len(false) * 50
        figures.append(Figure(f"{name}: false in {RESULTS:,} results of ten streams, 200 learned", mean, "events"))
        figures.append(Figure(f"{name}: false in one stream of {RESULTS // 5:,}, worst of all", max(false), "events"))
        for learned in (200, 1000):
            delays = []
            for seed in range(50):
                stream = test(Random(seed), learned, 0.0, 0.2)
                delays.append(next((i for i in range(1, 2000) if next(stream)), 2000))
            after = f"{name}: null 0 -> 20 % after {learned:,} learned"
            figures.append(Figure(f"{after}, median", median(delays), "results"))
            figures.append(Figure(f"{after}, slowest of 50 seeds", max(delays), "results"))
    return figures


# --- where the proof does not reach ---


def in_runs(length: float) -> Callable[[Random], Result]:
    """Leads of one customer come in runs of `length` on average; one customer in five has no phones at all."""
    state = {"phones": True}

    def one(random: Random) -> Result:
        if random.random() < 1 / length:
            state["phones"] = random.random() >= 0.2
        return lead(random) | {"phone": "5550100" if state["phones"] else None}

    return one


def flipping(every: int) -> Callable[[Random], Result]:
    state = {"results": 0}

    def one(random: Random) -> Result:
        state["results"] += 1
        return lead(random) | {"company_size": None if state["results"] // every % 2 else 40}

    return one


def unproven(seeds: int, results: int) -> list[Figure]:
    figures = []
    for length in (2, 5, 20, 100):
        found = median(len(events(seed, results, in_runs(length))) for seed in range(seeds))
        figures.append(Figure(f"one field in runs of {length}: events in {results:,}, median seed", found, "events"))
    for every in (100, 1000):
        found = max(len(events(seed, results, flipping(every))) for seed in range(seeds))
        figures.append(
            Figure(f"one field flips every {every:,}: events in {results:,}", found, "events", results / every)
        )
    return figures


# --- cost ---


def per_result(call: Callable[[Result], object], results: list[Result], rounds: int) -> float:
    """CPU microseconds per result, the best of some rounds."""
    best = math.inf
    for _ in range(rounds):
        start = time.process_time()
        for result in results:
            call(result)
        best = min(best, time.process_time() - start)
    return best / len(results) * 1e6


def cost(rounds: int) -> list[Figure]:
    random, shape = Random(1), Shape("crm.get_lead")
    results = [lead(random) for _ in range(4000)]
    for result in results:
        shape.observe(result)
    flat = [result | {"tags": len(result["tags"])} for result in results]
    flat_shape = Shape("flat")
    for result in flat:
        flat_shape.observe(result)
    ours, dumps = per_result(flat_shape.observe, flat, rounds), per_result(json.dumps, flat, rounds)
    wide: Result = {f"key {i}": i for i in range(10_000)}
    deep: Result = {}
    for _ in range(900):
        deep = {"deeper": deep}
    text: Result = {"text": "x" * 50_000_000}
    hostile = Shape("hostile")
    figures = [
        Figure("observe a flat result of 10 fields", ours, "us", dumps),
        at_most("observe: ratio to json.dumps of the same flat result", ours / dumps, "1", 10),
        Figure("observe a result of 10 fields, one of them a list", per_result(shape.observe, results, rounds), "us"),
        Figure("observe 10,000 keys", per_result(hostile.observe, [wide] * 200, rounds), "us"),
        Figure("observe 900 levels", per_result(hostile.observe, [deep] * 200, rounds), "us"),
        Figure("observe 50 MB of text", per_result(hostile.observe, [text] * 200, rounds), "us"),
        Figure("state of 10 fields", len(shape.to_json()), "bytes"),
    ]
    flooded = Shape("flooded")
    for i in range(2000):
        flooded.observe({f"{i} {j}": "x" * random.randrange(1000) for j in range(100)})
    figures.append(at_most("state of a tool whose 100 keys are never the same", len(flooded.to_json()), "bytes", 1e6))
    return figures


def main() -> None:
    chosen = options(__doc__ or "")
    quick = chosen.quick
    figures = [
        *stationary(3 if quick else 20),
        *nulls(20 if quick else 200),
        *changes(5 if quick else 50),
        *alternatives(2 if quick else 100),
        *unproven(1 if quick else 5, RESULTS // (5 if quick else 1)),
        *cost(3 if quick else 10),
    ]
    report(figures, as_json=chosen.json)


if __name__ == "__main__":
    main()
