"""The corpus keeps its own rules, so that a case which passes says something."""

import re

import pytest

from tests.acceptance.bypass import corpus
from tests.acceptance.bypass.road import compiled

CASES = corpus.load()
CALLS = {case.id: case for case in CASES}


def expectations(case, side):
    """Return what has to be decided, step by step."""
    steps = [step.call if isinstance(step, corpus.Flood) else step for step in case.steps(side)]
    return [step.expect for step in steps if isinstance(step, corpus.Call)]


def test_there_are_many():
    """At least sixty, each under its own name."""
    assert len(CASES) >= 60
    assert len(CALLS) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_is_whole(case):
    """It says why, its policy loads, its attack is stopped, its twin is not, and roads are left out with a reason."""
    assert compiled(case.policy).tools
    assert re.fullmatch(r"[A-Z\"].*[.]", case.why), case.why
    assert set(expectations(case, "attack")) & {"ask", "deny"}
    assert set(expectations(case, "twin")) == {"allow"}
    assert set(case.roads) <= set(corpus.ROADS)
    assert bool(case.because) == (case.roads != corpus.ROADS)


def test_a_broken_file_is_told(tmp_path):
    """A key that nobody knows is an error: a misspelt `expect` would make a step pass."""
    file = tmp_path / "case.yaml"
    file.write_text("why: A.\npolicy: |\n  agents: {bot: {}}\nattack:\n  - {tool: a, exspect: deny}\ntwin: []\n")
    with pytest.raises(corpus.CorpusError, match="exspect"):
        corpus.read(file)
    file.write_text("why: A.\npolicy: |\n  agents: {bot: {}}\nattack: [{tool: a, expect: no}]\ntwin: []\n")
    with pytest.raises(corpus.CorpusError, match="allow, ask or deny"):
        corpus.read(file)
