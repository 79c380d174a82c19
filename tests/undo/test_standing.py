"""How an action was taken back, told by the journal alone."""

import pytest

from handrail.core.record import Record, RecordKind
from handrail.drivers.host import Execution
from handrail.stores.memory import MemoryStore
from handrail.undo.made import Made
from handrail.undo.standing import claim, standing, undone_in


class Journal:
    def __init__(self):
        self.store = MemoryStore()

    def claim(self, action, by, run="U", compares=False):
        made = Made(action, 0, "bot", "R", "t")
        return self.store.transact(lambda tx: claim(tx, made, Execution(by, by, 0, "op", run), compares=compares))

    def end(self, by, status, reason="", run="U", **body):
        record = Record(RecordKind.OUTCOME, by, run, "op", "t", "", status, reason, body)
        self.store.transact(lambda tx: tx.append(record))

    def of(self, action, **options):
        found = self.store.read(lambda tx: standing(tx, action, **options))
        return None if found is None else (found.reached.value, found.by)


@pytest.fixture
def journal():
    return Journal()


def test_nothing_took_it_back(journal):
    """So it stands."""
    assert journal.of("a") is None


@pytest.mark.parametrize(
    ("status", "reason", "far"),
    [
        ("success", "", ("done", "u")),
        ("failed", "error", None),
        ("failed", "stale", None),
        ("failed", "in_doubt", ("maybe", "u")),
        ("failed_validation", "checks", ("unclear", "u")),
    ],
)
def test_the_outcome_of_the_undo_tells(journal, status, reason, far):
    """Whatever is written elsewhere."""
    assert journal.claim("a", "u") is None
    assert journal.of("a") == ("maybe", "u")
    journal.end("u", status, reason)
    assert journal.of("a") == far


def test_a_resolved_undo_is_what_the_person_found(journal):
    """The last word counts."""
    journal.claim("a", "u")
    journal.end("u", "failed", "in_doubt")
    journal.end("u", "failed", "in_doubt", resolved={"by": "kim"})
    assert journal.of("a") is None
    journal.end("u", "success", "in_doubt", resolved={"by": "kim"})
    assert journal.of("a") == ("done", "u")


def test_outcomes_of_other_runs_do_not_count(journal):
    """An action is of one run."""
    journal.claim("a", "u")
    journal.end("u", "success", run="elsewhere")
    assert journal.of("a") == ("maybe", "u")


def test_an_undone_undo_counts_no_more(journal):
    """Nor does one that was redone and undone again count less."""
    journal.claim("a", "u1")
    journal.end("u1", "success")
    journal.claim("u1", "u2")
    assert journal.of("a") == ("maybe", "u2")
    journal.end("u2", "success")
    assert journal.of("a") is None
    journal.claim("a", "u3")
    journal.end("u3", "success")
    assert journal.of("a") == ("done", "u3")


def test_one_claims_and_the_other_is_told(journal):
    """Until the first has clearly failed; a retry of the same undo claims nothing anew."""
    assert journal.claim("a", "u1") is None
    assert journal.claim("a", "u1") is None
    assert journal.claim("a", "u2").by == "u1"
    journal.end("u1", "failed", "error")
    assert journal.claim("a", "u2") is None
    assert journal.of("a", apart_from="u2") is None


def test_after_an_unclear_undo_only_one_that_compares_claims(journal):
    """And what becomes of that one counts."""
    journal.claim("a", "u1")
    journal.end("u1", "failed_validation", "checks")
    assert journal.claim("a", "u2").by == "u1"
    assert journal.of("a") == ("unclear", "u1")
    assert journal.claim("a", "u2", compares=True).by == "u1"
    assert journal.claim("a", "u3", compares=True).by == "u2"
    journal.end("u2", "success")
    assert journal.of("a") == ("done", "u2")


def test_which_of_a_list_took_back_another_of_it(journal):
    """What took back something else is none of them."""
    journal.claim("a", "u")
    journal.claim("b", "v")
    listed = [Made(id, 0, "bot", "R", "t") for id in ("u", "a", "v", "")]
    assert journal.store.read(lambda tx: undone_in(tx, listed)) == {"u"}
