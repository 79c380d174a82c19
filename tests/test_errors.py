"""Every error, with the tree that the docstring draws."""

import ast
import inspect
from pathlib import Path

import pytest

import handrail
from handrail import errors
from handrail.core.outcome import Outcome, Reason, Status

SOURCE = Path(errors.__file__).parent
OURS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and issubclass(kind, BaseException) and kind.__module__ == errors.__name__
}


@pytest.mark.parametrize("name", OURS)
def test_every_error_is_in_the_tree(name):
    """Whoever reads the module sees all of them."""
    assert name in errors.__doc__


def test_one_base():
    """All but the kill can be caught at once."""
    outside = {name for name, kind in OURS.items() if not issubclass(kind, errors.HandrailError)}
    assert outside == {"Killed"}


@pytest.mark.parametrize("name", OURS)
def test_the_docstring_is_the_message(name):
    """An error without words of its own says what its class says."""
    kind = OURS[name]
    assert kind.__doc__.split("\n")[0].endswith(".")
    if issubclass(kind, errors.ActionError):
        assert str(kind(Outcome(Status.FAILED, why="It failed."))) == "It failed."
        assert str(kind(Outcome(Status.FAILED))) == kind.__doc__.strip()
    elif kind is not errors.Killed:
        if "line" not in inspect.signature(kind).parameters and kind.__init__ is errors.HandrailError.__init__:
            assert str(kind()) == kind.__doc__.strip()
        assert str(errors.HandrailError("words")) == "words"


def test_every_other_error_descends_from_ours_or_says_what_it_is():
    """An exception class elsewhere is one of ours, or a value error inside the core."""
    inner = {"NotJson", "EffectError"}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef) or path.name == "errors.py":
                continue
            bases = {base.id for base in node.bases if isinstance(base, ast.Name)}
            if bases & {"Exception", "BaseException", "ValueError", "RuntimeError"} and not node.name.startswith("_"):
                assert node.name in inner or path.parent.name in (
                    "contracts",
                    "policy",
                    "cli",
                    "demo",
                    "mcp",
                    "data",
                    "sql",
                    "resources",
                ), node.name


def test_what_a_tool_says_of_a_failure():
    """By default that it failed; where what it was planned for has changed, that it is stale; both can be caught apart."""
    assert errors.NotDone.reason is Reason.ERROR
    stale = {"StaleRows", "RowConflict"}
    from handrail.data.rows import errors as rows

    assert {name for name in stale if getattr(rows, name).reason is Reason.STALE} == stale
    assert issubclass(rows.ChangeRefused, errors.NotDone)
    assert not issubclass(errors.NotDone, errors.OutcomeUnknown | errors.ActionError)
    assert {"NotDone", "OutcomeUnknown"} <= set(handrail.__all__)
