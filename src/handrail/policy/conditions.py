"""Conditions of the file: compiled, or noted as problems at the place where they err."""

from __future__ import annotations

from collections.abc import Mapping

from handrail.policy import cel
from handrail.policy.cel import Condition, ExpressionError, Members, Vocabulary
from handrail.policy.document import Node
from handrail.policy.problems import Problems

EFFECT = frozenset({"verb", "resource", "to", "zone", "amount", "labels", "created_by_run"})
AGENT = frozenset({"name", "access", "owner", "parent"})
TOOL = frozenset({"name"})
RUN = frozenset({"id"})

TEXTS: Members = {"commands": None, "statements": None}
EVENT_NAMES: Members = {"effect": EFFECT, "args": None, "agent": AGENT, "tool": TOOL, "run": RUN, **TEXTS}
RULE_NAMES: Members = {**EVENT_NAMES, "before": None}
ENDED_NAMES: Members = {**EVENT_NAMES, "result": None}
EFFECT_NAMES: Members = {"args": None, **TEXTS}
CHECK_NAMES: Members = {"args": None, "result": None, "now": None}
EXPECT_NAMES: Members = {"args": None, "before": None, "result": None, "seen": None}


def condition(
    node: Node, names: Members, problems: Problems, vocabularies: Mapping[tuple[str, ...], Vocabulary] | None = None
) -> Condition | None:
    """Compile a condition; None after noting its problems."""
    try:
        return cel.compile(str(node.value), names, vocabularies)
    except ExpressionError as error:
        text = str(node.value)
        cut = node.inner is not None and any(text.count(a) > text.count(b) for a, b in ("()", "[]", "{}"))
        hint = " YAML ends it at a comma inside braces: put the whole condition in quotes." if cut else ""
        for offset, message in error.problems:
            problems.add(node.mark(offset), message + hint)
        return None
