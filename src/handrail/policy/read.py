"""The tree of a file to a `Document`: every key known, every value of its type. Names are not looked up here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from handrail.core.backoff import Backoff
from handrail.core.case import EXISTED
from handrail.core.digest import Json, NotJson, to_json
from handrail.core.effect import Verb
from handrail.core.names import did_you_mean, fold
from handrail.core.note import LABELS_FULL
from handrail.core.policy import Mode
from handrail.core.tool import Access, AskMode
from handrail.policy.document import Node
from handrail.policy.fields import Fields, is_text
from handrail.policy.guarded import SECTIONS, PlaceReader
from handrail.policy.model import (
    AgentSpec,
    CheckSpec,
    Document,
    EffectSpec,
    KindSpec,
    PairedSpec,
    RedactSpec,
    RuleSpec,
    SchemaSpec,
    Then,
    ToolSpec,
)
from handrail.policy.pattern_spec import PatternKind, read_pattern
from handrail.policy.problems import Mark, Problems, quoted

FORMAT = 1
"""The version of the format."""

SCHEMA_MAX = 1024 * 1024
"""Size that a schema file may have, in bytes."""

KEYS = (
    "version", "mode", "store", "four_eyes", "reviewers", "alerts", "desktop_alerts", "zones", "kinds", "agents",
    "redact", "tools", "rules", "reviews", *SECTIONS,
)  # fmt: skip
EFFECT_KEYS = ("do", "resource", "to", "zone", "amount", "labels", "when", "each")
TOOL_KEYS = (
    *EFFECT_KEYS, "effects", "idempotent", "critical", "ask", "before", "undo", "verify", "result", "args", "checks",
    "retry", "description", "shell", "sql",
)  # fmt: skip
RULE_KEYS = ("id", "for", "agents", "when", "then", "why", *PatternKind)

_LABEL = re.compile(r"[a-z0-9][a-z0-9_.-]{0,59}")
_TAKEN = frozenset({EXISTED, LABELS_FULL})

ReadFile = Callable[[str], str]


class Reader:
    """Reads one file.

    Args:
        problems: Where problems go.
        base: Folder that schema files are relative to.
    """

    def __init__(self, problems: Problems, base: Path) -> None:
        self._problems = problems
        self._base = base

    def read(self, root: Node) -> Document:
        """Return what the file says; problems are noted."""
        if not isinstance(root.value, dict):
            message = f"A policy is a mapping that starts with 'version: 1', and this is {root.kind}."
            self._problems.add(root.at, message)
            return Document()
        top = Fields(root, "the policy", KEYS, self._problems)
        self._version(top, root)
        reviews = Fields(top.node("reviews") or _nothing(root), "'reviews'", ("pending", "valid"), self._problems)
        store = top.text("store")
        default = Document()
        return Document(
            mode=top.choice("mode", Mode, default.mode),
            store=default.store if store is None else self._store(store),
            four_eyes=top.flag("four_eyes", default=True),
            reviewers=self._distinct(top.texts("reviewers"), "reviewer"),
            alerts=tuple(self._url(node) for node in top.texts("alerts") or ()),
            desktop_alerts=top.flag("desktop_alerts", default=False),
            zones=self._zones(top),
            kinds={name: self._kind(name, node) for name, node in top.entries("kinds").items()},
            pending_us=reviews.duration_us("pending", default.pending_us),
            valid_us=reviews.duration_us("valid", default.valid_us),
            agents=self._agents(top),
            tools={
                name: self._tool(name, node, top.where("tools", name)) for name, node in top.entries("tools").items()
            },
            rules=self._rules(top),
            redact=tuple(spec for node in top.items("redact") for spec in self._redact(node)),
            places=PlaceReader(self._problems).read(top),
            at=root.keys,
        )

    def _version(self, top: Fields, root: Node) -> None:
        node = top.node("version")
        if node is None:
            self._problems.add(root.at, "'version' is missing. Start the file with 'version: 1'.")
        elif node.value != FORMAT or isinstance(node.value, bool):
            shown = quoted(node.value) if isinstance(node.value, str | int | float) else node.kind
            self._problems.add(
                node.at, f"'version' must be 1, and this is {shown}. This Handrail reads version 1 only."
            )

    def _store(self, node: Node) -> str:
        url = str(node.value)
        if not re.match(r"(?:sqlite:///|postgresql(?:\+\w+)?://)\S", url) and url != "memory:":
            scheme = url.split(":", maxsplit=1)[0]
            hint = did_you_mean(scheme, ("sqlite", "postgresql", "memory"))
            message = f"'store' must be sqlite:///file, postgresql://… or memory:, and this is {quoted(scheme)}.{hint}"
            self._problems.add(node.at, message)
        return url

    def _url(self, node: Node) -> str:
        url = str(node.value)
        try:
            parts = urlsplit(url)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            good = False
        if not good or any(char.isspace() for char in url):
            self._problems.add(node.at, "An alert goes to a web address: https://host/path. This is none.")
        return url

    def _distinct(self, nodes: tuple[Node, ...] | None, noun: str) -> tuple[str, ...]:
        seen: dict[str, str] = {}
        for node in nodes or ():
            name = str(node.value)
            if seen.get(fold(name)) == name:
                self._problems.add(node.at, f"The {noun} {quoted(name)} is listed twice.")
            else:
                self._one_spelling(seen, name, node.at, noun)
        return tuple(seen.values())

    def _one_spelling(self, seen: dict[str, str], name: str, at: Mark, noun: str) -> None:
        """Refuse two names that only their spelling tells apart: people and logs would take them for one."""
        other = seen.setdefault(fold(name), name)
        if other != name:
            self._problems.add(at, f"The {noun}s {quoted(other)} and {quoted(name)} differ in spelling only. Keep one.")

    def _agents(self, top: Fields) -> dict[str, AgentSpec]:
        agents: dict[str, AgentSpec] = {}
        seen: dict[str, str] = {}
        for name, node in top.entries("agents").items():
            at = top.where("agents", name)
            self._one_spelling(seen, name, at, "agent")
            agents[name] = self._agent(name, node, at)
        return agents

    def _zones(self, top: Fields) -> dict[str, tuple[str, ...]]:
        zones: dict[str, tuple[str, ...]] = {}
        owner: dict[str, str] = {}
        for name, node in top.entries("zones").items():
            words: list[tuple[str, Mark]] = [(name, top.where("zones", name))]
            if isinstance(node.value, list):
                what = f"Every alias of zone {quoted(name)}"
                words += [(str(n.value), n.at) for n in node.value if is_text(n, what, self._problems)]
            elif node.value is not None:
                self._problems.add(node.at, f"Zone {quoted(name)} must be a list of aliases, and this is {node.kind}.")
            for word, at in words:
                folded = word.strip().lower()
                other = owner.setdefault(folded, name)
                if other != name:
                    self._problems.add(at, f"{quoted(word)} already stands for zone {quoted(other)}. Keep one.")
            zones[name] = tuple(sorted({word.strip().lower() for word, _ in words}))
        return zones

    def _kind(self, name: str, node: Node) -> KindSpec:
        what = f"kind {quoted(name)}"
        fields = Fields(node, what, ("case", "folders"), self._problems)
        if "case" not in fields and "folders" not in fields:
            self._problems.add(node.at, f"{what} says nothing. Add 'case: insensitive' or 'folders: true'.")
        case = fields.text("case")
        if case is not None and case.value not in {"insensitive", "sensitive"}:
            self._problems.add(case.at, f"'case' of {what} must be insensitive or sensitive.")
        return KindSpec(
            None if case is None else case.value == "insensitive",
            fields.flag("folders", default=False) if "folders" in fields else None,
        )

    def _agent(self, name: str, node: Node, at: Mark) -> AgentSpec:
        keys = ("access", "owner", "parent", "tokens_per_day")
        fields = Fields(node, f"agent {quoted(name)}", keys, self._problems)
        owner, parent = fields.text("owner"), fields.text("parent")
        return AgentSpec(
            at,
            node.at if parent is None else parent.at,
            fields.choice("access", Access, Access.READ_ONLY),
            None if owner is None else str(owner.value),
            None if parent is None else str(parent.value),
            fields.whole("tokens_per_day"),
        )

    # --- tools ---

    def _tool(self, name: str, node: Node, at: Mark) -> ToolSpec:
        what = f"tool {quoted(name)}"
        fields = Fields(node, what, TOOL_KEYS, self._problems)
        retry = Fields(
            fields.node("retry") or _nothing(node),
            f"'retry' of {what}",
            ("base_s", "cap_s", "jitter_s"),
            self._problems,
        )
        default = Backoff()
        description = fields.text("description")
        return ToolSpec(
            at,
            self._effects(fields, node, what),
            fields.flag("idempotent", default=False) if "idempotent" in fields else None,
            fields.flag("critical", default=True),
            fields.choice("ask", AskMode, AskMode.DEFAULT),
            self._paired(fields, "before", what),
            self._undo(fields, what),
            self._final(fields, what),
            self._paired(fields, "verify", what),
            self._schema(fields, "result", what),
            self._schema(fields, "args", what),
            tuple(spec for item in fields.items("checks") for spec in self._check(item, what)),
            Backoff(
                retry.seconds("base_s", default.base_s, above=True) or default.base_s,
                retry.seconds("cap_s", default.cap_s, above=True) or default.cap_s,
                retry.seconds("jitter_s", None, above=False),
            ),
            "" if description is None else str(description.value),
            fields.text("shell"),
            fields.text("sql"),
        )

    def _effects(self, fields: Fields, node: Node, what: str) -> tuple[EffectSpec, ...]:
        short = [key for key in EFFECT_KEYS if key in fields]
        if "effects" not in fields:
            if not short:
                return ()
            spec = self._effect(fields, node.at, what)
            return () if spec is None else (spec,)
        for key in short:
            self._problems.add(
                fields.key_at(key), f"{what} has 'effects', so {quoted(key)} belongs inside one of them."
            )
        items = fields.items("effects")
        if not items:
            self._problems.add(fields.key_at("effects"), f"'effects' of {what} is empty. List at least one.")
        inner = f"an effect of {what}"
        specs = [self._effect(Fields(item, inner, EFFECT_KEYS, self._problems), item.at, inner) for item in items]
        return tuple(spec for spec in specs if spec is not None)

    def _effect(self, fields: Fields, at: Mark, what: str) -> EffectSpec | None:
        do = fields.text("do")
        if do is None:
            if "do" not in fields:
                self._problems.add(at, f"{what} does not say what it does. Add 'do', one of {_VERBS}.")
            return None
        return EffectSpec(
            at,
            fields.choice("do", Verb, Verb.EXECUTE),
            self._condition(fields, "when"),
            fields.text("resource"),
            fields.text("to"),
            fields.text("zone"),
            fields.text("amount"),
            self._labels(fields, what),
            fields.text("each"),
        )

    def _labels(self, fields: Fields, what: str) -> tuple[Node, ...]:
        nodes = fields.texts("labels", one=True) or ()
        for node in nodes:
            text = str(node.value)
            if not _LABEL.fullmatch(text):
                message = f"{quoted(text)} in 'labels' of {what} is no label: a-z, 0-9, '_', '-', '.', at most 60."
                self._problems.add(node.at, message)
            elif text in _TAKEN:
                self._problems.add(node.at, f"The label {quoted(text)} is put by Handrail itself. Use another.")
        return nodes

    def _condition(self, fields: Fields, key: str) -> Node | None:
        node = fields.node(key)
        if node is not None and isinstance(node.value, bool):
            return Node(node.at, "true" if node.value else "false", {})
        return fields.text(key)

    def _final(self, fields: Fields, what: str) -> bool:
        """Return whether nothing takes the tool's actions back, as the policy says itself."""
        node, ask = fields.node("undo"), fields.node("ask")
        if node is None or node.value != "none":
            return False
        if ask is not None and ask.value == AskMode.NEVER:
            self._problems.add(ask.at, f"{what} says 'undo: none', which always asks. Remove that, or 'ask: never'.")
        return True

    def _undo(self, fields: Fields, what: str) -> PairedSpec | None:
        node = fields.node("undo")
        if node is not None and node.value == "none":
            return None
        return self._paired(fields, "undo", what)

    def _paired(self, fields: Fields, key: str, what: str) -> PairedSpec | None:
        node = fields.node(key)
        if node is None:
            return None
        inner = f"{quoted(key)} of {what}"
        known = ("call", "args", "expect") if key == "verify" else ("call", "args")
        if not isinstance(node.value, dict):
            example = "{call: tool, args: {id: args.id}}" + (" or none" if key == "undo" else "")
            self._problems.add(node.at, f"{inner} must be {example}, and this is {node.kind}.")
            return None
        pair = Fields(node, inner, known, self._problems)
        call = pair.text("call")
        if call is None:
            if "call" not in pair:
                self._problems.add(node.at, f"{inner} does not say which tool it calls. Add 'call'.")
            return None
        whole = pair.node("args")
        if whole is not None and whole.value == "before" and key == "undo":
            return PairedSpec(node.at, call, None)
        expect: tuple[Node, ...] = ()
        if key == "verify":
            expect = self._conditions(pair)
            if not expect:
                self._problems.add(
                    node.at, f"{inner} proves nothing without 'expect'. Add a condition such as seen.id == args.id."
                )
        return PairedSpec(node.at, call, pair.entries("args"), expect)

    def _conditions(self, pair: Fields) -> tuple[Node, ...]:
        node = pair.node("expect")
        if node is not None and isinstance(node.value, bool):
            self._problems.add(node.at, "'expect' must be a condition over args, before, result and seen.")
            return ()
        return pair.texts("expect", one=True) or ()

    def _check(self, node: Node, what: str) -> list[CheckSpec]:
        inner = f"a check of {what}"
        if not isinstance(node.value, dict):
            return [CheckSpec(node.at, "holds", (node,))] if is_text(node, inner, self._problems) else []
        if "complete" in node.value:
            fields = Fields(node, inner, ("complete",), self._problems)
            paths = fields.texts("complete", one=True) or ()
            if not paths:
                self._problems.add(node.at, f"{inner} lists no path under 'complete'.")
            return [CheckSpec(node.at, "complete", paths)] if paths else []
        fields = Fields(node, inner, ("fresh", "within", "complete"), self._problems)
        path = fields.text("fresh")
        if "fresh" not in fields or "within" not in fields:
            message = f"{inner} is a condition, {{fresh: result.at, within: 24h}} or {{complete: [result.id]}}."
            self._problems.add(node.at, message)
            return []
        within = fields.duration_us("within", 1)
        return [] if path is None else [CheckSpec(node.at, "fresh", (path,), within)]

    def _schema(self, fields: Fields, key: str, what: str) -> SchemaSpec | None:
        node = fields.node(key)
        if node is None:
            return None
        inner = f"{quoted(key)} of {what}"
        pair = Fields(node, inner, ("schema",), self._problems)
        schema = pair.node("schema")
        if schema is None:
            if isinstance(node.value, dict):
                self._problems.add(node.at, f"{inner} has no 'schema'. Name a file, or write the schema here.")
            return None
        if isinstance(schema.value, str):
            return self._schema_file(schema, inner)
        if isinstance(schema.value, dict | bool):
            return SchemaSpec(schema.at, schema.plain())
        self._problems.add(
            schema.at, f"'schema' in {inner} must be a file or a JSON Schema, and this is {schema.kind}."
        )
        return None

    def _schema_file(self, node: Node, what: str) -> SchemaSpec | None:
        name = str(node.value)
        try:
            raw = (self._base / name).read_bytes()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it cannot be a file name"
            self._problems.add(node.at, f"The schema file {quoted(name)} of {what} cannot be read: {reason}.")
            return None
        if len(raw) > SCHEMA_MAX:
            self._problems.add(node.at, f"The schema file {quoted(name)} is larger than 1 MiB.")
            return None
        try:
            schema: Json = to_json(json.loads(raw.decode("utf-8-sig")))
        except (ValueError, RecursionError, NotJson) as error:
            self._problems.add(
                node.at, f"The schema file {quoted(name)} is not JSON: {quoted(error)[1:-1].rstrip('.')}."
            )
            return None
        if not isinstance(schema, dict | bool):
            self._problems.add(node.at, f"The schema file {quoted(name)} holds no JSON Schema (an object).")
            return None
        return SchemaSpec(node.at, schema)

    # --- rules and secrets ---

    def _rules(self, top: Fields) -> tuple[RuleSpec, ...]:
        rules: list[RuleSpec] = []
        seen: dict[str, Mark] = {}
        for node in top.items("rules"):
            spec = self._rule(node)
            if spec is None:
                continue
            if spec.id in seen:
                message = f"Rule {quoted(spec.id)} stands here twice; the first is in line {seen[spec.id].line}."
                self._problems.add(spec.at, message)
            seen.setdefault(spec.id, spec.at)
            rules.append(spec)
        return tuple(rules)

    def _rule(self, node: Node) -> RuleSpec | None:
        name = node.value.get("id") if isinstance(node.value, dict) else None
        what = f"rule {quoted(name.value)}" if name is not None and isinstance(name.value, str) else "a rule"
        fields = Fields(node, what, RULE_KEYS, self._problems)
        if not isinstance(node.value, dict):
            return None
        key, why, then = fields.text("id"), fields.text("why"), fields.text("then")
        if "id" not in fields:
            self._problems.add(node.at, "A rule has no 'id'. Tickets and the journal name rules by it.")
        if "then" not in fields:
            self._problems.add(node.at, f"{what} does not say what happens. Add 'then: ask' or 'then: deny'.")
        elif then is not None and then.value == "allow":
            message = "Rules only restrict: everything that is not asked or denied is allowed. Remove this rule."
            self._problems.add(then.at, message)
            then = None
        verdict = Then.DENY if then is None else fields.choice("then", Then, Then.DENY)
        if key is None:
            return None
        return RuleSpec(
            key.at,
            str(key.value),
            verdict,
            fields.texts("for", one=True),
            fields.texts("agents", one=True),
            self._condition(fields, "when"),
            "" if why is None else " ".join(str(why.value).split()),
            read_pattern(fields, what, self._problems),
        )

    def _redact(self, node: Node) -> list[RedactSpec]:
        if isinstance(node.value, str):
            return [RedactSpec(node.at, node)] if is_text(node, "A path under 'redact'", self._problems) else []
        fields = Fields(node, "an entry of 'redact'", ("tool", "paths"), self._problems)
        if not isinstance(node.value, dict):
            return []
        tools, paths = fields.texts("tool", one=True), fields.texts("paths", one=True)
        if not paths:
            self._problems.add(node.at, "An entry of 'redact' is a path, or {tool: name, paths: [args.secret]}.")
        return [RedactSpec(path.at, path, tools) for path in paths or ()]


_VERBS = ", ".join(verb.value for verb in Verb)


def _nothing(node: Node) -> Node:
    return Node(node.at, None, {})
