"""Commands and answers: plain values, and the list is closed."""

import typing

from handrail.core import commands
from handrail.core.action import Action
from handrail.core.commands import Admit, Answer, Command, Go, Proposal, Raised, Roll, Settle, Sleep, failed
from handrail.core.outcome import Outcome, Reason, Status

ACTION = Action("a", "bot", "run", "call", "t", {}, "k")


def test_the_list_is_closed():
    """Seven commands; a driver that knows these knows all."""
    names = {kind.__name__ for kind in typing.get_args(Command)}
    assert names == {"Admit", "Consult", "Await", "Invoke", "Roll", "Sleep", "Settle"}
    assert all(hasattr(commands, name) for name in names)


def test_every_answer_is_listed():
    """The answers that a driver may send."""
    names = {kind.__name__ for kind in typing.get_args(Answer)}
    assert names == {
        "Go", "Held", "Ended", "Seen", "Unseen", "Returned", "Raised", "Settled", "float", "bool",
    }  # fmt: skip


def test_commands_are_values():
    """Equal commands are equal, so that playbooks can expect them."""
    assert Admit(ACTION) == Admit(ACTION, 0, True, None, (), None)
    assert Roll() == Roll()
    assert Sleep(1.0) == Sleep(1.0)
    assert Settle(Go(ACTION, ()), Outcome(Status.SUCCESS)).returned is False


def test_a_proposal_waits_for_nobody_unless_said():
    """A held call is answered at once by default."""
    assert Proposal(ACTION, None).wait_s == 0.0


def test_failed_names_its_action():
    """An outcome that is not a success carries action, attempt, status, reason and sentence."""
    assert failed(ACTION, 2, Status.DENIED, Reason.RULE, "no") == Outcome(
        Status.DENIED, Reason.RULE, "no", action="a", attempt=2
    )


def test_nothing_is_known_of_what_is_there_unless_said():
    """By default no before-image, no after-image, and a failure may be tried again."""
    assert Proposal(ACTION, None).before is None
    assert Settle(Go(ACTION, ()), Outcome(Status.SUCCESS)).after is None
    raised = Raised(OSError(), "it failed")
    assert (raised.reason, raised.final) == (Reason.ERROR, False)
