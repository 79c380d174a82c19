"""Alerts that a command raises: delivered before it ends, and never the reason that it fails."""

from __future__ import annotations

import time
from collections.abc import Mapping

from handrail.cli.output import say
from handrail.cli.session import Session
from handrail.core.digest import Json
from handrail.core.record import Record, RecordKind


def alarm(session: Session, kind: str, title: str, text: str, fields: Mapping[str, str]) -> None:
    """Tell the policy's `alerts:`; what does not arrive is journalled and said."""
    policy = session.policy
    if not policy.alerts and not policy.desktop_alerts:
        return
    from handrail.alerts import Alert, AlertKind, Sender

    sender = Sender(policy.alerts, policy.desktop_alerts, on_failure=lambda *_: None)
    alert = Alert(AlertKind(kind), title, text, time.time_ns() // 1_000, fields)
    for delivery in sender.deliver_now(alert):
        if delivery.ok:
            continue
        say(f"The alert did not reach {delivery.target}: {delivery.detail}")
        body: dict[str, Json] = {"alert": kind, "target": delivery.target, "why": delivery.detail, "title": title}
        record = Record(RecordKind.EVENT, reason="alert_failed", body=body)
        session.store.transact(lambda tx, record=record: tx.append(record))  # type: ignore[misc]
