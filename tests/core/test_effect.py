"""Effects: what writes, what is destructive, what the journal sees."""

import pytest

from handrail.core.effect import DESTRUCTIVE, Effect, Verb


@pytest.mark.parametrize("verb", Verb)
def test_only_reading_changes_nothing(verb):
    """Every verb but `read` writes."""
    assert Effect(verb).writes is (verb is not Verb.READ)


def test_destructive_verbs():
    """What overwrites or removes is destructive, and nothing else."""
    assert {"update", "delete", "move"} == DESTRUCTIVE


def test_every_meaning_is_in_the_json():
    """Digests and rules see every field but `bound`, which the resource tells, and `puts`, which the policy does."""
    effect = Effect(Verb.COPY, "file/a", to="file/b", zone="production", amount=3, labels=("x",))
    assert effect.to_json() == {
        "verb": "copy", "resource": "file/a", "to": "file/b", "zone": "production", "amount": 3, "labels": ["x"],
    }  # fmt: skip
    assert set(Effect._fields) == {*effect.to_json(), "bound", "puts"}
