"""What conditions can ask about."""

import pytest

LABELS = """\
  make: {do: create, resource: "file/{args.id}"}
  read: {do: read, resource: "file/{args.id}"}
  drop: {do: delete, resource: "file/{args.id}", ask: never}
  move: {do: move, resource: "file/{args.id}", to: "file/{args.to}", ask: never}
  copy: {do: copy, resource: "file/{args.id}", to: "file/{args.to}"}"""
OWN = '  - {id: own, for: drop, when: "!effect.created_by_run", then: ask}'


def test_only_what_this_run_created(room):
    """A file, and what a folder of this run holds; not what another run made, not before it is made."""
    here = room(LABELS, OWN)
    assert here.does("drop", {"id": "/a"}) == "ask"
    here.does("make", {"id": "/a"})
    assert here.does("drop", {"id": "/a/b"}) == "allow"
    assert here.does("drop", {"id": "/a"}, run="r2") == "ask"
    assert here.does("drop", {"id": "/a"}) == "allow"
    assert here.does("drop", {"id": "/a"}) == "ask", "what comes there after the removal is something else"


@pytest.mark.parametrize(
    "first", [("read", {"id": "/a"}), ("read", {"id": "/a/b/c"}), ("copy", {"id": "/a", "to": "/x"})]
)
def test_creating_what_existed_makes_it_nobodys(room, first):
    """A folder that was seen before, or in which something was, is not ours for 'creating' it once more."""
    here = room(LABELS, OWN)
    assert here.does(*first) == "allow"
    here.does("make", {"id": "/a"})
    assert here.does("drop", {"id": "/a"}) == "ask"


def test_moving_takes_ownership_along_copying_does_not(room):
    """What is copied over something else does not make that ours."""
    here = room(LABELS, OWN)
    here.does("make", {"id": "/a"})
    here.does("copy", {"id": "/a", "to": "/theirs"})
    assert here.does("drop", {"id": "/theirs"}) == "ask"


def test_a_failed_creation_creates_nothing(room):
    """The clone that failed because the folder was there."""
    from handrail.core.outcome import Status

    here = room(LABELS, OWN)
    here.does("make", {"id": "/a"}, status=Status.FAILED)
    assert here.does("drop", {"id": "/a"}) == "ask"
