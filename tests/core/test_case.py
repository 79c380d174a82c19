"""From an action to the view that gates judge: what is looked up, and what counts of what is known."""

import pytest

from handrail.core.case import EXISTED, case_of, in_every_zone, known_of, need_of, propose, remembered
from handrail.core.commands import Admit
from handrail.core.effect import Effect, Verb
from handrail.core.facts import TREE_MAX, Facts, Need, Resource
from handrail.policy import loads

FILES = loads("""
version: 1
zones: {production: [prod], staging: []}
kinds: {bucket: {folders: true}, path: {folders: false}}
agents: {bot: {access: write}}
tools:
  read:   {do: read, resource: "file/{args.path}"}
  write:  {do: update, resource: "file/{args.path}", ask: never}
  remove: {do: delete, resource: "file/{args.path}", ask: never}
  copy:   {do: copy, resource: "file/{args.path}", to: "file/{args.to}"}
""")


def test_what_is_looked_up(office):
    """The call when it can have been seen, the lineage, and every resource that is named already."""
    policy = office.desk.policy
    action = office.action("vm.tag", {"id": "1"}, agent="bot/worker", call="c1")
    need = need_of(policy, action, propose(policy, action), lambda: 0, repeated=True)
    assert need == Need("run", "c1", action.key, ("bot", "bot/worker"), ("vm/1",), True)
    action = office.action("vm.make", {"env": "prod"}, agent="stranger")
    need = need_of(policy, action, propose(policy, action), lambda: 0, repeated=False)
    assert (need.call, need.lineage, need.resources) == ("", ("stranger",), ())


def test_folders_are_looked_up(office):
    """What a file stands in, and for a change what it holds; a read holds nothing."""
    action = office.action("write", {"path": "/srv/app/x"})
    need = need_of(FILES, action, propose(FILES, action), lambda: 0, repeated=False)
    assert need.resources == ("file//srv/app/x", "file//srv/app", "file//srv", "file//")
    assert need.trees == ("file//srv/app/x/",)
    action = office.action("read", {"path": "/srv/app/x"})
    assert need_of(FILES, action, propose(FILES, action), lambda: 0, repeated=False).trees == ()


def known(name, **resources):
    facts = Facts(0, resources={key.replace("_", "/"): value for key, value in resources.items()})
    return known_of(FILES, facts, (Effect(Verb.DELETE, name),))


def test_remembered():
    """A recorded zone and labels are filled in; a zone that is entered now stands; nothing without an id."""
    about = known("vm/1", vm_1=Resource("production", {"b": 1, "a": 1}))
    assert remembered(Effect(Verb.READ, "vm/1"), about) == Effect(
        Verb.READ, "vm/1", zone="production", labels=("a", "b")
    )
    assert remembered(Effect(Verb.UPDATE, "vm/1", zone="staging"), about).zone == "staging"
    unbound = Effect(Verb.CREATE, "vm/{?}", bound=False)
    assert remembered(unbound, about) is unbound
    stranger = Effect(Verb.READ, "vm/2")
    assert remembered(stranger, about) is stranger


def test_a_folder_holds_what_is_below_and_stands_in_what_is_above():
    """Labels and zones of files count for their folder, and those of a folder for its files."""
    inside = known("file/a", file_a_b=Resource("production", {"tainted": 1}))
    assert remembered(Effect(Verb.DELETE, "file/a"), inside).labels == ("tainted",)
    assert [e.zone for e in in_every_zone(Effect(Verb.DELETE, "file/a"), inside)] == [None, "production"]
    above = known("file/a/b/c", file_a=Resource("production", {"tainted": 1}))
    effect = remembered(Effect(Verb.DELETE, "file/a/b/c"), above)
    assert (effect.zone, effect.labels) == ("production", ("tainted",))


def test_who_created_is_told_from_above_only():
    """A folder is not ours because a file in it is; a file is ours when its folder is."""
    label = "created_by_run:r1"
    assert remembered(Effect(Verb.DELETE, "file/a"), known("file/a", file_a_b=Resource(None, {label: 1}))).labels == ()
    ours = known("file/a/b", file_a=Resource(None, {label: 1}))
    assert remembered(Effect(Verb.DELETE, "file/a/b"), ours).labels == (label,)


def test_what_existed_is_told_from_below_only():
    """A folder existed when a file in it did; a new file in an old folder is new."""
    old = {EXISTED: 1}
    assert remembered(Effect(Verb.CREATE, "file/a"), known("file/a", file_a_b=Resource(None, old))).labels == (EXISTED,)
    assert remembered(Effect(Verb.CREATE, "file/a/b"), known("file/a/b", file_a=Resource(None, old))).labels == ()


@pytest.mark.parametrize(("targets", "ours"), [({}, ()), ({"created_by_run:r1": 1}, ("created_by_run:r1",))])
def test_a_copy_is_ours_only_when_both_are(targets, ours):
    """Copying our own file over somebody's does not make that ours; labels that restrict come from both."""
    facts = Facts(
        0, resources={"file/a": Resource(None, {"created_by_run:r1": 1}), "file/b": Resource(None, {**targets, "x": 1})}
    )
    effect = Effect(Verb.COPY, "file/a", to="file/b")
    assert remembered(effect, known_of(FILES, facts, (effect,))).labels == (*ours, "x")


def test_more_than_can_be_looked_at():
    """A folder that holds too much that is remembered says so."""
    many = {f"file_a_{index}": Resource("staging") for index in range(TREE_MAX + 1)}
    assert known("file/a", **many)["file/a"].crowded
    many.popitem()
    assert not known("file/a", **many)["file/a"].crowded


def test_a_case_has_all(office):
    """Effects once each, their views, and what is known of their resources; a retry is the same action again."""
    facts = Facts(5, resources={"file/a": Resource("production"), "file/b": Resource("staging")})
    action = office.action("copy", {"path": "a", "to": "b"})
    case = case_of(FILES, Admit(action, attempt=1), propose(FILES, action), facts)
    assert len(case.stated) == 1
    assert [effect.zone for effect in case.effects] == ["staging", "production"]
    assert set(case.known) == {"file/a", "file/b"}
    assert case.again
    assert not case_of(FILES, Admit(action), propose(FILES, action), facts).again


MADE = loads("""
version: 1
zones: {production: [prod]}
agents: {bot: {access: write}}
tools:
  put: {do: create, resource: "file/{args.dir}/{result.name}"}
  make: {do: create, resource: "vm/{result.id}"}
""")


def test_what_will_be_made_in_a_folder_is_made_in_it(office):
    """Although nobody knows its name yet, what is remembered of the folder counts: refusals, zones, labels."""
    action = office.action("put", {"dir": "/srv/app"})
    proposed = propose(MADE, action)
    need = need_of(MADE, action, proposed, lambda: 0, repeated=False)
    assert need.resources == ("file//srv/app", "file//srv", "file//")
    assert need.trees == ()
    refused = Resource("production", {"tainted": 1}, (("delete", "review"),))
    case = case_of(MADE, Admit(action), proposed, Facts(0, resources={"file//srv/app": refused}))
    (effect,) = case.effects
    assert (effect.bound, effect.zone, effect.labels) == (False, "production", ("tainted",))
    assert case.known[effect.resource].around == (("file//srv/app", refused),)


def test_what_has_no_folder_is_looked_up_later(office):
    """A kind without folders tells nothing of what has no name yet."""
    action = office.action("make", {})
    assert need_of(MADE, action, propose(MADE, action), lambda: 0, repeated=False).resources == ()
