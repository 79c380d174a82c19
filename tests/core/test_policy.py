"""The port of the compiled policy: what the core needs, the compiled policy has."""

import inspect

import pytest

from handrail.core.policy import Case, Gate, Mode, Policy
from handrail.gates import default_gates


def members(protocol):
    return {name for name in vars(protocol) if not name.startswith("_")}


def test_modes():
    """Decisions hold, or are only recorded."""
    assert [mode.value for mode in Mode] == ["enforce", "observe"]


def test_the_compiled_policy_fits(office):
    """A compiled policy has every member of the port, with the port's parameters."""
    compiled = office.desk.policy
    for name in members(Policy):
        wanted, found = getattr(Policy, name), getattr(type(compiled), name, None)
        assert hasattr(compiled, name)
        if inspect.isfunction(wanted):
            assert list(inspect.signature(wanted).parameters) == list(inspect.signature(found).parameters)


def test_a_case_is_read_only():
    """Gates cannot change what other gates see."""
    case = Case(None, None, None, (), None, None)
    with pytest.raises(AttributeError):
        case.attempt = 1
    assert (case.attempt, case.invalid, case.unknown, case.before, case.planned) == (0, (), "", None, True)


@pytest.mark.parametrize("gate", default_gates(), ids=lambda gate: gate.name)
def test_gates_fit_the_port(gate):
    """Every default gate has a name and judges one case."""
    assert members(Gate) == {"name", "judge"}
    assert gate.name.isidentifier()
    assert list(inspect.signature(gate.judge).parameters) == ["case"]
