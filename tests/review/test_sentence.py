"""What an agent wants, in one sentence of ours."""

import pytest

from handrail.core.ticket import Ticket, TicketState
from handrail.core.tool import Tool
from handrail.review.sentence import sentence


class Shop:
    """A policy that declares the place `shop`."""

    def tool(self, name):
        return Tool(name, None, asks=lambda args: ()) if name.startswith("shop.") else None


def effect(verb="update", resource="lead/1", to=None, zone=None, amount=None):
    return {"verb": verb, "resource": resource, "to": to, "zone": zone, "amount": amount, "labels": []}


def ticket(*effects, tool="crm.set", **args):
    view = {"effects": list(effects), "resource": "lead/1", "args": args}
    return Ticket(
        "T-1", "n", "d", "k", "bot", "bot", "dana", True, "r", tool, ("x",), view, TicketState.PENDING, 1, 2
    )  # fmt: skip


def touch(do="update", at="row/shop/lead", rows=1, **more):
    return {"do": do, "at": at, "rows": rows, **more}


def change(*touches, tool="shop.apply_change", effects=(), **args):
    return ticket(*effects, tool=tool, change="c" * 64, touches=list(touches), **args)


@pytest.mark.parametrize(
    ("effects", "said"),
    [
        ([effect()], "bot wants to update lead/1 with crm.set."),
        ([effect(zone="production")], "bot wants to update lead/1 in zone production with crm.set."),
        ([effect("copy", "file/a", to="file/b")], "bot wants to copy file/a to file/b with crm.set."),
        ([effect("pay", "order/7", amount=500)], "bot wants to pay order/7 (amount 500) with crm.set."),
        ([effect("create", "lead/{?}")], "bot wants to create a new lead with crm.set."),
        ([effect(resource="")], "bot wants to update something that its declaration does not name with crm.set."),
        ([effect(), effect("send", "email/x")], "bot wants to update lead/1 and send email/x with crm.set."),
        ([effect()] * 8, "bot wants to " + "update lead/1 and " * 5 + "do 3 more things with crm.set."),
        ([], "bot wants to do something that its declaration does not tell with crm.set."),
        ([effect(resource="a b")], "bot wants to update 'a b' with crm.set."),
        ([effect(resource="x\u202e\x1b")], "bot wants to update 'x\\u202e\\x1b' with crm.set."),
        (["odd", {"verb": 3}], "bot wants to 3 something that its declaration does not name with crm.set."),
    ],
)
def test_the_sentence_is_made_from_the_plan(effects, said):
    """Whatever the plan's values are."""
    assert sentence(ticket(*effects)) == said


@pytest.mark.parametrize(
    ("touches", "args", "said"),
    [
        ([touch(rows=3412)], {"by": "predicate"}, "update 3,412 rows of lead in shop, which a condition named."),
        ([touch(rows=3412)], {"by": "key"}, "update 3,412 rows of lead in shop."),
        ([touch(keys=["17"])], {}, "update row 17 of lead in shop."),
        ([touch(rows=2, keys=["17", "a%20b"])], {}, "update rows 17 and 'a b' of lead in shop."),
        ([touch(keys=["x%27%20of%20kim%2C%20approved"])], {}, "update row 'x\\' of kim, approved' of lead in shop."),
        ([touch(rows=4, keys=["1", "2", "3", "4"])], {}, "update 4 rows of lead in shop."),
        ([touch("create", rows=2, keys=["1", "2"])], {"by": "insert"}, "add 2 rows to lead in shop."),
        (
            [touch("delete", rows=3, keys=["1", "2", "3"]), touch("delete", "row/shop/task", 9, cascade=True),
             touch("delete", "row/shop/note", cascade=True)],
            {},
            "delete rows 1, 2 and 3 of lead in shop and 9 rows of task in shop and 1 row of note in shop that go along.",
        ),
        (
            [touch(keys=["17"])],
            {"by": "undo", "undoes": "abcdef0123456789"},
            "update row 17 of lead in shop, which takes back change abcdef012345.",
        ),
        ([touch(at="row/shop/my%20%E2%80%AEtable")], {}, "update 1 row of 'my \\u202etable' in shop."),
        ([touch(at="row/shop/sales.lead")], {}, "update 1 row of sales.lead in shop."),
        ([touch("move", "file/a", to="file/b")], {}, "move file/a to file/b."),
        ([touch("delete", "api/user/7")], {}, "delete api/user/7."),
        ([touch(at=f"row/shop/t{n}") for n in range(7)], {}, "do 2 more things."),
    ],
)  # fmt: skip
def test_a_planned_change_is_told_in_rows(touches, args, said):
    """Made from what Handrail says of the plan, never from the statement."""
    told = sentence(change(*touches, statement="SELECT 'no statement'", **args), Shop())
    assert told.startswith("bot wants to ")
    assert told.endswith(said)
    assert "statement" not in told


def test_the_zone_of_a_planned_change_is_told():
    """As it is of any other effect."""
    told = sentence(change(touch(rows=9), effects=[effect(zone="production")] * 3, by="predicate"), Shop())
    assert told == "bot wants to update 9 rows of lead in shop (zone production), which a condition named."


@pytest.mark.parametrize(
    "asked",
    [
        change(touch(), tool="crm.apply_change"),
        change({"do": "burn", "at": "x", "rows": 1}),
        change("odd"),
        change(),
        ticket(tool="shop.apply_change", change=7, touches=[touch()]),
        ticket(tool="shop.apply_change", change="c", touches="none"),
        change(touch("read", rows=0)),
    ],
)
def test_what_is_no_planned_change_is_told_by_its_effects(asked):
    """Tools whose arguments an agent writes, arguments in no known form, and what only reads."""
    assert "do something that its declaration does not tell with" in sentence(asked, Shop())
