"""`handrail alert test`: send one alarm everywhere, and say what became of it."""

from __future__ import annotations

import typer


def test(ctx: typer.Context) -> int:
    """Send a test alert everywhere, and say which got it."""
    import time

    from handrail.alerts import Alert, AlertKind, Sender
    from handrail.cli.exits import Code
    from handrail.cli.options import options
    from handrail.cli.output import Column, cell, emit, plain, table
    from handrail.cli.people import system_user
    from handrail.cli.session import policy_of
    from handrail.errors import ConfigurationError

    policy = policy_of(ctx)
    if not policy.alerts and not policy.desktop_alerts:
        raise ConfigurationError(
            "The policy names nowhere to send alerts. Add: alerts: [https://…] or desktop_alerts: true"
        )
    sender = Sender(policy.alerts, policy.desktop_alerts, on_failure=lambda *_: None)
    who = system_user()
    text = f"{who} ran 'handrail alert test'. If you can read this, alerts arrive."
    alert = Alert(AlertKind.TEST, "A test alert from Handrail", text, time.time_ns() // 1_000, {"by": who})
    deliveries = sender.deliver_now(alert)
    if options(ctx).json:
        emit({"deliveries": [{"target": d.target, "ok": d.ok, "detail": d.detail} for d in deliveries]})
    else:
        rows = [
            [cell(d.target), plain("ok", "green") if d.ok else plain("FAILED", "red"), cell(d.detail, max_chars=300)]
            for d in deliveries
        ]
        table([Column("target"), Column("result", whole=True), Column("detail")], rows)
    return Code.OK if all(d.ok for d in deliveries) else Code.FINDINGS
