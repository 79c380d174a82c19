"""Trace files: what a line says, and what is said of a broken one."""

import io

import pytest

from handrail.backtest import trace as trace_module
from handrail.backtest.times import instant
from handrail.backtest.trace import Attempt, Trace, TraceError


def test_a_line():
    """With everything that it may say."""
    text = (
        b'{"agent": "bot", "run": "r", "call": 7, "tool": "t", "args": {"a": 1}, "result": null, "error": null, '
        b'"at": "2026-03-01T09:30:00Z", "ended_at": "2026-03-01T09:30:01Z", "parent": "p", "goal": "g", "before": [1]}\n'
    )
    at = instant("2026-03-01T09:30:00Z")
    assert list(Trace(io.BytesIO(text), "t", print)) == [
        Attempt("bot", "r", "7", "t", {"a": 1}, "", True, None, "", None, [1], at, at + 1_000_000, "p")
    ]


def test_what_a_line_leaves_out(read):
    """Its result is not known then, which is not the same as null."""
    bare, null, failed = read({}, {"result": None}, {"error": "boom", "result": None})
    assert (bare.known, null.known, failed.known) == (False, True, False)
    assert (bare.error, bare.at_us, bare.parent, failed.error) == (None, None, None, "boom")


@pytest.mark.parametrize("key", ["agent", "run", "call", "tool", "args"])
def test_every_needed_key(read, key):
    """Is missed by its name, with the line."""
    with pytest.raises(TraceError, match=rf"^t\.jsonl:2: '{key}' is missing"):
        read({}, {key: "-"})
    with pytest.raises(TraceError, match="'agent', 'run', 'call', 'tool', 'args' are missing"):
        read("{}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", r"t\.jsonl:1:2: It is not JSON"),
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ('{"a": NaN}', "NaN is not a JSON value"),
        ("[1]", "has to be an object .* this is a list"),
        ("null", "this is null"),
        ("[" * 100_000, "nested too deeply"),
        ({"agent": ""}, "'agent' is empty"),
        ({"agent": None}, "'agent' has to be text, and this is null"),
        ({"tool": 3}, "'tool' has to be text, and this is a number"),
        ({"call": True}, "'call' has to be text, and this is a truth value"),
        ({"args": []}, r"'args' has to be an object \({} for none\), and this is a list"),
        ({"at": "yesterday"}, "'at' cannot be used: it has to be a time such as"),
        ({"ended_at": 5}, "'ended_at' has to be text"),
        ({"at": "2026-03-01T09:30:00Z", "ended_at": "2026-03-01T09:29:59Z"}, "'ended_at' is before 'at'"),
        ({"error": "x", "result": 1}, "'result' and an 'error'"),
        ({"error": " "}, "'error' is empty"),
        ({"error": {"message": "x"}}, "'error' has to be text, and this is an object"),
        ({"errror": "x"}, "no key 'errror'. Did you mean 'error'"),
        ({"before": 2**70}, "'before' cannot be used: The value is an integer beyond 64 bits"),
    ],
)
def test_broken_lines(read, line, said):
    """One sentence, and where."""
    with pytest.raises(TraceError, match=said):
        read(line)


def test_text_that_is_not_utf_8():
    """Has its column."""
    with pytest.raises(TraceError, match="t:1:3: It is not UTF-8"):
        list(Trace(io.BytesIO(b"{ \xff}"), "t", print))


def test_a_mark_at_the_start(read):
    """Windows writes one."""
    assert len(read("\ufeff" + '{"agent":"b","run":"r","call":"c","tool":"t","args":{}}')) == 1


def test_blank_lines():
    """At the end they are nothing; before another line they are a mistake, with their own number."""
    line = b'{"agent":"b","run":"r","call":"c","tool":"t","args":{}}\n'
    assert len(list(Trace(io.BytesIO(line + b"\n  \n"), "t", print))) == 1
    with pytest.raises(TraceError, match="t:2: It is blank"):
        list(Trace(io.BytesIO(line + b"\n" + line), "t", print))


def test_a_line_has_a_limit(read, monkeypatch):
    """So that nobody fills the memory."""
    monkeypatch.setattr(trace_module, "LINE_MAX", 1024 * 1024)
    with pytest.raises(TraceError, match="longer than 1 MiB"):
        read({"goal": "x" * 1024 * 1024})


def test_keys_that_are_not_known(read):
    """Are named once, and not looked at."""
    said = []
    assert len(read({"expected": "allow"}, {"expected": "deny", "note": 1}, warn=said.append)) == 2
    assert said == [
        "t.jsonl:1: 'expected' is no key of a trace and is not looked at.",
        "t.jsonl:2: 'note' is no key of a trace and is not looked at.",
    ]


def test_arguments_beyond_the_limits(read):
    """Are an attempt that an agent's call would be refused for, not a broken line."""
    (attempt,) = read({"args": {"n": 2**70}})
    assert "beyond 64 bits" in attempt.invalid
    assert attempt.args == {"arguments": "{'n': 1180591620717411303424}"}


def test_a_result_beyond_the_limits(read):
    """Is a result all the same; nobody can look at it."""
    (attempt,) = read({"result": 2**70})
    assert (attempt.known, attempt.result) == (True, None)
    assert "beyond 64 bits" in attempt.opaque


def test_lines_are_read_one_by_one():
    """The file is never read whole: the second line is not touched before the first was used."""
    lines = iter([b'{"agent":"b","run":"r","call":"c","tool":"t","args":{}}\n', b"broken\n"])

    class Stream:
        def readline(self, limit):
            return next(lines, b"")

    attempts = iter(Trace(Stream(), "t", print))
    assert next(attempts).agent == "b"
    with pytest.raises(TraceError, match="t:2:1"):
        next(attempts)
