import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handrail.core.effect import Verb
from handrail.core.policy import Mode, Policy
from handrail.core.tool import Access, AskMode
from handrail.policy import PolicyError, load, loads
from handrail.policy.document import NODES_MAX


def test_the_example_of_the_design_loads(example):
    """Everything that the design's example says is there."""
    policy = load(example)
    as_core_sees_it: Policy = policy
    assert as_core_sees_it.mode is Mode.ENFORCE
    assert policy.four_eyes
    assert policy.reviewers == ("dana@example.com", "kim@example.com")
    assert policy.alerts == ("https://hooks.example.com/handrail",)
    assert policy.store == "sqlite:///.handrail/handrail.db"
    assert policy.pending_us == policy.valid_us == 30 * 60 * 1_000_000
    assert policy.tokens_per_day("infra-bot") == 200_000
    assert policy.tokens_per_day("infra-bot/worker") is None
    worker = policy.agent("infra-bot/worker")
    assert worker.access is Access.READ_ONLY
    assert worker.lineage == ("infra-bot", "infra-bot/worker")
    assert worker.root == "infra-bot"
    assert worker.owner == "dana@example.com", "who stands behind the parent stands behind the child"
    update = policy.tool("crm.update_lead")
    assert (update.ask, update.critical, update.repeatable) == (AskMode.DEFAULT, True, False)
    assert update.before.call == "crm.get_lead"
    assert update.before.args({"args": {"id": 7}}) == {"id": 7}
    assert update.undo.args({"args": {}, "before": {"id": 7, "x": 1}}) == {"id": 7, "x": 1}
    assert policy.tool("crm.get_lead").repeatable
    assert [rule.id for rule in policy.rules] == ["production", "refunds-add-up", "read-first"]
    assert policy.tool("unknown") is None
    assert policy.agent("unknown") is None


def test_a_policy_cannot_be_changed(example):
    """Compiled values are immutable."""
    policy = load(example)
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.hash = "x"
    with pytest.raises(TypeError):
        policy.tools["x"] = None


def test_defaults():
    """A policy that says nothing allows nothing, and enforces."""
    policy = loads("version: 1")
    assert policy.mode is Mode.ENFORCE
    assert policy.four_eyes
    assert (policy.reviewers, policy.alerts, dict(policy.agents), dict(policy.tools)) == ((), (), {}, {})
    assert policy.desktop_alerts is False


def test_every_option_is_read(tmp_path):
    """Each key that has a default takes another value."""
    (tmp_path / "args.json").write_text('{"required": ["id"]}')
    text = """\
version: 1
mode: observe
store: postgresql://db/handrail
four_eyes: false
desktop_alerts: true
reviews: {pending: 1h30m, valid: 2d}
kinds: {instance: {case: sensitive}, lead: {case: insensitive}}
agents: {a: {access: write_noncritical, tokens_per_day: 0}}
tools:
  get: {do: read, resource: "lead/{args.id}"}
  t:
    do: delete
    resource: "lead/{args.id}"
    idempotent: true
    critical: false
    ask: never
    before: {call: get, args: {id: args.id, limit: 1, kind: lead, note: "for {args.id}", list: {value: [1]}, x: args.x?}}
    verify: {call: get, args: {id: result.id}, expect: seen.id == args.id}
    args: {schema: args.json}
    result: {schema: {type: object}}
    checks: [result.ok, {fresh: result.at, within: 24h}, {complete: [result.id, result.name]}]
    retry: {base_s: 1, cap_s: 5.5, jitter_s: 0}
    description: Removes a lead.
  gone: {do: send, undo: none}
  nothing:
"""
    policy = loads(text, base=tmp_path)
    assert policy.mode is Mode.OBSERVE
    assert policy.store == "postgresql://db/handrail"
    assert (policy.four_eyes, policy.desktop_alerts) == (False, True)
    assert (policy.pending_us, policy.valid_us) == (5_400_000_000, 172_800_000_000)
    assert policy.normalise("instance/I") == "instance/I"
    assert policy.normalise("lead/I") == "lead/i"
    assert policy.agent("a").access is Access.WRITE_NONCRITICAL
    assert policy.tokens_per_day("a") == 0
    tool = policy.tool("t")
    assert (tool.repeatable, tool.critical, tool.ask, tool.undo) == (True, False, AskMode.NEVER, None)
    assert (tool.backoff.base_s, tool.backoff.cap_s, tool.backoff.jitter_s) == (1.0, 5.5, 0.0)
    sent = tool.before.args({"args": {"id": 7}})
    assert sent == {"id": 7, "limit": 1, "kind": "lead", "note": "for 7", "list": [1]}
    assert [v.path for v in policy.contracts["t"]({})] == ["id"]
    assert policy.contracts["t"]({"id": 1}) == ()
    assert tool.source == "handrail.yaml:11"
    assert policy.tool("nothing").effects.of({})[0].verb is Verb.EXECUTE
    assert not policy.tool("nothing").repeatable
    assert policy.tool("gone").final
    assert not tool.final


def test_no_is_a_text():
    """YAML 1.2: no, on and yes are texts, not booleans."""
    policy = loads("version: 1\nzones: {norway: [NO, on, yes]}\n")
    assert policy.zones.of("no") == "norway"


def test_an_alias_repeats_a_value():
    """Anchors and aliases are plain YAML 1.2."""
    text = "version: 1\nreviewers: [kim]\nagents:\n  a: &writer {access: write, owner: dana}\n  b: *writer\n"
    assert loads(text).agent("b").access is Access.WRITE


def test_a_name_that_is_not_declared_gets_a_sentence(example):
    """The sentence for an undeclared tool or agent names the nearest known one."""
    policy = load(example)
    assert "'ec2.describ' is not declared" in policy.undeclared("tool", "ec2.describ")
    assert "Did you mean 'ec2.describe'?" in policy.undeclared("tool", "ec2.describ")
    assert "under 'agents'" in policy.undeclared("agent", "zzz")
    assert "\x1b" not in policy.undeclared("tool", "\x1b[31m")


BROKEN = [
    # --- the file ---
    ("", 1, 1, "The file is empty"),
    ("# only a comment\n", 1, 1, "The file is empty"),
    ("- version: 1\n", 1, 1, "A policy is a mapping"),
    ("just text", 1, 1, "A policy is a mapping"),
    ("version: 1\ntools:\n\ta: {do: read}\n", 3, 1, "A tab stands"),
    ("version: 1\ntools: {a: [}\n", 2, 13, "not YAML"),
    ("version: 1\nmode: a: b\n", 2, 8, "in quotes"),
    ("version: 1\nmode: *gone\n", 2, 7, "undefined alias"),
    ("version: 1\nmode: @x\n", 2, 7, "in quotes"),
    ("version: 1\n---\nversion: 1\n", 2, 1, "more than one document"),
    ("%YAML 1.1\n---\nversion: 1\n", 1, 1, "directives"),
    ("# x\n" * 25 + "%YAML 1.1\n---\nversion: 1\n", 26, 1, "directives"),
    ("\ufeff%YAML 1.1\n---\nversion: 1\n", 1, 1, "directives"),
    ("version: 1\nmode: !!python/object:os.system x\n", 2, 7, "The tag"),
    ("version: 1\nrules: !!python/object:os.system []\n", 2, 8, "The tag"),
    ("version: 1\nzones: !!python/object:os.system {}\n", 2, 8, "The tag"),
    ("version: 1\nzones: !!set {}\n", 2, 8, "The tag"),
    ("version: 1\nagents: !mine\n  bot:\n", 2, 9, "The tag"),
    ("version: 1\nrules: !!map []\n", 2, 8, "The tag"),
    (
        "version: 1\nreviewers: [dana, kim, Dana]\n",
        2,
        24,
        "The reviewers 'dana' and 'Dana' differ in spelling only. Keep one.",
    ),
    ("version: 1\nreviewers: [dana, ' dana']\n", 2, 19, "differ in spelling only"),
    ("version: 1\nagents: {bot: , ｂot: }\n", 2, 17, "differ in spelling only"),
    ("version: 1\nagents: {bot: , Bot: }\n", 2, 17, "The agents 'bot' and 'Bot' differ in spelling only. Keep one."),
    ("version: 1\nmode: enforce\nmode: observe\n", 3, 1, "'mode' stands here twice; the first is in line 2"),
    ("version: 1\n1: x\n", 2, 1, "A key has to be text"),
    ("version: 1\nagents:\n  <<: {a: {}}\n", 3, 3, "Merge keys"),
    ("version: 1\nagents: &a {x: *a}\n", 2, 9, "contains itself"),
    ("version: 1\nx: " + "[" * 40 + "]" * 40, 2, 36, "nested deeper"),
    ("version: 1\x00", 1, 11, "not YAML"),
    ("version: 99999999999999999999999\n", 1, 10, "beyond 64 bits"),
    # --- the top level ---
    ("mode: enforce\n", 1, 1, "'version' is missing"),
    ("version: 2\n", 1, 10, "'version' must be 1"),
    ("version: true\n", 1, 10, "'version' must be 1"),
    ("version: 1\nmod: enforce\n", 2, 1, "Did you mean 'mode'?"),
    ("version: 1\nmode: enforced\n", 2, 7, "Did you mean 'enforce'?"),
    ("version: 1\nmode: no\n", 2, 7, "must be one of enforce, observe"),
    ("version: 1\nfour_eyes: yes\n", 2, 12, "YAML 1.2 writes them true and false"),
    ("version: 1\nreviewers: dana\n", 2, 12, "must be a list of texts"),
    ("version: 1\nreviewers: [dana, 7]\n", 2, 19, "must be text, and this is a number. Put it in quotes"),
    ("version: 1\nreviewers: [dana, dana]\n", 2, 19, "listed twice"),
    ("version: 1\nalerts: [hooks.example.com]\n", 2, 10, "https://host/path"),
    ("version: 1\nstore: sqllite:///x\n", 2, 8, "Did you mean 'sqlite'?"),
    ("version: 1\nreviews: {pending: 30}\n", 2, 20, "a duration such as 30m"),
    ("version: 1\nreviews: {pendin: 30m}\n", 2, 11, "Did you mean 'pending'?"),
    ("version: 1\nreviews: {pending: 0m}\n", 2, 20, "a duration such as 30m"),
    ("version: 1\nkinds: {a: {case: lower}}\n", 2, 19, "must be insensitive or sensitive"),
    ("version: 1\nzones: {a: [x], b: [X]}\n", 2, 21, "already stands for zone 'a'"),
    ("version: 1\nzones: {a: x}\n", 2, 12, "must be a list of aliases"),
    # --- agents ---
    ("version: 1\nagents: [a]\n", 2, 9, "must be a mapping"),
    ("version: 1\nagents: {a: {acces: write}}\n", 2, 14, "Did you mean 'access'?"),
    ("version: 1\nagents: {a: {access: wirte}}\n", 2, 22, "Did you mean 'write'?"),
    ("version: 1\nagents: {a: {tokens_per_day: -1}}\n", 2, 30, "a whole number, 0 or more"),
    ("version: 1\nagents: {a: {tokens_per_day: true}}\n", 2, 30, "a whole number, 0 or more"),
    (
        "version: 1\nagents: {bot: {}, b: {parent: bott}}\n",
        2,
        31,
        "There is no agent 'bott' in this policy. Did you mean 'bot'?",
    ),
    ("version: 1\nagents: {a: {parent: b}, b: {parent: a}}\n", 2, 22, "comes back to itself"),
    ("version: 1\nagents: {a: {parent: a}}\n", 2, 22, "comes back to itself"),
    ("version: 1\nagents: {' a': {}}\n", 2, 10, "blanks around it"),
    # --- tools ---
    ("version: 1\ntools: {t: read}\n", 2, 12, "must be a mapping (key: value), and this is text"),
    ("version: 1\ntools: {t: {do: reed}}\n", 2, 17, "Did you mean 'read'?"),
    ("version: 1\ntools: {t: {doo: read}}\n", 2, 13, "Did you mean 'do'?"),
    ("version: 1\ntools: {t: {resource: x}}\n", 2, 12, "does not say what it does"),
    ("version: 1\ntools: {t: {do: read, effects: [{do: read}]}}\n", 2, 13, "belongs inside one of them"),
    ("version: 1\ntools: {t: {effects: []}}\n", 2, 13, "is empty"),
    ("version: 1\ntools: {t: {do: read, resource: args.id}}\n", 2, 33, 'in braces: "kind/{args.id}"'),
    ("version: 1\ntools: {t: {do: read, resource: 'a/{arg.id}'}}\n", 2, 33, "Did you mean 'args'?"),
    ("version: 1\ntools: {t: {do: read, resource: 'a/{args.id'}}\n", 2, 33, "not closed"),
    ("version: 1\ntools: {t: {do: copy, to: 'a/{result.id}'}}\n", 2, 27, "decided before the call"),
    ("version: 1\ntools: {t: {do: read, zone: result.zone}}\n", 2, 29, "decided before the call"),
    (
        "version: 1\nzones: {production: []}\ntools: {t: {do: read, zone: prodution}}\n",
        3,
        29,
        "Did you mean 'production'?",
    ),
    ("version: 1\ntools: {t: {do: pay, amount: cents}}\n", 2, 30, "cannot start with 'cents'"),
    ("version: 1\ntools: {t: {do: pay, amount: 5}}\n", 2, 30, "must be text, and this is a number"),
    ("version: 1\ntools: {t: {do: read, when: agent.name == 'x'}}\n", 2, 29, "'agent' is not known here"),
    ("version: 1\ntools: {t: {ask: sometimes}}\n", 2, 18, "one of default, never, always"),
    ("version: 1\ntools: {t: {retry: {base: 1}}}\n", 2, 21, "Did you mean 'base_s'?"),
    ("version: 1\ntools: {t: {retry: {base_s: 0}}}\n", 2, 29, "more than 0"),
    ("version: 1\ntools: {get: {do: read}, t: {before: {call: gett}}}\n", 2, 45, "Did you mean 'get'?"),
    ("version: 1\ntools: {get: {do: update}, t: {before: {call: get}}}\n", 2, 47, "may only read"),
    ("version: 1\ntools: {t: {before: {args: {}}}}\n", 2, 21, "which tool it calls"),
    ("version: 1\ntools: {t: {undo: maybe}}\n", 2, 19, "or none"),
    ("version: 1\ntools: {t: {do: pay, undo: none, ask: never}}\n", 2, 39, "'undo: none', which always asks"),
    ("version: 1\ntools: {t: {undo: {call: t, args: before}}}\n", 2, 19, "Declare 'before'"),
    ("version: 1\ntools: {t: {undo: {call: t, args: {id: before.id}}}}\n", 2, 40, "Declare 'before'"),
    (
        "version: 1\ntools: {t: {undo: {call: t, args: {id: arg.id}}}}\n",
        2,
        40,
        "A constant with a dot is written {value: 'arg.id'}",
    ),
    ("version: 1\ntools: {t: {undo: {call: t, args: {id: [1]}}}}\n", 2, 40, "Write a list as {value:"),
    (
        "version: 1\ntools: {a: {do: read, before: {call: b}}, b: {do: read, verify: {call: a, expect: seen.x}}}\n",
        2,
        38,
        "comes back to itself",
    ),
    ("version: 1\ntools: {a: {do: read}, t: {verify: {call: a}}}\n", 2, 36, "proves nothing without 'expect'"),
    ("version: 1\ntools: {a: {do: read}, t: {verify: {call: a, expect: sen.x}}}\n", 2, 54, "Did you mean 'seen'?"),
    ("version: 1\ntools: {t: {result: {schema: gone.json}}}\n", 2, 30, "cannot be read"),
    ("version: 1\ntools: {t: {result: {schema: {type: objct}}}}\n", 2, 30, "cannot be used"),
    ("version: 1\ntools: {t: {result: {file: x}}}\n", 2, 22, "no key 'file'"),
    ("version: 1\ntools: {t: {checks: [resul.x == 1]}}\n", 2, 22, "Did you mean 'result'?"),
    ("version: 1\ntools: {t: {checks: [{fresh: result.at}]}}\n", 2, 22, "within"),
    ("version: 1\ntools: {t: {checks: [{fresh: at, within: 1h}]}}\n", 2, 30, "cannot start with 'at'"),
    ("version: 1\ntools: {t: {checks: [{complete: []}]}}\n", 2, 22, "lists no path"),
    # --- rules and secrets ---
    ("version: 1\nrules: [{id: a}]\n", 2, 9, "does not say what happens"),
    ("version: 1\nrules: [{then: ask}]\n", 2, 9, "has no 'id'"),
    ("version: 1\nrules: [{id: a, then: allow}]\n", 2, 23, "Rules only restrict"),
    ("version: 1\nrules: [{id: a, then: aks}]\n", 2, 23, "Did you mean 'ask'?"),
    ("version: 1\nrules:\n  - {id: a, then: ask}\n  - {id: a, then: deny}\n", 4, 10, "the first is in line 3"),
    ("version: 1\nrules: [{id: a, then: ask, for: x}]\n", 2, 33, "There is no tool 'x'"),
    ("version: 1\nrules: [{id: a, then: ask, agents: x}]\n", 2, 36, "There is no agent 'x'"),
    ("version: 1\nrules: [{id: a, then: ask, when: effect.zon == 'x'}]\n", 2, 41, "Did you mean 'zone'?"),
    ('version: 1\nrules:\n  - id: a\n    then: ask\n    when: "argz.x == 1"\n', 5, 12, "Did you mean 'args'?"),
    ("version: 1\nrules:\n  - id: a\n    then: ask\n    when: |\n      argz.x == 1\n", 5, 11, "Did you mean 'args'?"),
    ("version: 1\nrules: [{id: a, then: ask, when: result.x == 1}]\n", 2, 34, "'result' is not known here"),
    ("version: 1\nrules: [{id: a, then: ask, when: effect.verb == 'remove'}]\n", 2, 49, "is not a known verb"),
    (
        "version: 1\nzones: {production: [prod]}\nrules: [{id: a, then: ask, when: effect.zone == 'prod'}]\n",
        3,
        49,
        "Write 'production'",
    ),
    (
        "version: 1\nzones: {production: []}\nrules: [{id: a, then: ask, when: effect.zone == 'staging'}]\n",
        3,
        49,
        "is not a known zone",
    ),
    ("version: 1\nrules: [{id: a, then: ask, when: tool.name == 'x'}]\n", 2, 47, "is not a known tool"),
    ("version: 1\nrules: [{id: a, then: ask, when: agent.access == 'writer'}]\n", 2, 50, "Did you mean 'write'?"),
    ("version: 1\nrules: [{id: a, then: ask, when: args.a = 1}]\n", 2, 41, "Compare with '=='"),
    ("version: 1\nrules: [{id: a, then: ask, when: 'args.a.matches(\"(\")'}]\n", 2, 50, "is not a pattern"),
    (
        "version: 1\nrules: [{id: a, then: ask, when: args.l.exists(x, true)}]\n",
        2,
        49,
        "put the whole condition in quotes",
    ),
    ("version: 1\nredact: [password]\n", 2, 10, "cannot start with 'password'"),
    ("version: 1\nredact: [args]\n", 2, 10, "names no member"),
    ("version: 1\ntools: {t: {}}\nredact: [{tool: u, paths: [args.x]}]\n", 3, 17, "There is no tool 'u'"),
    ("version: 1\nredact: [{tool: '*'}]\n", 2, 10, "paths"),
]


@pytest.mark.parametrize(("text", "line", "column", "message"), BROKEN)
def test_a_broken_policy_is_refused_with_its_place(text, line, column, message):
    """Nothing that is wrong loads, and the message says where and what to do."""
    with pytest.raises(PolicyError) as caught:
        loads(text)
    found = caught.value.problems
    assert any((one.line, one.column) == (line, column) and message in one.message for one in found), found
    assert f"handrail.yaml:{line}:{column}: " in str(caught.value)


def test_all_problems_are_listed():
    """One load tells everything, in the order of the file."""
    text = "version: 2\nmod: x\nagents: {a: {access: x}}\ntools: {t: {do: rea, zone: x}}\nrules: [{id: a, when: argz.b, then: allow}]\n"
    with pytest.raises(PolicyError) as caught:
        loads(text)
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 4, 4, 5, 5]


def test_a_problem_shared_by_many_tools_is_listed_once():
    """A wrong secret path is one problem, however many tools it applies to."""
    with pytest.raises(PolicyError) as caught:
        loads("version: 1\nredact: [arg.x]\ntools: {a: {}, b: {}, c: {}}\n")
    assert len(caught.value.problems) == 1


def test_problems_are_bounded():
    """A file that is wrong throughout does not flood the terminal."""
    with pytest.raises(PolicyError) as caught:
        loads("version: 1\n" + "".join(f"x{n}: 1\n" for n in range(1_000)))
    assert len(caught.value.problems) == 200


def test_wrong_secret_paths_are_found_without_tools():
    """A secret path is checked even when no tool is declared."""
    with pytest.raises(PolicyError):
        loads("version: 1\nredact: [arg.x]\n")


def test_a_file_that_is_not_there(tmp_path):
    """No policy: nothing runs."""
    with pytest.raises(PolicyError, match="cannot be read"):
        load(tmp_path / "handrail.yaml")


def test_a_file_that_is_not_utf8(tmp_path):
    """The first bad byte is named."""
    file = tmp_path / "handrail.yaml"
    file.write_bytes(b"version: 1\nmode: \xff\n")
    with pytest.raises(PolicyError, match=r":2:7: The file is not UTF-8 text"):
        load(file)


def test_a_byte_order_mark_is_ignored(tmp_path):
    """Windows editors write one."""
    file = tmp_path / "handrail.yaml"
    file.write_bytes(b"\xef\xbb\xbfversion: 1\n")
    assert load(file).mode is Mode.ENFORCE


def test_a_file_that_is_too_large(tmp_path):
    """At most 1 MiB is read."""
    file = tmp_path / "handrail.yaml"
    file.write_bytes(b"version: 1\n" + b"#" * (1024 * 1024))
    with pytest.raises(PolicyError, match="larger than 1 MiB"):
        load(file)


def test_aliases_cannot_explode():
    """A billion laughs end at the limit of values."""
    laughs = "version: 1\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
    for one, two in zip("abcdefgh", "bcdefghi", strict=True):
        laughs += f"{two}: &{two} [" + ",".join([f"*{one}"] * 10) + "]\n"
    with pytest.raises(PolicyError, match=f"more than {NODES_MAX:,} values"):
        loads(laughs)


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff", b'"x"', b"[" * 100_000])
def test_a_broken_schema_file(tmp_path, content):
    """A schema file has to be a JSON object."""
    (tmp_path / "s.json").write_bytes(content)
    with pytest.raises(PolicyError, match=r"s\.json"):
        loads("version: 1\ntools: {t: {result: {schema: s.json}}}\n", base=tmp_path)


def test_the_hash_ignores_how_a_policy_is_written(example):
    """Comments, the order of keys, aliases and spelled-out defaults change nothing."""
    first = load(example).hash
    text = example.read_text(encoding="utf-8")
    assert loads(text.replace("# observe | enforce", ""), base=example.parent).hash == first
    assert (
        loads(text.replace("mode: enforce ", "desktop_alerts: false\nmode: enforce "), base=example.parent).hash
        == first
    )
    moved = text.replace("four_eyes: true\n", "") + "four_eyes: true\n"
    assert loads(moved, base=example.parent).hash == first
    long = text.replace(
        '{do: read, resource: "lead/{args.id}"}',
        '{effects: [{resource: "lead/{args.id}", do: read}], critical: true, ask: default}',
    )
    assert long != text
    assert loads(long, base=example.parent).hash == first
    assert len(first) == 64


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mode: enforce", "mode: observe"),
        ("four_eyes: true", "four_eyes: false"),
        ("kim@", "tim@"),
        ("prd, ", ""),
        ("200_000", "200_001"),
        ("args.password", "args.passwort"),
        ("do: copy", "do: move"),
        ("args.env}", "args.zone}"),
        ("company_size != null", "company_size != 0"),
        ("then: ask", "then: deny"),
        ('args.verb == "show"', 'args.verb == "list"'),
        ("{call: crm.update_lead, args: before}", "none"),
    ],
)
def test_the_hash_changes_with_the_meaning(example, old, new):
    """Whatever changes what is decided changes the hash."""
    text = example.read_text(encoding="utf-8")
    assert old in text
    assert loads(text.replace(old, new), base=example.parent).hash != load(example).hash


def test_the_hash_covers_schema_files(example):
    """A contract in a file is part of the policy."""
    first = load(example).hash
    schema = example.parent / "schemas" / "lead.json"
    schema.write_text(json.dumps({"required": ["company_size"], "type": "object"}))
    assert load(example).hash == first
    schema.write_text('{"type": "object"}')
    assert load(example).hash != first


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_policy_loads_or_says_why(data):
    """Whatever is cut out of a policy: it loads, or PolicyError; nothing else is raised."""
    text = DAMAGED
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 30)))
    insert = data.draw(st.sampled_from(["", ":", "\n", "{", "]", "- ", "&a ", "*a", "'", "null", "\t", "0", "|"]))
    try:
        loads(text[:start] + insert + text[end:])
    except PolicyError as error:
        assert error.problems


DAMAGED = """\
version: 1
reviewers: [dana]
zones: {production: [prod]}
agents: {a: {access: write, tokens_per_day: 5}, b: {parent: a}}
redact: [args.x, {tool: t*, paths: ["result.l[].y"]}]
reviews: {pending: 5m, valid: 1d}
tools:
  get: {do: read, resource: "lead/{args.id}"}
  t:
    effects: [{when: args.v == 1, do: update, resource: "lead/{args.id}", zone: args.z?, amount: args.n?}]
    before: {call: get, args: {id: args.id}}
    undo: {call: t, args: before}
    verify: {call: get, args: {id: args.id}, expect: [seen.id == args.id]}
    result: {schema: {type: object, properties: {a: {type: string}}}}
    checks: [result.a != null, {fresh: result.at, within: 1h}, {complete: [result.a]}]
    retry: {base_s: 0.5}
rules:
  - {id: r, for: "t*", agents: [a], when: 'effect.zone == "production" && args.l.exists(x, x > 1)', then: ask, why: Look.}
"""


def test_the_damaged_policy_was_whole():
    """The policy above loads before it is damaged."""
    assert loads(DAMAGED).hash


def test_without_declared_zones_any_text_is_one():
    """A policy that declares no zones may compare with any."""
    assert loads("version: 1\nrules: [{id: a, then: ask, when: effect.zone == 'production'}]\n").rules


@pytest.mark.parametrize(
    ("tool", "repeatable"),
    [
        ("{do: read, resource: a/1}", True),
        ("{do: read, resource: a/1, idempotent: false}", False),
        ("{do: update, resource: a/1}", False),
        ("{do: update, resource: a/1, idempotent: true}", True),
    ],
)
def test_what_may_be_repeated(tool, repeatable):
    """Reads may be sent again unless the policy says no; writes only where it says yes."""
    assert loads(f"version: 1\ntools: {{t: {tool}}}\n").tool("t").repeatable is repeatable
