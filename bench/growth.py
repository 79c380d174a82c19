"""What a decision costs as the past grows: 20 rules, six of them patterns, on a past of real actions.

    python bench/growth.py [--quick] [--json]

Each size has a store of its own, in which that many actions were admitted and settled, so that every label, mark and
tally of them is there. Beside it, where installed: `cedarpy` with the past handed to it as a set in the context, which
is how a policy engine without memory sees a past, and the policy evaluator of `agent-governance-toolkit`, which looks
at one call alone and so neither grows nor knows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import count as numbers
from pathlib import Path

from figures import Figure, median_us, options, report

from handrail.core.action import Action, action_key
from handrail.core.admission import admit
from handrail.core.case import propose
from handrail.core.commands import Admit, Go, Settle
from handrail.core.outcome import Outcome, Status
from handrail.core.settlement import settle
from handrail.policy import loads
from handrail.stores.sqlite import SqliteStore
from handrail.workspace import Workspace

PLAIN = "\n".join(
    f'  - {{id: r{n}, for: "crm.*", when: effect.zone == "zone{n}" && args.size > {n}, then: ask}}' for n in range(14)
)
ZONES = ", ".join(f"zone{n}: []" for n in range(14))
POLICY = f"""
version: 1
zones: {{{ZONES}}}
agents: {{bot: {{access: write}}}}
tools:
  crm.get:  {{do: read, resource: "lead/{{args.id}}", labels: [seen]}}
  crm.put:  {{do: update, resource: "lead/{{args.id}}", zone: args.env?, ask: never}}
  crm.copy: {{do: copy, resource: "lead/{{args.id}}", to: "lead/{{args.to}}"}}
  crm.pay:  {{do: pay, resource: "lead/{{args.id}}", amount: args.size}}
  crm.lock: {{do: execute, resource: "lead/{{args.id}}"}}
rules:
{PLAIN}
  - {{id: read-first, for: crm.put, requires: {{tool: crm.get, same: resource, per: agent}}, then: deny}}
  - {{id: locked, for: crm.put, forbids_after: {{tool: crm.lock, same: resource}}, then: deny}}
  - {{id: adds-up, for: [crm.put, crm.pay], at_most: {{sum: args.size, limit: 9000000000, within: 24h}}, then: ask}}
  - {{id: again, for: crm.put, repeat: {{times: 1000000, within: 1h}}, then: ask}}
  - {{id: slowly, for: crm.put, cooldown: {{wait: 1s, per: args.nonce}}, then: ask}}
  - {{id: open, for: crm.put, until_cleared: {{tool: crm.lock, status: failed}}, then: ask}}
"""


def fill(hr: Workspace, size: int) -> None:
    """Let `size` actions pass: reads, copies and payments on many leads."""
    tools = ("crm.get", "crm.copy", "crm.pay")
    desk, policy = hr.host.desk, hr.host.desk.policy
    for start in range(0, size, 500):

        def step(tx: object, start: int = start) -> None:
            for n in range(start, min(start + 500, size)):
                args = {"id": f"lead-{n % 20_000}", "to": f"copy-{n}", "size": n % 100}
                tool = tools[n % 3]
                action = Action(f"old{n}", "bot", f"run{n % 50}", f"old{n}", tool, args, action_key("bot", tool, args))
                go = admit(tx, Admit(action), desk, propose(policy, action))  # type: ignore[arg-type]
                assert isinstance(go, Go)
                end = Outcome(Status.SUCCESS, action=action.id, value=n)
                settle(tx, Settle(go, end, n, returned=True), policy)  # type: ignore[arg-type]

        hr.store.transact(step)


def decision(hr: Workspace, count: int) -> float:
    """Return the median of an admission that all 20 rules judge."""
    fill(hr, 1)  # the lead was read
    unique = numbers(hr.store.transact(lambda tx: tx.now_us))

    def decide() -> None:
        id = f"a{next(unique)}"
        args = {"id": "lead-0", "size": 40, "env": "dev", "nonce": id}
        action = Action(id, "bot", "run", id, "crm.put", args, action_key("bot", "crm.put", args))
        step, _ = hr.host.admission(Admit(action))
        assert isinstance(hr.store.transact(step), Go)

    return median_us(decide, count)


def ours(folder: Path, sizes: tuple[int, ...], count: int) -> Iterator[Figure]:
    """Yield our own growth."""
    few = 0.0
    for size in sizes:
        hr = Workspace(loads(POLICY, source="bench.yaml"), SqliteStore(folder / f"{size}.db"))
        fill(hr, size)
        cost = decision(hr, count)
        few = few or cost
        yield Figure(f"decision, 20 rules with six patterns, after {size:,} actions: p50", cost, "µs", few)
        if size == sizes[-1]:
            yield Figure(f"the same after {size:,} over after {sizes[0]:,}", cost / few, "x", 1.0, 1.2)
        hr.close()


def cedar(sizes: tuple[int, ...]) -> Iterator[Figure]:
    """Yield what cedarpy needs with the past as a set in its context."""
    import cedarpy

    rules = "".join(
        f'forbid(principal, action, resource) when {{ context.zone == "zone{n}" && context.size > {n} }};\n'
        for n in range(19)
    )
    rules += 'permit(principal, action, resource) when { context.past.contains({"tool": "crm.get", "id": "lead-0"}) };'
    for size in sizes:
        past = [{"tool": "crm.get", "id": f"lead-{n}"} for n in range(size)]
        request = {
            "principal": 'Agent::"bot"', "action": 'Action::"crm.put"', "resource": 'Lead::"lead-0"',
            "context": {"zone": "dev", "size": 40, "past": past},
        }  # fmt: skip
        call = lambda request=request: cedarpy.is_authorized(request, rules, [])  # noqa: E731
        assert call().allowed
        many = max(3, 20_000 // max(size, 20))
        yield Figure(f"cedarpy, 20 policies, a past of {size:,} in the context: p50", median_us(call, many, 1), "µs")


def toolkit() -> Iterator[Figure]:
    """Yield what agent-governance-toolkit needs for one call with 20 rules; it has no past to look at."""
    from agentmesh.governance.policy import Policy, PolicyEngine  # type: ignore[import-not-found]

    rules = [
        {"name": f"r{n}", "condition": f"action.zone == 'zone{n}'", "action": "deny", "priority": n} for n in range(20)
    ]
    engine = PolicyEngine()
    engine.load_policy(Policy.model_validate({"name": "bench", "agents": ["*"], "rules": rules}))
    call: Callable[[], object] = lambda: engine.evaluate("bot", {"action": {"zone": "dev", "type": "put"}})  # noqa: E731
    call()
    yield Figure("agent-governance-toolkit, 20 rules, no past: p50", median_us(call, 2_000), "µs")


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures."""
    sizes = (10, 1_000, 20_000) if quick else (10, 1_000, 10_000, 100_000)
    with tempfile.TemporaryDirectory() as name:
        yield from ours(Path(name), sizes, 2_000 if quick else 10_000)
    if find_spec("cedarpy"):
        yield from cedar(sizes)
    if find_spec("agentmesh"):
        yield from toolkit()


if __name__ == "__main__":
    chosen = options(__doc__ or "")
    report(measure(quick=chosen.quick), as_json=chosen.json)
