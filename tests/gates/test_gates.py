"""The ordered list of gates."""

import random
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import handrail.gates
from handrail.core.admission import decide
from handrail.core.decision import Verdict
from handrail.core.facts import Latch, Resource
from handrail.core.outcome import Violation
from handrail.gates import default_gates

NAMES = [
    "stopped", "allowlist", "arguments", "access", "doubt", "rules", "denial_memory", "destructive", "changes",
    "retries",
]  # fmt: skip


def test_the_visible_list():
    """The gates of every action, in the order in which agents read their objections."""
    assert [gate.name for gate in default_gates()] == NAMES


def test_every_file_is_in_the_list():
    """One gate a file, and none is forgotten."""
    files = {path.stem for path in Path(handrail.gates.__file__).parent.glob("[!_]*.py")}
    assert files == {type(gate).__module__.rpartition(".")[2] for gate in default_gates()}
    assert sorted(handrail.gates.__all__) == handrail.gates.__all__


def test_gates_are_values():
    """Two lists are equal; nothing is kept between judgements."""
    assert default_gates() == default_gates()


TOOLS = ["vm.get", "vm.tag", "vm.note", "vm.drop", "vm.make", "vm.copy", "vm.both", "shop.apply_change", "nowhere"]


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(TOOLS),
    st.sampled_from(["bot", "bot/worker", "clerk", "reader", "stranger"]),
    st.fixed_dictionaries(
        {"id": st.sampled_from(["1", "core"])},
        optional={"to": st.just("2"), "env": st.sampled_from(["prod", "x"]), "level": st.integers(0, 9)},
    ),
    st.integers(0, 6),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_order_is_irrelevant_to_the_verdict(case, tool, agent, args, failures, stopped, refused, bad, shuffle):
    """Any order of the gates comes to the same verdict with the same findings."""
    made = case(
        tool, args, agent,
        invalid=(Violation("arguments", "id", "bad"),) if bad else (),
        failures=failures,
        failed_us=10**9 - 1,
        latches=(Latch(agent, "dana", "Wait.", 1),) if stopped else (),
        resources={"vm/1": Resource("production", denials=(("delete", "review"),))} if refused else {},
    )  # fmt: skip
    gates = list(default_gates())
    one, other = decide(gates, made), decide(shuffle.sample(gates, len(gates)), made)
    assert one.verdict is other.verdict
    assert sorted(map(repr, one.findings)) == sorted(map(repr, other.findings))
    assert [f.gate for f in one.findings] == sorted((f.gate for f in one.findings), key=NAMES.index)


def test_gates_do_not_change_their_case(case):
    """Every gate sees the same action: judging twice finds the same."""
    made = case("vm.drop", {"id": "core"})
    for gate in random.sample(default_gates(), len(NAMES)):
        assert gate.judge(made) == gate.judge(made)
    assert decide(default_gates(), made).verdict is Verdict.DENY


def test_a_plain_read_passes(case):
    """A declared read by a declared agent trips nothing."""
    assert decide(default_gates(), case("vm.get", agent="reader")).findings == ()
