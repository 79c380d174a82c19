"""Guarded changes of JSON resources below one base URL.

A resource with a strong ETag is written with `If-Match`, a new one with `If-None-Match: *`, so that a server which
honours them compares and writes in one step. Whether it does cannot be seen from outside; the operator declares it.
Without a strong ETag, or on a server not declared, we read, compare and write: a write that falls in between is lost,
and previews and receipts say `check_then_act`.

An answer that was lost is decided by reading: if the resource is as it was to become, the change was made (or somebody
made exactly the same one); if it is as before, a server that compares may be asked again; all else is in doubt.
"""

from __future__ import annotations

import http
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from handrail.core.digest import Json, NotJson, canonical, digest, to_json
from handrail.core.text import safe
from handrail.data.resources import etag, json_change
from handrail.data.resources.fate import Fate, Told, named, told
from handrail.data.resources.json_change import CreateJson, DeleteJson, JsonChange, Present, PutJson
from handrail.data.resources.json_client import JsonClient, NoReply, path_of
from handrail.data.resources.ledger import Ledger, Noted, State, change_digest, check_key
from handrail.data.resources.protocol import Applied, Became, Picture, Preview, Reverted
from handrail.data.resources.receipt import ABSENT, UNKNOWN, Receipt, Touched, Version
from handrail.data.resources.results import CannotDo, Clash, Conflict, InDoubt, NotApplied, Refused, Stale, Undone
from handrail.data.resources.traits import DryRun, Idempotency, Precondition, Traits, UndoKind

_GONE = (http.HTTPStatus.NOT_FOUND, http.HTTPStatus.GONE)


@dataclass(frozen=True, slots=True)
class _Now:
    """A resource as it was read."""

    version: Version
    body: Present | None


class HttpResources:
    """The adapter of JSON resources.

    Args:
        base: An http or https URL that ids are relative to, without credentials.
        folder: A folder of ours for the ledger, which holds old representations; made if missing.
        headers: Sent with each request, credentials among them; never shown.
        honours_if_match: Whether this server refuses a write whose `If-Match` or `If-None-Match` fails.
        server_fields: Top-level members that the server sets by itself (`updated_at`); not compared, not written back.
        timeout_s: Seconds for connecting, and again for a whole exchange.
        bytes_max: Largest representation that is read or written, in bytes.

    Raises:
        ConfigurationError: The URL or a header cannot be used.
    """

    def __init__(
        self,
        base: str,
        folder: Path,
        *,
        headers: Mapping[str, str] | None = None,
        honours_if_match: bool = False,
        server_fields: frozenset[str] = frozenset(),
        timeout_s: float = 10.0,
        bytes_max: int = 4 * 1024 * 1024,
    ) -> None:
        self._client = JsonClient(base, headers or {}, timeout_s=timeout_s, bytes_max=bytes_max)
        self._ledger = Ledger(folder)
        self._honours = honours_if_match
        self._server_fields = server_fields
        self._bytes_max = bytes_max

    @property
    def traits(self) -> Traits:
        """Atomic only on a server declared so; undo writes the old state again; repeats by key."""
        precondition = Precondition.ATOMIC if self._honours else Precondition.CHECK_THEN_ACT
        return Traits(precondition, DryRun.SAFE, UndoKind.COMPENSATING, Idempotency.KEY)

    @property
    def where(self) -> str:
        """The base URL."""
        return self._client.base

    def observe(self, ids: Iterable[str]) -> dict[str, Version] | Refused:
        """Return the version of each resource, `absent` where the server knows none."""
        try:
            return {id: self._get(id).version for id in ids}
        except CannotDo as error:
            return error.refused()

    def preview(self, change: JsonChange) -> Preview | Refused:
        """Return the representation before and after; the server is only asked to show it."""
        try:
            now = self._get(change.id)
            after = self._result(change, now.body)
        except CannotDo as error:
            return error.refused()
        bodies = (now.body.body if now.body else None, after.body if after else None)
        return Preview((Picture(change.id, now.version, *bodies),), self._precondition(now.version))

    def apply(self, change: JsonChange, expected_versions: Mapping[str, Version], idempotency_key: str) -> Applied:
        """Make the change if the resource still has its expected version; a repeat by key gets the first receipt."""
        try:
            check_key(idempotency_key)
            with self._ledger.holding(idempotency_key, wait=False):
                return self._apply(change, dict(expected_versions), idempotency_key)
        except CannotDo as error:
            return error.refused()
        except OSError as error:
            return _unrecorded(error)

    def undo(self, receipt: Receipt) -> Reverted:
        """Write the old representation again if the resource is as the change left it."""
        try:
            with self._ledger.holding(receipt.key, wait=False):
                return self._undo(receipt)
        except CannotDo as error:
            return error.refused()
        except OSError as error:
            return _unrecorded(error)

    def decide(self, idempotency_key: str) -> Became:
        """Tell by reading the resource what became of a change whose answer was lost."""
        try:
            check_key(idempotency_key)
            with self._ledger.holding(idempotency_key, wait=False):
                noted = self._noted(idempotency_key)
                return NotApplied("This change was never begun; apply it.") if noted is None else self._decide(noted)
        except CannotDo as error:
            return error.refused()
        except OSError as error:
            return _unrecorded(error)

    def recorded(self, idempotency_key: str) -> Noted | Refused | None:
        """Return what the ledger says of a change; the server is not asked."""
        try:
            check_key(idempotency_key)
            return self._noted(idempotency_key)
        except CannotDo as error:
            return error.refused()

    def preview_undo(self, receipt: Receipt) -> Preview | Conflict | Refused:
        """Return the representation before and after the undo, if the resource is as the change left it."""
        (one,) = receipt.touched
        precondition = self.undo_precondition(receipt)
        try:
            noted = self._noted(receipt.key)
            if noted is not None and noted.state is State.UNDOING:
                return Preview((), precondition)
            now, before = self._get(one.id), _kept(receipt, "before")
        except CannotDo as error:
            return error.refused()
        if one.after == UNKNOWN or now.version != one.after:
            return _conflict(one, now.version)
        after = None if before is None else etag.without(before.body, self._server_fields)
        return Preview((Picture(one.id, now.version, now.body.body if now.body else None, after),), precondition)

    def undo_precondition(self, receipt: Receipt) -> Precondition:
        """Atomic where the server compares and gave a strong tag for what the change left."""
        (one,) = receipt.touched
        return self._precondition(one.after)

    # apply

    def _apply(self, change: JsonChange, expected: dict[str, Version], key: str) -> Applied:
        if set(expected) != {change.id}:
            raise CannotDo("The expected versions must name exactly the resource of the change; preview it again.")
        about = change_digest(json_change.described(change), expected)
        noted = self._noted(key)
        if noted is not None and noted.change != about:
            raise CannotDo("This idempotency key belongs to another change; make a plan for this one.")
        again = noted is not None
        if noted is not None:
            became = self._decide(noted)
            if isinstance(became, Undone):
                raise CannotDo("This change was made and undone; make a new plan to do it again.")
            if not isinstance(became, NotApplied):
                return became
        else:
            now = self._get(change.id)
            if now.version != expected[change.id]:
                return _stale(change.id, expected[change.id], now.version)
            noted = Noted(State.BEGUN, about, self._receipt(change, key, now))
            self._begin(noted)
        return self._sent(noted, change, again=again)

    def _begin(self, noted: Noted) -> None:
        try:
            self._ledger.write(noted)
        except OSError as error:
            raise CannotDo(
                f"The change could not be recorded ({_said(error)}), so it was not sent; repair that."
            ) from error

    def _sent(self, noted: Noted, change: JsonChange, *, again: bool) -> Applied:
        """Send the change and tell what came of it; `again` when an earlier request may still arrive."""
        receipt = noted.receipt
        before = receipt.touched[0].before
        method, body = json_change.request(change)
        reply = self._client.send(method, change.id, body, self._headers(before, receipt.key))
        answer = told(reply)
        if answer.fate is Fate.DONE:
            return self._done(noted, "" if isinstance(reply, NoReply) else reply.etag)
        if again or answer.fate is Fate.UNSURE:
            became = self._decide(noted, answer)
            return InDoubt("The change was undone meanwhile.") if isinstance(became, Undone) else became
        self._ledger.drop(noted)
        if answer.fate is Fate.MOVED:
            why = "The server refused to write, since the resource has changed (412); look at it and plan again."
            return Stale(why, (Clash(change.id, before, UNKNOWN),))
        return Refused(f"Nothing was changed: {answer.why}.", answer.retry_after_s)

    def _done(self, noted: Noted, tag: str) -> Applied:
        """Read back what a successful answer speaks of, and write the receipt."""
        (one,) = noted.receipt.touched
        gone = _kept(noted.receipt, "after") is None  # a tag in the answer to a DELETE is of something else
        after = f"etag:{tag}" if tag and not gone else UNKNOWN
        try:
            now = self._get(one.id)
        except CannotDo:  # done all the same; without a version, its undo is a conflict
            return self._receipted(noted, after)
        if now.version == one.before:
            return InDoubt(
                "The server said that it changed the resource, yet it is as before; let a person look at it."
            )
        if after == UNKNOWN and self._same(now.body, _kept(noted.receipt, "after")):
            after = now.version
        return self._receipted(noted, after)

    def _receipted(self, noted: Noted, after: Version) -> Receipt:
        (one,) = noted.receipt.touched
        receipt = replace(noted.receipt, touched=(replace(one, after=after),))
        return self._ledger.mark(noted, State.APPLIED, receipt).receipt

    def _receipt(self, change: JsonChange, key: str, now: _Now) -> Receipt:
        after = self._result(change, now.body)
        kept: Json = {"before": [now.body.body] if now.body else [], "after": [after.body] if after else []}
        touched = (Touched(change.id, now.version, UNKNOWN),)
        where, precondition = self._client.base, self._precondition(now.version)
        return Receipt(where, json_change.operation(change), key, touched, precondition, kept)

    # undo and decide

    def _undo(self, receipt: Receipt) -> Reverted:
        noted = self._noted(receipt.key)
        if noted is None or noted.receipt != receipt:
            raise CannotDo("This receipt is not one of this server's changes; undo it where it was made.")
        again = noted.state is State.UNDOING
        became = self._decide(noted)
        if not isinstance(became, Receipt) and not (again and isinstance(became, NotApplied)):
            return became
        (one,) = receipt.touched
        now = self._get(one.id)
        if one.after == UNKNOWN or now.version != one.after:
            return _conflict(one, now.version)
        change = self._inverse(receipt)
        noted = self._ledger.mark(noted, State.UNDOING)
        headers = self._headers(one.after, digest(["undo", receipt.key]))
        method, body = json_change.request(change)
        answer = told(self._client.send(method, one.id, body, headers))
        if again or answer.fate in (Fate.DONE, Fate.UNSURE):
            became = self._decide(noted, answer)
            return InDoubt("The change was applied again.") if isinstance(became, Receipt) else became
        self._ledger.mark(noted, State.APPLIED)
        if answer.fate is Fate.MOVED:
            return _conflict(one, UNKNOWN)
        return Refused(f"Nothing was undone: {answer.why}.", answer.retry_after_s)

    def _inverse(self, receipt: Receipt) -> JsonChange:
        (one,) = receipt.touched
        before = _kept(receipt, "before")
        if before is None:
            return DeleteJson(one.id)
        body = etag.without(before.body, self._server_fields)
        return CreateJson(one.id, body) if receipt.operation == "delete" else PutJson(one.id, body)

    def _decide(self, noted: Noted, answer: Told | None = None) -> Receipt | Undone | NotApplied | InDoubt:
        """Tell how a change or an undo stands; `answer` is what the server just said of it."""
        if noted.state is State.APPLIED:
            return noted.receipt
        (one,) = noted.receipt.touched
        if noted.state is State.UNDONE:
            return Undone((Touched(one.id, one.after, UNKNOWN),))
        undoing = noted.state is State.UNDOING
        start, end = (one.after, "before") if undoing else (one.before, "after")
        what = "undo" if undoing else "change"
        heard = f" ({answer.why})" if answer else ""
        try:
            now = self._get(one.id)
        except CannotDo as error:
            return InDoubt(f"Nobody knows whether the {what} was made{heard}, and reading failed: {error}")
        if now.version != start and self._same(now.body, _kept(noted.receipt, end)):
            if not undoing:
                return self._receipted(noted, now.version)
            self._ledger.mark(noted, State.UNDONE)
            return Undone((Touched(one.id, one.after, now.version),))
        if now.version != start:
            why = f"Nobody knows whether the {what} was made{heard}: the resource is neither as before nor as planned."
            return InDoubt(f"{why} Let a person look at it.", (Clash(one.id, start, now.version),))
        if self._precondition(start) is Precondition.ATOMIC:
            wait_s = answer.retry_after_s if answer else 0.0
            return NotApplied(
                f"The {what} has not been made so far{heard}; repeat it, which cannot do it twice.", wait_s
            )
        why = f"The {what} has not been made so far{heard}, but may still arrive, and this server does not compare."
        return InDoubt(f"{why} Let a person look at it.")

    # looking and asking

    def _noted(self, key: str) -> Noted | None:
        noted = self._ledger.find(key)
        if noted is not None and noted.receipt.where != self._client.base:
            raise CannotDo("This key belongs to a change below another base URL; use that one.")
        return noted

    def _get(self, id: str) -> _Now:
        reply = self._client.send("GET", id)
        if isinstance(reply, NoReply):
            raise CannotDo(f"{safe(id)} cannot be read: {reply.why}; try again later.", passing=True)
        if reply.body is not None:
            return _Now(etag.version(reply.etag, reply.body.body, self._server_fields), reply.body)
        if reply.status in _GONE:
            return _Now(ABSENT, None)
        if 300 <= reply.status < 400:
            raise CannotDo(f"{safe(id)} is somewhere else ({named(reply.status)}); configure the final address.")
        passing = reply.status >= 500 or reply.status in (408, 429)
        why = f"{safe(id)} cannot be read: the server said {named(reply.status)}."
        raise CannotDo(why + (" Try again later." if passing else ""), reply.retry_after_s, passing=passing)

    def _result(self, change: JsonChange, before: Present | None) -> Present | None:
        """Return what the resource is to be, if the change can be made and changes anything."""
        path_of(change.id)
        try:
            to_json(json_change.request(change)[1], bytes_max=self._bytes_max)
        except NotJson as error:
            raise CannotDo(f"The new representation cannot be sent: {error}") from None
        after = json_change.result(change, before)
        if after is not None and len(canonical(after.body)) > self._bytes_max:
            raise CannotDo(f"The new representation is larger than {self._bytes_max:,} bytes, the limit; send less.")
        if self._same(before, after):
            raise CannotDo("The resource already is exactly so; there is nothing to change.")
        return after

    def _same(self, one: Present | None, other: Present | None) -> bool:
        if one is None or other is None:
            return one is other
        first, second = (etag.without(each.body, self._server_fields) for each in (one, other))
        return canonical(first) == canonical(second)

    def _precondition(self, version: Version) -> Precondition:
        comparable = version == ABSENT or etag.of_version(version)
        return Precondition.ATOMIC if self._honours and comparable else Precondition.CHECK_THEN_ACT

    def _headers(self, before: Version, key: str) -> dict[str, str]:
        headers = {"Idempotency-Key": key}
        if before == ABSENT:
            headers["If-None-Match"] = "*"
        elif tag := etag.of_version(before):
            headers["If-Match"] = tag
        return headers


def _kept(receipt: Receipt, name: str) -> Present | None:
    """Return a representation from a receipt; None for absent."""
    match receipt.kept:
        case {"before": list(before), "after": list(after)}:
            bodies = before if name == "before" else after
            return Present(bodies[0]) if bodies else None
    raise CannotDo("The receipt does not hold the representations; let a person take the change back.")


def _stale(id: str, expected: Version, current: Version) -> Stale:
    why = "The resource changed after the plan was made, so nothing was written; plan again."
    return Stale(why, (Clash(id, expected, current),))


def _conflict(one: Touched, current: Version) -> Conflict:
    why = "The resource was changed after this change, so it was left alone; compare and decide by hand."
    return Conflict(why, (Clash(one.id, one.after, current),))


def _unrecorded(error: OSError) -> InDoubt:
    """Our own record failed, before or after a request: only looking again can tell."""
    return InDoubt(f"What happened could not be recorded ({_said(error)}); repair that, then ask what became of it.")


def _said(error: OSError) -> str:
    return safe(error.strerror or type(error).__name__)
