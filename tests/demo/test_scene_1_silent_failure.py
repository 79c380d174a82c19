"""Scene 1 plays for real; without its guard it is not held."""

import sqlite3

import pytest

from handrail.demo.scene_1_silent_failure import LEADS, POLICY, SilentFailure

NULL_CHECKS = (
    "      - result.company_size != null\n",
    "      - {complete: [result.company_size, result.as_of]}\n",
)
FRESH = "      - {fresh: result.as_of, within: 30d}\n"


def without(*lines):
    policy = POLICY
    for line in lines:
        assert line in policy
        policy = policy.replace(line, "")
    return policy


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    from handrail.demo.stages import Silent

    folder = tmp_path_factory.mktemp("scene")
    return SilentFailure().play(Silent(folder)), folder


def test_it_is_held(played):
    """Broken behind a clean log without Handrail; with it nothing is, and nothing is lost."""
    result, _ = played
    assert result.held
    assert result.unguarded["logged_success"] == result.unguarded["leads"] == LEADS
    assert result.unguarded["broken_percent"] == 40
    assert result.guarded["broken"] == result.guarded["size_null"] == 0
    assert result.guarded["correct"] + result.guarded["for_a_person"] == LEADS
    assert result.guarded["repaired_by_retry"] > 0


def test_the_brief_s_statuses_stand_in_the_journal(played):
    """All four, counted."""
    guarded = played[0].guarded
    assert all(guarded[status] > 0 for status in ("success", "retry", "failed_validation", "human_review_required"))


@pytest.mark.parametrize(("file", "half"), [("crm-unguarded.db", "unguarded"), ("crm.db", "guarded")])
def test_the_counts_are_the_crm_s(played, file, half):
    """What is shown is what stands in the table."""
    result, folder = played
    db = sqlite3.connect(folder / file)
    (nulls,) = db.execute("SELECT count(*) FROM leads WHERE complete AND company_size IS NULL").fetchone()
    (complete,) = db.execute("SELECT count(*) FROM leads WHERE complete").fetchone()
    db.close()
    counts = getattr(result, half)
    assert (counts["size_null"], counts["leads"] - counts["not_complete"]) == (nulls, complete)


def test_without_checks_it_is_not_held(stage):
    """A guard that checks nothing lets old sizes into the CRM, and the scene says so."""
    result = SilentFailure(policy=without("    checks:\n", *NULL_CHECKS, FRESH)).play(stage)
    assert not result.held
    assert result.guarded["size_out_of_date"] == result.unguarded["size_out_of_date"] > 0


def test_without_the_fresh_check_it_is_not_held(stage):
    """Each check carries its own weight."""
    result = SilentFailure(policy=without(FRESH)).play(stage)
    assert not result.held
    assert result.guarded["size_null"] == 0


def test_without_the_null_checks_the_write_still_refuses(stage):
    """The write's own contract stands behind them; but nobody is asked, so the scene is not held."""
    result = SilentFailure(policy=without(*NULL_CHECKS)).play(stage)
    assert result.guarded["size_null"] == 0
    assert result.guarded["failed_validation"] > result.guarded["for_a_person"]
    assert not result.held


def test_another_seed_holds_as_well(stage):
    """The scene is deterministic by its seed, not arranged for one."""
    result = SilentFailure(seed=99).play(stage)
    assert result.held
    assert result.unguarded["broken_percent"] == 40
