"""A plan's digest is exactly what a person approves."""

import dataclasses

import pytest

from handrail.core.effect import Effect, Verb
from handrail.core.plan import Plan

PLAN = Plan("bot", "crm.set", {"id": "1", "n": 2}, (Effect(Verb.UPDATE, "lead/1"),), {"n": 1}, "policy")


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "bot2"},
        {"tool": "crm.del"},
        {"args": {"id": "1", "n": 3}},
        {"args": {"id": "1", "n": "2"}},
        {"effects": (Effect(Verb.DELETE, "lead/1"),)},
        {"effects": (Effect(Verb.UPDATE, "lead/1", zone="production"),)},
        {"effects": (Effect(Verb.UPDATE, "lead/1", labels=("tainted",)),)},
        {"effects": ()},
        {"before": {"n": 2}},
        {"before": None},
        {"policy": "other"},
    ],
    ids=str,
)
def test_everything_in_it_counts(change):
    """Another agent, tool, argument, effect, before-image or policy is another plan."""
    assert dataclasses.replace(PLAN, **change).digest != PLAN.digest


def test_the_order_of_arguments_does_not_count():
    """Equal plans have equal digests: 64 hexadecimal digits."""
    again = dataclasses.replace(PLAN, args={"n": 2, "id": "1"})
    assert again.digest == PLAN.digest
    assert len(bytes.fromhex(PLAN.digest)) == 32


def test_no_run_and_no_call_in_it():
    """An approval survives a reconnect: a plan has no run and no call id."""
    assert {field.name for field in dataclasses.fields(Plan)} == {
        "agent", "tool", "args", "effects", "before", "policy",
    }  # fmt: skip


def test_an_empty_before_image_is_not_none():
    """Nothing was read, and what was read is empty, are different plans."""
    assert dataclasses.replace(PLAN, before={}).digest != dataclasses.replace(PLAN, before=None).digest
