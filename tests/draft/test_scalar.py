"""Foreign text in YAML reads back as it was, or stays in its comment."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from handrail.draft.scalar import COMMENT_CHARS, quoted, scalar

TEXT = st.text(st.characters(codec="utf-8"))
NASTY = ["", " ", ": # {}", "a: b", "\nrules: []", "\u2028x", "\x85", "\ufeff", "😀", "'", '"\\', "true", "No", "~", "*a", "1", "0x1", "a\tb", "- x", "\x00", "<<", "=", "2026-01-01", "\uffff", "\U0010ffff"]  # fmt: skip


def load(text):
    return YAML(typ="safe", pure=True).load(text)


@pytest.mark.parametrize("text", NASTY)
def test_what_yaml_might_misread(text):
    """As a key, as a value, in a list in a mapping."""
    assert load(f"{scalar(text)}: {{a: [{scalar(text)}, {scalar(text)}]}}\n") == {text: {"a": [text, text]}}


@given(TEXT)
def test_any_text_reads_back_as_it_was(text):
    """On one line."""
    written = scalar(text)
    assert len(written.splitlines()) == 1
    assert load(f"{written}: {written}\n") == {text: text}


@pytest.mark.parametrize("text", ["agent", "dana@example.com", "git.git_status", "git.resources/read", "a-b_c+d"])
def test_what_is_plain_to_see_needs_no_quotes(text):
    """A policy is a page that people read."""
    assert scalar(text) == text


@given(st.text())
@example("\nrules: []")
@example("x\u2028rules: []")
@example("\x1b[31m\x85rules: []")
@example("\ud800 \u202e \ufeff" * 100)
def test_a_comment_cannot_be_left(text):
    """Whatever it is: one printable line, cut where it is long, and the mapping around it is as it was."""
    comment = quoted(text)
    assert comment.isprintable()
    assert len(comment.splitlines()) == 1
    assert len(comment) <= COMMENT_CHARS + len('""… (+1,000,000 chars)')
    assert load(f"a: 1\n# {comment}\nb: 2\n") == {"a": 1, "b": 2}
