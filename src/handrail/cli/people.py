"""Who decides: which reviewer, and the secret that proves it.

A secret is typed at the terminal or piped in. It is never a flag or an environment variable (both are visible to other
processes), never echoed, and never part of a message.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from handrail.cli.exits import UsageError
from handrail.core.policy import Policy
from handrail.core.store import Store, Transaction
from handrail.core.text import safe
from handrail.core.ticket import GRANT_HOURS_MAX, GRANT_USES_MAX, Ticket, TicketState, flatten
from handrail.errors import ConfigurationError, ReviewError

if TYPE_CHECKING:
    from handrail.review.decide import Remember

SECRET_MAX = 1_024

AsOption = Annotated[str | None, typer.Option("--as", metavar="NAME", help="Reviewer who decides.", show_default=False)]
NoteOption = Annotated[str, typer.Option("--note", help="Why, in your words; the agent is told.", show_default=False)]
StdinOption = Annotated[bool, typer.Option("--secret-stdin", help="Read the secret from stdin, for scripts.")]


def reviewer_named(policy: Policy, said: str | None) -> str:
    """Return who decides: whom `--as` names, or the only reviewer there is.

    Raises:
        ConfigurationError: The policy names no reviewer.
        UsageError: It names several, and `--as` none.
    """
    if said is not None:
        return said
    if not policy.reviewers:
        raise ConfigurationError(
            "The policy names no reviewers, so nobody can decide. Add reviewers: [you@example.com]"
        )
    if len(policy.reviewers) > 1:
        names = ", ".join(safe(name) for name in policy.reviewers)
        raise UsageError(f"The policy names several reviewers: {names}. Say who you are: --as NAME")
    return policy.reviewers[0]


def enrolled(store: Store, policy: Policy, name: str) -> None:
    """Check that a person can decide at all, before asking for a secret.

    Raises:
        ReviewError: They are not in the policy, or have no secret yet.
    """
    known(policy, name)
    if all(person.name != name for person in store.read(lambda tx: tx.reviewers())):
        raise ReviewError(f"{safe(name)} has no secret yet. At a terminal, run: handrail reviewer add {safe(name)}")


def known(policy: Policy, name: str) -> None:
    """Check that the policy names a person. Raises `ReviewError`, with the nearest name."""
    from handrail.core.names import did_you_mean

    if name not in policy.reviewers:
        hint = did_you_mean(name, policy.reviewers)
        raise ReviewError(f"'{safe(name)}' is not a reviewer in the policy.{hint} Nothing was decided.")


def grantable(ticket: Ticket, wanted: Remember) -> None:
    """Check that a ticket can be granted in advance, before asking for a secret. The decision itself checks again.

    Raises:
        ReviewError: What it does cannot be undone, a limit is passed, or a pattern names no argument.
    """
    from handrail.core.names import did_you_mean

    if not ticket.view.get("undo"):
        raise ReviewError(
            f"'{safe(ticket.tool)}' cannot be undone, so it is never granted in advance. Approve without --remember."
        )
    if not 1 <= wanted.uses <= GRANT_USES_MAX or not 0 < wanted.hours <= GRANT_HOURS_MAX:
        raise ReviewError(f"A grant has 1 to {GRANT_USES_MAX} uses and lasts at most {GRANT_HOURS_MAX} hours.")
    args = ticket.view.get("args")
    names = sorted(path.removesuffix("#") for path in flatten(args if isinstance(args, dict) else {}))
    for path in wanted.pattern:
        if path.removesuffix("#") not in names:
            hint = did_you_mean(path, names) or f" It has: {', '.join(safe(name) for name in names) or 'none'}."
            raise ReviewError(f"The action has no argument '{safe(path)}'.{hint} Nothing was decided.")


def may_decide(tx: Transaction, ticket: Ticket, policy: Policy, name: str) -> None:
    """Check that a person may decide a ticket, before asking for a secret. The decision itself checks again.

    Raises:
        ReviewError: The ticket is not pending any more, or not theirs to decide.
    """
    from handrail.review.replay import standings, state_of

    state = state_of(ticket, tx.now_us)
    if state is not TicketState.PENDING:
        by = f" by {safe(ticket.by)}" if ticket.by else ""
        raise ReviewError(f"Ticket {ticket.id} is already {state.value}{by}. Nothing was decided.")
    known(policy, name)
    for standing in standings(tx, ticket, policy):
        if standing.name == name and not standing.may:
            raise ReviewError(f"{standing.why} Nothing was decided.")


def ask_secret(prompt: str, *, stdin: bool) -> str:
    """Return a secret from the terminal, or one line of stdin.

    Raises:
        UsageError: There is no terminal, or stdin is one, or nothing was given.
    """
    secret = _piped() if stdin else _typed(prompt)
    if not secret:
        raise UsageError("No secret was given. Nothing was changed.")
    return secret


def _piped() -> str:
    if sys.stdin.isatty():
        raise UsageError("--secret-stdin reads a pipe, and stdin is a terminal, which would show what you type.")
    return sys.stdin.readline(SECRET_MAX).rstrip("\r\n")


def _typed(prompt: str) -> str:
    import getpass
    import os
    import warnings

    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        raise UsageError("There is no terminal to ask for the secret. In scripts, pipe it in: --secret-stdin") from None
    with warnings.catch_warnings():
        warnings.simplefilter("error", getpass.GetPassWarning)
        try:
            return getpass.getpass(prompt)[:SECRET_MAX]
        except getpass.GetPassWarning:
            raise UsageError("This terminal cannot hide what you type. Pipe the secret in: --secret-stdin") from None


def system_user() -> str:
    """Return the name of the user who runs this process."""
    import os
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def new_secret(name: str, *, stdin: bool) -> str:
    """Return a new secret, typed twice at a terminal.

    Raises:
        UsageError: As for `ask_secret`, or the two differ.
        ReviewError: It is too short.
    """
    from handrail.review.keys import SECRET_CHARS_MIN

    if stdin:
        return ask_secret("", stdin=True)
    secret = ask_secret(f"New secret of {safe(name)}, at least {SECRET_CHARS_MIN} characters: ", stdin=False)
    if len(secret) < SECRET_CHARS_MIN:
        raise ReviewError(f"A secret needs at least {SECRET_CHARS_MIN} characters. Nothing was changed.")
    if secret != ask_secret("The same again: ", stdin=False):
        raise UsageError("The two secrets differ. Nothing was changed.")
    return secret
