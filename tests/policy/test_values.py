"""What conditions can ask about."""

import pytest

LABELS = """\
  make: {do: create, resource: "file/{args.id}"}
  read: {do: read, resource: "file/{args.id}"}
  drop: {do: delete, resource: "file/{args.id}", ask: never}
  write: {do: update, resource: "file/{args.id}", ask: never}
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


@pytest.mark.parametrize(
    ("steps", "decision"),
    [
        ([("make", "/a"), ("move", "/a", "/b"), ("drop", "/b")], "allow"),
        ([("make", "/a"), ("move", "/a", "/b"), ("drop", "/a")], "ask"),
        ([("read", "/b"), ("make", "/a"), ("move", "/a", "/b"), ("drop", "/b")], "ask"),
        ([("make", "/a"), ("copy", "/a", "/theirs"), ("drop", "/theirs")], "ask"),
        ([("make", "/mine"), ("move", "/theirs", "/mine/x"), ("drop", "/mine/x")], "ask"),
        ([("make", "/mine"), ("move", "/theirs", "/mine/x"), ("drop", "/mine")], "ask"),
        ([("make", "/mine"), ("read", "/theirs"), ("move", "/theirs", "/mine/x"), ("drop", "/mine/x")], "ask"),
        ([("make", "/mine"), ("move", "/theirs", "/mine"), ("drop", "/mine")], "ask"),
        ([("make", "/mine"), ("make", "/mine/x"), ("drop", "/mine")], "allow"),
        ([("make", "/data/*"), ("drop", "/data/*")], "ask"),
        ([("make", "/a"), ("move", "/a", "/data/*"), ("drop", "/data/*")], "ask"),
        ([("make", "/mine"), ("copy", "/theirs", "/mine/x"), ("drop", "/mine/x")], "allow"),
    ],
)
def test_ownership_goes_with_what_was_made(room, steps, decision):
    """A move takes it along to where nothing was; what somebody else made, or what was there, is never ours."""
    here = room(LABELS, OWN)
    for tool, id, *to in steps[:-1]:
        assert here.does(tool, {"id": id, "to": to[0] if to else ""} if to else {"id": id}) == "allow"
    assert here.does(steps[-1][0], {"id": steps[-1][1]}) == decision


def test_who_names_its_run_alike_is_somebody_else(room):
    """A run is its lineage's; a relative in the same run shares it."""
    agents = "{bot: {access: write}, bot/child: {access: write, parent: bot}, other: {access: write}}"
    here = room(LABELS, OWN, agents=agents)
    here.does("make", {"id": "/a"})
    here.does("make", {"id": "/b"})
    assert here.does("drop", {"id": "/a"}, agent="other") == "ask"
    assert here.does("drop", {"id": "/b"}, agent="bot/child") == "allow"


def test_what_comes_back_is_something_else(room):
    """A folder is removed with what was in it; what another run puts there is not ours for its name."""
    here = room(LABELS, OWN)
    for path in ("/data", "/data/a"):
        here.does("make", {"id": path})
    assert here.does("drop", {"id": "/data"}) == "allow"
    here.does("write", {"id": "/data/a"}, run="other")
    assert here.does("drop", {"id": "/data/a"}) == "ask"


def test_creating_over_what_another_run_created_is_nobodys(room):
    """Neither run's from then on."""
    here = room(LABELS, OWN)
    here.does("make", {"id": "/a"}, run="yesterday")
    here.does("make", {"id": "/a"})
    assert here.does("drop", {"id": "/a"}) == "ask"
    assert here.does("drop", {"id": "/a"}, run="yesterday") == "ask"


def test_a_failed_creation_creates_nothing(room):
    """The clone that failed because the folder was there."""
    from handrail.core.outcome import Status

    here = room(LABELS, OWN)
    here.does("make", {"id": "/a"}, status=Status.FAILED)
    assert here.does("drop", {"id": "/a"}) == "ask"
