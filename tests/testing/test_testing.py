"""What Handrail offers for your own tests."""

import pytest

import handrail.testing
from handrail.core.action import Action
from handrail.core.commands import Admit, Ended, Invoke, Proposal, failed
from handrail.core.flow import life
from handrail.core.outcome import Reason, Status
from handrail.testing import Clock, MemoryStore, Playbook

ACTION = Action("a", "bot", "run", "c", "t", {}, "k")


def test_names():
    """Three names, sorted."""
    assert handrail.testing.__all__ == ["Clock", "MemoryStore", "Playbook"]


def test_the_clock_moves_when_told():
    """Forward, back, and not by itself."""
    clock = Clock(10)
    assert clock() == clock() == 10
    clock.forward(1.5)
    clock.forward(-0.5)
    assert clock() == 1_000_010
    assert MemoryStore(clock).transact(lambda tx: tx.now_us) == 1_000_010


def test_a_playbook():
    """Answer in, command out; at the end the outcome."""
    play = Playbook(life(Proposal(ACTION, None)))
    assert play.expect(Admit).action == ACTION
    assert play.outcome is None
    refused = failed(ACTION, 0, Status.DENIED, Reason.RULE, "no")
    assert play.answer(Ended(refused)) is play
    assert (play.command, play.outcome) == (None, refused)


def test_a_playbook_says_what_it_got():
    """A flow that asks something else fails the test with both names."""
    with pytest.raises(AssertionError, match="expected Invoke, the flow asks Admit"):
        Playbook(life(Proposal(ACTION, None))).expect(Invoke)
