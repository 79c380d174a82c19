"""Whatever an agent writes comes out printable, complete or counted, and unambiguous."""

import enum
import re
import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handrail.core.text import MARKS_MAX, safe, safe_block

EVERYTHING = 10**9
MORE = re.compile(r"… \(\+([\d,]+) chars?\)\Z")
MORE_LINES = re.compile(r"… \(\+([\d,]+) lines?, ([\d,]+) chars?\)")
ESCAPE = re.compile(r"\\(?:([nrt\\])|x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")
NAMED = {"n": "\n", "r": "\r", "t": "\t", "\\": "\\"}

NASTY = [
    *"\x00\x07\x08\t\n\r\x1b\x7f\x85\x9b\x9d\\…",
    *"\u00a0\u00ad\u034f\u061c\u115f\u1160\u180e\u200b\u200d\u200e\u202e\u2028\u2029\u2066\u2800\u3000\u3164",
    *"\ufe0f\ufeff\uffa0\ufffc\ue000\ufdd0\uffff\U000e0041\U000e0100\U0010ffff\ud800\udfff",
    *"\u0301\u0336\u20dd\u0e47\u1161\U0001f44d",
    "… (+12 chars)",
    "\x1b[2J",
    "\\n",
    "\r\n",
]
ANY_CHAR = st.one_of(st.sampled_from(NASTY), st.characters(), st.characters(max_codepoint=0x7F))
ANY_TEXT = st.lists(ANY_CHAR, max_size=60).map("".join)

# DerivedCoreProperties.txt, Default_Ignorable_Code_Point, Unicode 16.
DEFAULT_IGNORABLE = [
    *[(0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)],
    *[(0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F)],
    *[(0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A)],
    *[(0xE0000, 0xE0FFF)],
]


def decode(shown: str) -> str:
    """Undo the escapes; a backslash that starts none is an error."""

    def one(match: re.Match[str]) -> str:
        named, *codes = match.groups()
        return NAMED[named] if named else chr(int(next(filter(None, codes)), 16))

    assert "\\" not in ESCAPE.sub("", shown)
    return ESCAPE.sub(one, shown)


def assert_printable(line: str) -> None:
    assert line.isprintable()
    line.encode("utf-8")
    assert len(line.splitlines()) <= 1
    for char in line:
        assert char == " " or unicodedata.category(char)[0] not in "CZ"


@given(ANY_TEXT)
@example("\ud83d\udc4d")
@example("a\u0301" * 50)
def test_every_text_becomes_printable_and_can_be_read_back_exactly(text):
    """Nothing is lost and nothing is ambiguous: undoing the escapes gives the text."""
    shown = safe(text, max_chars=EVERYTHING)
    assert_printable(shown)
    assert decode(shown) == text


@given(ANY_TEXT)
def test_the_result_holds_nothing_to_escape_but_backslashes(text):
    """Applying it again only doubles the backslashes."""
    shown = safe(text, max_chars=EVERYTHING)
    assert safe(shown, max_chars=EVERYTHING) == shown.replace("\\", "\\\\")


@given(ANY_TEXT, st.integers(1, 80))
def test_what_does_not_fit_is_counted(text, max_chars):
    """At most `max_chars` are shown, escapes are whole, and the hidden characters of the input are counted."""
    shown = safe(text, max_chars=max_chars)
    more = MORE.search(shown)
    body = shown[: more.start()] if more else shown
    hidden = int(more[1].replace(",", "")) if more else 0
    assert len(body) <= max_chars
    assert decode(body) == text[: len(text) - hidden]
    assert_printable(shown)
    if more:
        assert len(safe(text[: len(body) + 1], max_chars=EVERYTHING)) >= max_chars - 9  # no room is wasted


def test_every_code_point():
    """Each of the 1,114,112 is shown as itself or as its own escape, and only graphic ones as themselves."""
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        shown = safe("a" + char)[1:]
        if shown == char:
            assert char == " " or unicodedata.category(char)[0] not in "CZ", hex(code)
        else:
            assert shown.isascii(), hex(code)
            assert decode(shown) == char, hex(code)


@pytest.mark.parametrize(("first", "last"), DEFAULT_IGNORABLE)
def test_characters_that_show_nothing_are_made_visible(first, last):
    """Every default-ignorable code point, assigned or not, variation selectors and tags included."""
    for code in range(first, last + 1):
        assert safe(f"a{chr(code)}b").startswith("a\\"), hex(code)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("one\ntwo\tthree\r", r"one\ntwo\tthree\r"),
        ("\x7f\x80\x9b", r"\x7f\x80\x9b"),
        ("a\u202eb\u061cc\u200ed\u2069", r"a\u202eb\u061cc\u200ed\u2069"),
        ("\U000e0041\ufe0f\u2800\u3164", r"\U000e0041\ufe0f\u2800\u3164"),
        ("a\u00a0b\u3000c\u2028d", r"a\xa0b\u3000c\u2028d"),
        ("\ud800\ue000\uffff\u0378", r"\ud800\ue000\uffff\u0378"),
        (r"C:\new", r"C:\\new"),
        ("[red]not markup[/]", "[red]not markup[/]"),
        ("", ""),
    ],
)
def test_what_hides_or_acts_is_shown_as_an_escape(text, shown):
    """Control, bidi, invisible, unusual, lone and unassigned characters."""
    assert safe(text) == shown


@pytest.mark.parametrize(
    "text", ["naïve", "Zoë e\u0301", "日本語", "한국어", "हिन्दी", "العربية", "לְשָׁלֹום", "လျှို့ဝှက်", "ไม่", "👍🏽", "a…b", "§"]
)
def test_ordinary_writing_stays_as_it_is(text):
    """Scripts with several marks a letter too."""
    assert safe(text) == text


@pytest.mark.parametrize("mark", ["\u0301", "\u0336", "\u20dd", "\u0e47", "\u1161", "\ud7b0"])
def test_floods_of_marks_are_capped(mark):
    """Beyond the bound they stand as escapes, so that they can neither overflow their line nor hide."""
    assert safe("e" + mark * 40, max_chars=1000).count(mark) == MARKS_MAX
    assert safe(("e" + mark * 40) * 3, max_chars=5000).count(mark) == 3 * MARKS_MAX


@pytest.mark.parametrize("before", ["", "\n", "\\", "\u200b"])
def test_a_mark_with_nothing_to_stand_on_is_escaped(before):
    """Else it would change our own escape, or what the caller prints before."""
    assert safe(before + "\u0301x").endswith(r"\u0301x")


def test_an_agent_cannot_write_our_notes():
    """Text that ends like a shortened one does not look shortened."""
    assert safe("abc… (+1,204 chars)") == r"abc\u2026 (+1,204 chars)"
    assert safe_block("a\n… (+12 lines, 3 chars)")[1] == r"\u2026 (+12 lines, 3 chars)"
    assert safe("x" * 1407, max_chars=203) == "x" * 203 + "… (+1,204 chars)"
    assert safe("abcd", max_chars=3) == "abc… (+1 char)"


def test_an_escape_is_never_cut_in_two():
    """Half an escape would be read as something else."""
    assert safe("ab\x1bcd", max_chars=5) == "ab… (+3 chars)"
    assert safe("\x1b", max_chars=1) == "… (+1 char)"


def test_long_text_costs_what_is_shown():
    """Only the shown part is looked at: 50 million characters are no work."""
    assert safe("\u202e" * 50_000_000, max_chars=6) == r"\u202e… (+49,999,999 chars)"


def test_any_object_can_be_shown():
    """Values that cannot be shown are named, never raised."""

    class Broken:
        def __str__(self):
            raise RuntimeError("\x1b")

    class Sly(str):
        __slots__ = ()

        def __len__(self):
            return 0

        def __iter__(self):
            return iter("innocent")

        def __str__(self):
            return "innocent"

    class Color(enum.StrEnum):
        RED = "red"

    assert safe(None) == "None"
    assert safe(12.5) == "12.5"
    assert safe(b"\x1b") == r"b'\\x1b'"
    assert safe(Color.RED) == "red"
    assert safe(ValueError("a\nb")) == r"a\nb"
    assert safe(Broken()) == "<Broken that cannot be shown: RuntimeError>"
    assert safe(type("N\x1b", (Broken,), {})()) == r"<N\x1b that cannot be shown: RuntimeError>"
    assert safe(10**5000) == "<int that cannot be shown: ValueError>"
    assert safe(Sly("real\n")) == r"real\n"


@given(ANY_TEXT | st.lists(ANY_TEXT, max_size=8).map("\n".join), st.integers(1, 60), st.integers(1, 6))
@example("\n\n\n", 1, 2)
@example("", 1, 1)
@example("abc\n\nd", 3, 9)
def test_a_block_is_safe_bounded_and_counts_what_it_hides(text, max_chars, max_lines):
    """Each line is printable; shown and hidden lines add up; at most the given characters and lines are shown."""
    lines = safe_block(text, max_chars, max_lines)
    for line in lines:
        assert_printable(line)
    note = MORE_LINES.fullmatch(lines[-1])
    shown = lines[:-1] if note else lines
    whole = text.split("\n")
    assert len(shown) <= max_lines
    assert sum(len(MORE.sub("", line)) for line in shown) <= max_chars
    assert len(shown) + (int(note[1].replace(",", "")) if note else 0) == len(whole)
    if note:
        assert int(note[2].replace(",", "")) == len("\n".join(whole[len(shown) :]))
    for line, original in zip(shown, whole, strict=False):
        more = MORE.search(line)
        body = line[: more.start()] if more else line
        hidden = int(more[1].replace(",", "")) if more else 0
        assert decode(body) == original[: len(original) - hidden]


def test_a_block_keeps_lines_and_shows_every_other_line_break():
    """Only a line feed ends a line."""
    assert safe_block("a\r\nb\x0bc\u2028d\n") == [r"a\r", r"b\x0bc\u2028d", ""]
    assert safe_block("x\n" * 100, max_lines=2) == ["x", "x", "… (+99 lines, 196 chars)"]
    assert safe_block("abc\ndef\nghi", max_chars=4) == ["abc", "d… (+2 chars)", "… (+1 line, 3 chars)"]
    assert safe_block("abc\n\nd", max_chars=3) == ["abc", "", "… (+1 line, 1 char)"]
    assert safe_block("a\n" * 10_000_000)[-1] == "… (+9,999,961 lines, 19,999,920 chars)"


@pytest.mark.parametrize(
    "call", [lambda: safe("a", max_chars=0), lambda: safe_block("a", 0), lambda: safe_block("a", 1, 0)]
)
def test_bounds_below_one_are_refused(call):
    """A bound of nothing is a mistake of the caller."""
    with pytest.raises(ValueError, match="must be at least 1, not 0"):
        call()


@given(ANY_TEXT)
def test_rich_prints_it_as_it_is_when_given_as_text(text):
    """The documented way to print: `rich.text.Text(safe(x))`; brackets are no markup."""
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    out = StringIO()
    shown = safe("[red]" + text, max_chars=EVERYTHING)
    Console(file=out, width=10**6, force_terminal=False).print(Text(shown), soft_wrap=True)
    assert out.getvalue() == shown + "\n"
