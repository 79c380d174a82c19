"""Every error that Handrail raises.

HandrailError                    something went wrong; the message says what to do
|- ConfigurationError            your configuration is wrong
|  |- PolicyError                handrail.yaml, every problem with line and column
|- StoreError                    the store cannot be used; nothing ran unguarded
|  |- StoreVersionError          written by a newer Handrail
|- NotFoundError                 no such ticket, action, run, agent
|- ReviewError                   a decision of a reviewer is not valid
|- ActionError                   the action did not succeed; `.outcome` tells how
|  |- Denied                     refused by a gate or a person
|  |- ReviewRequired             waits for a person; `.ticket` names the ticket
|  |- ValidationFailed           arguments or result break their contract
|  |- ActionFailed               the tool failed; its own exception is the cause
|  |- ResultNotKept              a repeated call that succeeded before, whose result is not stored
|- NotDone                       a tool did nothing, and says so; trying again as it is cannot help
|  |- QueryError                 a query of guarded data gave no rows (data/reading/failure.py)
|  |  |- QueryRefused            it is not one that is run
|  |  |- QueryFailed             the database did not answer it
|  |- ChangeRefused              a change of rows was not made: stale, in conflict, more than planned (data/rows)
|  |- ResourceRefused            a change of a file or HTTP resource was not made (data/resources)
|  |- NotNow                     a tool could not try: busy, out of reach; an earlier call may have done it
|  |  |- DatabaseBusy            a database is locked or does not answer (data/rows)
|- OutcomeUnknown                a tool may have done it: nobody knows yet
|  |- CommitInDoubt              whether a change of rows was committed is not known yet (data/rows)
|  |- ResourceInDoubt            whether a file or HTTP resource was changed is not known yet (data/resources)
Killed                           the agent was stopped; a BaseException, so that no framework swallows it
"""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.outcome import Outcome, Reason


class HandrailError(Exception):
    """Something went wrong; the message says what to do."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class ConfigurationError(HandrailError):
    """The configuration is wrong. Run `handrail policy check`."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        line: Line in the file, counted from 1; 0 for the file as a whole.
        column: Column in the line, counted from 1; 0 for the file as a whole.
        message: What is wrong and what to do, safe to print.
    """

    line: int
    column: int
    message: str


class PolicyError(ConfigurationError):
    """The policy does not load, so nothing runs. Every problem is listed.

    Attributes:
        source: The file's name.
        problems: All problems, in the order of the file.
    """

    def __init__(self, source: str, problems: tuple[Problem, ...]) -> None:
        self.source = source
        self.problems = problems
        super().__init__("\n".join(_shown(source, problem) for problem in problems))


def _shown(source: str, problem: Problem) -> str:
    where = f"{source}:{problem.line}:{problem.column}" if problem.line else source
    return f"{where}: {problem.message}"


class StoreError(HandrailError):
    """The store cannot be used, so nothing runs. Run `handrail doctor`."""


class StoreVersionError(StoreError):
    """The store was written by a newer Handrail. Upgrade Handrail, or open another store."""


class NotFoundError(HandrailError):
    """There is no such thing. List what there is first."""


class ReviewError(HandrailError):
    """This decision is not valid. Nothing was changed."""


class NotDone(HandrailError):  # noqa: N818 (it says what became of it)
    """It was not done, nothing was changed, and trying again as it is cannot help.

    A tool raises it to say that it certainly did nothing: the action fails, and is not repeated.

    Attributes:
        reason: The reason code of the outcome: `error`, or `stale` when what was planned for has changed since.
    """

    reason = Reason.ERROR


class NotNow(NotDone):
    """This call did nothing, since the other side was busy or out of reach. Ask again in a moment.

    Unlike any other `NotDone` it says nothing of earlier calls: an action in doubt stays in doubt.
    """


class OutcomeUnknown(HandrailError):  # noqa: N818
    """It may have been done: nobody knows yet. Find out before anything else.

    A tool raises it where an answer was lost: the action is in doubt, unless the tool is idempotent and asked again.
    """


class ActionError(HandrailError):
    """The action did not succeed.

    Attributes:
        outcome: How it ended.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.why)
        self.outcome = outcome


class Denied(ActionError):  # noqa: N818 (it reads as what happened)
    """The action was refused. Nothing was done."""


class ReviewRequired(ActionError):  # noqa: N818
    """The action waits for a person. Make the same call again after approval.

    Attributes:
        ticket: Id of the ticket; None when there is nothing to approve but something to look up.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.ticket = outcome.ticket


class ValidationFailed(ActionError):  # noqa: N818
    """Arguments or result break their contract."""


class ActionFailed(ActionError):  # noqa: N818
    """The tool failed. Its own exception is the cause."""


class ResultNotKept(ActionError):  # noqa: N818
    """This call succeeded before and does not run again; its result was not kept (too large, secret, or not JSON)."""


class Killed(BaseException):
    """The agent was stopped. Nothing was done; a person has to start it again.

    Attributes:
        outcome: How it ended.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.why)
        self.outcome = outcome
