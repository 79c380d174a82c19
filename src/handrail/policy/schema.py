"""The JSON Schema of `handrail.yaml`, for editors: completion and squiggles while typing. Loading checks far more."""

from __future__ import annotations

from handrail.core.digest import Json
from handrail.core.effect import Verb
from handrail.core.policy import Mode
from handrail.core.tool import Access, AskMode
from handrail.policy.pattern_spec import EventStatus

_Schema = dict[str, Json]

_TEXT: _Schema = {"type": "string", "minLength": 1}
_WHOLE: _Schema = {"type": "integer", "minimum": 0}
_SECONDS: _Schema = {"type": "number", "minimum": 0, "maximum": 86_400}


def json_schema() -> dict[str, Json]:
    """Return the JSON Schema (draft 2020-12) of a policy."""
    top: dict[str, Json] = {
        "version": _said({"const": 1}, "The version of this format."),
        "mode": _said(_words(Mode), "enforce (default): decisions hold. observe: they are only recorded."),
        "store": _said(_TEXT, "sqlite:///file, postgresql://… or memory:. Default: sqlite:///.handrail/handrail.db."),
        "four_eyes": _said({"type": "boolean"}, "Whether an agent's owner may not approve its actions. Default: true."),
        "reviewers": _said(_list(_TEXT), "Who may approve."),
        "alerts": _said(_list(_TEXT), "Web addresses that alarms go to."),
        "desktop_alerts": _said({"type": "boolean"}, "Whether alarms appear on the desktop. Default: false."),
        "zones": _said(_map(_or_nothing(_list(_TEXT))), "The texts that stand for each zone."),
        "kinds": _said(
            _map(_object({"case": {"enum": ["insensitive", "sensitive"]}, "folders": {"type": "boolean"}})),
            "Whether ids of a kind have case, and folders.",
        ),
        "agents": _said(_map(_or_nothing(_agent())), "Who may act."),
        "redact": _said(_list({"anyOf": [_TEXT, _redact()]}), "Secret paths."),
        "tools": _said(_map(_or_nothing(_tool())), "What may run. What is not here is denied."),
        "databases": _said(_map(_or_nothing(_database())), "Guarded databases: what may be changed in them."),
        "files": _said(_map(_files()), "Guarded folders of files."),
        "http": _said(_map(_http()), "Guarded JSON resources of HTTP servers."),
        "rules": _said(_list(_rule()), "What a person has to look at, and what is refused."),
        "reviews": _said(
            _object({"pending": _duration(), "valid": _duration()}), "How long tickets and approvals live."
        ),
    }
    schema = _object(top, "version")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Handrail policy", **schema}


def _agent() -> _Schema:
    return _object(
        {
            "access": _said(_words(Access), "What a person gave it. Default: read_only."),
            "owner": _said(_TEXT, "The person behind it."),
            "parent": _said(_TEXT, "The agent that it works for, whose memory it shares."),
            "tokens_per_day": _said(_WHOLE, "Its daily budget."),
        }
    )


def _effect() -> dict[str, Json]:
    return {
        "do": _said(_words(Verb), "What it does."),
        "resource": _said(_TEXT, 'What it does it to, such as "instance/{args.id}".'),
        "to": _said(_TEXT, "Where a copy or a move goes."),
        "zone": _said(_TEXT, "The zone it enters: a path such as args.env, or a declared zone."),
        "amount": _said(_TEXT, "A path to whole units, such as args.cents."),
        "labels": _said(_one_or_more(), "Labels that it puts on the resource when it succeeds."),
        "when": _condition(),
        "each": _said(_TEXT, "One effect for each: command, command.targets, command.writes, statement.tables, …"),
    }


def _tool() -> _Schema:
    retry = _object({"base_s": _SECONDS, "cap_s": _SECONDS, "jitter_s": {"anyOf": [_SECONDS, {"type": "null"}]}})
    check: _Schema = {
        "anyOf": [
            _TEXT,
            _object({"fresh": _TEXT, "within": _duration()}, "fresh", "within"),
            _object({"complete": _one_or_more()}, "complete"),
        ]
    }
    undo: _Schema = {"anyOf": [{"const": "none"}, _paired(before=True)]}
    return _object(
        {
            **_effect(),
            "effects": _said(
                {**_list(_object(_effect(), "do")), "minItems": 1}, "Several effects, each with its condition."
            ),
            "idempotent": _said(
                {"type": "boolean"}, "Whether Handrail may send a failed call again. Default: whether it only reads."
            ),
            "critical": _said({"type": "boolean"}, "Whether it needs access write. Default: true."),
            "ask": _said(_words(AskMode), "default: update, delete and move ask a person."),
            "before": _said(_paired(), "A read that gives the before-image."),
            "undo": _said(undo, "The call that takes the action back."),
            "verify": _said(_paired(expect=True), "A read that proves that the action happened."),
            "result": _said(_schema(), "What results must look like."),
            "args": _said(_schema(), "What arguments must look like."),
            "checks": _said(_list(check), "What must hold of every result."),
            "retry": _said(retry, "Waiting between retries, in seconds."),
            "description": _TEXT,
            "shell": _said(_TEXT, "The path of a shell command text; conditions see it as 'commands'."),
            "sql": _said(_TEXT, "The path of an SQL text; conditions see it as 'statements'."),
        }
    )


def _paired(*, before: bool = False, expect: bool = False) -> _Schema:
    args: _Schema = {"type": "object"}
    fields: dict[str, Json] = {
        "call": _said(_TEXT, "A declared tool."),
        "args": {"anyOf": [args, {"const": "before"}]} if before else args,
    }
    if not expect:
        return _object(fields, "call")
    return _object({**fields, "expect": _one_or_more()}, "call", "expect")


def _schema() -> _Schema:
    return _object({"schema": {"type": ["string", "object", "boolean"]}}, "schema")


def _rule() -> _Schema:
    return _object(
        {
            "id": _said(_TEXT, "Its name, in tickets and the journal."),
            "for": _said(_one_or_more(), "Tools by name or pattern. Default: all."),
            "agents": _said(_one_or_more(), "Agents by name or pattern, and who works for them. Default: all."),
            "when": _condition(),
            "then": _said({"enum": ["ask", "deny"]}, "What happens."),
            "why": _said(_TEXT, "One sentence for agents and people."),
            **_patterns(),
        },
        "id",
        "then",
    )


def _patterns() -> dict[str, Json]:
    scope: _Schema = _said(_one_or_more(), "agent, run, resource, tool, fleet, or a path such as args.customer.")
    event: dict[str, Json] = {
        "tool": _said(_one_or_more(), "Tools by name or pattern."),
        "do": _said({"anyOf": [_words(Verb), {**_list(_words(Verb)), "minItems": 1}]}, "What it did."),
        "when": _condition(),
        "status": _said(_words(EventStatus), "What became of it. Default: started."),
    }
    shared: dict[str, Json] = {"per": scope, "within": _duration()}
    of: _Schema = {"anyOf": [_words(EventStatus), _object(event)]}
    count: dict[str, Json] = {"count": _WHOLE, "sum": _TEXT, "limit": _WHOLE, "of": of, **shared}
    wait = _object({"wait": _duration(), "per": scope}, "wait")
    return {
        "requires": _said(
            _object({**event, "same": scope, "once": {"type": "boolean"}, **shared}), "What must have succeeded before."
        ),
        "forbids_after": _said(_object({**event, "same": scope, **shared}), "What must not have run before."),
        "at_most": _said(_object(count), "How many, or how much, in a window of time."),
        "repeat": _said(_object({"times": _WHOLE, "same": scope, **shared}, "times"), "How often the same action."),
        "cooldown": _said({"anyOf": [_duration(), wait]}, "How long to wait after the last one."),
        "until_cleared": _said(_object({**event, "same": scope, "per": scope}), "What stops until a person lifts it."),
    }


_ZONE: _Schema = {"type": "string", "minLength": 1, "description": "The zone that it stands in."}
_YES_NO: _Schema = {"type": "boolean"}


def _database() -> _Schema:
    table = _object(
        {
            "write": _said(_one_or_more(), "Columns that may be written."),
            "insert": _said(_YES_NO, "Whether rows may be added. Default: false."),
            "delete": _said(_YES_NO, "Whether rows may be removed. Default: false."),
            "rows_max": _said({"type": "integer", "minimum": 1}, "Rows of one change; more is refused. Default: 1000."),
            "rows_free": _said(_WHOLE, "Rows named by key that change without a person. Default: 0."),
            "inserts_free": _said(_WHOLE, "Rows that are added without a person. Default: 100."),
            "version": _said(_TEXT, "A column that every writer counts up."),
            "also": _said(_map({"type": "integer", "minimum": 1}), "Rows that triggers add, by table."),
            "hide": _said(_one_or_more(), "Columns whose values no preview shows."),
        }
    )
    return _object(
        {
            "url": _said(_TEXT, "sqlite:///file, postgresql://… or env:NAME; left out where the program gives it."),
            "zone": _ZONE,
            "tables": _said(_map(table), "What may be changed. Other tables are only read."),
            "functions": _said(_list(_TEXT), "Functions that you vouch for in queries."),
        }
    )


def _files() -> _Schema:
    return _object({"root": _said(_TEXT, "The folder, relative to the policy's."), "zone": _ZONE}, "root")


def _http() -> _Schema:
    return _object(
        {
            "url": _said(_TEXT, "What their ids are below, or env:NAME."),
            "zone": _ZONE,
            "headers": _said(_map(_TEXT), "Sent with each request; values may be env:NAME."),
            "if_match": _said(_YES_NO, "Whether the server refuses a write whose If-Match fails. Default: false."),
            "server_fields": _said(_list(_TEXT), "Members that the server sets by itself."),
        },
        "url",
    )


def _redact() -> _Schema:
    return _object({"tool": _one_or_more(), "paths": _one_or_more()}, "paths")


def _condition() -> _Schema:
    return _said({"type": ["string", "boolean"]}, "A CEL condition.")


def _duration() -> _Schema:
    return {"type": "string", "pattern": r"^(?=\d)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$"}


def _one_or_more() -> _Schema:
    return {"anyOf": [_TEXT, {**_list(_TEXT), "minItems": 1}]}


def _words(kind: type[Verb | Mode | Access | AskMode | EventStatus]) -> _Schema:
    return {"enum": [member.value for member in kind]}


def _list(item: _Schema) -> _Schema:
    return {"type": "array", "items": item}


def _map(value: _Schema) -> _Schema:
    return {"type": "object", "additionalProperties": value}


def _or_nothing(schema: _Schema) -> _Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(fields: dict[str, Json], *required: str) -> _Schema:
    wanted: list[Json] = [*required]
    return {"type": "object", "properties": fields, "required": wanted, "additionalProperties": False}


def _said(schema: _Schema, description: str) -> _Schema:
    return {**schema, "description": description}
