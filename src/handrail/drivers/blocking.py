"""The blocking driver."""

from __future__ import annotations

import sys
import time
from typing import cast

from handrail.core.commands import (
    Admit,
    Answer,
    Await,
    Command,
    Consult,
    Go,
    Invoke,
    Proposal,
    Raised,
    Returned,
    Roll,
    Seen,
    Settle,
    Sleep,
    Unseen,
)
from handrail.core.flow import Life, life
from handrail.core.outcome import Outcome
from handrail.drivers.host import EXECUTION, POLL_S, Body, Host


def run(proposal: Proposal, host: Host, body: Body) -> Outcome:
    """Run one action to its outcome."""
    return drive(life(proposal), host, body)


def drive(flow: Life, host: Host, body: Body) -> Outcome:
    """Drive a flow to its end, performing each command as it comes."""
    command, go = next(flow), None
    while True:
        try:
            answer = perform(command, host, body)
        except Exception as error:
            raise error if go is None else host.lost(go, error) from error
        except BaseException:
            if go is not None:
                host.lose(go)
            raise
        if type(command) is not Invoke:  # which neither begins nor ends anything
            go = begun(command, answer, go)
        try:
            command = flow.send(answer)
        except StopIteration as stop:
            return cast("Outcome", stop.value)


def begun(command: Command, answer: Answer, go: Go | None) -> Go | None:
    """Return the admission whose outcome is still to be recorded, if any."""
    if isinstance(answer, Go):
        return answer if isinstance(command, Admit) and command.planned else go
    return None if isinstance(command, Settle) else go


def perform(command: Command, host: Host, body: Body) -> Answer:
    """Perform one command."""
    match command:
        case Admit():
            try:
                step, durable = host.admission(command)
                return host.admitted(host.store.transact(step, durable=durable))
            except Exception as error:  # noqa: BLE001 (whatever fails inside Handrail denies)
                return host.refused(command, error)
        case Invoke():
            return _invoke(command, host, body)
        case Settle():
            return host.settled(command, host.store.transact(host.settlement(command)))
        case Consult():
            return _consult(command, host)
        case Roll():
            return host.roll()
        case Sleep(delay_s):
            return _sleep(delay_s, host)
        case Await(ticket, wait_s):
            return _await(ticket, wait_s, host)


def _invoke(command: Invoke, host: Host, body: Body) -> Returned | Raised:
    token = EXECUTION.set((command.action, command.attempt))
    try:
        value = body.call()
    except BaseException as error:  # noqa: BLE001 (a tool is foreign code; the edge raises this again)
        return host.raised(command.action, error)
    finally:
        EXECUTION.reset(token)
    return host.returned(command.action, body, value)


def _consult(command: Consult, host: Host) -> Seen | Unseen:
    child = host.child(command)
    if isinstance(child, Unseen):
        return child
    proposal, body = child
    if body.is_async:
        return Unseen(f"'{proposal.action.tool}' is async and cannot be called from a blocking tool.")
    return host.seen(run(proposal, host, body))


def on_event_loop() -> bool:
    """Return whether this thread runs an event loop, which must never be blocked."""
    asyncio = sys.modules.get("asyncio")  # a program that never loaded it runs no loop
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _sleep(delay_s: float, host: Host) -> bool:
    if on_event_loop():
        return False
    host.sleep(delay_s)
    return True


def _await(ticket: str, wait_s: float, host: Host) -> float:
    """Look at the ticket until it is decided; on an event loop, do not wait at all."""
    if on_event_loop():
        return float(wait_s)
    begun = time.monotonic()
    while not host.decided(ticket):
        left = wait_s - (time.monotonic() - begun)
        if left <= 0:
            return wait_s
        host.sleep(min(POLL_S, left))
    return time.monotonic() - begun
