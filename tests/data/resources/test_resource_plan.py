"""A kept plan is the one that was made, to the byte, or it is refused."""

import json
import time
import zlib

import pytest

from handrail.data.pieces import Pieces
from handrail.data.resources import CreateFile, Files, MoveFile, WriteFile
from handrail.data.resources.errors import ResourceRefused
from handrail.data.resources.kinds import FileKind
from handrail.data.resources.resource_plan import ResourcePlans
from handrail.stores.memory import MemoryStore


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def plans(store, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root/z").write_bytes(b"old")
    return ResourcePlans(Pieces(store, "notes"), FileKind(Files(tmp_path / "root", tmp_path / "ours")))


def make(plans, change, *, nonce="n", lasts_s=60, picture=None):
    seen = plans.kind.adapter.preview(change)
    expires_s = int(time.time()) + lasts_s
    return plans.make(change, seen.versions, seen.precondition, picture or {"does": 1.0}, expires_s, nonce)


@pytest.mark.parametrize("change", [WriteFile("z", b"new" * 500_000), CreateFile("a", b""), MoveFile("z", "a")])
def test_a_plan_comes_back(plans, change):
    """With its content, and its ids in the order of the change."""
    plan = make(plans, change)
    found = plans.find(plan.digest)
    assert found == plan
    assert found.change == change
    assert found.ids == (("z", "a") if isinstance(change, MoveFile) else (change.path,))
    assert plan.operation in str(plan)


def test_the_same_change_planned_again_is_another_plan(plans):
    """By its nonce; and what a person sees is part of it."""
    change = WriteFile("z", b"new")
    digests = {
        make(plans, change, nonce="a").digest,
        make(plans, change, nonce="b").digest,
        make(plans, change, nonce="b", picture={"does": "something else"}).digest,
        make(plans, WriteFile("z", b"new2"), nonce="b").digest,
    }
    assert len(digests) == 4


def test_what_is_not_kept_or_over(plans):
    """None."""
    assert plans.find("0" * 64) is None
    with pytest.raises(AssertionError):  # nobody makes a plan that is over
        make(plans, WriteFile("z", b"new"), lasts_s=0)


def said(store, digest):
    return json.loads(zlib.decompress(store.kept[f"said/notes/{digest}", 0][0]))


def put(store, what, digest, body, number=0):
    store.transact(lambda tx: tx.put_piece(f"{what}/notes/{digest}", number, body, 2**60))


EDITS = {
    "another path": lambda form: form["plan"]["change"].update(ids=["other"]),
    "other versions": lambda form: form["plan"]["versions"].update(z="absent"),
    "later": lambda form: form["plan"].update(expires_s=2**40),
    "another picture": lambda form: form["picture"].update(does="nothing"),
    "no plan": lambda form: form.pop("plan"),
    "no picture": lambda form: form.pop("picture"),
    "no operation": lambda form: form["plan"]["change"].pop("operation"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_plan_is_refused(plans, store, edit):
    """Whatever was edited."""
    plan = make(plans, WriteFile("z", b"new"))
    form = said(store, plan.digest)
    EDITS[edit](form)
    put(store, "said", plan.digest, zlib.compress(json.dumps(form).encode()))
    with pytest.raises(ResourceRefused, match="changed in the store"):
        plans.find(plan.digest)


@pytest.mark.parametrize(
    "body", [b"", b"no zlib", zlib.compress(b"{"), zlib.compress(b"[" * 200_000), zlib.compress(b"1")]
)
def test_a_damaged_plan_is_refused(plans, store, body):
    """Whatever stands there instead."""
    plan = make(plans, WriteFile("z", b"new"))
    put(store, "said", plan.digest, body)
    with pytest.raises(ResourceRefused, match="changed in the store"):
        plans.find(plan.digest)


def test_edited_content_is_refused(plans, store):
    """A byte, a piece more, a piece less."""
    for number, body in [(0, b"evil"), (1, b"more")]:
        plan = make(plans, WriteFile("z", b"new"), nonce=str(number))
        put(store, "content", plan.digest, zlib.compress(body), number)
        with pytest.raises(ResourceRefused, match="changed in the store"):
            plans.find(plan.digest)
    plan = make(plans, WriteFile("z", b"new"))
    plans.pieces.drop("content", plan.digest)
    with pytest.raises(ResourceRefused, match="changed in the store"):
        plans.find(plan.digest)


def test_a_plan_of_another_place_is_refused(plans, store):
    """Though its pieces are copied there: what asks may be another thing there."""
    plan = make(plans, WriteFile("z", b"new"))
    other = ResourcePlans(Pieces(store, "other"), plans.kind)
    for what in ("said", "content"):
        other.pieces.put(what, plan.digest, plans.pieces.read(what, plan.digest), 2**60)
    with pytest.raises(ResourceRefused, match="changed in the store"):
        other.find(plan.digest)


def test_a_plan_of_another_root_is_refused(plans, store, tmp_path):
    """The place has moved since."""
    plan = make(plans, WriteFile("z", b"new"))
    (tmp_path / "moved").mkdir()
    moved = ResourcePlans(Pieces(store, "notes"), FileKind(Files(tmp_path / "moved", tmp_path / "ours")))
    with pytest.raises(ResourceRefused, match=r"is at .*moved now"):
        moved.find(plan.digest)
