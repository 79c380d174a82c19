"""JSON values within limits, their canonical bytes, and digests over them."""

import dataclasses
import datetime as dt
import decimal
import enum
import hashlib
import json
import math
import pathlib
import uuid

import pytest
import rfc8785
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from handrail.core.digest import (
    BYTES_MAX,
    DEPTH_MAX,
    INT_MAX,
    INT_MIN,
    NotJson,
    canonical,
    digest,
    measured,
    to_json,
)

quick = settings(deadline=None, suppress_health_check=list(HealthCheck))
SAFE = 2**53 - 1
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
KEYS = st.text(max_size=8) | st.text("\ud7ff\ue000\uffff\U00010000\U0010ffffaé\x7f\x00", max_size=4)


def values(ints):
    return st.recursive(
        st.none() | st.booleans() | ints | FLOATS | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=20,
    )


JCS = values(st.integers(-SAFE, SAFE))
JSON = values(st.integers(INT_MIN, INT_MAX))


class Colour(enum.Enum):
    RED = "red"


class Name(enum.StrEnum):
    A = "a"


class Model(BaseModel):
    n: int
    at: dt.datetime


class Loose(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    value: object


@dataclasses.dataclass
class Point:
    x: int
    y: object = None


class MyInt(int):
    pass


class MyStr(str):
    __slots__ = ()

    def __str__(self):
        return "somebody else"


PYTHON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(INT_MIN, INT_MAX)
    | FLOATS
    | st.text(max_size=8)
    | st.datetimes()
    | st.dates()
    | st.decimals()
    | st.uuids()
    | st.sampled_from([Colour.RED, Name.A, Point(1), MyInt(3), MyStr("x"), pathlib.PurePosixPath("/a")])
    | st.builds(Model, n=st.integers(-9, 9), at=st.datetimes()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.builds(Point, st.integers(-9, 9), inner)
        | st.frozensets(st.integers(-9, 9) | st.text(max_size=3), max_size=4)
    ),
    max_leaves=15,
)


def plain(value):
    """Return whether a value is made of nothing but JSON's own types."""
    if type(value) is dict:
        return all(type(key) is str and plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(plain, value))
    return value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))


def same(read, value):
    """Return whether `read` is what JSON makes of `value`; a double may come back as the integer nearest to it."""
    if isinstance(value, dict):
        return read.keys() == value.keys() and all(same(read[key], value[key]) for key in value)
    if isinstance(value, list):
        return len(read) == len(value) and all(map(same, read, value))
    return float(read) == value if isinstance(value, float) else read == value and type(read) is type(value)


@quick
@given(JCS)
@example({"é": 1, "\U0001f600": 2, "\ufb33": 3})
@example([1e21, 1e20, 1e-7, 1e-6, -0.0, 5e-324, 1.7976931348623157e308, 333333333.33333329, 0.1 + 0.2])
@example('\x7f\x1f\u2028"\\/\b\f')
@example("1.5")
def test_canonical_is_rfc_8785(value):
    """Byte for byte what another implementation of RFC 8785 writes, within what JCS can hold."""
    assert canonical(value) == rfc8785.dumps(value)


@quick
@given(JSON)
def test_canonical_reads_back(value):
    """Canonical bytes are JSON for the same value: integers keep every digit, whole doubles are written as such."""
    assert same(json.loads(canonical(value)), value)


@quick
@given(st.dictionaries(KEYS, JSON, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_count(value, random):
    """Equal objects have one digest."""
    shuffled = dict(random.sample(list(value.items()), len(value)))
    assert canonical(shuffled) == canonical(value)
    assert digest(shuffled) == digest(value) == hashlib.sha256(canonical(value)).hexdigest()


@quick
@given(st.integers(SAFE + 1, INT_MAX - 1))
def test_big_numbers_do_not_share_a_digest(number):
    """Two order numbers beyond 2^53 stay different, where a double would make them one."""
    assert digest(number) != digest(number + 1)


@quick
@given(PYTHON)
def test_to_json_is_plain_and_idempotent(value):
    """What comes out holds JSON's own types only, and stays as it is."""
    once = to_json(value)
    assert plain(once)
    assert canonical(to_json(once)) == canonical(once)


@quick
@given(JSON)
def test_json_stays_as_it_is(value):
    """A JSON value is its own JSON form, in new containers."""
    made = to_json(value)
    assert made == value
    if isinstance(value, dict | list):
        assert made is not value


def test_nothing_mutable_is_shared():
    """Changing the original later changes nothing that was decided on."""
    inner = {"a": [1]}
    made = to_json({"x": inner, "y": (inner,)})
    inner["a"].append(2)
    assert made == {"x": {"a": [1]}, "y": [{"a": [1]}]}


def nested(depth, wrap):
    value = 1
    for _ in range(depth):
        value = wrap(value)
    return value


WRAPS = [lambda v: [v], lambda v: {"a": v}, lambda v: (v,), lambda v: Point(1, v), lambda v: Loose(value=v)]


@pytest.mark.parametrize("wrap", WRAPS[:4])
def test_depth_is_kept(wrap):
    """As deep as the limit is fine, one deeper is refused with a sentence."""
    assert to_json(nested(DEPTH_MAX, wrap))
    with pytest.raises(NotJson, match="deeper than 64"):
        to_json(nested(DEPTH_MAX + 1, wrap))


@pytest.mark.parametrize("wrap", WRAPS[:3])
@pytest.mark.parametrize("depth", [1_000, 100_000])
def test_never_a_recursion_error(wrap, depth):
    """However deep an agent nests, the answer is NotJson."""
    with pytest.raises(NotJson):
        to_json(nested(depth, wrap))


def test_circles():
    """A value that contains itself is too deep."""
    circle = []
    circle.append({"again": circle})
    point = Point(1)
    point.y = point
    for value in (circle, point):
        with pytest.raises(NotJson, match="deeper"):
            to_json(value)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (math.nan, "nan"),
        ([1, math.inf], "inf"),
        ({"a": {"b": -math.inf}}, "'a.b' is -inf"),
        (INT_MAX + 1, "64 bits"),
        (INT_MIN - 1, "64 bits"),
        (MyInt(2**70), "64 bits"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        (MyStr("\ud800"), "surrogate"),
        (pathlib.PurePosixPath("a\udcff"), "surrogate"),
        ({1: 2}, "key that is not text"),
        ({("a",): 2}, "key that is not text"),
        pytest.param(object(), "object, which has no JSON form", id="object"),
        (b"bytes", "bytes"),
        (Point, "type"),
        (Model, "ModelMetaclass"),
        (1j, "complex"),
        (print, "builtin_function_or_method"),
    ],
    ids=str,
)
def test_what_has_no_json_form(value, why):
    """Refused with one sentence that names the place and the reason."""
    with pytest.raises(NotJson, match=why):
        to_json(value)


@pytest.mark.parametrize("number", [INT_MIN, INT_MAX, 0])
def test_64_bits(number):
    """Signed and unsigned 64-bit integers keep every digit."""
    assert (INT_MIN, INT_MAX) == (-9_223_372_036_854_775_808, 18_446_744_073_709_551_615)
    assert to_json(number) == number
    assert canonical(number) == str(number).encode()


def test_what_has_a_form():
    """Each foreign type becomes what the docs say."""
    assert to_json(
        {
            "at": dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC),
            "on": dt.date(2026, 1, 2),
            "price": decimal.Decimal("1.10"),
            "id": uuid.UUID(int=1),
            "set": {3, 1, 2},
            "enum": [Colour.RED, Name.A],
            "point": Point(1, (2,)),
            "model": Model(n=1, at=dt.datetime(2026, 1, 1)),
            "int": MyInt(3),
            "str": MyStr("mine"),
            "true": True,
        }
    ) == {
        "at": "2026-01-02T03:04:05+00:00",
        "on": "2026-01-02",
        "price": "1.10",
        "id": "00000000-0000-0000-0000-000000000001",
        "set": [1, 2, 3],
        "enum": ["red", "a"],
        "point": {"x": 1, "y": [2]},
        "model": {"n": 1, "at": "2026-01-01T00:00:00"},
        "int": 3,
        "str": "mine",
        "true": True,
    }


@quick
@given(st.frozensets(st.integers(-99, 99) | st.text(max_size=3) | st.none()))
def test_sets_have_one_order(value):
    """Equal sets have one digest, whatever order Python keeps them in."""
    assert to_json(value) == to_json(set(value))


@quick
@given(JSON)
def test_measured_bounds_what_is_written(value):
    """The approximate size is never far below the encoded characters, so that limits hold."""
    made, size = measured(value)
    assert made == value
    assert size >= len(canonical(value).decode()) / 12


@pytest.mark.parametrize(
    "value", ["x" * 101, ["x" * 60, "y" * 60], {"k" * 101: 1}, [None] * 60, [[]] * 60, list(range(200))], ids=repr
)
def test_size_is_kept(value):
    """Larger than the limit is refused."""
    with pytest.raises(NotJson, match="size limit"):
        to_json(value, bytes_max=100)


def test_the_default_size():
    """16 MiB and not more."""
    assert to_json("x" * 1_000) == "x" * 1_000
    with pytest.raises(NotJson, match="size limit"):
        to_json("x" * BYTES_MAX)


def test_nan_has_no_canonical_form():
    """Even when somebody bypasses to_json."""
    with pytest.raises(ValueError, match="JSON compliant"):
        canonical(math.nan)


def test_a_model_that_cannot_be_dumped():
    """A pydantic model with a field that has no JSON form is NotJson, like any other such value."""
    with pytest.raises(NotJson):
        to_json(Loose(value=object()))


def test_the_place_in_a_list():
    """A place that begins with an index is written whole."""
    with pytest.raises(NotJson, match=r"'\[0\]'"):
        to_json([math.nan])
