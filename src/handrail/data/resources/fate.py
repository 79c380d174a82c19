"""What an answer to a write says about it: done, certainly not done, the precondition failed, or nobody knows."""

from __future__ import annotations

import http
from dataclasses import dataclass
from enum import StrEnum

from handrail.data.resources.json_client import NoReply, Reply


class Fate(StrEnum):
    """What became of a request to write."""

    DONE = "done"
    NOT_DONE = "not_done"
    MOVED = "moved"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Told:
    """A fate, and the words for it.

    Attributes:
        fate: What became of the request.
        why: Half a sentence for people, safe to print.
        retry_after_s: What the server asks to wait, in seconds; 0 without.
    """

    fate: Fate
    why: str
    retry_after_s: float = 0.0


_ADVICE = {
    400: "correct the change",
    401: "check the credentials",
    403: "ask for the permission",
    404: "look again at what is there",
    405: "this resource cannot be changed this way",
    409: "the change contradicts the resource's state; look at it and plan again",
    413: "send less",
    415: "this server does not take this kind of change",
    422: "correct the change",
    423: "wait until it is unlocked",
    428: "the server demands a precondition but gave no strong ETag to make one of; ask its operator",
    429: "wait as long as it says, then apply again",
}


def told(reply: Reply | NoReply) -> Told:
    """Return what an answer says.

    A 4xx is the server's word that it did nothing. A 202, a redirect and a 5xx are not: a gateway may have given up
    on a server that went on.
    """
    if isinstance(reply, NoReply):
        return Told(Fate.UNSURE if reply.sent else Fate.NOT_DONE, f"the server gave no answer: {reply.why}")
    status, wait_s = reply.status, reply.retry_after_s
    if status == http.HTTPStatus.PRECONDITION_FAILED:
        return Told(Fate.MOVED, "the server says that the resource has changed (412)")
    if 200 <= status < 300 and status != http.HTTPStatus.ACCEPTED:
        return Told(Fate.DONE, f"the server said {named(status)}", wait_s)
    if 400 <= status < 500:
        return Told(
            Fate.NOT_DONE, f"the server said {named(status)}: {_ADVICE.get(status, 'ask its operator')}", wait_s
        )
    return Told(Fate.UNSURE, f"the server said {named(status)}", wait_s)


def named(status: int) -> str:
    """Return a status with its standard name; the server's own phrase is not shown."""
    try:
        return f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
