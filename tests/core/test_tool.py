"""Declarations as the core sees them."""

import pytest

from handrail.core.tool import Access, Agent, AskMode, EffectError, Tool


class Nothing:
    def of(self, args):
        return ()

    def bind(self, effects, args, result):
        return effects


def test_the_ladder():
    """read_only, write_noncritical, write: each allows more."""
    assert [access.level for access in Access] == [0, 1, 2]
    assert [access.value for access in Access] == ["read_only", "write_noncritical", "write"]


def test_an_agent_may_only_read_unless_said():
    """Nothing is given by default."""
    assert Agent("bot").access is Access.READ_ONLY


@pytest.mark.parametrize(("lineage", "root"), [((), "bot"), (("boss", "bot"), "boss")])
def test_root(lineage, root):
    """Memory belongs to the oldest ancestor; to the agent itself when it has none."""
    assert Agent("bot", lineage=lineage).root == root


def test_a_tool_is_careful_unless_said():
    """Not repeated, critical, asking by default, with nothing secret and nothing paired."""
    tool = Tool("t", Nothing())
    assert (tool.repeatable, tool.critical, tool.ask) == (False, True, AskMode.DEFAULT)
    assert (tool.before, tool.undo, tool.verify, tool.secrets) == (None, None, None, False)
    scope = {"args": {"a": 1}}
    assert tool.redact(scope) is scope


def test_effect_errors_are_values_errors():
    """What cannot be told from arguments is a fault of the arguments."""
    assert issubclass(EffectError, ValueError)
