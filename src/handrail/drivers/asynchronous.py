"""The async driver: the same flow, awaiting where the blocking one waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar, cast

from handrail.core.commands import (
    Admit,
    Admitted,
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
    failed,
)
from handrail.core.flow import Life, life
from handrail.core.outcome import Outcome, Reason, Status
from handrail.drivers.blocking import begun
from handrail.drivers.host import EXECUTION, POLL_S, Body, Host

T = TypeVar("T")


async def run(proposal: Proposal, host: Host, body: Body) -> Outcome:
    """Run one action to its outcome."""
    return await drive(life(proposal), host, body)


async def drive(flow: Life, host: Host, body: Body) -> Outcome:
    """Drive a flow to its end, performing each command as it comes."""
    command, go = next(flow), None
    while True:
        try:
            answer = await perform(command, host, body)
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


async def perform(command: Command, host: Host, body: Body) -> Answer:
    """Perform one command."""
    match command:
        case Admit():
            try:
                return host.admitted(await _admit(command, host))
            except Exception as error:  # noqa: BLE001 (whatever fails inside Handrail denies)
                return host.refused(command, error)
        case Invoke():
            return await _invoke(command, host, body)
        case Settle():
            return host.settled(command, await _wait(host.store.submit(host.settlement(command))))
        case Consult():
            return await _consult(command, host)
        case Roll():
            return host.roll()
        case Sleep(delay_s):
            await asyncio.sleep(delay_s)
            return True
        case Await(ticket, wait_s):
            return await _await(ticket, wait_s, host)


async def _admit(command: Admit, host: Host) -> Admitted:
    """Admit. A cancellation that comes while the intent is being written ends the action before it runs."""
    step, durable = host.admission(command)
    future = host.store.submit(step, durable=durable)
    try:
        return await _wait(future)
    except asyncio.CancelledError:
        answer = future.result()
        if isinstance(answer, Go) and command.planned:
            why = f"'{command.action.tool}' was cancelled before it ran."
            reason = Reason.IN_DOUBT if answer.taken_up else Reason.CANCELLED  # a doubt that was taken up stays one
            end = failed(answer.action, answer.attempt, Status.FAILED, reason, why)
            again = command.attempt > 0 or answer.taken_up  # what an earlier attempt did is not known here
            await _wait(host.store.submit(host.settlement(Settle(answer, end, began=False, cut_off=again))))
        raise


async def _wait(future: Future[T]) -> T:
    """Wait for the store. A cancellation does not abandon a commit under way: it is raised once that has ended."""
    if future.done():
        return future.result()
    wrapped = asyncio.wrap_future(future)
    try:
        return await asyncio.shield(wrapped)
    except asyncio.CancelledError:
        await asyncio.wait([wrapped])
        raise


async def _invoke(command: Invoke, host: Host, body: Body) -> Returned | Raised:
    token = EXECUTION.set((command.action, command.attempt))
    try:
        value = body.call()
        if body.is_async:
            value = await cast("Awaitable[object]", value)
    except BaseException as error:  # noqa: BLE001 (a tool is foreign code; the edge raises this again)
        return host.raised(command.action, error)
    finally:
        with suppress(ValueError):  # a coroutine that is closed ends in whatever context closes it
            EXECUTION.reset(token)
    return host.returned(command.action, body, value)


async def _consult(command: Consult, host: Host) -> Seen | Unseen:
    child = host.child(command)
    if isinstance(child, Unseen):
        return child
    proposal, body = child
    return host.seen(await run(proposal, host, body))


async def _await(ticket: str, wait_s: float, host: Host) -> float:
    """Look at the ticket until it is decided."""
    begun = time.monotonic()
    while not await asyncio.to_thread(host.decided, ticket):
        left = wait_s - (time.monotonic() - begun)
        if left <= 0:
            return wait_s
        await asyncio.sleep(min(POLL_S, left))
    return time.monotonic() - begun
