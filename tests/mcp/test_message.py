"""Reading one line of JSON-RPC so that no two readers can read two things."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handrail.mcp.message import (
    Batch,
    Malformed,
    MessageKind,
    error_answer,
    has_nul,
    read,
    spelled_alike,
    write,
)


def test_the_three_kinds():
    """A request has an id and a method, a notification only a method, an answer a result or an error."""
    request = read(b'{"jsonrpc":"2.0","id":"1","method":"m","params":{"a":1}}')
    assert (request.kind, request.id, request.method, request.params) == (MessageKind.REQUEST, "1", "m", {"a": 1})
    assert read(b'{"jsonrpc":"2.0","method":"m"}').kind is MessageKind.NOTIFICATION
    assert read(b'{"jsonrpc":"2.0","id":1,"result":{}}').kind is MessageKind.ANSWER
    assert read(b'{"jsonrpc":"2.0","id":null,"error":{}}').id is None
    assert read(b'{"jsonrpc":"2.0","method":"m"}').params == {}


@pytest.mark.parametrize(
    "line",
    [
        b"", b"nothing", b"\xff", b"{} {}", b"3", b"[]", b"null", b'"x"',
        b'{"jsonrpc":"2.0"}',
        b'{"jsonrpc":2.0,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1}',
        b'{"jsonrpc":"2.0","id":1,"method":null,"result":1}',
        b'{"jsonrpc":"2.0","id":1,"result":1,"error":{}}',
        b'{"jsonrpc":"2.0","id":null,"result":1}',
        b'{"jsonrpc":"2.0","id":null,"method":"m"}',
        b'{"jsonrpc":"2.0","id":true,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1.0,"method":"m"}',
        b'{"jsonrpc":"2.0","method":""}',
        b'{"jsonrpc":"2.0","method":"m","params":null}',
        b'{"jsonrpc":"2.0","method":"m","Method":"n"}',
        b'{"jsonrpc":"2.0",\r"method":"m"}',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","method":"m"}',
        b'{"jsonrpc":"2.0","method":"m","params":{"n":' + b"1" * 5_000 + b"}}",
        b"[" * 200_000,
    ],
)  # fmt: skip
def test_what_is_no_message(line):
    """Refused in one sentence."""
    with pytest.raises(Malformed) as refused:
        read(line)
    assert str(refused.value).endswith(".")


def test_a_refusal_knows_the_request():
    """So that whoever waits is answered."""
    with pytest.raises(Malformed) as refused:
        read(b'{"jsonrpc":"1.0","id":7,"method":"m"}')
    assert refused.value.id == 7


@pytest.mark.parametrize(
    ("params", "fault"),
    [
        (b'{"a":1,"a":1}', "'a' stands twice"),
        (b'{"x":[{"b":{},"b":1}]}', "'b' stands twice"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "-Infinity"),
        (b'{"a":1e400}', "1e400"),
    ],
)
def test_faults_are_told(params, fault):
    """The message is read, and says where readers would differ."""
    (told,) = read(b'{"jsonrpc":"2.0","id":1,"method":"m","params":' + params + b"}").faults
    assert fault in told


def test_faults_belong_to_one_line():
    """The next line is sound."""
    read(b'{"jsonrpc":"2.0","method":"m","params":{"a":1,"a":1}}')
    assert read(b'{"jsonrpc":"2.0","method":"m"}').faults == ()


def test_a_batch_keeps_what_is_broken():
    """Each part by itself."""
    batch = read(b'[{"jsonrpc":"2.0","method":"m"},4]')
    assert isinstance(batch, Batch)
    assert batch.items[0].method == "m"
    assert isinstance(batch.items[1], Malformed)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_what_is_written_is_read_again(params):
    """Every value, as one line."""
    line = write({"jsonrpc": "2.0", "id": 1, "method": "m", "params": params})
    assert b"\n" not in line
    assert read(line).params == params


def test_lone_surrogates_are_written_as_they_came():
    """They are no UTF-8."""
    assert write({"a": "\ud800"}) == b'{"a":"\\ud800"}'


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(line):
    """Nothing else is raised."""
    try:
        read(line)
    except Malformed:
        pass


def test_errors():
    """With and without data."""
    assert json.loads(error_answer(None, -1, "why")) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -1, "message": "why"},
    }
    assert json.loads(error_answer("x", -1, "why", {"a": 1}))["error"]["data"] == {"a": 1}


def test_keys_that_differ_in_case():
    """At any depth."""
    assert spelled_alike({"a": [{"k": 1}, {"K": 2}], "b": {"c": 1}}) == ""
    assert "case only" in spelled_alike({"a": [{"k": 1, "K": 2}]})
    assert "case only" in spelled_alike({"stra\u00dfe": 1, "STRASSE": 2})


def test_nul():
    """In keys and texts."""
    assert not has_nul({"a": ["b", 1, None]})
    assert has_nul({"a": [{"b": "x\0"}]})
    assert has_nul({"a": {"\0": 1}})
