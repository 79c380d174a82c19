"""Playbooks of the flow: answer in, command out, no mocks."""

import pytest

from handrail.core.action import Action, action_key
from handrail.core.backoff import RETRIES_MAX
from handrail.core.commands import (
    Admit,
    Await,
    Consult,
    Ended,
    Go,
    Held,
    Invoke,
    Proposal,
    Raised,
    Returned,
    Roll,
    Seen,
    Settle,
    Settled,
    Sleep,
    Unseen,
    failed,
)
from handrail.core.effect import Effect, Verb
from handrail.core.flow import life
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.ticket import Ticket, TicketState
from handrail.core.tool import EffectError, Paired, Tool
from handrail.testing import Playbook

ACTION = Action("a-1", "bot", "run", "call", "crm.update", {"id": "1"}, action_key("bot", "crm.update", {"id": "1"}))
EFFECTS = (Effect(Verb.UPDATE, "lead/1"),)


class NoEffects:
    def of(self, args):
        return EFFECTS

    def bind(self, effects, args, result):
        return effects


def tool(**fields) -> Tool:
    return Tool("crm.update", NoEffects(), **fields)


def begin(wait_s=0.0, **fields) -> Playbook:
    return Playbook(life(Proposal(ACTION, tool(**fields), wait_s=wait_s)))


def go(attempt=0, **fields) -> Go:
    return Go(ACTION, EFFECTS, attempt, **fields)


def ticket() -> Ticket:
    return Ticket(
        "T-1", "n", "d", "k", "bot", "bot", None, True, "run", "crm.update", ("r",), {}, TicketState.PENDING, 0, 1
    )


def settle(play: Playbook, failures=0) -> Playbook:
    """Answer a settlement as the store would, and return the play."""
    command = play.expect(Settle)
    return play.answer(Settled(command.outcome, failures))


def test_success():
    """An allowed action is invoked once, settled as a success, and gives the tool's own value."""
    play = begin()
    assert play.expect(Admit) == Admit(ACTION)
    play.answer(go())
    assert play.expect(Invoke) == Invoke(ACTION, 0)
    play.answer(Returned("value", "value", 1))
    assert play.expect(Settle).outcome.status is Status.SUCCESS
    settle(play)
    assert play.outcome.status is Status.SUCCESS
    assert play.outcome.value == "value"


def test_refused():
    """A refused action is never invoked."""
    play = begin()
    play.answer(Ended(failed(ACTION, 0, Status.DENIED, Reason.RULE, "no")))
    assert play.command is None
    assert play.outcome.status is Status.DENIED


def test_held():
    """A held action ends as human_review_required, without having run."""
    held = Held(ticket(), failed(ACTION, 0, Status.HUMAN_REVIEW_REQUIRED, Reason.RULE, "ask"), True)
    play = begin().answer(held)
    assert play.command is None
    assert play.outcome.status is Status.HUMAN_REVIEW_REQUIRED


def test_waits_for_a_person():
    """With a waiting time, a held action waits, is decided afresh, and runs when approved."""
    held = Held(ticket(), failed(ACTION, 0, Status.HUMAN_REVIEW_REQUIRED, Reason.RULE, "ask"), True)
    play = begin(wait_s=10).answer(held)
    assert play.expect(Await) == Await("T-1", 10)
    play.answer(4.0)
    play.expect(Admit)
    play.answer(held)
    assert play.expect(Await).wait_s == pytest.approx(6)
    play.answer(1.0)
    play.answer(go(ticket="T-1"))
    play.expect(Invoke)


def test_waiting_ends():
    """Waiting is bounded: when the time is used up, the action ends as held."""
    held = Held(ticket(), failed(ACTION, 0, Status.HUMAN_REVIEW_REQUIRED, Reason.RULE, "ask"), True)
    play = begin(wait_s=10).answer(held).answer(10.0).answer(held)
    assert play.command is None
    assert play.outcome.status is Status.HUMAN_REVIEW_REQUIRED


def test_failure_of_a_tool_that_must_not_be_repeated():
    """An exception of a tool that is not idempotent fails the action at once and keeps the exception."""
    error = OSError("boom")
    play = begin().answer(go()).answer(Raised(error, "it failed"))
    assert play.expect(Settle).outcome.status is Status.FAILED
    settle(play, failures=1)
    assert play.outcome.error is error
    assert play.outcome.status is Status.FAILED


def test_retries_with_backoff_then_asks():
    """A repeatable tool is retried at most three times, each after a longer wait; then the next admission asks."""
    play = begin(repeatable=True)
    delays = []
    for attempt in range(RETRIES_MAX + 1):
        assert play.expect(Admit).attempt == attempt
        play.answer(go(attempt)).answer(Raised(OSError("x"), "it failed"))
        assert play.expect(Settle).outcome.status is Status.RETRY
        settle(play, failures=attempt + 1)
        if attempt < RETRIES_MAX:
            play.expect(Roll)
            play.answer(0.5)
            delays.append(play.expect(Sleep).delay_s)
            play.answer(True)
    assert delays == [0.75, 1.5, 3.0]
    play.expect(Admit)
    outcome = failed(ACTION, 4, Status.HUMAN_REVIEW_REQUIRED, Reason.RETRIES_EXHAUSTED, "ask")
    play.answer(Held(ticket(), outcome, True))
    assert play.outcome._replace(error=None) == outcome
    assert str(play.outcome.error) == "x", "the caller sees what the last attempt failed of"


def test_observed_retries_end_too():
    """In observe mode nothing asks, so used-up retries end the action as failed."""
    play = begin(repeatable=True).answer(go(3, observed=True)).answer(Raised(OSError("x"), "it failed"))
    ended = failed(ACTION, 3, Status.FAILED, Reason.ERROR, "it failed")
    play.answer(Settled(ended, RETRIES_MAX + 1))
    assert play.outcome.status is Status.FAILED
    assert play.outcome.reason is Reason.RETRIES_EXHAUSTED


def test_retry_after_is_a_floor():
    """What the upstream asks for is waited for, even above the cap."""
    play = begin(repeatable=True).answer(go()).answer(Raised(OSError("x"), "429", retry_after_s=120.0))
    settle(play, failures=1).answer(0.0)
    assert play.expect(Sleep).delay_s == 120.0


def test_success_after_retry():
    """A retry that succeeds is a success, and shares the ticket of the first attempt."""
    play = begin(repeatable=True).answer(go(ticket="T-1")).answer(Raised(OSError("x"), "failed"))
    settle(play, failures=1).answer(0.0).answer(True)
    assert play.expect(Admit).ticket == "T-1"
    play.answer(go(1)).answer(Returned(1, 1, 1))
    settle(play)
    assert play.outcome.status is Status.SUCCESS


def test_a_running_event_loop_is_not_blocked():
    """Where sleeping is not possible the action fails with a sentence that says what to do, and is settled so."""
    play = begin(repeatable=True).answer(go()).answer(Raised(OSError("x"), "failed."))
    settle(play, failures=1).answer(0.0).answer(False)
    assert play.expect(Settle).outcome.reason is Reason.WOULD_BLOCK
    settle(play)
    assert "async def" in play.outcome.why


def test_cancellation_is_never_retried():
    """What stops the program ends the action at once, even for a repeatable tool."""
    play = begin(repeatable=True).answer(go()).answer(Raised(KeyboardInterrupt(), "stopped", stops=True))
    assert play.expect(Settle).outcome.reason is Reason.CANCELLED
    settle(play)
    assert play.outcome.status is Status.FAILED


@pytest.mark.parametrize("first", [Raised(OSError("x"), "it hung", cut_off=True), Returned({}, {}, 1, opaque="bad")])
def test_what_an_earlier_attempt_may_have_done_is_not_forgotten(first):
    """A later attempt that fails cleanly does not show that nothing happened: the settlement is told."""
    play = begin(repeatable=True, checks=lambda args, result, now: ()).answer(go()).answer(first)
    for attempt in (1, 2):
        assert settle(play, failures=attempt) is play
        play.answer(0.5).answer(True).answer(go(attempt)).answer(Raised(OSError("y"), "it failed"))
        assert play.expect(Settle).cut_off
    settle(play, failures=3).answer(0.5).answer(True).answer(go(3)).answer(Returned({}, {}, 1))
    end = play.expect(Settle)
    assert (end.outcome.status, end.returned, end.began) == (Status.SUCCESS, True, True)


def test_clean_failures_stay_clean():
    """Attempts that all failed cleanly did nothing."""
    play = begin(repeatable=True).answer(go()).answer(Raised(OSError("x"), "it failed"))
    settle(play, failures=1).answer(0.5).answer(True).answer(go(1)).answer(Raised(OSError("x"), "it failed"))
    assert not play.expect(Settle).cut_off


def test_invalid_result_of_a_write():
    """A result that breaks its contract is failed_validation and is not used."""
    violation = Violation("checks[0]", "company_size", "company_size is null.")
    play = begin(checks=lambda args, result, now: (violation,)).answer(go()).answer(Returned({}, {}, 1))
    end = play.expect(Settle).outcome
    assert (end.status, end.violations) == (Status.FAILED_VALIDATION, (violation,))
    settle(play, failures=1)
    assert play.outcome.status is Status.FAILED_VALIDATION
    assert play.outcome.value is None


def test_invalid_result_of_a_repeatable_tool():
    """A repeatable tool is asked again for a valid result."""
    violation = Violation("result", "", "bad")
    play = begin(repeatable=True).answer(go()).answer(Returned({}, {}, 1, violations=(violation,)))
    assert play.expect(Settle).outcome.status is Status.RETRY


def test_opaque_result_with_checks():
    """A result without a JSON form cannot pass checks."""
    play = begin(checks=lambda args, result, now: ()).answer(go())
    play.answer(Returned(object(), None, 1, opaque="It is an object."))
    assert play.expect(Settle).outcome.status is Status.FAILED_VALIDATION


def paired(expect=None, args=lambda scope: {"id": "1"}) -> Paired:
    return Paired("crm.get", args, expect)


def test_plan_is_decided_twice():
    """A tool with a paired read is decided, previewed, and decided again with the before-image."""
    play = begin(before=paired())
    assert not play.expect(Admit).planned
    play.answer(go())
    assert play.expect(Consult).purpose == "before"
    play.answer(Seen({"size": 1}))
    second = play.expect(Admit)
    assert second.planned
    assert second.before == {"size": 1}
    play.answer(go()).expect(Invoke)


def test_no_preview_no_action():
    """When the before-image cannot be read, nothing runs."""
    play = begin(before=paired()).answer(go()).answer(Unseen("the CRM is away"))
    end = play.expect(Settle).outcome
    assert (end.status, end.reason) == (Status.DENIED, Reason.PREVIEW)
    settle(play)
    assert "the CRM is away" in play.outcome.why


def test_preview_arguments_that_cannot_be_told():
    """A paired read whose arguments are missing is not called, and nothing runs."""

    def missing(scope):
        raise EffectError("args.id is missing.")

    play = begin(before=paired(args=missing)).answer(go())
    assert play.expect(Settle).outcome.reason is Reason.PREVIEW


def test_read_back():
    """A write that reads back as expected is a success; the read sees what was there, asked and returned."""
    seen = {}

    def expect(scope):
        seen.update(scope)
        return ()

    play = begin(verify=paired(expect)).answer(go()).answer(Returned("r", "r", 1))
    assert play.expect(Consult).purpose == "verify"
    play.answer(Seen("now"))
    assert seen == {"args": {"id": "1"}, "before": None, "result": "r", "seen": "now"}
    assert play.expect(Settle).outcome.status is Status.SUCCESS


@pytest.mark.parametrize("answer", [Unseen("gone"), Seen("other")])
def test_read_back_that_differs(answer):
    """A write that cannot be read back, or reads back differently, is failed_validation."""
    play = begin(verify=paired(lambda scope: (Violation("read_back", "", "it differs"),)))
    play.answer(go()).answer(Returned("r", "r", 1)).answer(answer)
    end = play.expect(Settle).outcome
    assert (end.status, end.reason) == (Status.FAILED_VALIDATION, Reason.READ_BACK)


def test_settlement_has_the_last_word():
    """What the settlement makes of an outcome is what the caller gets."""
    play = begin().answer(go()).answer(Returned(1, 1, 1))
    changed = Outcome(Status.HUMAN_REVIEW_REQUIRED, Reason.RESOURCE_UNKNOWN, "which one?")
    play.answer(Settled(changed))
    assert play.outcome == changed


def test_the_stores_action_is_used():
    """A repeated call keeps the id that the store knows it by, so that its idempotency key stays the same."""
    known = Action("a-0", "bot", "run", "call", "crm.update", {"id": "1"}, ACTION.key)
    play = begin().answer(Go(known, EFFECTS, 1))
    assert play.expect(Invoke) == Invoke(known, 1)


def test_what_the_edge_knows_is_the_before_image():
    """A change that was planned at the edge brings what is there now along, and is decided once."""
    play = Playbook(life(Proposal(ACTION, tool(), before={"rows": 2})))
    first = play.expect(Admit)
    assert (first.planned, first.before) == (True, {"rows": 2})
    play.answer(go()).expect(Invoke)


def test_a_paired_read_comes_before_what_the_edge_knows():
    """Where the tool has a read for it, that counts."""
    play = Playbook(life(Proposal(ACTION, tool(before=paired()), before={"rows": 2})))
    assert play.expect(Admit).before is None
    play.answer(go()).answer(Seen({"rows": 1}))
    assert play.expect(Admit).before == {"rows": 1}


@pytest.mark.parametrize("reason", [Reason.ERROR, Reason.STALE])
def test_a_tool_that_says_it_did_nothing_is_not_repeated(reason):
    """Not even one that may be: the same again would fail again. The reason is the tool's own."""
    error = OSError("x")
    play = begin(repeatable=True).answer(go()).answer(Raised(error, "it is stale", reason=reason, final=True))
    end = play.expect(Settle)
    assert (end.outcome.status, end.outcome.reason, end.cut_off) == (Status.FAILED, reason, False)
    settle(play, failures=1)
    assert play.outcome.error is error


def test_what_an_attempt_before_may_have_done_counts_although_the_last_did_nothing():
    """An attempt that did nothing says nothing of the one before it."""
    play = begin(repeatable=True).answer(go()).answer(Raised(OSError("x"), "it hung", cut_off=True))
    settle(play, failures=1).answer(0.5).answer(True).answer(go(1))
    play.answer(Raised(OSError("y"), "it is stale", reason=Reason.STALE, final=True))
    assert play.expect(Settle).cut_off


BUSY = Raised(OSError("busy"), "it is locked.", final=True, only_now=True)


def test_an_attempt_that_could_not_be_made_is_a_failure_and_is_not_repeated():
    """The first one of its action did nothing, and nothing else did."""
    end = begin(repeatable=True).answer(go()).answer(BUSY).expect(Settle)
    assert (end.outcome.status, end.outcome.reason, end.cut_off) == (Status.FAILED, Reason.ERROR, False)


@pytest.mark.parametrize("before", ["in this flow", "in another one"])
def test_an_attempt_that_could_not_be_made_leaves_an_action_in_doubt(before):
    """It says nothing of the attempt before it, which may have happened."""
    play = begin(repeatable=True)
    if before == "in this flow":
        settle(play.answer(go()).answer(Raised(OSError("x"), "it hung", cut_off=True)), failures=1)
        play.answer(0.5).answer(True).answer(go(1))
    else:
        play.answer(go(taken_up=True))
    end = play.answer(BUSY).expect(Settle)
    assert (end.outcome.status, end.outcome.reason, end.cut_off) == (Status.FAILED, Reason.IN_DOUBT, True)


def test_an_unknown_outcome_of_a_write():
    """It stays in doubt; a tool that is idempotent is asked again."""
    play = begin().answer(go()).answer(Raised(OSError("x"), "the answer was lost.", cut_off=True))
    end = play.expect(Settle)
    assert (end.outcome.reason, end.cut_off) == (Reason.IN_DOUBT, True)
    assert "handrail log resolve a-1" in end.outcome.why
    play = begin(repeatable=True).answer(go()).answer(Raised(OSError("x"), "the answer was lost.", cut_off=True))
    assert play.expect(Settle).outcome.status is Status.RETRY


UNDO = Paired("crm.update", lambda scope: {"id": "1"})


def test_what_an_action_left_is_read_where_it_can_be_undone():
    """The paired read is made once more, so that an undo can tell whether somebody wrote since."""
    play = begin(before=paired(), undo=UNDO).answer(go()).answer(Seen("old")).answer(go()).answer(Returned("r", "r", 1))
    read = play.expect(Consult)
    assert (read.purpose, read.paired.call, read.scope) == ("after", "crm.get", {"args": {"id": "1"}})
    play.answer(Seen("new"))
    end = play.expect(Settle)
    assert (end.outcome.status, end.after) == (Status.SUCCESS, Seen("new"))


@pytest.mark.parametrize("fields", [{"undo": UNDO}, {"before": paired()}, {}], ids=["no read", "no undo", "neither"])
def test_nothing_is_read_where_nothing_can_be_undone(fields):
    """Or where there is no read."""
    play = begin(**fields).answer(go())
    if "before" in fields:
        play.answer(Seen("old")).answer(go())
    play.answer(Returned("r", "r", 1))
    assert play.expect(Settle).after is None


def test_a_read_back_serves_as_the_after_image():
    """What was seen then is what the action left; it is not read twice."""
    play = begin(before=paired(), undo=UNDO, verify=paired(lambda scope: ()))
    play.answer(go()).answer(Seen("old")).answer(go()).answer(Returned("r", "r", 1))
    assert play.expect(Consult).purpose == "verify"
    play.answer(Seen("new"))
    assert play.expect(Settle).after == Seen("new")


def test_an_after_image_that_cannot_be_read_leaves_a_success():
    """It happened: that nobody can look is no reason to say that it failed."""
    play = begin(before=paired(), undo=UNDO).answer(go()).answer(Seen("old")).answer(go()).answer(Returned("r", "r", 1))
    play.answer(Unseen("the CRM is away"))
    end = play.expect(Settle)
    assert (end.outcome.status, end.after) == (Status.SUCCESS, None)
    settle(play)
    assert play.outcome.value == "r"


def test_an_after_image_is_read_of_successes_only():
    """A result that breaks its contract is not looked at further, nor is a failure."""
    violation = Violation("result", "", "bad")
    for answer in (Returned({}, {}, 1, violations=(violation,)), Raised(OSError("x"), "it failed")):
        play = begin(before=paired(), undo=UNDO).answer(go()).answer(Seen("old")).answer(go()).answer(answer)
        assert play.expect(Settle).after is None
