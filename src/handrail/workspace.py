"""An open policy with its store: where tools are guarded and runs begin.

Only wiring stands here. The life of an action is in `core/flow.py`; how a command is performed, in `drivers/`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, Self, TypeVar, cast

from handrail.alerts.alert import Alert
from handrail.contracts.arguments import Arguments, compile_arguments
from handrail.contracts.contract import Contract, ContractBroken
from handrail.contracts.results import compile_result
from handrail.core.action import Action, action_key
from handrail.core.admission import Desk
from handrail.core.commands import Proposal
from handrail.core.digest import Json, NotJson, canonical, to_json
from handrail.core.outcome import Outcome, Reason, Status, Violation
from handrail.core.policy import Gate, Policy
from handrail.core.record import Record, RecordKind
from handrail.core.store import Store
from handrail.core.text import safe
from handrail.drivers import blocking
from handrail.drivers.edge import value_of
from handrail.drivers.host import Body, Host, new_id, new_nonce
from handrail.errors import ConfigurationError, Denied, ValidationFailed
from handrail.gates import default_gates
from handrail.review.keys import genuine
from handrail.run import CALL, RUN, Run

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_SCALARS = frozenset({str, int, float, bool, type(None)})


class Workspace:
    """An open policy with its store. Made by `handrail.open()`.

    Args:
        policy: The compiled policy.
        store: The store.
        gates: The guardrails, in order; `default_gates()` unless you add your own.
        notify: Takes alerts for people; must not block.
        folder: Folder of the policy file, None for one given in code.
    """

    def __init__(
        self,
        policy: Policy,
        store: Store,
        *,
        gates: Iterable[Gate] | None = None,
        notify: Callable[[Alert], None] | None = None,
        folder: Path | None = None,
    ) -> None:
        self.store = store
        self.folder = folder
        self.guarded: dict[str, Guarded] = {}
        desk = Desk(policy, tuple(default_gates() if gates is None else gates), genuine, new_nonce)
        self.host = Host(store, desk, self._body)
        if notify is not None:
            self.host.notify = notify
        self._closing: list[Callable[[], object]] = []

    @property
    def policy(self) -> Policy:
        """The compiled policy that decides now."""
        return self.host.desk.policy

    def adopt(self, policy: Policy) -> None:
        """Decide by another policy from now on; what is under way ends as it was decided.

        Args:
            policy: The compiled policy. Its store is not opened: this workspace keeps its own.
        """
        self.host.desk = replace(self.host.desk, policy=policy)

    def tool(self, name: str, *, inject: Iterable[str] = ()) -> Callable[[F], F]:
        """Guard a function or coroutine function under a tool name of the policy.

        The wrapped function keeps its signature. Called inside `run()`, it is decided, journalled, run at most once and
        verified; it returns the function's own value or raises (see `handrail.errors`).

        Args:
            name: Name under `tools:` in handrail.yaml. What is not there is denied when called.
            inject: Parameters that are not part of the action: `self`, a session, a data frame.

        Raises:
            ConfigurationError: The function cannot be guarded (a generator), a name in `inject` is not a parameter of
                it, or another function has this name already.
        """

        def decorate(function: F) -> F:
            guarded = Guarded(self, name, function, frozenset(inject))
            if name in self.guarded:
                raise ConfigurationError(f"Two functions are guarded as '{name}'. Give each tool one function.")
            self.guarded[name] = guarded
            return guarded.wrapper()  # type: ignore[return-value]

        return decorate

    def run(self, agent: str, *, id: str | None = None, wait_s: float = 0.0) -> Run:
        """Return a run of an agent, to be used with `with`.

        Args:
            agent: Name under `agents:` in handrail.yaml.
            id: Your own id, to find the run again after a crash; a new one by default.
            wait_s: Seconds that a held call waits for a person before it raises `ReviewRequired`.
        """
        return Run(self, id or new_id(), agent, wait_s)

    def handoff(self, contract: Contract[T], value: object) -> T:
        """Hand a value from one agent to another: the consumer gets it only when it keeps the contract (promise 5.1).

        Args:
            contract: What both agreed on.
            value: What the producer made.

        Returns:
            The value as the contract's type.

        Raises:
            ValidationFailed: It breaks the contract; journalled, and never passed on.
            Denied: Called outside a run.
        """
        name = f"handoff:{contract.name}"
        run = RUN.get()
        if run is None or run.workspace is not self or not run.open:
            raise Denied(outside(self, name, run))
        parsed, violations = _parsed(contract, value)
        status = Status.FAILED_VALIDATION if violations else Status.SUCCESS
        reason = Reason.CHECKS if violations else Reason.NONE
        why = f"The value handed over breaks contract '{contract.name}': {violations[0].why}" if violations else ""
        body: dict[str, Json] = {"contract": contract.digest, "violations": [v.to_json() for v in violations[:20]]}
        record = Record(RecordKind.OUTCOME, new_id(), run.id, run.agent, name, "", status, reason, {**body, "why": why})
        self.store.transact(lambda tx: tx.append(record))
        if violations:
            raise ValidationFailed(Outcome(status, reason, why, record.action, violations=violations))
        return cast("T", parsed)

    def close(self) -> None:
        """Flush alerts and what was learned, and close the store."""
        self.host.learner.flush(self.store)
        for close in self._closing:
            close()
        self.store.close()

    def on_close(self, close: Callable[[], object]) -> None:
        """Call `close` when the workspace closes, before the store does."""
        self._closing.append(close)

    def __enter__(self) -> Self:
        """Use it as a context manager to close it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _body(self, name: str, args: Mapping[str, Json]) -> Body | None:
        guarded = self.guarded.get(name)
        return None if guarded is None else guarded.body_for(args)


class Guarded:
    """One guarded function."""

    def __init__(self, workspace: Workspace, name: str, function: Callable[..., Any], inject: frozenset[str]) -> None:
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise ConfigurationError(
                f"'{name}' is a generator: its effects have no end to verify. Guard what it calls."
            )
        self.workspace = workspace
        self.name = name
        self.function = function
        self.inject = inject
        self.is_async = inspect.iscoroutinefunction(function)
        self.arguments: Arguments = compile_arguments(function, inject=inject)
        self.check = compile_result(function)

    def wrapper(self) -> Callable[..., Any]:
        """Return the function that replaces the original."""
        function = self.function
        if self.is_async:
            from handrail.drivers import asynchronous  # noqa: PLC0415 (asyncio loads where it is used)

            @wraps(function)
            async def guarded_async(*args: Any, **kwargs: Any) -> object:
                proposal = self.propose(args, kwargs)
                body = Body(self.call(proposal, args, kwargs), self.check, True)
                return value_of(await asynchronous.run(proposal, self.workspace.host, body))

            return guarded_async

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> object:
            proposal = self.propose(args, kwargs)
            body = Body(self.call(proposal, args, kwargs), self.check)
            return value_of(blocking.run(proposal, self.workspace.host, body))

        return guarded

    def call(self, proposal: Proposal, args: tuple[object, ...], kwargs: dict[str, object]) -> Callable[[], object]:
        """Return the call itself. What runs is what was decided: arguments changed meanwhile are refused."""
        function, decided = self.function, proposal.action.args
        if _SCALARS.issuperset(map(type, args)) and (not kwargs or _SCALARS.issuperset(map(type, kwargs.values()))):
            return lambda: function(*args, **kwargs)

        def unchanged() -> object:
            if canonical(to_json(self.arguments.bind(args, kwargs))) != canonical(dict(decided)):
                raise RuntimeError(f"the arguments of '{self.name}' were changed after the decision; nothing was done")
            return function(*args, **kwargs)

        return unchanged

    def propose(self, args: tuple[object, ...], kwargs: dict[str, object]) -> Proposal:
        """Turn a Python call into a proposal; refuse it outside a run."""
        bound = self.arguments.bind(args, kwargs)
        run = RUN.get()
        if run is None or run.workspace is not self.workspace or not run.open:
            raise Denied(outside(self.workspace, self.name, run))
        violations = self.arguments.check(bound)
        policy = self.workspace.policy
        try:
            final = to_json(bound)
        except NotJson as error:
            violations = (*violations, Violation("arguments", "", str(error)))
            final = {"arguments": safe(repr(list(bound)), max_chars=500)}
        assert isinstance(final, dict)
        if not violations:
            violations = policy.check_arguments(self.name, final)
        call, id = CALL.get(), new_id()
        key = action_key(run.agent, self.name, final)
        action = Action(id, run.agent, run.id, call or id, self.name, final, key, call is not None)
        return Proposal(action, policy.tool(self.name), violations, run.wait_s)

    def body_for(self, args: Mapping[str, Json]) -> Body | None:
        """Return a body that calls the function with named arguments, for Handrail's own calls."""
        if self.inject:
            return None
        function = self.function
        return Body(lambda: function(**args), self.check, self.is_async)


def outside(workspace: Workspace, name: str, run: Run | None) -> Outcome:
    """Record a call outside any run of this workspace, and return its refusal."""
    where = "outside a run"
    if run is not None:
        where = "after its run had ended" if run.workspace is workspace else "in a run of another workspace"
    why = f"'{name}' was called {where}. Call it inside: with hr.run(agent=…):"
    record = Record(
        RecordKind.ATTEMPT, new_id(), tool=name, status=Status.DENIED, reason=Reason.NO_RUN, body={"why": why}
    )
    workspace.store.transact(lambda tx: tx.append(record))
    return Outcome(Status.DENIED, Reason.NO_RUN, why, record.action)


def _parsed(contract: Contract[Any], value: object) -> tuple[Any, tuple[Violation, ...]]:
    try:
        return contract.parse(value), ()
    except ContractBroken as error:
        return None, error.violations
