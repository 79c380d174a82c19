from pathlib import Path

import pytest

from handrail.policy import load, loads
from handrail.policy.check import Level, check

BOT = "version: 1\nreviewers: [kim, lee]\nagents: {bot: {access: write, owner: dana, tokens_per_day: 5}}\n"


def advice(text):
    return [(one.level, one.line, one.column, one.message) for one in check(loads(text))]


def test_a_clean_policy(example):
    """A policy that guards what it should gives nothing to do."""
    assert check(load(example)) == []
    assert advice(BOT + "tools: {t: {do: read}}\n") == []


@pytest.mark.parametrize(
    ("text", "level", "line", "column", "message"),
    [
        ("version: 1\ntools: {t: {do: read}}\n", "warning", 0, 0, "No agent is declared"),
        (BOT, "warning", 0, 0, "No tool is declared"),
        (BOT.replace("reviewers: [kim, lee]\n", ""), "error", 0, 0, "Approval: something asks"),
        ("version: 1\nagents: {a: }\ntools: {t: {do: delete}}\n", "error", 0, 0, "Approval: something asks"),
        (BOT.replace(", tokens_per_day: 5", ""), "error", 3, 10, "Budget: agent 'bot' may write"),
        (BOT + "store: 'memory:'\n", "error", 4, 1, "Log: 'store: memory:' forgets"),
        (BOT + "four_eyes: false\n", "warning", 4, 1, "'four_eyes: false' lets"),
        (BOT + "mode: observe\n", "warning", 4, 1, "'mode: observe' only records"),
        (BOT.replace(", owner: dana", ""), "warning", 3, 10, "has no 'owner'"),
        (BOT.replace("[kim, lee]", "[dana]"), "error", 3, 10, "is owned by the only reviewer"),
        (
            BOT.replace("{bot:", "{p: , bot:").replace("owner: dana", "parent: p"),
            "warning",
            3,
            15,
            "may do more than the agent",
        ),
        (BOT.replace("[kim,", "[bot,"), "error", 3, 10, "Reviewer 'bot' and agent 'bot' have one name"),
        (BOT.replace("[kim,", "[Bot,"), "error", 3, 10, "Reviewer 'Bot' and agent 'bot' have one name"),
        (BOT.replace("owner: dana", "owner: ' Kim'"), "error", 3, 10, "' Kim' of agent 'bot' is spelled 'kim'"),
        (
            "version: 1\nreviewers: [kim]\nagents: {a: {owner: Kim}}\n",
            "error",
            3,
            10,
            "'Kim' of agent 'a' is spelled 'kim'",
        ),
        (BOT.replace("[kim, lee]", "[Dana]"), "error", 3, 10, "is owned by the only reviewer"),
        (BOT + "tools: {t: }\n", "warning", 4, 9, "counts as 'execute'"),
        (BOT + "tools: {t: {do: execute}}\n", "warning", 4, 9, "executes something, and no rule"),
        (BOT + "tools: {t: {do: delete, ask: never}}\n", "warning", 4, 9, "Dry run: tool 't'"),
        (
            BOT + "tools: {t: {do: read}}\nrules: [{id: r, for: 'x*', then: ask}]\n",
            "error",
            5,
            14,
            "its 'for' fits no tool",
        ),
        (
            BOT + "tools: {t: {do: read}}\nrules: [{id: r, agents: 'x*', then: ask}]\n",
            "error",
            5,
            14,
            "its 'agents' fit no agent",
        ),
        (
            BOT + "tools: {t: {do: read}}\nrules: [{id: r, when: before.x == 1, then: ask}]\n",
            "warning",
            5,
            14,
            "have no before-image",
        ),
    ],
)
def test_what_is_found(text, level, line, column, message):
    """Each lack of the minimum viable set, and each part that can never matter, with its place."""
    found = advice(text)
    assert any((one[0], one[1], one[2]) == (level, line, column) and message in one[3] for one in found), found


@pytest.mark.parametrize(
    "text",
    [
        BOT + "tools: {t: {do: execute, ask: always}}\n",
        BOT.replace("owner: dana", "owner: kim") + "tools: {t: {do: read}}\n",
        BOT + "tools: {t: {do: execute}}\nrules: [{id: r, for: t, then: ask}]\n",
        BOT + "tools: {g: {do: read}, t: {do: delete, ask: never, before: {call: g}}}\n",
        BOT.replace("agents: {", "agents: {c: {access: write, parent: bot}, ") + "tools: {t: {do: read}}\n",
    ],
)
def test_what_is_well(text):
    """What does guard raises no alarm: a budget and an owner are inherited."""
    assert advice(text) == []


SHOP = BOT + "databases: {shop: {url: 'env:URL', tables: {lead: {LIMITS}}}}\n"


@pytest.mark.parametrize(
    ("text", "level", "line", "message"),
    [
        (SHOP.replace("LIMITS", "write: [a], rows_free: 9, rows_max: 8"), "warning", 4, "'rows_free' above 'rows_max' (8)"),
        (SHOP.replace("LIMITS", "insert: true, inserts_free: 9, rows_max: 8"), "warning", 4, "'inserts_free' above"),
        (SHOP.replace("LIMITS", "insert: true, rows_free: 9"), "warning", 4, "'rows_free' without 'write' or 'delete'"),
        (SHOP.replace("LIMITS", "write: [a], inserts_free: 9"), "warning", 4, "'inserts_free' without 'insert: true'"),
        (BOT + "databases: {s: {url: 'postgresql://me:sesame@db/s'}}\n", "warning", 4, "carries a password"),
        (BOT + "databases: {s: {url: 'sqlite:///.handrail/handrail.db'}}\n", "error", 4, "is the store itself"),
        (BOT + "databases: {s: {url: 'sqlite:///./.handrail/../.handrail/handrail.db'}}\n", "error", 4, "is the store itself"),
        (BOT + f"databases: {{s: {{url: 'sqlite:///{Path.cwd()}/.handrail/handrail.db'}}}}\n", "error", 4, "is the store itself"),
        (
            BOT + "store: postgresql://db/s\ndatabases: {s: {url: 'postgresql://db/s'}}\n",
            "error",
            5,
            "is the store itself",
        ),
        (BOT + "kinds: {row: {folders: false}}\ndatabases: {s: }\n", "warning", 5, "parts the rows of 's'"),
        (BOT + "http: {crm: {url: 'https://x'}}\n", "warning", 4, "Each write to 'crm' asks a person"),
        (
            BOT + "http: {crm: {url: 'https://x', if_match: true, headers: {AUTHORIZATION: 'Bearer x'}}}\n",
            "warning",
            4,
            "The header 'AUTHORIZATION' of 'crm' stands in the file",
        ),
        (BOT + "http: {crm: {url: 'https://me:sesame@x', if_match: true}}\n", "warning", 4, "carries a password"),
        (BOT + "files: {all: {root: .}}\n", "error", 4, "Files 'all' hold the policy or the store"),
        (BOT + "files: {all: {root: 'a/../..'}}\n", "error", 4, "hold the policy or the store"),
        (BOT + "files: {all: {root: /}}\n", "error", 4, "hold the policy or the store"),
        (BOT + "files: {all: {root: .handrail}}\n", "error", 4, "hold the policy or the store"),
        (BOT.replace("reviewers: [kim, lee]\n", "") + "files: {t: {root: t}}\n", "error", 0, "Approval: something asks"),
        (
            "version: 1\nagents: {a: }\ndatabases: {s: {tables: {t: {write: [a]}}}}\n",
            "error",
            0,
            "Approval: something asks",
        ),
        (BOT.replace(", tokens_per_day: 5", "") + "files: {t: {root: t}}\n", "error", 3, "Budget: agent 'bot' may write"),
        (
            BOT + "tools: {t: {do: read}}\nrules: [{id: r, for: 'shop.*', then: ask}]\n",
            "warning",
            5,
            "fits no tool of this file, only what a program declares",
        ),
        (
            BOT + "tools: {t: {do: read}}\nrules: [{id: r, for: '*.apply_change', then: ask}]\n",
            "warning",
            5,
            "only what a program declares",
        ),
        (
            BOT + "databases: {s: }\nrules: [{id: r, when: before.rows > 1, then: ask}]\n",
            "warning",
            5,
            "'s.describe', 's.plan_change', 's.query' have no before-image",
        ),
    ],
)  # fmt: skip
def test_what_is_found_of_places(text, level, line, message):
    """Limits that never matter, secrets in the file, places that hold what Handrail lives on; changes are writes."""
    found = advice(text)
    assert any((one[0], one[1]) == (level, line) and message in one[3] for one in found), found
    assert "sesame" not in repr(found)


@pytest.mark.parametrize(
    "text",
    [
        SHOP.replace("LIMITS", "write: [a], insert: true, delete: true, rows_free: 20, inserts_free: 50"),
        SHOP.replace("LIMITS", "insert: true, rows_max: 10"),
        SHOP.replace("LIMITS", "write: [a]")
        + "rules: [{id: r, for: shop.apply_change, when: before.rows > 9, then: ask}]\n",
        BOT + "databases: {s: {url: 'sqlite:///shop.db'}}\n",
        BOT + "databases: {s: }\n",
        BOT + "files: {t: {root: texts}, u: {root: /srv/texts}}\n",
        BOT
        + "http: {crm: {url: 'https://x', if_match: true, headers: {Authorization: 'env:T', Accept: text/plain}}}\n",
        BOT.replace("access: write, ", "").replace("tokens_per_day: 5", "owner: kim").replace("owner: dana, ", "")
        + "databases: {s: }\n",
    ],
)
def test_places_that_are_well(text):
    """A database that is only read, one that the program opens, and limits that matter raise no alarm."""
    assert advice(text) == []


def test_errors_come_first():
    """A reader sees what fails the check before what is merely unwise."""
    levels = [one.level for one in check(loads("version: 1\nmode: observe\nagents: {a: {access: write}}\n"))]
    assert levels == sorted(levels, key=lambda level: level is not Level.ERROR)
    assert Level.ERROR in levels
