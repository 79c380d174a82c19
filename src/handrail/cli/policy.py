"""`handrail policy check | explain | test | backtest | allow | schema`: is the policy good, what would it decide?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.exits import Code, UsageError
from handrail.cli.options import new_app, options
from handrail.cli.output import Column, cell, count, emit, line, plain, say, shown, table
from handrail.cli.policy_allow import allow
from handrail.cli.policy_backtest import backtest
from handrail.cli.policy_test import run_cases
from handrail.cli.session import opened
from handrail.cli.settings import load_policy, resolve, store_url
from handrail.core.text import safe

if TYPE_CHECKING:
    from rich.text import Text

    from handrail.core.digest import Json
    from handrail.core.facts import Facts
    from handrail.core.store import Store
    from handrail.policy import CompiledPolicy, PolicyError
    from handrail.policy.check import Advice
    from handrail.policy.explain import Explanation

app = new_app("Check the policy, and ask what it would decide.")

_VERDICT_CODE = {"allow": Code.OK, "ask": Code.WAITS, "deny": Code.FINDINGS}
_VERDICT_STYLE = {"allow": "green", "ask": "yellow", "deny": "bold red"}


# --- check ------------------------------------------------------------------------------------------------------------


@app.command("check")
def check(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Policy file.", show_default=False)] = None,
) -> int:
    """Tell what is wrong with the policy, each problem with its line and column."""
    from handrail.policy import PolicyError
    from handrail.policy.check import check as advise

    said = options(ctx)
    if file is not None:
        if not file.exists():
            raise UsageError(f"There is no file {safe(file)}.")
        said = replace(said, policy=file)
    settings = resolve(said)
    path = short(settings.policy)
    try:
        policy = load_policy(replace(settings, policy=path))
    except PolicyError as error:
        _broken(error, as_json=said.json)
        return Code.CONFIGURATION
    return _advised(policy, advise(policy), as_json=said.json)


def short(path: Path | None) -> Path | None:
    """Return a path as people would type it: relative where it is in this folder or below."""
    here = Path.cwd()
    return path.relative_to(here) if path is not None and path.is_relative_to(here) else path


def _broken(error: PolicyError, *, as_json: bool) -> None:
    """Print why the policy does not load."""
    if as_json:
        problems: list[Json] = [{"line": p.line, "column": p.column, "message": p.message} for p in error.problems]
        emit({"policy": error.source, "loads": False, "error": str(error), "kind": "PolicyError", "problems": problems})
        return
    for problem in error.problems:
        _finding(error.source, problem.line, problem.column, "error", problem.message)
    say(f"{count(len(error.problems), 'problem')}. The policy does not load, so nothing runs.")


def _advised(policy: CompiledPolicy, found: list[Advice], *, as_json: bool) -> int:
    """Print what the lint found in a policy that loads."""
    errors = sum(one.level == "error" for one in found)
    if as_json:
        findings: list[Json] = [
            {"level": one.level.value, "line": one.line, "column": one.column, "message": one.message} for one in found
        ]
        counts: dict[str, Json] = {"errors": errors, "warnings": len(found) - errors}
        emit({"policy": policy.source, "loads": True, "hash": policy.hash, **counts, "findings": findings})
    else:
        for one in found:
            _finding(policy.source, one.line, one.column, one.level.value, one.message)
        if found:
            say(f"{count(errors, 'error')}, {count(len(found) - errors, 'warning')}. The policy loads.")
        else:
            sizes = (policy.tools, "tool"), (policy.rules, "rule"), (policy.agents, "agent")
            what = ", ".join(count(len(those), noun) for those, noun in sizes)
            line(f"{safe(policy.source)}: nothing to object to ({what}).")
    return Code.FINDINGS if errors else Code.OK


def _finding(source: str, row: int, column: int, level: str, message: str) -> None:
    """Print one line as editors and grep know it: `file:line:column: level: message`."""
    where = f"{safe(source)}:{row}:{column}" if row else safe(source)
    line(f"{where}: {level}: {' '.join(shown(message))}")


# --- explain ----------------------------------------------------------------------------------------------------------


@app.command("explain")
def explain(
    ctx: typer.Context,
    agent: Annotated[str, typer.Argument(help="Name of the agent.")],
    tool: Annotated[str, typer.Argument(help="Name of the tool.")],
    args: Annotated[str, typer.Argument(metavar="ARGS_JSON", help="Its arguments, a JSON object.")],
    zone: Annotated[
        str | None, typer.Option("--zone", help="Zone that the resource stands in, instead of the one remembered.")
    ] = None,
    before: Annotated[
        str | None, typer.Option("--before", metavar="JSON", help="The before-image, for rules that look at it.")
    ] = None,
) -> int:
    """Tell why an action would be decided as it would be. Nothing runs, nothing is recorded."""
    from handrail.gates import default_gates
    from handrail.policy.explain import explain as explained

    final = parse_object(args, "ARGS_JSON")
    image = None if before is None else parse(before, "--before")
    with _opened(ctx) as (policy, store):
        place = None if zone is None else _zone(policy, zone)
        facts = _facts(policy, store, agent, tool, final, place)
    gates = default_gates()
    answer = explained(policy, agent, tool, final, gates, facts=facts, before=image)
    names = [gate.name for gate in gates]
    note = _note(policy, tool, answer, planned=image is not None)
    if options(ctx).json:
        emit(_explanation(answer, agent, tool, names, policy.mode, note))
    else:
        _show(answer, agent, tool, names, note)
    return _VERDICT_CODE[answer.decision.verdict.value]


def _note(policy: CompiledPolicy, tool: str, answer: Explanation, *, planned: bool) -> str:
    """Return what the decision leaves out."""
    said = []
    declared = policy.tool(tool)
    if declared is not None and declared.before is not None and answer.effects and not planned:
        said.append("It is decided again once the before-image is read; give one with --before JSON.")
    if policy.mode.value == "observe":
        said.append("In observe mode it would run anyway, and this decision would be recorded.")
    return " ".join(said)


@contextmanager
def _opened(ctx: typer.Context) -> Iterator[tuple[CompiledPolicy, Store | None]]:
    """Yield the policy, and its store where there is one to be looked into."""
    settings = resolve(options(ctx))
    policy = load_policy(settings)
    if store_url(settings, policy) == "memory:":
        yield policy, None
        return
    with opened(ctx) as session:
        yield session.policy, session.store


def _facts(
    policy: CompiledPolicy, store: Store | None, agent: str, tool: str, args: dict[str, Json], zone: str | None
) -> Facts:
    """Read what an admission of this action would read, on a snapshot; with every resource standing in `zone`."""
    from handrail.core.action import Action, action_key
    from handrail.core.case import need_of, propose
    from handrail.core.facts import UNKNOWN_RESOURCE, Facts

    action = Action("explain", agent, "explain", "explain", tool, args, action_key(agent, tool, args))
    proposed = propose(policy, action)
    need = need_of(policy, action, proposed, lambda: 0, repeated=False)
    facts = Facts(0)
    if store is not None:
        facts = store.read(lambda tx: tx.facts(need_of(policy, action, proposed, lambda: tx.now_us, repeated=False)))
    if zone is None:
        return facts
    stands = {name: facts.resources.get(name, UNKNOWN_RESOURCE)._replace(zone=zone) for name in need.resources}
    return facts._replace(resources={**facts.resources, **stands})


def _zone(policy: CompiledPolicy, said: str) -> str:
    """Return the zone that a text stands for; of one that the policy does not declare, people are told."""
    from handrail.core.names import did_you_mean

    if policy.zones.known(said) is None:
        say(f"The policy declares no zone '{safe(said)}'.{did_you_mean(said, sorted(policy.zones.aliases))}")
    return policy.zones.of(said)


def _explanation(answer: Explanation, agent: str, tool: str, gates: list[str], mode: str, note: str) -> dict[str, Json]:
    """Return the answer for machines."""
    decision = answer.decision
    judged: list[Json] = [
        {"gate": name, "findings": [f.to_json() for f in decision.findings if f.gate == name]} for name in gates
    ]
    return {
        "agent": agent,
        "tool": tool,
        "decision": decision.verdict.value,
        "why": decision.why,
        "note": note,
        "mode": str(mode),
        "effects": [effect.to_json() for effect in answer.effects],
        "unknown": answer.unknown,
        "violations": [violation.to_json() for violation in answer.invalid],
        "gates": judged,
        "rules": [
            {"rule": c.rule, "line": c.line, "then": c.then, "effect": c.effect, "holds": c.holds, "why": c.why}
            for c in answer.considered
        ],
        "policy": answer.policy,
    }


def _show(answer: Explanation, agent: str, tool: str, gates: list[str], note: str) -> None:
    """Print the answer for people."""
    from rich.text import Text

    from handrail.cli.output import show

    verdict = answer.decision.verdict.value
    show(
        Text.assemble(
            cell(agent),
            plain(" calling "),
            cell(tool),
            plain(": "),
            plain(verdict, _VERDICT_STYLE[verdict]),
            plain("."),
        )
    )
    if note:
        line(note)
    line()
    _effects(answer)
    line()
    rows: list[list[Text]] = []
    for name in gates:
        found = [finding for finding in answer.decision.findings if finding.gate == name]
        rows += [
            [plain(name), plain(f.verdict.value, _VERDICT_STYLE[f.verdict.value]), cell(f.rule), _sentence(f.why)]
            for f in found
        ]
        if not found:
            rows.append([plain(name), plain("-"), plain(""), plain("no objection", "dim")])
    table((Column("gate", whole=True), Column("says", whole=True), Column("rule"), Column("why")), rows)
    if answer.considered:
        line()
        _rules(answer)


def _effects(answer: Explanation) -> None:
    if not answer.effects:
        told = f"Its effects cannot be told: {' '.join(shown(answer.unknown))}" if answer.unknown else ""
        line(told or "The policy declares no effect of it.")
        return
    rows = [
        [
            plain(str(index)),
            plain(effect.verb.value),
            cell(effect.resource or "-"),
            cell(effect.to or "-"),
            cell(effect.zone or "-"),
            plain("-" if effect.amount is None else f"{effect.amount:,}"),
        ]
        for index, effect in enumerate(answer.effects)
    ]
    columns = ("effect", "does", "resource", "to", "zone", "amount")
    table(tuple(Column(name) for name in columns), rows)


def _rules(answer: Explanation) -> None:
    said = {True: "holds", False: "does not hold", None: "-"}
    rows = [
        [
            cell(one.rule),
            plain(str(one.line)),
            plain(one.then),
            plain("-" if one.effect is None else str(one.effect)),
            plain(said[one.holds], "bold" if one.holds else ""),
            _sentence(one.why),
        ]
        for one in answer.considered
    ]
    names = ("rule", "line", "then", "effect", "applies", "values")
    table(tuple(Column(name) for name in names), rows)


def _sentence(text: str) -> Text:
    """Return a sentence of a gate or a rule for a table; what is escaped already stays as it is."""
    return plain(" ".join(shown(text)))


# --- commands with a file of their own --------------------------------------------------------------------------------

app.command("test")(run_cases)
app.command("backtest")(backtest)
app.command("allow")(allow)


# --- schema -----------------------------------------------------------------------------------------------------------


@app.command("schema")
def schema(ctx: typer.Context) -> None:
    """Print the JSON Schema of a policy, for completion in editors."""
    from handrail.policy.schema import json_schema

    if options(ctx).json:
        emit(json_schema())
    else:
        line(json.dumps(json_schema(), indent=2))


# --- JSON on the command line -----------------------------------------------------------------------------------------


def parse_object(text: str, name: str) -> dict[str, Json]:
    """Return a JSON object given on the command line.

    Args:
        text: The JSON text.
        name: What the command line calls it.

    Raises:
        UsageError: It is not JSON, not an object, or beyond the limits of arguments.
    """
    value = parse(text, name)
    if not isinstance(value, dict):
        kind = "null" if value is None else _KIND[type(value)]
        raise UsageError(f"""{name} has to be a JSON object, such as '{{"id": "lead-1"}}', and this is {kind}.""")
    return value


_KIND = {list: "a list", str: "text", bool: "a truth value", int: "a number", float: "a number"}


def parse(text: str, name: str) -> Json:
    """Return a JSON value given on the command line. Raises `UsageError`."""
    from handrail.core.digest import NotJson, to_json

    try:
        return to_json(json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_integer))
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        message = f"{name} is not JSON: {safe(error.msg)} ({where}). Put it in single quotes."
    except RecursionError:
        message = f"{name} is nested too deeply."
    except NotJson as error:
        message = f"{name} cannot be used: {safe(error, max_chars=300)}"
    except ValueError as error:
        message = f"{name} is not JSON: {safe(error, max_chars=300)}"
    raise UsageError(message)


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """Refuse an object that names a key twice: two readers could take two different values."""
    found: dict[str, Json] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key '{key}' stands twice in one object.")
        found[key] = value
    return found


def _integer(digits: str) -> int:
    if len(digits) > len("-9223372036854775808"):
        raise ValueError("it has an integer beyond 64 bits; send it as text.")
    return int(digits)


def _refuse(constant: str) -> Json:
    raise ValueError(f"{constant} is not a JSON value.")
