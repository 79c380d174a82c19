"""Scene 4 plays for real; where the policy lets the change run without a person, it is not held."""

import sqlite3

import pytest

import handrail
from handrail.core.ticket import TicketState
from handrail.demo.scene_4_state_corruption import POLICY, STATUSES, StateCorruption, _question


def test_it_is_held(stage):
    """The statement loses 3,104 rows; its plan is refused, the right one runs once and is undone, nothing is lost."""
    result = StateCorruption().play(stage)
    assert result.held
    assert result.unguarded["lost"] == STATUSES["expired"] == 3_104
    assert (result.guarded["lost"], result.guarded["repaired"], result.guarded["left_after_undo"]) == (0, 308, 0)
    assert result.guarded["colleagues_edit_kept"] == 1
    assert (result.guarded["asked"], result.guarded["approved"]) == (3, 2)


def test_the_counts_are_the_world_s(stage):
    """In the table every row is as in the beginning; in the store one plan was refused, the others spent."""
    result = StateCorruption().play(stage)
    db = sqlite3.connect(stage.folder / "crm.db")
    (differ,) = db.execute(
        "SELECT count(*) FROM lead JOIN truth USING (id) WHERE lead.status <> truth.status"
    ).fetchone()
    (changes,) = db.execute("SELECT count(*) FROM handrail_change").fetchone()
    db.close()
    assert result.guarded["left_after_undo"] == differ == 0
    assert changes == 2  # the change, and its undo
    with handrail.open(stage.folder / "handrail.yaml") as hr:
        states = sorted(ticket.state for ticket in hr.store.read(lambda tx: tx.tickets()))
        assert not hr.store.verify().faults
        questions = [_question(ticket) for ticket in hr.store.read(lambda tx: tx.tickets())]
    assert states.count(TicketState.DENIED) == 1
    shown = [text for question in questions for name, text in question if name == "for example"]
    assert len(shown) == 6
    assert all(text.startswith(("lead 8001: ", "lead 8002: ", "lead 11105: ", "lead 11106: ")) for text in shown)


@pytest.mark.parametrize("columns", ["[name]", "[]"], ids=["another column", "none"])
def test_without_the_permission_nothing_is_repaired(stage, columns):
    """A policy that does not let the column be written lets nothing through, and the scene says that it is not held."""
    policy = POLICY.replace("write: [status]", f"insert: true, write: {columns}")
    assert policy != POLICY
    with pytest.raises(handrail.NotDone, match="status may not be written"):
        StateCorruption(policy=policy).play(stage)
