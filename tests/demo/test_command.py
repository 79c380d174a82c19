"""`handrail demo`, as a process and inside this one."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from handrail.cli.app import app
from handrail.demo import scenes as listed
from handrail.demo.scene import Result
from handrail.demo.scene_3_guardrail_bypass import GuardrailBypass

PAGE = (Path(__file__).parents[2] / "docs" / "demo.md").read_text(encoding="utf-8")


def run(capsys, *words):
    """Return exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        app(["demo", *words])
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def test_json_is_exactly_this(capsys):
    """One object with one entry for each scene, and nothing else."""
    code, out, err = run(capsys, "--json")
    told = json.loads(out)
    assert (code, err, list(told)) == (0, "", ["scenes"])
    assert [scene["scene"] for scene in told["scenes"]] == [scene.number for scene in listed.scenes()]
    for scene in told["scenes"]:
        assert list(scene) == ["scene", "name", "unguarded", "guarded", "held"]
        assert scene["held"] is True
        assert all(isinstance(value, int | str) for half in ("unguarded", "guarded") for value in scene[half].values())
        assert set(scene["unguarded"]) <= set(scene["guarded"])


def test_a_scene_that_is_not_held_ends_with_1(capsys, monkeypatch):
    """In JSON and in words."""

    class Lost(GuardrailBypass):
        def play(self, stage):
            return Result({"lost": 1}, {"lost": 1}, False, "lost")

    monkeypatch.setattr(listed, "scenes", lambda: (Lost(),))
    code, out, _ = run(capsys, "--json")
    assert (code, json.loads(out)["scenes"][0]["held"]) == (1, False)
    code, out, _ = run(capsys, "3")
    assert code == 1
    assert "NOT HELD." in out and "0 of 1 scenes held" in out


def test_scenes_are_chosen_by_number(capsys):
    """Once each, in the order asked for."""
    code, out, _ = run(capsys, "--json", "3", "3")
    assert (code, [scene["scene"] for scene in json.loads(out)["scenes"]]) == (0, [3])
    code, _, err = run(capsys, "9")
    assert code == 2
    assert "no scene 9" in err and "1 (silent failure)" in err


def test_options_that_mean_nothing_here_are_refused(capsys, tmp_path):
    """A demo never touches a project's policy or store."""
    code, _, err = run(capsys, "3", "--store", "sqlite:///x.db")
    assert code == 2 and "brings its own" in err


def test_keep_leaves_what_was_played(capsys, tmp_path, monkeypatch):
    """Once; what is there already is not touched."""
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(capsys, "3", "--keep", "kept")
    assert code == 0
    assert "handrail log --policy kept/scene-3/handrail.yaml" in out
    assert {"handrail.yaml", "handrail.db", "cloud.db"} <= {path.name for path in (tmp_path / "kept/scene-3").iterdir()}
    with pytest.raises(SystemExit) as ended:
        app(["policy", "check", "--policy", "kept/scene-3/handrail.yaml"])
    assert ended.value.code == 0
    assert "nothing to object to" in capsys.readouterr().out
    code, _, err = run(capsys, "3", "--keep", "kept")
    assert code == 2 and "is there already" in err


@pytest.mark.parametrize("words", [["--json"], ["--fast"]])
def test_as_a_process_it_needs_nothing(tmp_path, words):
    """No policy, no home, no terminal; nothing is left behind."""
    env = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH")}
    env |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path), "COLUMNS": "80"}
    command = [sys.executable, "-m", "handrail", "demo", *words]
    ended = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_page_names_every_scene_and_command():
    """No more and no fewer."""
    numbers = [int(number) for number in re.findall(r"^\| (\d) \|", PAGE, re.MULTILINE)]
    assert numbers == [scene.number for scene in listed.scenes()]
    for scene in listed.scenes():
        assert scene.name.lower() in PAGE.lower()
    for option in ("--fast", "--json", "--keep"):
        assert option in PAGE
