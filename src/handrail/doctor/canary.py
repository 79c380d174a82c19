"""Is anything enforced? An action that must be denied is sent the way that every action goes."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from handrail.core.outcome import Reason, Status
from handrail.core.policy import Mode
from handrail.core.record import RecordKind, Stored
from handrail.core.store import Query
from handrail.core.text import safe
from handrail.core.tool import Access, Agent
from handrail.doctor.exam import Exam
from handrail.doctor.finding import Finding, error, ok, warning
from handrail.drivers.host import new_id
from handrail.errors import HandrailError, Killed
from handrail.workspace import Workspace

AGENT = "handrail.doctor"
TOOL = "handrail.canary"


def check(exam: Exam) -> Finding:
    """Call an undeclared tool; its body must not run, and the refusal must stand in the journal.

    The agent that calls is known to this check alone, and may write everything: that the tool is not declared is all
    that can stop it. No agent of yours is said to have tried anything.
    """
    name = TOOL if exam.policy.tool(TOOL) is None else f"{TOOL}.{new_id()}"
    agents = {**exam.policy.agents, AGENT: Agent(AGENT, Access.WRITE, lineage=(AGENT,))}
    workspace = Workspace(replace(exam.policy, agents=MappingProxyType(agents)), exam.store, gates=exam.gates)
    ran: list[bool] = []

    @workspace.tool(name)
    def canary() -> None:
        ran.append(True)

    run = f"doctor-{new_id()}"
    why = ""
    try:
        with workspace.run(AGENT, id=run):
            canary()
    except (HandrailError, Killed) as refusal:
        why = safe(refusal, max_chars=300)
    attempts = exam.store.read(
        lambda tx: list(tx.records(Query(run=run, tool=name, kinds=(RecordKind.ATTEMPT,), limit=10)))
    )
    if exam.policy.mode is Mode.OBSERVE:
        return _observed(attempts, ran=bool(ran), why=why)
    return _enforced(attempts, ran=bool(ran), why=why)


def _enforced(attempts: list[Stored], *, ran: bool, why: str) -> Finding:
    if ran:
        return error(
            "NOTHING IS ENFORCED: a call of an undeclared tool was let through.",
            "Open Handrail with default_gates(), and put gates of your own behind them.",
        )
    refused = [row for row in attempts if row.record.status in (Status.DENIED, Status.KILLED)]
    if not refused:
        return error(
            f"A call of an undeclared tool was refused, but the journal does not show it: {why}",
            "Look at what the check of the store says, and run: handrail log verify",
        )
    if refused[0].record.reason == Reason.GATE_ERROR:
        return error(f"Every action is refused, because a gate fails: {why}", "Correct or remove the gate.")
    return ok("A call of an undeclared tool was refused and journalled: decisions are enforced.")


def _observed(attempts: list[Stored], *, ran: bool, why: str) -> Finding:
    if not ran:
        return error(
            f"In observe mode everything runs, and this was refused: {why}", "Correct what the sentence names."
        )
    if not any(row.record.body.get("would") == "deny" for row in attempts):
        return error(
            "Observe mode: nothing is enforced, and the journal does not say what would be denied.",
            "Open Handrail with default_gates(), and put gates of your own behind them.",
        )
    return warning(
        "Observe mode: NOTHING IS ENFORCED. A call of an undeclared tool was let through, and only recorded.",
        "When you are ready, set in the policy: mode: enforce",
    )
