"""Changes of guarded data as actions: what their arguments say, their effects, what of them asks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.core.change import (
    ID_MAX,
    NAMED_MAX,
    SEGMENT_MAX,
    TOUCHES_MAX,
    ChangeEffects,
    Limits,
    ReadEffects,
    Touch,
    asks_of,
    change_args,
    key_id,
    table_id,
    table_of,
    touches_of,
)
from handrail.core.decision import Verdict
from handrail.core.effect import Effect, Verb
from handrail.core.outcome import Reason
from handrail.core.tool import EffectError
from handrail.policy.folders import folders
from handrail.policy.normal import normaliser

LEAD = "row/shop/lead"
NORMALISE = normaliser()
EFFECTS = ChangeEffects("row/shop", "production", NORMALISE)
WHOLE = ChangeEffects("", None, NORMALISE)


def args(*touches, **said):
    return change_args("d" * 64, touches, **{"by": "key", "rows_free": 3, **said})


def effects(*touches):
    return EFFECTS.of(args(*touches))


# --- what arguments say ---


def test_what_arguments_say():
    """Digest, rows in all, and for each table what happens to how many; what is not there is left out."""
    made = change_args(
        "d", [Touch(LEAD, Verb.UPDATE, 2, ("1", "2")), Touch("row/shop/note", Verb.DELETE, 3, cascade=True)], by="key"
    )
    assert made == {
        "change": "d",
        "rows": 5,
        "touches": [
            {"do": "update", "at": LEAD, "rows": 2, "keys": ["1", "2"]},
            {"do": "delete", "at": "row/shop/note", "rows": 3, "cascade": True},
        ],
        "by": "key",
    }
    assert Touch("file/a", Verb.MOVE, to="file/b").to_json() == {
        "do": "move", "at": "file/a", "rows": 1, "to": "file/b",
    }  # fmt: skip


@pytest.mark.parametrize(
    "touch",
    [
        Touch(LEAD, Verb.UPDATE, 2, ("1", "2")),
        Touch(LEAD, Verb.DELETE, 30, cascade=True),
        Touch("file/a", Verb.MOVE, to="file/b"),
        Touch("row/shop", Verb.READ, 0),
    ],
)
def test_touches_come_back(touch):
    """What is written is read."""
    assert touches_of(args(touch)) == (touch,)


GOOD = {"do": "update", "at": LEAD, "rows": 1, "keys": ["1"]}


@pytest.mark.parametrize(
    "touches",
    [
        None,
        "x",
        {},
        [GOOD] * (TOUCHES_MAX + 1),
        ["x"],
        [{}],
        [{**GOOD, "do": "drop"}],
        [{**GOOD, "do": None}],
        [{**GOOD, "at": ""}],
        [{**GOOD, "at": "row/"}],
        [{**GOOD, "at": "ROW/shop/lead/17"}],
        [{**GOOD, "at": "row/shop/lead/17"}],
        [{**GOOD, "at": "row/shop/le*d"}],
        [{**GOOD, "at": "x" * (ID_MAX + 1)}],
        [{**GOOD, "rows": -1}],
        [{**GOOD, "rows": True}],
        [{**GOOD, "rows": 1.0}],
        [{**GOOD, "rows": "1"}],
        [{**GOOD, "rows": 1000}],
        [{**GOOD, "rows": 0}],
        [{**GOOD, "keys": "1"}],
        [{**GOOD, "keys": [1]}],
        [{**GOOD, "keys": [""]}],
        [{**GOOD, "keys": ["1/2"]}],
        [{**GOOD, "keys": ["*"]}],
        [{**GOOD, "rows": NAMED_MAX + 1, "keys": ["1"] * (NAMED_MAX + 1)}],
        [{**GOOD, "at": "file/a", "keys": [], "to": 7}],
        [{**GOOD, "at": "file/a", "keys": [], "to": ""}],
    ],
    ids=repr,
)
def test_what_cannot_be_told(touches):
    """Arguments in another form, keys for some of the rows, names that mean several: no effects, and a denial."""
    with pytest.raises(EffectError, match="Plan the change first"):
        EFFECTS.of({"touches": touches, "by": "key"})
    (found,) = asks_of({})({"touches": touches, "by": "key"})
    assert (found.verdict, found.rule, found.reason) == (Verdict.DENY, "unknown", Reason.NOT_DECLARED)


# --- effects ---


def test_few_rows_are_resources():
    """Up to 20 are named one by one, each counting as one."""
    assert effects(Touch(LEAD, Verb.UPDATE, 2, ("1", "2"))) == (
        Effect(Verb.UPDATE, f"{LEAD}/1", zone="production", amount=1),
        Effect(Verb.UPDATE, f"{LEAD}/2", zone="production", amount=1),
    )


@pytest.mark.parametrize("verb", [Verb.UPDATE, Verb.DELETE])
def test_many_rows_are_their_table(verb):
    """Above that the table is what is changed, and the amount says by how much."""
    assert effects(Touch(LEAD, verb, 500)) == (Effect(verb, LEAD, zone="production", amount=500),)


def test_new_rows():
    """Named where their keys are known; later where the database gives them; many are nobody's."""
    assert effects(Touch(LEAD, Verb.CREATE, 1, ("7",)))[0].resource == f"{LEAD}/7"
    (later,) = effects(Touch(LEAD, Verb.CREATE, 20))
    assert (later.resource, later.bound, later.amount) == (f"{LEAD}/{{?}}", False, 20)
    (many,) = effects(Touch(LEAD, Verb.CREATE, 21))
    assert (many.resource, many.bound, many.amount) == (f"{LEAD}/*", True, 21)


def test_cascades_are_effects():
    """What goes along is deleted as well."""
    found = effects(Touch(LEAD, Verb.DELETE, 1, ("1",)), Touch("row/shop/note", Verb.DELETE, 30, cascade=True))
    assert [(one.verb, one.resource, one.amount) for one in found] == [
        (Verb.DELETE, f"{LEAD}/1", 1),
        (Verb.DELETE, "row/shop/note", 30),
    ]


def test_a_change_of_nothing_looks_at_the_whole():
    """So that no action is without effects, which no rule would see."""
    assert effects() == (Effect(Verb.READ, "row/shop", zone="production", amount=0),)
    with pytest.raises(EffectError, match="touches nothing"):
        WHOLE.of(args())


@pytest.mark.parametrize("place", ["row/shop2/lead", "row/sho/lead", "row/other", "file/etc/passwd", " row/shop/lead"])
def test_a_database_touches_its_own_rows(place):
    """Not another database's, and no files."""
    with pytest.raises(EffectError, match="no part of this place"):
        effects(Touch(place, Verb.UPDATE))


@pytest.mark.parametrize("touch", [Touch("row/shop/lead", Verb.UPDATE), Touch("file/a", Verb.MOVE, to=" ROW/shop/x")])
def test_files_touch_no_rows(touch):
    """Neither as what is changed, nor as a target, in any spelling."""
    with pytest.raises(EffectError, match="no part of this place"):
        WHOLE.of(args(touch))


def test_resources_that_are_no_rows():
    """They are named whole, in their one form, and a move names its target."""
    made = WHOLE.of(
        args(Touch("file//srv/./a", Verb.MOVE, to="file//srv/b/../c"), Touch("url/HTTPS://x/1", Verb.UPDATE))
    )
    assert made == (
        Effect(Verb.MOVE, "file//srv/a", to="file//srv/c", amount=1),
        Effect(Verb.UPDATE, "url/https://x/1", amount=1),
    )


def test_ids_have_one_form():
    """Where a policy says that rows have no case, they have none here either."""
    folded = ChangeEffects("row/shop", None, normaliser(frozenset({"row"})))
    (one,) = folded.of(args(Touch("row/shop/Lead", Verb.UPDATE, 1, ("Ab",))))
    assert one.resource == "row/shop/lead/ab"
    later = folded.of(args(Touch("row/shop/Lead", Verb.CREATE, 1)))
    assert folded.bind(later, {}, {"made": {"row/shop/Lead": ["Xy"]}})[0].resource == "row/shop/lead/xy"


def test_binding():
    """New rows are named by the keys that the result tells; what was named stays."""
    named, later = effects(Touch(LEAD, Verb.UPDATE, 1, ("1",)), Touch(LEAD, Verb.CREATE, 2))
    bound = EFFECTS.bind((named, later), {}, {"made": {LEAD: ["7", "8"]}})
    assert bound[0] is named
    assert [(one.resource, one.bound, one.amount, one.zone) for one in bound[1:]] == [
        (f"{LEAD}/7", True, 1, "production"),
        (f"{LEAD}/8", True, 1, "production"),
    ]


@pytest.mark.parametrize(
    "result",
    [
        None, [], {}, {"made": None}, {"made": {}}, {"made": {LEAD: None}}, {"made": {LEAD: ["7"]}},
        {"made": {LEAD: ["7", "8", "9"]}}, {"made": {LEAD: [7, 8]}}, {"made": {LEAD: ["7", "*"]}},
        {"made": {LEAD: ["7", "8/9"]}}, {"made": {"row/shop/other": ["7", "8"]}},
    ],
    ids=repr,
)  # fmt: skip
def test_keys_that_are_not_told(result):
    """Then nobody knows what was made, and a person has to look."""
    with pytest.raises(EffectError, match="are not told"):
        EFFECTS.bind(effects(Touch(LEAD, Verb.CREATE, 2)), {}, result)


def test_reads():
    """A read of each table or resource; of the whole when nothing is named."""
    reads = ReadEffects("row/shop", "production", NORMALISE)
    assert reads.of({"tables": ["lead", "sales.lead"]}) == (
        Effect(Verb.READ, LEAD, zone="production"),
        Effect(Verb.READ, "row/shop/sales.lead", zone="production"),
    )
    assert [one.resource for one in reads.of({"sql": "SELECT 1"})] == ["row/shop"]
    assert [one.resource for one in reads.of({"reads": ["file//a/../b"]})] == ["file//b"]
    assert reads.bind(reads.of({}), {}, None) == reads.of({})


@pytest.mark.parametrize(
    "said",
    [
        {"tables": "lead"}, {"tables": ["t"] * (TOUCHES_MAX + 1)}, {"tables": [1]}, {"tables": [""]}, {"reads": {}},
        {"reads": [None]}, {"reads": ["x" * (ID_MAX + 1)]},
    ],
    ids=lambda said: repr(said)[:40],
)  # fmt: skip
def test_reads_that_cannot_be_told(said):
    """They deny."""
    with pytest.raises(EffectError, match="'tables'"):
        ReadEffects("row/shop").of(said)


# --- names ---

CELLS = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.text(st.characters(codec=None), max_size=6),
    st.sampled_from(["", ".", "..", "17", "-3", "007", "%", "%null", "a,b", "a/b", "*", "ü", "None", "1.0", "a.b"]),
    st.floats(allow_nan=False).map(lambda value: {"real": repr(value)}),
    st.binary(max_size=3).map(lambda value: {"blob": value.hex()}),
    st.booleans(),
)
KEYS = st.lists(CELLS, min_size=1, max_size=3)


def told(cells):
    return [(type(cell).__name__, repr(cell)) for cell in cells]


@given(KEYS, KEYS)
def test_two_keys_never_share_an_id(one, other):
    """Whatever they hold: composite or single, empty, NULL, 17 or the text 17, 1.0 or the text 1.0."""
    assert (key_id(one, typed=False) == key_id(other, typed=False)) is (told(one) == told(other))


@given(KEYS, st.booleans())
def test_a_key_is_one_segment(cells, typed):
    """It stands in its table and nowhere else: no folder, no wildcard, and normalising leaves it as it is."""
    name = f"{LEAD}/{key_id(cells, typed=typed)}"
    assert NORMALISE(name) == name
    assert folders({}).around(name) == ((LEAD, "row/shop", "row/."), f"{name}/")
    assert touches_of(args(Touch(LEAD, Verb.UPDATE, 1, (key_id(cells, typed=typed),))))


@pytest.mark.parametrize(
    ("cells", "name"),
    [
        ([17], "17"),
        (["17"], "%317"),
        (["-3"], "%2D3"),
        (["007"], "007"),
        (["a/b"], "a%2Fb"),
        ([".."], "%2E%2E"),
        (["v1.2"], "v1.2"),
        (["a", "b"], "a,b"),
        (["a,b"], "a%2Cb"),
        ([""], "%"),
        (["", ""], "%,%"),
        (["%"], "%25"),
        (["*?[{"], "%2A%3F%5B%7B"),
        (["é"], "%C3%A9"),
        ([None], "%null"),
        ([{"real": "1.0"}], "%real:1.0"),
        ([{"blob": "00ff"}], "%blob:00ff"),
        ([True], "%is:true"),
        ([["x"]], "%json:%5B%22x%22%5D"),
    ],
)
def test_key_ids(cells, name):
    """What could mean something in an id is escaped; what is neither text nor whole number is marked."""
    assert key_id(cells, typed=False) == name


def test_where_columns_have_types_a_number_is_its_text():
    """PostgreSQL's keys come as texts, and a column holds one kind: 17 is 17."""
    assert key_id(["17"]) == "17"


def test_long_names_are_bounded():
    """A store can hold every id: of a long key or name its SHA-256 stands there, and two stay two."""
    one, other = key_id(["x" * 100_000]), key_id(["x" * 100_001])
    assert one != other
    assert one.startswith("%sha256:")
    assert max(len(one), len(table_id("ü" * 5_000))) < SEGMENT_MAX
    assert key_id(["x" * SEGMENT_MAX]) == "x" * SEGMENT_MAX


@pytest.mark.parametrize(("name", "id"), [("lead", "lead"), ("sales.lead", "sales.lead"), ("", "%"), ("..", "%2E%2E")])
def test_table_ids(name, id):
    """A name with its schema is one segment."""
    assert table_id(name) == id


def test_the_table_of_a_row():
    """Of rows, new ones and many of them; of nothing else."""
    assert [table_of(f"{LEAD}/{key}") for key in ("17", "*", "{?}")] == [LEAD] * 3
    assert [table_of(one) for one in (LEAD, "row/shop", "row/a/b/c/d", "row//b/c", "file/a/b/c", "")] == [None] * 6


# --- what asks ---

LIMITS = {LEAD: Limits(rows_free=3, inserts_free=5)}


def asked(*touches, **said):
    return [finding.rule for finding in asks_of(LIMITS)(args(*touches, **said))]


@pytest.mark.parametrize(
    ("touches", "said", "rules"),
    [
        ([], {}, []),
        ([], {"by": "predicate"}, []),
        ([Touch("row/shop", Verb.READ, 5)], {"by": "predicate", "precondition": "check_then_act"}, []),
        ([Touch(LEAD, Verb.UPDATE, 3)], {}, []),
        ([Touch(LEAD, Verb.UPDATE, 4)], {}, ["rows"]),
        ([Touch(LEAD, Verb.UPDATE, 3)], {"rows_free": 2}, ["rows"]),
        ([Touch(LEAD, Verb.UPDATE, 4)], {"rows_free": 9}, ["rows"]),
        ([Touch(LEAD, Verb.UPDATE, 1)], {"rows_free": None}, ["rows"]),
        ([Touch(LEAD, Verb.UPDATE, 1)], {"by": "predicate"}, ["predicate"]),
        ([Touch(LEAD, Verb.UPDATE, 1)], {"by": "insert"}, ["predicate"]),
        ([Touch(LEAD, Verb.UPDATE, 1)], {"by": None}, ["predicate"]),
        ([Touch(LEAD, Verb.UPDATE, 1)], {"by": "undo"}, []),
        ([Touch(LEAD, Verb.UPDATE, 9)], {"by": "predicate"}, ["predicate", "rows"]),
        ([Touch(LEAD, Verb.UPDATE, 2), Touch(LEAD, Verb.UPDATE, 2)], {}, ["rows"]),
        ([Touch(LEAD, Verb.UPDATE, 2), Touch(LEAD, Verb.DELETE, 2)], {}, ["rows"]),
        ([Touch(LEAD, Verb.DELETE, 2), Touch("row/shop/note", Verb.DELETE, 2, cascade=True)], {}, ["rows"]),
        ([Touch(LEAD, Verb.DELETE, 2), Touch("row/shop/note", Verb.DELETE, 1, cascade=True)], {}, []),
        ([Touch("row/shop/note", Verb.DELETE, 1, cascade=True)], {}, ["rows"]),
        ([Touch("row/shop/note", Verb.UPDATE, 1)], {}, ["rows"]),
        ([Touch("row/shop/note", Verb.CREATE, 1)], {"by": "insert"}, ["inserts"]),
        ([Touch(LEAD, Verb.CREATE, 5)], {"by": "insert"}, []),
        ([Touch(LEAD, Verb.CREATE, 6)], {"by": "insert"}, ["inserts"]),
        ([Touch(LEAD, Verb.CREATE, 3), Touch(LEAD, Verb.CREATE, 3)], {"by": "insert"}, ["inserts"]),
        ([Touch("file/a", Verb.CREATE)], {"by": "resource"}, []),
        ([Touch("file/a", Verb.UPDATE)], {"by": "resource"}, ["rows"]),
        ([Touch("file/a", Verb.MOVE, to="file/b"), Touch("file/c", Verb.DELETE)], {}, ["rows", "rows"]),
        ([Touch("url/x", Verb.CREATE)], {"precondition": "check_then_act"}, ["precondition"]),
    ],
    ids=lambda value: None,
)
def test_what_asks(touches, said, rules):
    """More rows than are free, rows that a condition named, tables that nobody relaxed, servers that cannot compare."""
    assert asked(*touches, **said) == rules


def test_the_sentences():
    """They say what would happen, to how many, and how many may."""
    asks = asks_of(LIMITS)
    (rows,) = asks(args(Touch(LEAD, Verb.DELETE, 2), Touch("row/shop/note", Verb.DELETE, 1_000, cascade=True)))
    assert rows.why == (
        "It would delete 2 rows of row/shop/lead and 1,000 that go along, which needs a person "
        "(up to 3 named by key do not)."
    )
    assert dict(rows.values) == {"at": LEAD, "rows": 1_002, "rows_free": 3}
    assert (rows.gate, rows.verdict, rows.reason) == ("changes", Verdict.ASK, Reason.DESTRUCTIVE)
    (new,) = asks(args(Touch(LEAD, Verb.CREATE, 6), by="insert"))
    assert new.why == "6 new rows in row/shop/lead: more than 5 need a person. Add fewer at once, or have it approved."
    (new,) = asks(args(Touch("row/shop/note", Verb.CREATE, 1), by="insert"))
    assert new.why == "Adding 1 row to row/shop/note needs a person."
    (one,) = asks(args(Touch("file/a", Verb.DELETE)))
    assert one.why == "It would delete file/a, which needs a person."
    predicate, _ = asks(args(Touch(LEAD, Verb.UPDATE, 4_000), by="predicate"))
    assert predicate.why.startswith("A condition named these 4,000 rows, not a list of keys")


def test_hostile_names_are_shown_safely():
    """A file's name may hold what moves the cursor of a terminal."""
    (found,) = asks_of({})(args(Touch("file/\x1b[2Jx", Verb.DELETE)))
    assert "\x1b" not in found.why
    with pytest.raises(EffectError) as caught:
        effects(Touch("file/\x1b[2Jx", Verb.DELETE))
    assert "\x1b" not in str(caught.value)
