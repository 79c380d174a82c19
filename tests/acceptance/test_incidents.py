"""Ten documented incidents are stopped by policies that an operator can read; their harmless twins pass."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

from handrail.policy import load
from handrail.policy.check import Level, check

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "incidents"
INCIDENTS = [json.loads(line) for line in (FOLDER / "incidents.jsonl").read_text(encoding="utf-8").splitlines()]
QUESTIONS = {"rm-existing-checkout": 1, "rm-home-cleanup": 3}
"""What a person is asked about a harmless twin: a deletion that no text can show to be of one's own making."""


def bench():
    """Load bench/incidents.py, which stands beside the figures it prints."""
    sys.path.insert(0, str(ROOT / "bench"))
    try:
        spec = importlib.util.spec_from_file_location("bench_incidents", ROOT / "bench" / "incidents.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.pop(0)


@pytest.mark.parametrize("incident", INCIDENTS, ids=lambda incident: incident["id"])
def test_the_attack_is_stopped_and_the_twin_passes(incident):
    """At or before the step that the incident names; the twin without a denial, and asked about where said above."""
    played = bench().play(incident)
    assert played.held, played
    assert played.denied == 0
    assert played.asked == QUESTIONS.get(incident["id"], 0)


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_policy_can_be_read(file):
    """At most 25 lines of 120 characters, and the checker finds no error."""
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 120
    assert not [advice for advice in check(load(file)) if advice.level is Level.ERROR]


def test_each_incident_has_its_policy():
    """And no policy is left over."""
    assert {file.stem for file in FOLDER.glob("*.yaml")} == {incident["id"] for incident in INCIDENTS}
    assert len(INCIDENTS) == 10
