"""Loading: `handrail.yaml` to a `CompiledPolicy`, or one error that lists everything that is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from handrail.core.digest import Json
from handrail.core.effect import Verb
from handrail.core.names import did_you_mean
from handrail.core.outcome import Violation
from handrail.core.tool import Access, Agent, Paired, Tool
from handrail.policy import document, paths
from handrail.policy.cel import Vocabulary
from handrail.policy.checks import SchemaCheck, checks, schema_check
from handrail.policy.compiled import CompiledPolicy
from handrail.policy.conditions import ENDED_NAMES, EVENT_NAMES, RULE_NAMES, condition
from handrail.policy.document import Node
from handrail.policy.effects import effects
from handrail.policy.folders import Folders, folders
from handrail.policy.globs import resolve
from handrail.policy.guarded import Spec, place_tools
from handrail.policy.memory import memory
from handrail.policy.model import AgentSpec, Document, KindSpec, PairedSpec, RedactSpec, RuleSpec, ToolSpec
from handrail.policy.normal import INSENSITIVE, Normalise, normaliser
from handrail.policy.paired import paired
from handrail.policy.paths import Path as DottedPath
from handrail.policy.paths import PathError
from handrail.policy.pattern_spec import LASTING, EventSpec, EventStatus, PatternKind, PatternSpec, named, said_of
from handrail.policy.patterns import Event, Pattern
from handrail.policy.problems import NOWHERE, Mark, Problems, quoted
from handrail.policy.read import Reader
from handrail.policy.redact import Redact, redact
from handrail.policy.rules import Rule, rules_of
from handrail.policy.scopes import Scope
from handrail.policy.views import views
from handrail.policy.zones import Zones, zones

_ENDED = (EventStatus.SUCCESS, EventStatus.FAILED)

LINEAGE_MAX = 16
"""Agents in one line of parents."""


def load(path: str | os.PathLike[str]) -> CompiledPolicy:
    """Load a policy file.

    Args:
        path: The file; schema files are relative to its folder.

    Raises:
        PolicyError: It cannot be read, or anything in it is wrong; all problems are listed.
    """
    file = Path(path)
    problems = Problems(str(path))
    try:
        with file.open("rb") as stream:
            raw = stream.read(document.FILE_MAX + 1)
    except OSError as error:
        message = (
            f"The policy cannot be read: {error.strerror or error}. Draft one with: handrail init (see docs/policy.md)."
        )
        problems.add(NOWHERE, message)
        raise problems.error() from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if len(raw) > document.FILE_MAX:
            text = "#" * len(raw)
        else:
            line = raw.count(b"\n", 0, error.start) + 1
            column = error.start - raw.rfind(b"\n", 0, error.start)
            problems.add(Mark(line, column), "The file is not UTF-8 text. Save it as UTF-8.")
            raise problems.error() from None
    return loads(text, str(path), base=file.parent)


def loads(text: str, source: str = "handrail.yaml", *, base: str | os.PathLike[str] = ".") -> CompiledPolicy:
    """Compile the text of a policy.

    Args:
        text: The YAML text.
        source: What to call it in messages.
        base: Folder that schema files are relative to.

    Raises:
        PolicyError: Anything in it is wrong; all problems are listed.
    """
    problems = Problems(source)
    root = document.parse(text, problems)
    if root is None:
        raise problems.error()
    read = Reader(problems, Path(base)).read(root)
    return compiled(read, source, problems)


def compiled(read: Document, source: str, problems: Problems) -> CompiledPolicy:
    """Compile a document that was read.

    Args:
        read: What the file says.
        source: What to call it in messages.
        problems: What was noted while it was read.

    Raises:
        PolicyError: Anything in it is wrong; all problems are listed.
    """
    policy = _Compiler(read, source, problems).compile()
    problems.raise_any()
    return policy


class _Compiler:
    """Looks up every name and compiles every condition, path and schema of one document."""

    def __init__(self, read: Document, source: str, problems: Problems) -> None:
        self._document = read
        self._source = source
        self._problems = problems
        self._zones: Zones = zones(read.zones)
        self._normalise: Normalise = normaliser(_insensitive(read.kinds))
        self._guarded: dict[str, Tool] = {}
        for name, place in read.places.items():
            self._place(name, place)
        self._tools: dict[str, object] = {**read.tools, **self._guarded}
        self._secrets = [secret for spec in read.redact if (secret := self._secret(spec)) is not None]

    def _place(self, name: str, spec: Spec) -> None:
        """Declare the tools of a place."""
        if spec.zone is not None and self._zones.names and self._zones.known(spec.zone) is None:
            hint = did_you_mean(spec.zone, sorted(self._zones.names))
            self._problems.add(spec.at, f"There is no zone {quoted(spec.zone)} in this policy.{hint}")
        zone = None if spec.zone is None else self._zones.of(spec.zone)
        found = place_tools(name, replace(spec, zone=zone), self._normalise, f"{self._source}:{spec.at.line}")
        for tool in found:
            if tool in self._document.tools:
                message = f"{quoted(tool)} is a tool of the place {quoted(name)}. Give one of the two another name."
                self._problems.add(spec.at, message)
        self._guarded |= found

    def compile(self) -> CompiledPolicy:
        read = self._document
        agents = {name: self._agent(name, spec) for name, spec in read.agents.items()}
        tools = {name: self._tool(name, spec) for name, spec in read.tools.items()}
        tools |= {name: self._hidden(tool) for name, tool in self._guarded.items()}
        self._cycles()
        rules = tuple(rule for spec in read.rules if (rule := self._rule(spec)) is not None)
        judges = {name: own for name in tools if (own := rules_of(name, rules)) is not None}
        remembering, kinds = memory(tools, rules, judges), _folders(read.kinds)
        tools = {name: replace(tool, watched=name in remembering.tools) for name, tool in tools.items()}
        return CompiledPolicy(
            self._source,
            read,
            "" if self._problems else read.hash,
            MappingProxyType(agents),
            MappingProxyType(tools),
            rules,
            self._zones,
            self._normalise,
            MappingProxyType(self._contracts()),
            MappingProxyType(judges),
            kinds,
            remembering,
            any(("effect", "created_by_run") in paths for paths in _asked(rules)),
            kinds.kinds,
        )

    # --- agents ---

    def _agent(self, name: str, spec: AgentSpec) -> Agent:
        lineage = [name]
        owner = spec.owner
        current = spec
        while current.parent is not None:
            parent = current.parent
            if parent not in self._document.agents:
                if current is spec:
                    hint = did_you_mean(parent, sorted(self._document.agents))
                    self._problems.add(spec.parent_at, f"There is no agent {quoted(parent)} in this policy.{hint}")
                break
            if parent in lineage or len(lineage) >= LINEAGE_MAX:
                what = "comes back to itself" if parent in lineage else f"is longer than {LINEAGE_MAX}"
                self._problems.add(
                    spec.parent_at, f"The line of parents of agent {quoted(name)} {what}. Remove a 'parent'."
                )
                break
            lineage.append(parent)
            current = self._document.agents[parent]
            owner = owner or current.owner
        return Agent(name, spec.access, owner, tuple(reversed(lineage)))

    # --- tools ---

    def _tool(self, name: str, spec: ToolSpec) -> Tool:
        seen = views(spec.shell, spec.sql, self._problems)
        declared = effects(spec.effects, self._normalise, self._zones, self._problems, seen)
        hide = self._redact(name, spec)
        after = ("args", "before", "result") if spec.before is not None else ("args", "result")
        before = None if spec.before is None else self._paired(spec.before, ("args",), must_read=True)
        undo = None if spec.undo is None else self._paired(spec.undo, after, must_read=False)
        verify = None if spec.verify is None else self._paired(spec.verify, after, must_read=True, hide=hide)
        tested = checks(spec.checks, spec.result, hide, self._problems)
        source = f"{self._source}:{spec.at.line}"
        tool = Tool(
            name,
            declared,
            repeatable=spec.reads if spec.idempotent is None else spec.idempotent,
            ask=spec.ask,
            critical=spec.critical,
            before=before,
            undo=undo,
            final=spec.final,
            verify=verify,
            backoff=spec.retry,
            checks=tested,
            source=source,
            views=seen,
        )
        return tool if hide is None else replace(tool, redact=hide, secrets=True)

    def _paired(
        self, spec: PairedSpec, roots: tuple[str, ...], *, must_read: bool, hide: Redact | None = None
    ) -> Paired:
        name = str(spec.call.value)
        target = self._document.tools.get(name)
        if target is None:
            hint = did_you_mean(name, sorted(self._document.tools))
            self._problems.add(spec.call.at, f"There is no tool {quoted(name)} in this policy.{hint}")
        elif must_read and not target.reads:
            message = f"Handrail calls {quoted(name)} by itself, so it may only read. Declare it with 'do: read'."
            self._problems.add(spec.call.at, message)
        return paired(spec, roots, self._problems, hide)

    def _hidden(self, tool: Tool) -> Tool:
        """Return a place's tool with its secrets hidden."""
        found = [path for tools, path in self._secrets if tool.name in tools]
        return replace(tool, redact=redact(found), secrets=True) if found else tool

    def _secret(self, spec: RedactSpec) -> tuple[frozenset[str], paths.Path] | None:
        """Return a secret path with the tools that it is secret in."""
        tools = resolve(spec.tools, self._tools, "tool", self._problems)
        try:
            return tools, paths.path(str(spec.path.value), ("args", "before", "result"), every=True)
        except PathError as error:
            self._problems.add(spec.path.at, str(error))
            return None

    def _redact(self, name: str, spec: ToolSpec) -> Redact | None:
        """Hide a tool's secrets. What is secret in a result is so in the images that the same read gives."""
        found = [path for tools, path in self._secrets if name in tools]
        for root, pair in (("before", spec.before), ("seen", spec.verify)):
            if pair is not None:
                sources = {name, str(pair.call.value)}
                results = [path for tools, path in self._secrets if path.root == "result" and tools & sources]
                found += [replace(path, root=root) for path in results]
        return redact(found) if found else None

    def _cycles(self) -> None:
        """Refuse reads that need each other: they would never end. An undo may lead back; that is its point."""
        edges: dict[str, list[PairedSpec]] = {
            name: [pair for pair in (spec.before, spec.verify) if pair is not None]
            for name, spec in self._document.tools.items()
        }
        for start, pairs in edges.items():
            for pair in pairs:
                if start in _reached(str(pair.call.value), edges):
                    message = (
                        f"Tool {quoted(start)} comes back to itself through 'before' or 'verify'. Call another tool."
                    )
                    self._problems.add(pair.call.at, message)

    def _contracts(self) -> dict[str, Callable[[Json], tuple[Violation, ...]]]:
        found: dict[str, Callable[[Json], tuple[Violation, ...]]] = {}
        for name, spec in self._document.tools.items():
            check = None if spec.args is None else schema_check(spec.args, self._problems)
            if check is not None:
                found[name] = _arguments(check)
        return found

    # --- rules ---

    def _rule(self, spec: RuleSpec) -> Rule:
        read = self._document
        tools = resolve(spec.tools, self._tools, "tool", self._problems)
        agents = None
        if spec.agents is not None:
            named = resolve(spec.agents, read.agents, "agent", self._problems)
            agents = frozenset(name for name in read.agents if named & set(self._lineage(name)))
        vocabularies: dict[tuple[str, ...], Vocabulary] = {
            ("effect", "verb"): Vocabulary("verb", frozenset(verb.value for verb in Verb)),
            ("agent", "access"): Vocabulary("access", frozenset(access.value for access in Access)),
            ("agent", "name"): Vocabulary("agent", frozenset(read.agents)),
            ("agent", "parent"): Vocabulary("agent", frozenset(read.agents)),
            ("tool", "name"): Vocabulary("tool", frozenset(self._tools)),
        }
        if self._zones.names:  # without declared zones, any text is one
            vocabularies["effect", "zone"] = self._zones.vocabulary
        when = None if spec.when is None else condition(spec.when, RULE_NAMES, self._problems, vocabularies)
        execute = None if when is None else when.execute
        pattern = None if spec.pattern is None else self._pattern(spec.id, spec.pattern, vocabularies)
        return Rule(spec.id, spec.then, tools, agents, when, spec.why, spec.at.line, pattern, execute)

    def _pattern(
        self, rule: str, spec: PatternSpec, vocabularies: Mapping[tuple[str, ...], Vocabulary]
    ) -> Pattern:  # fmt: skip
        evidence = spec.kind is PatternKind.REQUIRES
        event = None if spec.event is None else self._event(spec.event, vocabularies, evidence=evidence)
        sticks = spec.kind in LASTING and any(node.value == "resource" for node in spec.same)
        own = [Node(spec.at, "action", {})] if spec.kind is PatternKind.REPEAT and not spec.same else []
        parts = [self._part(node) for node in (*spec.per, *spec.same, *own)]
        amount: DottedPath | str | None = None
        if spec.amount is not None:
            amount = "effect" if spec.amount.value == "effect.amount" else self._amount(spec.amount)
        scope = Scope(tuple(part for part in parts if part is not None), evidence)
        said = said_of(spec)
        return Pattern(
            spec.kind, rule, scope, event, spec.within_us or 0, spec.limit, amount, spec.once, sticks, said
        )  # fmt: skip

    def _event(
        self, spec: EventSpec, vocabularies: Mapping[tuple[str, ...], Vocabulary], *, evidence: bool
    ) -> Event:  # fmt: skip
        tools = None if spec.tools is None else resolve(spec.tools, self._tools, "tool", self._problems)
        names = ENDED_NAMES if evidence or spec.status in _ENDED else EVENT_NAMES
        when = None if spec.when is None else condition(spec.when, names, self._problems, vocabularies)
        return Event(tools, None if spec.verbs is None else frozenset(spec.verbs), when, spec.status, named(spec))

    def _part(self, node: Node) -> DottedPath | str | None:
        text = str(node.value)
        if not text.startswith("args."):
            return text
        try:
            return paths.path(text, ("args",))
        except PathError as error:
            self._problems.add(node.at, str(error))
            return None

    def _amount(self, node: Node) -> DottedPath | None:
        text = str(node.value)
        if not text.startswith("args."):
            message = f"'sum' is effect.amount or a path to whole units such as args.cents, not {quoted(text)}."
            self._problems.add(node.at, message)
            return None
        found = self._part(node)
        return found if isinstance(found, DottedPath) else None

    def _lineage(self, name: str) -> list[str]:
        lineage: list[str] = []
        current: str | None = name
        while current is not None and current in self._document.agents and current not in lineage:
            lineage.append(current)
            current = self._document.agents[current].parent
        return lineage


def _asked(rules: tuple[Rule, ...]) -> Iterator[tuple[tuple[str, ...], ...]]:
    """Yield the paths that each condition asks about."""
    for rule in rules:
        event = None if rule.pattern is None else rule.pattern.event
        for when in (rule.when, None if event is None else event.when):
            if when is not None:
                yield when.paths


def _reached(name: str, edges: Mapping[str, list[PairedSpec]]) -> set[str]:
    """Return all tools that a call leads to, itself included."""
    reached = {name}
    todo = [name]
    while todo:
        for pair in edges.get(todo.pop(), ()):
            following = str(pair.call.value)
            if following not in reached:
                reached.add(following)
                todo.append(following)
    return reached


def _arguments(check: SchemaCheck) -> Callable[[Json], tuple[Violation, ...]]:
    return lambda args: check(args, "arguments")


def _insensitive(kinds: Mapping[str, KindSpec]) -> frozenset[str]:
    said = {name.lower(): kind.insensitive for name, kind in kinds.items() if kind.insensitive is not None}
    return frozenset(kind for kind in INSENSITIVE | set(said) if said.get(kind, True))


def _folders(kinds: Mapping[str, KindSpec]) -> Folders:
    return folders({name.lower(): kind.folders for name, kind in kinds.items() if kind.folders is not None})
