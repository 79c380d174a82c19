"""Lint of a policy that loads: does it guard what it should, and can each of its parts ever matter?

The minimum viable set (promise 6.3) for every agent that may write: a dry run, an approval, a log, a daily budget.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from handrail.core.change import KIND
from handrail.core.effect import DESTRUCTIVE, Verb
from handrail.core.names import fold
from handrail.core.policy import Mode
from handrail.core.tool import Access, AskMode
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.globs import may_come
from handrail.policy.guarded import FilesSpec, HttpSpec, TableSpec
from handrail.policy.model import Then, ToolSpec
from handrail.policy.problems import Mark, quoted
from handrail.policy.rules import Rule


class Level(StrEnum):
    """How bad it is: an error fails `policy check`."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to change.

    Attributes:
        level: How bad it is.
        line: Line in the file, counted from 1; 0 for the file as a whole.
        column: Column in the line, counted from 1; 0 for the file as a whole.
        message: What is the matter and what to do, safe to print.
    """

    level: Level
    line: int
    column: int
    message: str


def check(policy: CompiledPolicy) -> list[Advice]:
    """Return what should change, errors first, in the order of the file. An empty list is a clean policy."""
    found = [*_whole(policy), *_names(policy), *_agents(policy), *_tools(policy), *_places(policy), *_rules(policy)]
    return sorted(found, key=lambda one: (one.level is not Level.ERROR, one.line, one.column, one.message))


def _error(at: Mark, message: str) -> Advice:
    return Advice(Level.ERROR, at.line, at.column, message)


def _warning(at: Mark, message: str) -> Advice:
    return Advice(Level.WARNING, at.line, at.column, message)


def _writers(policy: CompiledPolicy) -> list[str]:
    return [name for name, agent in policy.agents.items() if agent.access is not Access.READ_ONLY]


def _asks(policy: CompiledPolicy) -> bool:
    """Whether anything can ask a person."""
    rules = any(rule.then is Then.ASK for rule in policy.rules)
    return (
        rules
        or any(tool.asks is not None for tool in policy.tools.values())
        or any(
            spec.ask is AskMode.ALWAYS or (spec.ask is AskMode.DEFAULT and _destructive(spec))
            for spec in policy.document.tools.values()
        )
    )


def _destructive(spec: ToolSpec) -> bool:
    return any(effect.verb in DESTRUCTIVE for effect in spec.effects)


def _whole(policy: CompiledPolicy) -> list[Advice]:
    read = policy.document
    found: list[Advice] = []
    if not read.agents:
        found.append(_warning(read.where("agents"), "No agent is declared, so nobody may do anything. Add 'agents'."))
    if not policy.tools:
        found.append(_warning(read.where("tools"), "No tool is declared, so nothing may run. Add 'tools'."))
    if not read.reviewers and (_writers(policy) or _asks(policy)):
        message = "Approval: something asks a person, and nobody may answer. Add 'reviewers'."
        found.append(_error(read.where("reviewers"), message))
    if read.store == "memory:" and _writers(policy):
        message = "Log: 'store: memory:' forgets everything at the end of the process. Name a file or a database."
        found.append(_error(read.where("store"), message))
    if not read.four_eyes:
        message = "'four_eyes: false' lets the person behind an agent approve its actions. Set it to true in a team."
        found.append(_warning(read.where("four_eyes"), message))
    if read.mode is Mode.OBSERVE:
        message = "'mode: observe' only records; nothing is asked or denied. Set it to enforce when you are ready."
        found.append(_warning(read.where("mode"), message))
    return found


def _folded(names: Iterable[str]) -> set[str]:
    return {fold(name) for name in names}


def _names(policy: CompiledPolicy) -> list[Advice]:
    """Return where four eyes hang on a spelling: a reviewer named as an agent, an owner named almost as a reviewer."""
    reviewers = {fold(name): name for name in policy.reviewers}
    found: list[Advice] = []
    for name, spec in policy.document.agents.items():
        same = reviewers.get(fold(name))
        if same is not None:
            message = f"Reviewer {quoted(same)} and agent {quoted(name)} have one name, as if it approved itself."
            found.append(_error(spec.at, f"{message} Rename one."))
        owner = spec.owner or ""
        person = reviewers.get(fold(owner), owner)
        if person != owner:
            message = f"The owner {quoted(owner)} of agent {quoted(name)} is spelled {quoted(person)}"
            found.append(
                _error(spec.at, f"{message} under 'reviewers'. Write both the same, so that four eyes know the person.")
            )
    return found


def _agents(policy: CompiledPolicy) -> list[Advice]:
    found: list[Advice] = []
    for name in _writers(policy):
        agent, spec = policy.agents[name], policy.document.agents[name]
        shown = f"Agent {quoted(name)}"
        if all(policy.tokens_per_day(one) is None for one in agent.lineage):
            message = f"Budget: {shown[0].lower() + shown[1:]} may write and has no 'tokens_per_day'. Give it one."
            found.append(_error(spec.at, message))
        if policy.four_eyes and agent.owner is None:
            message = f"{shown} has no 'owner', so four eyes bar nobody. Name the person behind it."
            found.append(_warning(spec.at, message))
        if policy.four_eyes and policy.reviewers and _folded(policy.reviewers) == _folded([agent.owner or ""]):
            message = f"{shown} is owned by the only reviewer, whom four eyes bar. Add a second reviewer."
            found.append(_error(spec.at, message))
        parents = [policy.agents[one] for one in agent.lineage[:-1] if one in policy.agents]
        if any(parent.access.level < agent.access.level for parent in parents):
            message = f"{shown} may do more than the agent that it works for, which could then act through it."
            found.append(_warning(spec.at, f"{message} Lower its 'access'."))
    return found


def _tools(policy: CompiledPolicy) -> list[Advice]:
    found: list[Advice] = []
    if not _writers(policy):
        return found
    for name, spec in policy.document.tools.items():
        shown = f"Tool {quoted(name)}"
        ruled = any(name in rule.tools for rule in policy.rules) or spec.ask is AskMode.ALWAYS
        if not spec.effects:
            message = f"{shown} does not say what it does, so it counts as 'execute'. Add 'do' and 'resource'."
            found.append(_warning(spec.at, message))
        elif any(effect.verb is Verb.EXECUTE for effect in spec.effects) and not ruled:
            message = f"{shown} executes something, and no rule speaks of it. Add a rule, or 'ask: always'."
            found.append(_warning(spec.at, message))
        if spec.ask is AskMode.NEVER and _destructive(spec) and spec.before is None:
            message = (
                f"Dry run: {shown[0].lower() + shown[1:]} overwrites or removes, asks nobody, and shows nothing first."
            )
            found.append(_warning(spec.at, f"{message} Add 'before', or remove 'ask: never'."))
    return found


def _places(policy: CompiledPolicy) -> list[Advice]:
    found: list[Advice] = []
    row = policy.document.kinds.get(KIND)
    for name, spec in policy.document.places.items():
        shown = quoted(name)
        if isinstance(spec, FilesSpec):
            found += _folder(policy, name, spec)
            continue
        if _carries_password(spec.url):
            message = f"The address of {shown} carries a password. Put it into a variable: url: env:NAME."
            found.append(_warning(spec.at, message))
        if isinstance(spec, HttpSpec):
            found += _http(policy, name, spec)
            continue
        base = os.path.abspath(os.path.dirname(policy.source))  # noqa: PTH100, PTH120 (by name alone)
        if spec.url and _same_database(spec.url, policy.document.store, base):
            message = f"Database {shown} is the store itself, where approvals and the journal live. Name another."
            found.append(_error(spec.at, message))
        if row is not None and row.folders is False:
            message = (
                f"'folders: false' of kind '{KIND}' parts the rows of {shown} from their tables: what is refused of "
                "one does not count for the other. Remove it."
            )
            found.append(_warning(spec.at, message))
        for table, limits in spec.tables.items():
            found += _table(f"Table {quoted(table)} of {shown}", limits)
    return found


def _table(shown: str, limits: TableSpec) -> list[Advice]:
    """Return which limits of a table can never matter."""
    default, said = TableSpec(), []
    if limits.rows_free > limits.rows_max:
        said.append(f"'rows_free' above 'rows_max' ({limits.rows_max:,}) never matters. Lower it.")
    if limits.insert and limits.rows_max < limits.inserts_free != default.inserts_free:
        said.append(f"'inserts_free' above 'rows_max' ({limits.rows_max:,}) never matters. Lower it.")
    if limits.rows_free and not (limits.write or limits.delete):
        said.append("'rows_free' without 'write' or 'delete' never matters. Remove it.")
    if limits.inserts_free != default.inserts_free and not limits.insert:
        said.append("'inserts_free' without 'insert: true' never matters. Remove it, or allow inserts.")
    return [_warning(limits.at, f"{shown}: {one}") for one in said]


def _http(policy: CompiledPolicy, name: str, spec: HttpSpec) -> list[Advice]:
    found = []
    if not spec.if_match and _writers(policy):
        message = (
            f"Each write to {quoted(name)} asks a person: without 'if_match: true' nobody knows whether the server "
            "refuses to overwrite what somebody else wrote meanwhile. Set it where the server does."
        )
        found.append(_warning(spec.at, message))
    for header, value in spec.headers.items():
        if header.lower() in SECRET_HEADERS and not value.startswith(ENV):
            message = (
                f"The header {quoted(header)} of {quoted(name)} stands in the file. Put it into a variable: env:NAME."
            )
            found.append(_warning(spec.at, message))
    return found


SECRET_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "x-api-key", "api-key", "x-auth-token"})
"""Headers whose values are secret."""

ENV = "env:"
"""How a value begins that stands in the environment (see `data.declared`)."""


def _folder(policy: CompiledPolicy, name: str, spec: FilesSpec) -> list[Advice]:
    """Return whether a folder of files holds what Handrail itself lives on. Links on disk are not followed."""
    base = os.path.abspath(os.path.dirname(policy.source))  # noqa: PTH100, PTH120 (by name alone, nothing is looked at)
    root = os.path.normpath(os.path.join(base, os.path.expanduser(spec.root)))  # noqa: PTH111, PTH118
    held = [os.path.join(base, os.path.basename(policy.source))]  # noqa: PTH118, PTH119
    if policy.document.store.startswith(SQLITE):
        held.append(os.path.normpath(os.path.join(base, policy.document.store.removeprefix(SQLITE))))  # noqa: PTH118
    if not any(os.path.commonpath((root, one)) == root for one in held):
        return []
    message = f"Files {quoted(name)} hold the policy or the store, which agents could then change. Name another 'root'."
    return [_error(spec.at, message)]


SQLITE = "sqlite:///"
"""How the address of a SQLite file begins."""


def _same_database(url: str, store: str, base: str) -> bool:
    if url.startswith(SQLITE) and store.startswith(SQLITE):
        one, other = (os.path.join(base, address.removeprefix(SQLITE)) for address in (url, store))  # noqa: PTH118
        return os.path.normpath(one) == os.path.normpath(other)  # by name alone, nothing is looked at
    return url == store


def _carries_password(url: str) -> bool:
    try:
        return "://" in url and bool(urlsplit(url).password)
    except ValueError:
        return False


def _rules(policy: CompiledPolicy) -> list[Advice]:
    found: list[Advice] = []
    for rule, spec in zip(policy.rules, policy.document.rules, strict=True):
        shown = f"Rule {quoted(rule.id)}"
        if not rule.tools and any(may_come(str(node.value)) for node in spec.tools or ()):
            message = f"{shown} fits no tool of this file, only what a program declares. Correct it if none does."
            found.append(_warning(spec.at, message))
        elif not rule.tools:
            found.append(
                _error(spec.at, f"{shown} can never apply: its 'for' fits no tool. Correct it or remove the rule.")
            )
        if rule.agents is not None and not rule.agents:
            message = f"{shown} can never apply: its 'agents' fit no agent. Correct it or remove the rule."
            found.append(_error(spec.at, message))
        blind = _blind(policy, rule)
        if blind:
            some = ", ".join(quoted(name) for name in blind[:3]) + (", …" if len(blind) > 3 else "")
            message = f"{shown} looks at 'before', and {some} have no before-image: their calls are denied."
            found.append(_warning(spec.at, f"{message} Declare 'before' for them, or narrow 'for'."))
    return found


def _blind(policy: CompiledPolicy, rule: Rule) -> list[str]:
    if "before" not in rule.names:
        return []
    tools = (policy.tools[name] for name in rule.tools)
    return sorted(tool.name for tool in tools if tool.before is None and tool.asks is None)
