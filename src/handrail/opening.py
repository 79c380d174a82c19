"""`handrail.open()`: from a policy to a workspace. No policy, or a broken one: nothing runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from handrail.alerts.alert import Alert
from handrail.core.digest import Json
from handrail.core.policy import Gate
from handrail.core.record import Record, RecordKind
from handrail.core.store import Store
from handrail.errors import ConfigurationError
from handrail.stores import connect
from handrail.workspace import Workspace

FILE_NAME = "handrail.yaml"


def find(start: Path) -> Path | None:
    """Return the nearest `handrail.yaml` in `start` or a folder above it."""
    for folder in (start, *start.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def open(
    policy: str | Path | None = None,
    *,
    store: str | Store | None = None,
    gates: Iterable[Gate] | None = None,
    alerts: bool = True,
) -> Workspace:
    """Open a policy with its store.

    Args:
        policy: Path of a policy file; by default the nearest `handrail.yaml` in this folder or above.
        store: Address of the store, or an open one; by default what the policy names.
        gates: The guardrails, in order; `default_gates()` by default.
        alerts: Whether pending reviews, drift and the like go to the policy's `alerts:`.

    Returns:
        The workspace. Close it, or use it with `with`.

    Raises:
        ConfigurationError: There is no policy file.
        PolicyError: It is broken; every problem is listed with line and column.
        StoreError: The store cannot be used.
    """
    from handrail.policy import load  # noqa: PLC0415 (YAML and CEL are loaded when a policy is)

    path = Path(policy) if policy is not None else find(Path.cwd())
    if path is None or not path.is_file():
        where = f"{path} is not a file" if path is not None else f"no {FILE_NAME} in {Path.cwd()} or above"
        raise ConfigurationError(
            f"There is no policy ({where}), so nothing runs. Draft one with: handrail init (see docs/policy.md)."
        )
    compiled = load(path)
    folder = path.absolute().parent
    opened = connect(store if store is not None else compiled.store, folder) if not isinstance(store, Store) else store
    workspace = Workspace(compiled, opened, gates=gates, folder=folder)
    if alerts and (compiled.alerts or compiled.desktop_alerts):
        _wire_alerts(workspace, compiled.alerts, desktop=compiled.desktop_alerts)
    return workspace


def _wire_alerts(workspace: Workspace, urls: tuple[str, ...], *, desktop: bool) -> None:
    """Send the workspace's alerts; what could not be delivered stands in the journal."""
    from handrail.alerts import Sender  # noqa: PLC0415

    def failed(alert: Alert, target: str, why: str) -> None:
        body: dict[str, Json] = {"alert": alert.kind.value, "target": target, "why": why, "title": alert.title}
        workspace.store.transact(lambda tx: tx.append(Record(RecordKind.EVENT, reason="alert_failed", body=body)))

    sender = Sender(urls, desktop, on_failure=failed)
    workspace.host.notify = sender.send
    workspace.on_close(sender.close)


__all__ = ["find", "open"]
