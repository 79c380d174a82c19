"""What the terminal is given."""

import io

import pytest
from rich.console import Console

from handrail.demo.scene import Result, Tone
from handrail.demo.scenes import scenes
from handrail.demo.stages import Terminal


def screen(**options):
    return Console(file=io.StringIO(), markup=False, highlight=False, emoji=False, **options)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_scene_fits_and_ends_with_its_verdict(tmp_path, width):
    """At most 80 columns, no blanks at the ends of lines, no escapes where there is no terminal."""
    for scene in scenes():
        console = screen(width=width)
        folder = tmp_path / str(scene.number)
        folder.mkdir()
        stage = Terminal(folder, console, 0)
        stage.title(scene)
        result = scene.play(stage)
        stage.verdict(result)
        text = console.file.getvalue()
        assert "\x1b" not in text and text.isascii()
        assert all(line == line.rstrip() and len(line) <= min(width, 80) for line in text.splitlines())
        assert "Held." in text and str(tmp_path) not in text


def test_foreign_text_is_escaped(tmp_path):
    """Neither escape sequences nor markup act."""
    console = screen(width=80)
    stage = Terminal(tmp_path, console, 0)
    stage.say("\x1b[2J[red]x[/red]\rgone")
    stage.card("\x07t", [("\x1bn", "\u202ev")])
    stage.table(["c"], [["\x1b[1m"]], [Tone.GOOD])
    stage.source(["\x1b]0;x\x07"], Tone.BAD)
    text = console.file.getvalue()
    assert not set("\x1b\x07\r\u202e") & set(text)
    assert "\\x1b[2J[red]x[/red]\\rgone" in text


@pytest.mark.parametrize("color", [None, "standard"])
def test_a_terminal_shows_progress(tmp_path, color):
    """Marks appear one by one, and tell their meaning without colours too."""
    console = screen(
        width=80, force_terminal=True, color_system=color, legacy_windows=False, _environ={"TERM": "xterm"}
    )
    with Terminal(tmp_path, console, 0).strip(2, {Tone.GOOD: "right", Tone.BAD: "wrong", Tone.ASK: "held"}) as strip:
        strip.mark(Tone.GOOD)
        strip.mark(Tone.BAD)
    text = console.file.getvalue()
    assert "1/2" in text and "2/2" in text
    assert "+ right" in text and "x wrong" in text and "held" not in text
    assert ("\x1b[32m" in text) is (color is not None)


def test_what_is_not_held_says_so(tmp_path):
    """Loudly."""
    console = screen(width=80)
    Terminal(tmp_path, console, 0).verdict(Result({}, {}, False, "all lost"))
    assert "NOT HELD. all lost" in console.file.getvalue()
