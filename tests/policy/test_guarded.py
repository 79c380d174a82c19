import re

import pytest

from handrail.core.change import Touch, change_args
from handrail.core.commands import Go, Settle
from handrail.core.effect import Verb
from handrail.core.outcome import Outcome, Reason, Status
from handrail.core.policy import Mode
from handrail.core.settlement import settle
from handrail.core.store import Denial
from handrail.core.tool import AskMode, EffectError
from handrail.errors import ConfigurationError, PolicyError
from handrail.policy import loads
from handrail.policy.guarded import NAME, Act, DatabaseSpec, FilesSpec, HttpSpec, TableSpec, place_tools

LEAD = "row/shop/lead"
FREE = "{write: [status], insert: true, delete: true, rows_free: 50}"
SHOP = f"{{shop: {{tables: {{lead: {FREE}, note: {FREE}}}}}}}"


def change(*touches, by="key", rows_free=50, digest="d", **said):
    return change_args(digest, touches, by=by, rows_free=rows_free, **said)


def row(key, verb=Verb.UPDATE, **said):
    return change(Touch(LEAD, verb, 1, (str(key),)), **said)


def table(rows=30, verb=Verb.UPDATE, place=LEAD, **said):
    return change(Touch(place, verb, rows), **said)


# --- reading -----------------------------------------------------------------------------------------------------------

ALL = """
version: 1
zones: {production: [prod]}
databases:
  shop:
    url: env:SHOP_URL
    zone: prod
    functions: [normalise_phone]
    tables:
      lead:
        write: [status, note]
        insert: true
        delete: true
        rows_max: 500
        rows_free: 20
        inserts_free: 50
        version: v
        also: {audit: 1}
        hide: email
      sales.order: {write: state}
  empty:
files:
  texts: {root: texts, zone: production}
http:
  crm: {url: "https://crm/api", headers: {Authorization: "env:TOKEN"}, if_match: true, server_fields: [updated_at]}
"""


def test_what_is_read():
    """Every key, and what is there without it."""
    places = loads(ALL).document.places
    shop = places["shop"]
    assert (shop.url, shop.zone, shop.functions) == ("env:SHOP_URL", "prod", ("normalise_phone",))
    lead = shop.tables["lead"]
    assert (lead.write, lead.insert, lead.delete) == (("status", "note"), True, True)
    assert (lead.rows_max, lead.rows_free, lead.inserts_free) == (500, 20, 50)
    assert (lead.version, lead.also, lead.hide) == ("v", {"audit": 1}, ("email",))
    assert shop.tables["sales.order"] == TableSpec(shop.tables["sales.order"].at, ("state",))
    assert places["empty"] == DatabaseSpec(places["empty"].at)
    assert places["texts"] == FilesSpec(places["texts"].at, "texts", "production")
    crm = places["crm"]
    assert crm == HttpSpec(
        crm.at, "https://crm/api", None, {"Authorization": "env:TOKEN"}, if_match=True, server_fields=("updated_at",)
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("database: {}", 2, 1, "The policy has no key 'database'. Did you mean 'databases'?"),
        ("databases: {Shop: }", 2, 13, "'Shop' names no place"),
        ("databases: {sh/op: }", 2, 13, "names no place"),
        ("databases: {'': }", 2, 13, "blank"),
        (f"databases: {{{'a' * 41}: }}", 2, 13, "names no place"),
        ("databases: {shop: {tabels: {}}}", 2, 20, "Did you mean 'tables'?"),
        ("databases: {shop: {tables: {lead: {writes: [a]}}}}", 2, 36, "Did you mean 'write'?"),
        ("databases: {shop: {tables: {lead: }}}", 2, 29, "allows nothing"),
        ("databases: {shop: {tables: {lead: {insert: false}}}}", 2, 29, "allows nothing"),
        ("databases: {shop: {tables: {lead: {write: [a], rows_max: 0}}}}", 2, 58, "whole number, 1 or more"),
        ("databases: {shop: {tables: {lead: {write: [a], rows_free: -1}}}}", 2, 59, "whole number, 0 or more"),
        ("databases: {shop: {tables: {lead: {write: [a], insert: yes}}}}", 2, 56, "true and false"),
        ("databases: {shop: {tables: {lead: {write: [v], version: v}}}}", 2, 48, "Take it out of 'write'"),
        ("databases: {shop: {tables: {lead: {write: [a], also: {b: 0}}}}}", 2, 58, "how many rows a trigger adds"),
        ("databases: {shop: {tables: {lead: {write: [a], also: {b: true}}}}}", 2, 58, "how many rows a trigger adds"),
        ("databases: {shop: {zone: nowhere}}\nzones: {here: []}", 2, 13, "There is no zone 'nowhere'"),
        ("files: {texts: }", 2, 9, "have no 'root'"),
        ("files: {texts: {root: a, url: b}}", 2, 26, "has no key 'url'"),
        ("http: {crm: {}}", 2, 8, "have no 'url'"),
        ("http: {crm: {url: x, headers: {A: 1}}}", 2, 35, "header 'A' must be text"),
        ("http: {crm: {url: x, ifmatch: true}}", 2, 22, "Did you mean 'if_match'?"),
        ("databases: {shop: }\nfiles: {shop: {root: a}}", 3, 9, "Two places are named 'shop'"),
        ("tools: {shop.query: {do: read}}\ndatabases: {shop: }", 3, 13, "'shop.query' is a tool of the place 'shop'"),
        ("tools: {t.undo_change: {do: read}}\nfiles: {t: {root: a}}", 3, 9, "'t.undo_change' is a tool of the place"),
        ("rules: [{id: a, for: shop.query, then: ask}]", 2, 22, "where a program declares it, write 'shop.*'"),
        ("databases: {shop: }\nrules: [{id: a, for: shop.qeury, then: ask}]", 3, 22, "Did you mean 'shop.query'?"),
    ],
)  # fmt: skip
def test_what_is_wrong(text, line, column, message):
    """Everything has its place in the file, and names the nearest known word."""
    with pytest.raises(PolicyError) as caught:
        loads(f"version: 1\n{text}\n")
    assert any((one.line, one.column) == (line, column) and message in one.message for one in caught.value.problems), (
        caught.value.problems
    )


def test_names_of_places():
    """Tools, resources and URLs are named after them: nothing in them means anything."""
    assert all(NAME.fullmatch(name) for name in ("shop", "a", "a-b_1", "a" * 40))
    assert not any(NAME.fullmatch(name) for name in ("", "1a", "A", "a.b", "a/b", "a b", "ä", "a\n", "-a", "a" * 41))


def test_the_hash_of_a_policy_tells_places_apart():
    """Whatever is declared of one, and of what kind it is, is part of every plan."""
    texts = [
        "databases: {shop: {url: a}}", "http: {shop: {url: a}}", "databases: {shop: {url: b}}",
        "databases: {shop: {url: a, tables: {t: {write: [a]}}}}", "databases: {shop: {url: a, tables: {t: {write: [b]}}}}",
        "databases: {shop: {url: a, tables: {t: {write: [a], rows_free: 1}}}}",
    ]  # fmt: skip
    assert len({loads(f"version: 1\n{text}\n").hash for text in texts}) == len(texts)
    spelled = "databases: {shop: {url: a, tables: {t: {write: [a], rows_free: 0, insert: false}}}}"
    assert loads(f"version: 1\n{spelled}\n").hash == loads(f"version: 1\n{texts[3]}\n").hash


# --- tools --------------------------------------------------------------------------------------------------------------


def test_the_tools_of_places():
    """Five for a database; what there is no language to ask in has no query."""
    policy = loads(ALL)
    assert {name for name in policy.tools if name.startswith("shop.")} == {f"shop.{act}" for act in Act}
    assert {name for name in policy.tools if name.startswith("crm.")} == {
        "crm.plan_change", "crm.apply_change", "crm.undo_change",
    }  # fmt: skip
    for name, tool in policy.tools.items():
        changes = name.endswith(("apply_change", "undo_change"))
        assert (tool.asks is not None, tool.repeatable, tool.ask is AskMode.NEVER) == (changes,) * 3
        assert tool.critical
        assert tool.place == name.partition(".")[0]
        assert tool.source == f"handrail.yaml:{policy.document.places[name.partition('.')[0]].at.line}"


def test_the_undo_of_a_change_is_a_change():
    """Both name their undo, by the digest alone."""
    tools = loads(ALL).tools
    for act in ("apply_change", "undo_change"):
        undo = tools[f"shop.{act}"].undo
        assert (undo.call, undo.args({"args": {"change": "d", "rows": 1}})) == ("shop.undo_change", {"change": "d"})
    assert tools["shop.query"].undo is None


def test_what_the_tools_of_a_place_touch():
    """Those of a database its own rows, those of files and HTTP resources no rows at all."""
    policy = loads(ALL)
    file, row = change(Touch("file//srv/a", Verb.UPDATE)), change(Touch("row/texts/a", Verb.UPDATE))
    assert policy.tool("texts.apply_change").effects.of(file)[0].resource == "file//srv/a"
    assert policy.tool("shop.apply_change").effects.of(change(Touch(LEAD, Verb.UPDATE)))[0].resource == LEAD
    for tool, args in (("texts.apply_change", row), ("shop.apply_change", row), ("shop.apply_change", file)):
        with pytest.raises(EffectError, match="no part of this place"):
            policy.tool(tool).effects.of(args)


@pytest.mark.parametrize(
    ("limits", "verb", "rows", "asks"),
    [
        ({"write": ("a",), "rows_free": 2}, Verb.UPDATE, 2, False),
        ({"write": ("a",), "rows_free": 2}, Verb.UPDATE, 3, True),
        ({"insert": True}, Verb.CREATE, 100, False),
        ({"insert": True}, Verb.CREATE, 101, True),
        ({"write": ("a",)}, Verb.CREATE, 1, True),
    ],
)
def test_what_a_table_relaxes(limits, verb, rows, asks):
    """As many as it says, and nothing that it does not allow; the table's name has one form."""
    tool = place_tools("shop", DatabaseSpec(tables={"sales.le ad": TableSpec(**limits)}), str)["shop.apply_change"]
    assert bool(tool.asks(change(Touch("row/shop/sales.le%20ad", verb, rows)))) is asks


def test_the_zone_of_a_place():
    """Everything in a database stands in its zone, by the zone's own name: rules on it hold."""
    policy = loads(ALL)
    assert {effect.zone for effect in policy.tool("shop.apply_change").effects.of(row(1))} == {"production"}
    assert {effect.zone for effect in policy.tool("shop.query").effects.of({"tables": ["lead"]})} == {"production"}


def test_secrets_of_places():
    """What is redacted of all tools, or of those that a pattern means, is redacted of a place's."""
    policy = loads(ALL + 'redact: [args.statement, {tool: "shop.*", paths: [result.rows]}]\n')
    scope = {"args": {"statement": "x", "rows": 1}, "result": {"rows": [[1]]}}
    assert policy.tool("shop.query").redact(scope) == {
        "args": {"statement": "[redacted]", "rows": 1}, "result": {"rows": "[redacted]"},
    }  # fmt: skip
    assert policy.tool("crm.apply_change").redact(scope)["result"] == {"rows": [[1]]}


# --- decisions ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(room):
    """Makes a room with a shop in it."""
    return lambda rules="", **top: room("  x: {do: read}", rules, databases=SHOP, **top)


def refuse(room, name):
    """Remember a refusal."""
    room.store.transact(lambda tx: tx.put_denial(Denial(name, "bot", "update", "review", tx.now_us)))


def test_what_is_free_runs(shop):
    """By key, and as many as the table says."""
    room = shop()
    assert room.does("shop.apply_change", row(1)) == "allow"
    assert room.does("shop.apply_change", table(50)) == "allow"
    assert room.does("shop.apply_change", table(51)) == "ask"
    assert room.does("shop.query", {"tables": ["lead"]}) == "allow"


@pytest.mark.parametrize(
    "args", [{}, {"touches": []}, {"touches": "all"}, table(1, place="row/other/lead"), {"touches": [{"do": "update"}]}]
)
def test_what_cannot_be_told_is_denied(shop, args):
    """Whoever does not say what he touches does nothing; who touches nothing only reads."""
    assert shop().does("shop.apply_change", args) == ("allow" if args == {"touches": []} else "deny")


def test_a_reader_changes_nothing(shop):
    """Changes need access `write`; a change of nothing is none, and queries are reads."""
    room = shop()
    assert room.does("shop.apply_change", row(1), agent="other") == "deny"
    assert room.does("shop.query", {"tables": ["lead"]}, agent="other") == "allow"


@pytest.mark.parametrize("refused", [f"{LEAD}/17", LEAD, "row/shop"])
@pytest.mark.parametrize(
    ("args", "asks"),
    [
        (row(17), {f"{LEAD}/17", LEAD, "row/shop"}),
        (row(18), {LEAD, "row/shop"}),
        (table(30), {f"{LEAD}/17", LEAD, "row/shop"}),
        (table(30, Verb.DELETE), {f"{LEAD}/17", LEAD, "row/shop"}),
        (table(30, place="row/shop/note"), {"row/shop"}),
        (table(1, Verb.CREATE, by="insert"), {LEAD, "row/shop"}),
        (row(99, Verb.CREATE, by="insert"), {LEAD, "row/shop"}),
        (table(30, Verb.CREATE, by="insert"), {f"{LEAD}/17", LEAD, "row/shop"}),
    ],
    ids=lambda value: str(value)[:0],
)
def test_refusals_go_up_and_down(shop, refused, args, asks):
    """What was refused of a row asks for its table, and what was refused of a table asks for each row in it."""
    room = shop()
    refuse(room, refused)
    assert room.does("shop.apply_change", args) == ("ask" if refused in asks else "allow")


def test_a_rules_refusal_is_remembered_where_it_fell(shop):
    """The rule refused one row by name: the bulk update that would have it along asks."""
    room = shop(f'  - {{id: hands-off, when: effect.resource == "{LEAD}/17", then: deny}}')
    assert room.does("shop.apply_change", row(17)) == "deny"
    assert room.does("shop.apply_change", table(30)) == "ask"
    assert room.does("shop.apply_change", row(18)) == "allow"


OWN = '  - {id: own, when: effect.verb == "delete" && !effect.created_by_run, then: deny}'


def test_who_adds_a_row_may_remove_it(shop):
    """The rows that a run adds are its own: named beforehand, or by the result."""
    room = shop(OWN)
    assert room.does("shop.apply_change", row(7, Verb.CREATE, by="insert")) == "allow"
    made = {"made": {LEAD: ["8", "9"]}}
    assert room.does("shop.apply_change", table(2, Verb.CREATE, by="insert"), result=made) == "allow"
    for key in (7, 8, 9):
        assert room.does("shop.apply_change", row(key, Verb.DELETE), run="r2") == "deny"
    room = shop(OWN)
    room.does("shop.apply_change", table(2, Verb.CREATE, by="insert"), result=made)
    assert room.does("shop.apply_change", row(8, Verb.DELETE)) == "allow"
    assert room.does("shop.apply_change", row(10, Verb.DELETE)) == "deny"


def test_a_bulk_insert_makes_nobody_the_creator(shop):
    """Neither of the rows, nor of their table, nor of other rows."""
    room = shop(OWN)
    assert room.does("shop.apply_change", table(30, Verb.CREATE, by="insert")) == "allow"
    for args in (row(1, Verb.DELETE), table(30, Verb.DELETE), row("%2A", Verb.DELETE)):
        assert room.does("shop.apply_change", args) == "deny"


def test_who_read_a_row_did_not_make_it(shop):
    """What was there before, and is added again after a removal by somebody else, is nobody's."""
    room = shop(OWN)
    room.does("shop.apply_change", row(5, Verb.UPDATE))
    assert room.does("shop.apply_change", row(5, Verb.CREATE, by="insert")) == "allow"
    assert room.does("shop.apply_change", row(5, Verb.DELETE)) == "deny"


def test_a_row_of_ones_own_among_others(shop):
    """A change that also touches a row of somebody else is refused, and so is one of the whole table."""
    room = shop(OWN)
    room.does("shop.apply_change", row(7, Verb.CREATE, by="insert"))
    both = change(Touch(LEAD, Verb.DELETE, 2, ("7", "8")))
    assert room.does("shop.apply_change", both) == "deny"
    assert room.does("shop.apply_change", table(30, Verb.DELETE)) == "deny"


def test_rows_add_up(shop):
    """A limit on the rows of a day counts rows, however they are named, and cascades with them."""
    room = shop(
        "  - {id: day, for: shop.apply_change, at_most: {sum: effect.amount, limit: 60, per: agent, within: 24h}, then: deny}"
    )
    assert room.does("shop.apply_change", table(30)) == "allow"
    along = change(Touch(LEAD, Verb.DELETE, 2, ("1", "2")), Touch("row/shop/note", Verb.DELETE, 18, cascade=True))
    assert room.does("shop.apply_change", along) == "allow"
    assert (
        room.does("shop.apply_change", table(5, Verb.CREATE, by="insert"), result={"made": {LEAD: list("abcde")}})
        == "allow"
    )
    assert room.does("shop.apply_change", table(6)) == "deny"
    assert "55 and now 6 add up to more than 60" in room.why("shop.apply_change", table(6))
    assert room.does("shop.apply_change", table(5)) == "allow"


def test_what_was_not_done_does_not_add_up(shop):
    """A change that was refused as stale used nothing up."""
    room = shop(
        "  - {id: day, for: shop.apply_change, at_most: {sum: effect.amount, limit: 30, per: agent, within: 24h}, then: deny}"
    )
    for n in range(3):
        go = room.start("shop.apply_change", table(30, digest=str(n)))
        room.end(go, Status.FAILED, reason=Reason.STALE)
    assert room.does("shop.apply_change", table(30)) == "allow"
    assert room.does("shop.apply_change", table(1)) == "deny"


LOOK = '  - {id: look-first, for: "shop.apply_change", requires: {tool: shop.query, same: resource}, then: deny}'


@pytest.mark.parametrize(
    "args",
    [
        row(17), table(30), table(30, Verb.CREATE, by="insert"), row(9, Verb.CREATE, by="insert"),
        table(1, Verb.CREATE, by="insert"),
    ],
    ids=["row", "table", "many new", "new", "unnamed"],
)  # fmt: skip
def test_who_changes_rows_has_to_have_read_their_table(shop, args):
    """A query reads tables: whoever read the table has looked, whether rows are named or not; another table is no look."""
    room = shop(LOOK)
    result = {"made": {LEAD: ["1"]}}
    assert room.does("shop.apply_change", args) == "deny"
    assert f"shop.query has to succeed on {LEAD} first" in room.why("shop.apply_change", args)
    for other in ({"tables": ["note"]}, {"tables": []}, {"tables": ["lead"]}):
        assert room.does("shop.apply_change", args, result=result) == "deny"
        room.does("shop.query", other)
    assert room.does("shop.apply_change", args, result=result) == "allow"


def test_each_table_has_to_be_read(shop):
    """A change of two tables needs a look at both."""
    room = shop(LOOK)
    both = change(Touch(LEAD, Verb.DELETE, 1, ("1",)), Touch("row/shop/note", Verb.DELETE, 30, cascade=True))
    room.does("shop.query", {"tables": ["lead"]})
    assert room.does("shop.apply_change", both) == "deny"
    room.does("shop.query", {"tables": ["note"]})
    assert room.does("shop.apply_change", both) == "allow"


def test_one_look_for_each_change(shop):
    """With `once`, a look serves a single change."""
    room = shop(LOOK.replace("same: resource", "same: resource, once: true"))
    room.does("shop.query", {"tables": ["lead"]})
    assert room.does("shop.apply_change", row(17)) == "allow"
    assert room.does("shop.apply_change", row(17)) == "deny"
    assert room.does("shop.apply_change", table(30)) == "deny"


def test_a_rule_for_all_tools_speaks_of_places(shop):
    """Without `for`, and by a pattern; a rule on the columns sees them."""
    room = shop('  - {id: salary, for: "shop.*", when: \'has(args.columns) && "salary" in args.columns\', then: deny}')
    assert room.does("shop.apply_change", row(1, columns=["status"])) == "allow"
    assert room.does("shop.apply_change", row(1, columns=["salary"])) == "deny"
    room = shop('  - {id: none, when: effect.verb == "delete", then: deny}')
    assert room.does("shop.undo_change", row(1, Verb.DELETE)) == "deny"
    assert room.does("shop.undo_change", row(2)) == "allow"


def test_a_rule_on_the_zone(room):
    """A production database asks for each change, and for each look where the rule says no more."""
    rules = '  - {id: production, when: effect.zone == "production" && effect.verb != "read", then: ask}'
    live = room("  x: {do: read}", rules, databases=SHOP.replace("{shop: {", "{shop: {zone: live, "))
    assert live.does("shop.apply_change", row(1)) == "ask"
    assert live.does("shop.query", {"tables": ["lead"]}) == "allow"


def test_observing(shop):
    """Everything runs and leaves what it would; what cannot be told runs as an undeclared tool does."""
    room = shop(LOOK, mode="observe")
    assert room.policy.mode is Mode.OBSERVE
    answer = room.start("shop.apply_change", table(500))
    assert isinstance(answer, Go)
    assert answer.observed


def test_new_rows_of_unknown_key_wait_for_a_person(shop):
    """It ran, but what did it make? It is in doubt until somebody has looked."""
    room = shop()
    go = room.start("shop.apply_change", table(1, Verb.CREATE, by="insert"))
    command = Settle(go, Outcome(Status.SUCCESS), {"made": {}}, returned=True)
    settled = room.store.transact(lambda tx: settle(tx, command, room.policy))
    assert settled.outcome.reason is Reason.RESOURCE_UNKNOWN


def test_the_largest_change_is_decided(shop):
    """100 tables of 20 named rows each are looked up at once."""
    touches = [Touch(f"row/shop/t{n}", Verb.UPDATE, 20, tuple(map(str, range(20)))) for n in range(100)]
    assert shop().does("shop.apply_change", change(*touches)) == "ask"


# --- places that a program declares -------------------------------------------------------------------------------------

SPEC = DatabaseSpec(tables={"lead": TableSpec(write=("status",), rows_free=3)})


def declared(policy_of, rules="", spec=SPEC, **top):
    return policy_of("  x: {do: update, resource: 'x/1', ask: never}", rules, **top).declaring("shop", spec)


def test_what_a_program_declares(policy_of):
    """Its tools are the policy's; the hash stays the file's, so that grants and approvals given elsewhere fit."""
    before = policy_of("  x: {do: read}")
    after = before.declaring("shop", SPEC)
    assert {f"shop.{act}" for act in Act} <= set(after.tools)
    assert (after.hash == before.hash, "shop" in before.document.places) == (True, False)
    assert after.tools["shop.apply_change"].source == "the program"


@pytest.mark.parametrize(
    ("name", "message"),
    [("Shop", "names no place"), ("a.b", "names no place"), ("shop", "declares 'shop.query' already")],
)
def test_names_that_cannot_be_declared(policy_of, name, message):
    """No name, or one that the policy has a tool of."""
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        policy_of("  shop.query: {do: read}").declaring(name, SPEC)


def test_a_place_is_declared_once(policy_of):
    """Not twice by the program, nor what the file has."""
    with pytest.raises(ConfigurationError, match="already"):
        declared(policy_of).declaring("shop", SPEC)
    with pytest.raises(ConfigurationError, match="already"):
        loads(ALL).declaring("texts", SPEC)


def test_rules_of_the_file_hold_for_it(room, policy_of):
    """Those for all tools, and those that name a pattern."""
    made = type(room())(declared(policy_of, '  - {id: no, for: "shop.*", when: effect.verb == "update", then: deny}'))
    assert made.does("shop.apply_change", row(1, rows_free=3)) == "deny"
    assert made.does("x") == "allow"
    made = type(room())(declared(policy_of, '  - {id: no, when: effect.verb == "update", then: deny}'))
    assert made.does("shop.apply_change", row(1, rows_free=3)) == "deny"
    made = type(room())(declared(policy_of, "  - {id: no, for: x, then: deny}"))
    assert made.does("shop.apply_change", row(1, rows_free=3)) == "allow"


@pytest.mark.parametrize("which", ['tool: "*.apply_change"', 'tool: "shop.*"', "do: update"])
def test_patterns_of_the_file_look_back_at_it(room, policy_of, which):
    """Otherwise a restriction would silently not hold for what a program declares."""
    made = type(room())(declared(policy_of, f"  - {{id: after, for: x, forbids_after: {{{which}}}, then: deny}}"))
    assert made.does("x") == "allow"
    made = type(room())(declared(policy_of, f"  - {{id: after, for: x, forbids_after: {{{which}}}, then: deny}}"))
    assert made.does("shop.apply_change", row(1, rows_free=3)) == "allow"
    assert made.does("x") == "deny"


def test_secrets_of_the_file_are_secret_in_it(policy_of):
    """Those of all tools, and those of a pattern; not those of another tool."""
    redact = '[args.statement, {tool: "shop.*", paths: [result.rows]}, {tool: x, paths: [args.by]}]'
    tool = declared(policy_of, redact=redact).tools["shop.query"]
    scope = {"args": {"statement": "x", "by": "key"}, "result": {"rows": 1}}
    assert tool.redact(scope) == {"args": {"statement": "[redacted]", "by": "key"}, "result": {"rows": "[redacted]"}}
    assert tool.secrets
    assert not declared(policy_of).tools["shop.query"].secrets


def test_the_zone_that_a_program_declares(policy_of):
    """An alias stands for its zone."""
    tool = declared(policy_of, spec=DatabaseSpec(zone="LIVE")).tools["shop.query"]
    assert {effect.zone for effect in tool.effects.of({})} == {"production"}


def test_a_second_place(policy_of):
    """Two of them stand beside each other, with rules on both."""
    policy = declared(policy_of, '  - {id: no, for: "*.apply_change", then: ask}').declaring("crm", SPEC)
    assert policy.rules[0].tools == {"shop.apply_change", "crm.apply_change"}
