"""Guardrails: one gate, one file, pure. `default_gates()` is the visible, ordered list.

To add one: a new file with a frozen dataclass that has a `name` and `judge(case)`, and one line in the list below.
"""

from __future__ import annotations

from handrail.core.policy import Gate
from handrail.gates.access import AccessLevel
from handrail.gates.allowlist import Allowlist
from handrail.gates.arguments import Arguments
from handrail.gates.changes import GuardedChanges
from handrail.gates.denials import DenialMemory
from handrail.gates.destructive import Destructive
from handrail.gates.doubt import Doubt
from handrail.gates.retries import Retries
from handrail.gates.rules import Rules
from handrail.gates.stopped import Stopped


def default_gates() -> tuple[Gate, ...]:
    """Return the gates that every action passes, in the order of their findings."""
    return (
        Stopped(),
        Allowlist(),
        Arguments(),
        AccessLevel(),
        Doubt(),
        Rules(),
        DenialMemory(),
        Destructive(),
        GuardedChanges(),
        Retries(),
    )


__all__ = [
    "AccessLevel",
    "Allowlist",
    "Arguments",
    "DenialMemory",
    "Destructive",
    "Doubt",
    "GuardedChanges",
    "Retries",
    "Rules",
    "Stopped",
    "default_gates",
]
