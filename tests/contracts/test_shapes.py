import dataclasses
import json
import threading
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.contracts import shapes
from handrail.contracts.drift import BLOCK, LEARNED_MIN, DriftKind
from handrail.contracts.learned import KEY_CHARS_MAX
from handrail.contracts.shapes import FIELDS_MAX, Shape, merge

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)
leads = st.fixed_dictionaries(
    {"id": st.just(7)},
    optional={
        "size": st.none() | st.just(3),
        "name": st.sampled_from(["", "a", "abcdefgh"]),
        "items": st.lists(st.fixed_dictionaries({}, optional={"sku": st.none() | st.just("x")}), max_size=4),
    },
)


def events(shape, results):
    return [event for result in results for event in shape.observe(result)]


def learned(results, tool="crm.get_lead"):
    """A shape that saw some results, among which nothing changed."""
    shape = Shape(tool)
    assert events(shape, results) == []
    return shape


def field(shape, path):
    return {found.field: found for found in shape.learned()}[path]


def lead(random):
    """Ten fields: null rates of 0, 1, 5, 30 and 50 %, a key that is missing at times, two types, skewed lengths."""
    roll = random.random
    result = {
        "id": 7,
        "name": "n" * (3 + int(20 * roll())),
        "company": "c" * int(random.lognormvariate(2.5, 0.7)),
        "company_size": 40,
        "industry": None if roll() < 0.05 else "retail",
        "phone": None if roll() < 0.3 else "5550100",
        "notes": None if roll() < 0.5 else "n" * int(random.lognormvariate(4, 1.5)),
        "score": 0.5 if roll() < 0.9 else "high",
        "tags": ["t"] * min(int(random.expovariate(0.3)), 50),
    }
    if roll() < 0.95:
        result["email"] = None if roll() < 0.01 else "e@example.com"
    return result


# --- the two bars, in small; bench/drift.py has them in full ---


def test_stationary_results_raise_nothing():
    """Two tools, 10,000 results each."""
    for seed in range(2):
        random = Random(seed)
        assert events(Shape("crm.get_lead"), (lead(random) for _ in range(10_000))) == []


@pytest.mark.parametrize("seed", range(10))
def test_a_field_that_becomes_null_in_a_fifth_of_results_is_found_within_100(seed):
    """After 500 results in which it never was, anywhere in a block."""
    random = Random(seed)
    shape = learned([lead(random) for _ in range(500 - random.randrange(BLOCK))])
    broken = [lead(random) | ({"company_size": None} if random.random() < 0.2 else {}) for _ in range(100)]
    found = events(shape, broken)
    assert [(event.field, event.kind) for event in found] == [("company_size", DriftKind.NULL)]


# --- what an event says ---


def test_the_sentence_of_an_event():
    """It is for people. The change is put at a boundary of blocks that is still told apart, here 16 results early."""
    shape = learned([{"company_size": None if i in {100, 200} else 40} for i in range(400)])
    found = events(shape, [{"company_size": None if i % 4 == 0 else 40} for i in range(64)])
    assert [dataclasses.asdict(event) for event in found] == [
        {
            "tool": "crm.get_lead",
            "field": "company_size",
            "kind": DriftKind.NULL,
            "what": "null",
            "baseline": 2 / 384,
            "observed": 12 / 64,
            "learned": 384,
            "seen": 64,
            "generation": 0,
            "sentence": "crm.get_lead: company_size is null in 19 % of the last 64 results; 0.5 % was normal over 384.",
        }
    ]


CHANGES = {
    "null": ({"a": 1}, {"a": None}, "a", "null"),
    "missing": ({"a": 1}, {}, "a", "missing"),
    "a string": ({"a": 1}, {"a": "1"}, "a", "a string"),
    "a number": ({"a": "1"}, {"a": 1}, "a", "a number"),
    "a boolean": ({"a": 1}, {"a": True}, "a", "a boolean"),
    "an object": ({"a": 1}, {"a": {}}, "a", "an object"),
    "an array": ({"a": {}}, {"a": []}, "a", "an array"),
    "no JSON": ({"a": 1}, {"a": {1, 2}}, "a", "not a JSON value"),
    "empty text": ({"a": "text"}, {"a": ""}, "a", "empty"),
    "empty list": ({"a": [1]}, {"a": []}, "a", "empty"),
    "text again": ({"a": ""}, {"a": "text"}, "a", "not empty"),
    "short": ({"a": "0123456789"}, {"a": "0123"}, "a", "at most 5 characters long"),
    "short list": ({"a": [0] * 40}, {"a": [0]}, "a", "at most 1 element long"),
    "long list": ({"a": [0]}, {"a": [0] * 40}, "a", "more than 1 element long"),
    "nested": ({"a": {"b": {"c": 1}}}, {"a": {"b": {"c": None}}}, "a.b.c", "null"),
    "element": ({"a": [{"b": 1}]}, {"a": [{"b": None}]}, "a[].b", "null"),
    "list of lists": ({"a": [[1]]}, {"a": [["1"]]}, "a[][]", "a string"),
    "the result": ({"a": 1}, None, "", "null"),
    "a result that is a list": ([{"a": 1}], [{"a": None}], "[].a", "null"),
    "a result that is text": ("text", "", "", "empty"),
}


@pytest.mark.parametrize(("before", "after", "path", "what"), CHANGES.values(), ids=CHANGES)
def test_every_change_is_named(before, after, path, what):
    """One field, one event, and what to read after "is"."""
    shape = learned([before] * (20 * BLOCK))
    found = events(shape, [after] * 200)
    assert [(event.field, event.what, event.baseline, event.observed) for event in found] == [(path, what, 0, 1)]
    name = path or "the result"
    assert found[0].sentence.startswith(f"crm.get_lead: {name} is {what} in 100 % of the last ")
    assert found[0].sentence.endswith(" results; 0 % was normal over 320.")


def test_below_what_is_gone_nothing_is_raised():
    """The object is missing; that the fields inside it are too goes without saying."""
    shape = learned([{"a": {"b": 1, "c": 2}}] * 200)
    assert [event.field for event in events(shape, [{}] * 500)] == ["a"]


def test_a_new_field_is_no_drift():
    """Results gain fields all the time."""
    shape = learned([{"a": 1}] * 300)
    assert events(shape, [{"a": 1, "b": 2}] * 300) == []
    assert field(shape, "b").missing == 0.5


def test_all_fields_that_break_together_are_raised_together():
    """An empty object: the one cause shows in one call."""
    shape = learned([{"a": 1, "b": 2, "c": 3}] * 320)
    raised = [[event.field for event in shape.observe({})] for _ in range(100)]
    assert [fields for fields in raised if fields] == [["a", "b", "c"]]


def test_one_element_of_a_list_counts_per_result():
    """The first few in turn, so that a rare null in a later one is seen, and a long list is one result."""
    shape = learned([{"a": [1, 2, None, *range(50)]}] * 300)
    assert field(shape, "a[]").seen == 300
    assert field(shape, "a[]").null == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (0.0004, "under 0.1 %"),
        (0.004, "0.4 %"),
        (0.05, "5 %"),
        (0.0549, "5.5 %"),
        (0.194, "19 %"),
        (0.996, "99.6 %"),
        (0.9996, "over 99.9 %"),
        (1, "100 %"),
    ],
)
def test_shares_for_people(share, text):
    """Neither 0 nor 100 unless it is."""
    assert shapes._share(share) == text


# --- after an event ---


def test_a_broken_field_raises_one_event():
    """Not one for each of 10,000 results."""
    shape = learned([{"a": 1}] * 500)
    assert len(events(shape, [{"a": None}] * 10_000)) == 1


def test_recovery_and_a_second_change_are_raised():
    """Each by the next generation of the field."""
    shape = learned([{"a": 1}] * (64 * BLOCK))
    found = []
    for i in range(4):
        found += events(shape, [{"a": None if i % 2 == 0 else 1}] * (64 * BLOCK))
    assert [(event.baseline, event.observed) for event in found] == [(0, 1), (1, 0)] * 2
    assert [event.generation for event in found] == [0, 1, 2, 3]


def test_a_key_that_comes_back_is_raised():
    """A new key is no drift; the recovery of one that went missing is."""
    shape = learned([{"a": 1}] * (32 * BLOCK))
    found = events(shape, [{}] * (32 * BLOCK)) + events(shape, [{"a": 1}] * (32 * BLOCK))
    assert [(event.kind, event.observed) for event in found] == [(DriftKind.MISSING, 1), (DriftKind.MISSING, 0)]


@pytest.mark.parametrize("every", [17, 64, 200, 1000])
def test_a_field_that_flips_for_ever_is_not_raised_for_ever(every):
    """Pauses double."""
    found = events(Shape("t"), ({"a": None if i // every % 2 else 1} for i in range(20_000)))
    assert len(found) <= 9


def test_a_field_that_was_quiet_is_forgiven():
    """Its pause is as short as at first."""
    shape = Shape("t")
    assert len(events(shape, [{"a": 1}] * 200 + [{"a": None}] * 200)) == 1
    assert shape._root.fields["a"].strikes == 1
    events(shape, [{"a": None}] * (16 * 2 * LEARNED_MIN))
    assert shape._root.fields["a"].strikes == 0


# --- hostile results ---


@given(st.lists(json_values, max_size=2 * BLOCK))
@settings(deadline=None)
def test_no_json_value_raises(results):
    """And every state can be stored, read and said."""
    shape = Shape("t")
    events(shape, results)
    assert shape.results == len(results)
    assert shape.fields <= FIELDS_MAX
    assert Shape.from_json(shape.to_json()).to_json() == shape.to_json()
    assert all(found.field.isprintable() for found in shape.learned())


@pytest.mark.parametrize(
    "value",
    [
        {1: 2, None: 3, (4,): 5, b"x": 6},
        {"\ud800": 1, "\x1b[31m": 2, "": 3, "a.b": 4, "\u202e": 5},
        float("nan"),
        float("inf"),
        10**5000,
        object(),
        b"bytes",
        (1, 2),
        {"a": {3}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_json_does_not_raise_either(value):
    """Python callers return what they like."""
    shape = learned([value] * (3 * BLOCK))
    assert Shape.from_json(shape.to_json()).to_json() == shape.to_json()


def test_keys_that_are_no_text_are_not_watched():
    """And that is said."""
    shape = learned([{1: 2, "a": 3}] * 10)
    assert [found.field for found in shape.learned()] == ["", "a"]
    assert shape.unwatched == 10


def test_a_value_in_itself_ends():
    """Python can nest what JSON cannot."""
    value = {}
    value["self"] = value
    value["list"] = [value]
    learned([value] * (2 * BLOCK))


def test_nesting_is_followed_so_far():
    """Deeper than the stack would bear, and said."""
    value = 1
    for _ in range(100_000):
        value = {"a": value}
    shape = learned([value] * (2 * BLOCK))
    assert shape.fields == 1 + 6
    assert shape.unwatched == 2 * BLOCK
    while isinstance(value, dict):  # taken apart by hand: Python itself would do it recursively
        value = value.popitem()[1]


def test_many_keys_at_once_are_bounded_and_said():
    """10,000 keys."""
    shape = learned([{f"key {i}": i for i in range(10_000)}] * (4 * BLOCK))
    assert shape.fields == FIELDS_MAX
    assert shape.coverage() == (
        "crm.get_lead: 64 fields watched over 64 results; "
        "64 of them had more than is watched (limits on fields, depth and keys)."
    )


def test_keys_that_are_never_the_same_make_room_for_those_that_stay():
    """An object keyed by id floods a shape; a field that is always there is watched in the end."""
    random = Random(1)
    shape = Shape("t")
    flood = [{f"{random.random()}": 1 for _ in range(100)} for _ in range(200)]
    assert events(shape, flood) == []
    assert events(shape, ({"id": 7, f"{random.random()}": 1} for _ in range(500))) == []
    assert shape.fields <= FIELDS_MAX
    assert field(shape, "id").missing < 0.5
    assert len(shape.to_json()) < 100_000


def test_a_key_has_a_length():
    """A key of a megabyte is not kept."""
    shape = learned([{"k" * KEY_CHARS_MAX: 1, "k" * 1_000_000: 2}] * BLOCK)
    assert shape.fields == 2
    assert shape.unwatched == BLOCK
    assert len(shape.to_json()) < 1000


def test_of_keys_only_so_many_are_read():
    """The cost of a result does not grow with its keys, also when none of them is watched."""
    reads = 0

    class Counted(dict):
        def __iter__(self):
            nonlocal reads
            for key in super().__iter__():
                reads += 1
                yield key

    shape = Shape("t")
    shape.observe({"inner": Counted(dict.fromkeys(range(10_000))), "other": Counted(dict.fromkeys(range(10_000)))})
    assert reads <= shapes.KEYS_READ_MAX
    assert shape.unwatched == 1


def test_all_fields_there_ever_were_share_the_bound(monkeypatch):
    """Also after some were dropped: they had their chance to be wrong."""
    shared = []
    monkeypatch.setattr(shapes, "departure", lambda *_, fields, **__: shared.append(fields))
    shape = Shape("t")
    events(shape, [{f"{i} {j}": 1 for j in range(100)} for i in range(3 * LEARNED_MIN)])
    assert shape.fields < FIELDS_MAX
    shared.clear()
    events(Shape.from_json(shape.to_json()), [{}] * BLOCK)
    assert set(shared) == {FIELDS_MAX}


def test_a_crowded_top_level_goes_before_what_is_inside():
    """The first fields are those of the result itself, not all of what its first field holds."""
    shape = learned([{"a": {f"{i}": i for i in range(100)}, "b": 1, "c": 2}] * BLOCK)
    assert {"a", "b", "c"} <= {found.field for found in shape.learned()}


def test_paths_cannot_be_misread_and_are_safe_to_print():
    """A key with a dot is not two keys; what acts on a terminal is shown as an escape."""
    odd = {"a.b": 1, "": 1, "x[]": 1, 'q"': 1, "\x1b[2J": 1, "\u202e": 1, "größe": 1, "line\nbreak": 1, "-": 1, "?": 1}
    shape = learned([odd] * BLOCK)
    assert {found.field for found in shape.learned()} == {
        "",
        '["a.b"]',
        '[""]',
        '["x[]"]',
        r'["q\""]',
        r'["\u001b[2J"]',
        r'["\u202e"]',
        "größe",
        r'["line\nbreak"]',
        "-",
        '["?"]',
    }


def test_an_event_is_safe_to_print():
    """Tool and key may be written by someone else."""
    key = "\x1b[31m" + "k" * 90
    shape = learned([{key: {key: {key: 1}}}] * 200, tool="evil\n\x1b[0m")
    (event,) = events(shape, [{key: {key: {key: None}}}] * 100)
    assert event.sentence.isprintable()
    assert len(event.sentence) < 500


# --- state ---


def test_a_state_is_small_and_continues_where_it_was():
    """In the middle of a block, with evidence on the way."""
    random = Random(5)
    one = learned([lead(random) for _ in range(507)])
    assert len(one.to_json()) < 10_000
    two = Shape.from_json(one.to_json())
    results = [lead(random) | ({"id": None} if i % 4 == 0 else {}) for i in range(200)]
    assert events(one, results) == events(two, results) != []
    assert one.to_json() == two.to_json()


def test_a_state_holds_no_values():
    """Keys and counts only."""
    shape = learned([{"card": "4111 1111 1111 1111", "pin": 31337, "list": ["secret"]}] * 50)
    state = shape.to_json()
    assert "4111" not in state
    assert "31337" not in state
    assert "secret" not in state


GOOD = json.loads(learned([{"a": 1}] * 20).to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        "1" * 5000,
        "[" * 100_000,
        b"\xff",
        "{}",
        '{"v":2}',
        *(
            json.dumps(GOOD | change)
            for change in (
                {"v": True},
                {"v": 1.0},
                {"v": 2},
                {"tool": 1},
                {"tool": None},
                {"results": -1},
                {"results": "1"},
                {"unwatched": None},
                {"widest": 1000},
                {"root": None},
                {"root": {"fields": {f"{i}": {} for i in range(FIELDS_MAX)}}},
            )
        ),
        " " * (shapes.STATE_CHARS_MAX + 1),
    ],
    ids=lambda text: repr(text[:40]),
)
def test_a_corrupt_state_is_refused(text):
    """The caller decides what then."""
    with pytest.raises(ValueError):
        Shape.from_json(text)


def test_a_state_that_lacks_something_is_refused():
    """Each part has to be there."""
    for name in GOOD:
        with pytest.raises(ValueError):
            Shape.from_json(json.dumps({key: value for key, value in GOOD.items() if key != name}))


def test_a_state_that_somebody_made_up_cannot_make_observe_raise():
    """Counts may be as absurd as the format allows."""
    most = 2**53
    absurd = {
        "base": {"null": most, "s3": most},
        "recent": [[{"null": most}, {}]],
        "scatter": [[most, 0, 0, most, 1, 1]],
    }
    state = GOOD | {"root": absurd | {"open": {"object": 1}, "fields": {"a": absurd, "b": {"recent": [[{}] * 3] * 5}}}}
    shape = Shape.from_json(json.dumps(state))
    events(shape, [{"a": None, "b": 1, "c": []}] * 200)
    shape.coverage()
    shape.learned()


# --- several processes ---


@given(st.lists(leads, max_size=100), st.lists(leads, max_size=100))
@settings(deadline=None)
def test_shapes_merge_in_any_order(mine, theirs):
    """And the results add up; neither is changed."""
    one, two = Shape("t"), Shape("t")
    events(one, mine)
    events(two, theirs)
    before = one.to_json(), two.to_json()
    both = merge(one, two)
    assert both.to_json() == merge(two, one).to_json()
    assert both.results == len(mine) + len(theirs)
    assert (one.to_json(), two.to_json()) == before
    if not any(found.generation for shape in (one, two) for _, found in shape._walk()):
        assert field(both, "").seen == both.results


def test_what_two_have_learned_is_known_to_both_together():
    """320 and 320 results without a null are 640."""
    shape = merge(learned([{"a": 1}] * 320), learned([{"a": 1}] * 320))
    (event,) = events(shape, [{"a": None}] * 50)
    assert event.learned == 640


def test_of_too_many_fields_those_seen_most_stay():
    """In either order."""
    one, two = learned([{f"one_{i}": 1 for i in range(60)}] * 20), learned([{f"two_{i}": 1 for i in range(60)}] * 30)
    both = merge(one, two)
    assert both.to_json() == merge(two, one).to_json()
    assert both.fields == FIELDS_MAX
    assert sum(found.field.startswith("two") for found in both.learned()) == 60


def test_shapes_of_different_tools_do_not_mix():
    """A mistake of the caller's."""
    with pytest.raises(ValueError, match="different tools"):
        merge(Shape("a"), Shape("b"))
    with pytest.raises(ValueError, match="different tools"):
        Shape("a").absorb(Shape("a"), Shape("b"))


class Process:
    """One of several that learn together, as the docstring of `Shape.absorb` has it."""

    store = ""

    def __init__(self):
        self.mine = Shape.from_json(Process.store)
        self.known = Shape.from_json(Process.store)

    def save(self, events=()):
        stored = Shape.from_json(Process.store)
        events = [event for event in events if not stored.knows(event)]
        self.mine.absorb(stored, self.known)
        Process.store = self.mine.to_json()
        self.known = Shape.from_json(Process.store)
        return events


def fleet(processes, before, after, results, save_every):
    """Deal results out to processes in turn; return their events and results seen."""
    Process.store = learned(before).to_json()
    members = [Process() for _ in range(processes)]
    found = []
    for i in range(results):
        member = members[i % processes]
        raised = member.mine.observe(after(i))
        if raised or i // processes % save_every == save_every - 1:
            found += [(i, event) for event in member.save(raised)]
    for member in members:
        member.save()
    return found, Shape.from_json(Process.store)


def test_a_fleet_counts_each_result_once():
    """Whoever saves when."""
    found, shape = fleet(3, [{"a": 1}] * 100, lambda i: {"a": None if i % 9 == 0 else 1, "b": i}, 1000, 7)
    assert found == []
    assert shape.results == 1100
    assert field(shape, "").seen == 1100
    assert field(shape, "b").seen == 1100


def test_a_fleet_finds_together_what_one_alone_would_find_late():
    """Ten processes, each with a tenth of the results; a fifth of them null."""
    random = Random(2)
    found, _ = fleet(10, [{"a": 1}] * 1000, lambda _: {"a": None if random.random() < 0.2 else 1}, 1000, 2)
    ((when, event),) = found
    assert when < 100
    assert (event.field, event.generation) == ("a", 0)


def test_a_drift_found_elsewhere_is_taken_over():
    """No second event about it, and learning goes on from there."""
    Process.store = learned([{"a": 1}] * 512).to_json()
    one, two = Process(), Process()
    assert len(one.save(events(one.mine, [{"a": None}] * 32))) == 1
    assert events(two.mine, [{"a": None}] * 15) == []
    assert two.save(events(two.mine, [{"a": None}])) == []
    assert events(two.mine, [{"a": None}] * 1000) == []
    assert two.mine._root.fields["a"].generation == 1


def test_what_is_normal_can_be_shown():
    """By field."""
    shape = learned([{"a": None if i % 4 else "x", "b": [1] if i % 2 else 2} for i in range(100)])
    assert shape.coverage() == "crm.get_lead: 4 fields watched over 100 results."
    assert field(shape, "a") == shapes.LearnedField("a", 100, 0, 0.75, (("a string", 1.0),))
    assert dict(field(shape, "b").types) == {"an array": 0.5, "a number": 0.5}
    assert Shape("new").learned() == (shapes.LearnedField("", 0, 0, 0, ()),)


def test_an_observation_is_pure():
    """The same results give the same state in another thread, at another time."""
    random = Random(9)
    results = [lead(random) for _ in range(300)]
    states = []
    thread = threading.Thread(target=lambda: states.append(learned(results).to_json()))
    thread.start()
    thread.join()
    assert states == [learned(results).to_json()]
