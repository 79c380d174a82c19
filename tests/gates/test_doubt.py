"""An action in doubt is never run again silently."""

import pytest

from handrail.core.decision import Verdict
from handrail.core.facts import Call, CallState
from handrail.core.outcome import Reason
from handrail.gates import Doubt


def seen(state=CallState.RUNNING, alive=False):
    return Call("run-0", "call-0", "a-0", "bot", "vm.tag", "k", state, alive=alive)


def test_allows_without_doubt(case):
    """Nothing earlier, or an earlier call that ended, waits or still runs."""
    assert Doubt().judge(case("vm.tag")) == ()
    for call in (seen(CallState.WAITING), seen(CallState.HELD), seen(CallState.DONE), seen(alive=True)):
        assert Doubt().judge(case("vm.tag", call=call)) == ()


@pytest.mark.parametrize("field", ["doubtful", "call"])
def test_objects_to_an_action_that_may_have_happened(case, field):
    """Under its own call id and any other; the sentence names run and command."""
    (found,) = Doubt().judge(case("vm.tag", **{field: seen()}))
    assert (found.verdict, found.reason, found.sticky) == (Verdict.DENY, Reason.IN_DOUBT, False)
    assert "run 'run-0'" in found.why
    assert "handrail log resolve a-0" in found.why
    assert dict(found.values) == {"action": "a-0", "run": "run-0"}


@pytest.mark.parametrize("tool", ["vm.put", "vm.get"])
def test_idempotent_tools_run_again(case, tool):
    """They get the same key again, so that the upstream recognises them; reads change nothing."""
    assert Doubt().judge(case(tool, doubtful=seen())) == ()


def test_undeclared_tools_are_not_idempotent(case):
    """Nothing is known of them."""
    assert Doubt().judge(case("nowhere", doubtful=seen()))
