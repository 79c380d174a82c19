"""An open policy with its store: where tools are guarded and runs begin.

Only wiring stands here. The life of an action is in `core/flow.py`; how a command is performed, in `drivers/`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import wraps
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast, overload

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

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine
    from sqlalchemy.ext.asyncio import AsyncEngine

    from handrail.data.acting import Edge
    from handrail.data.database import AsyncDatabase, Database
    from handrail.data.opening import Ground
    from handrail.data.reading import ReadLimits
    from handrail.data.resources import FileChange, JsonChange
    from handrail.data.resources.guarded import Resources
    from handrail.data.table import Table
    from handrail.policy.compiled import CompiledPolicy
    from handrail.policy.guarded import Spec
    from handrail.undo import OpenPlace, TakenBack

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
        self._declared: dict[str, Spec] = {}
        self._open: dict[str, OpenPlace] = {}

    @property
    def policy(self) -> Policy:
        """The compiled policy that decides now."""
        return self.host.desk.policy

    def adopt(self, policy: Policy) -> None:
        """Decide by another policy from now on; what is under way ends as it was decided.

        Args:
            policy: The compiled policy. Its store is not opened: this workspace keeps its own.
        """
        self._decide_by(policy, self._declared)

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
            declared = self.policy.tool(name)
            if declared is not None and declared.place:
                raise ConfigurationError(
                    f"'{name}' is a tool of the guarded data '{declared.place}'. Give the function another name."
                )
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

    @overload
    def database(
        self,
        where: str | Engine,
        *,
        name: str | None = None,
        tables: Mapping[str, Table] | None = None,
        functions: Iterable[str] = (),
        limits: ReadLimits | None = None,
    ) -> Database: ...

    @overload
    def database(
        self,
        where: AsyncEngine,
        *,
        name: str | None = None,
        tables: Mapping[str, Table] | None = None,
        functions: Iterable[str] = (),
        limits: ReadLimits | None = None,
    ) -> AsyncDatabase: ...

    def database(
        self,
        where: str | Engine | AsyncEngine,
        *,
        name: str | None = None,
        tables: Mapping[str, Table] | None = None,
        functions: Iterable[str] = (),
        limits: ReadLimits | None = None,
    ) -> Database | AsyncDatabase:
        """Guard a database: queries are read, changes are planned, approved, applied once, and can be undone.

        Args:
            where: Name of a database under `databases:` in handrail.yaml, a URL, or a SQLAlchemy engine (SQLite;
                PostgreSQL with psycopg; async ones too).
            name: Its name in the policy, which its tools begin with (`shop.query`); the database's own by default.
            tables: What may be changed, where handrail.yaml does not say so. What is not named is only read.
            functions: Functions that the operator vouches for in queries.
            limits: How much one query may take.

        Returns:
            The database; for an async engine its verbs are coroutines. Use it inside `run()`.

        Raises:
            ConfigurationError: There is no such database, it cannot be used, or its tables are declared twice.
        """
        from handrail.data import opening  # noqa: PLC0415 (SQL is loaded where it is used)

        found = opening.database(self._ground(), where, name, tables, functions, limits)
        self._take_up(found)
        return found

    def _take_up(self, place: OpenPlace | AsyncDatabase) -> None:
        self.on_close(place.dispose)
        if not inspect.iscoroutinefunction(place.undo):  # an undo that has to be awaited is made by whoever can
            self._open[place.name] = cast("OpenPlace", place)

    @property
    def edge(self) -> Edge:
        """Where actions of guarded data begin."""
        from handrail.data.acting import Edge  # noqa: PLC0415

        return Edge(self.host, self.propose)

    @property
    def places(self) -> Mapping[str, Spec]:
        """Guarded data by name, as the policy or the program declares it."""
        policy = self.policy
        return policy.document.places if isinstance(policy, _compiled()) else {}

    def files(self, where: str | Path, *, name: str | None = None) -> Resources[FileChange]:
        """Guard the files of a folder: changes are planned, approved, applied once, and can be undone.

        Args:
            where: Name of a place under `files:` in handrail.yaml; or, together with a name, a folder, relative to the
                policy's.
            name: Its name in the policy, which its tools begin with (`notes.apply_change`).

        Returns:
            The files. Use them inside `run()`.

        Raises:
            ConfigurationError: There is no such place, or its folder cannot be used.
        """
        from handrail.data import opening  # noqa: PLC0415 (loaded where it is used)

        found = opening.files(self._ground(), where, name)
        self._take_up(found)
        return found

    def http(
        self,
        where: str,
        *,
        name: str | None = None,
        headers: Mapping[str, str] | None = None,
        if_match: bool = False,
        server_fields: Iterable[str] = (),
    ) -> Resources[JsonChange]:
        """Guard JSON resources of an HTTP server: changes are planned, approved, applied once, and can be undone.

        Args:
            where: Name of a place under `http:` in handrail.yaml; or, together with a name, a base URL.
            name: Its name in the policy, which its tools begin with (`crm.apply_change`).
            headers: Sent with each request besides those of the policy, credentials among them; never shown. Values may
                be `env:NAME`.
            if_match: Whether this server refuses a write whose `If-Match` or `If-None-Match` fails. Only the operator
                can know; without it every change asks.
            server_fields: Top-level members that the server sets by itself (`updated_at`).

        Returns:
            The resources. Use them inside `run()`.

        Raises:
            ConfigurationError: There is no such place, it is declared otherwise, or its URL or a header cannot be used.
        """
        from handrail.data import opening  # noqa: PLC0415 (loaded where it is used)

        found = opening.http(
            self._ground(), where, name, headers, if_match=if_match, server_fields=server_fields
        )  # fmt: skip
        self._take_up(found)
        return found

    def _ground(self) -> Ground:
        from handrail.data.opening import Ground  # noqa: PLC0415

        expires_s = (self.policy.pending_us + self.policy.valid_us) // 1_000_000
        return Ground(self.edge, self.places, self.folder, expires_s, self.declare)

    def place(self, name: str) -> OpenPlace | None:
        """Return guarded data by its name: what this program has opened, else what the policy declares.

        Args:
            name: Name of the place.

        Returns:
            None when neither knows it, or the policy does not say where it is.

        Raises:
            ConfigurationError: It cannot be opened.
        """
        if name not in self._open:
            spec = self.places.get(name)
            if isinstance(spec, _guarded().DatabaseSpec) and spec.url:
                self.database(name)
            elif isinstance(spec, _guarded().FilesSpec):
                self.files(name)
            elif isinstance(spec, _guarded().HttpSpec):
                self.http(name)
        return self._open.get(name)

    def undo(
        self, action: str | None = None, *, run: str | None = None, change: str | None = None, unchecked: bool = False
    ) -> list[TakenBack]:
        """Take back one action, one change, or all that a run did, newest first; each undo is an action of this run.

        Args:
            action: Id of an action.
            run: Id of a run.
            change: Digest of a change of guarded data, with the name of its place before it: `shop/4f2a…`.
            unchecked: Whether to undo also what nobody can tell whether it was changed since.

        Returns:
            For each action what became of it. What waits for a person is `held`, with its ticket: call this again after
            approval. What somebody has changed since is a `conflict`, and nothing of it was touched.

        Raises:
            NotFoundError: There is no such action, run or change.
            Denied: No run of this workspace is open.
        """
        from handrail.undo import Reach, found, take_back  # noqa: PLC0415 (needed when somebody undoes)

        made = found(self.store, self.place, action=action, run=run, change=change)
        return list(take_back(Reach(self.edge, self.place, unchecked), made))

    def declare(self, place: str, spec: Spec) -> None:
        """Take up what a program declares of a place, also after the policy was changed.

        Args:
            place: Name of the place.
            spec: What may be done there.

        Raises:
            ConfigurationError: The name is none, or the policy declares it already.
        """
        self._declared[place] = spec
        self._decide_by(self.policy, {place: spec})

    def _decide_by(self, policy: Policy, places: Mapping[str, Spec]) -> None:
        for place, spec in places.items():
            if not isinstance(policy, _compiled()):
                raise ConfigurationError("Places can be declared where the policy is a handrail.yaml.")
            policy = policy.declaring(place, spec)
        self.host.desk = replace(self.host.desk, policy=policy)

    def propose(
        self, tool: str, args: dict[str, Json], invalid: tuple[Violation, ...] = (), before: Json = None
    ) -> Proposal:
        """Return a proposal of the run that is open here; see `data.acting.Propose`.

        Raises:
            Denied: No run of this workspace is open.
        """
        run = RUN.get()
        if run is None or run.workspace is not self or not run.open:
            raise Denied(outside(self, tool, run))
        return proposal(self, run, tool, args, invalid, before)

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
        try:
            final = to_json(bound)
        except NotJson as error:
            violations = (*violations, Violation("arguments", "", str(error)))
            final = {"arguments": safe(repr(list(bound)), max_chars=500)}
        assert isinstance(final, dict)
        return proposal(self.workspace, run, self.name, final, violations)

    def body_for(self, args: Mapping[str, Json]) -> Body | None:
        """Return a body that calls the function with named arguments, for Handrail's own calls."""
        if self.inject:
            return None
        function = self.function
        return Body(lambda: function(**args), self.check, self.is_async)


def _guarded() -> ModuleType:
    from handrail.policy import guarded  # noqa: PLC0415 (with the policy)

    return guarded


def _compiled() -> type[CompiledPolicy]:
    from handrail.policy.compiled import CompiledPolicy  # noqa: PLC0415 (YAML and CEL are loaded when a policy is)

    return CompiledPolicy


def proposal(
    workspace: Workspace,
    run: Run,
    tool: str,
    args: dict[str, Json],
    invalid: tuple[Violation, ...] = (),
    before: Json = None,
) -> Proposal:
    """Return the proposal of a run.

    Args:
        workspace: The workspace.
        run: An open run of it.
        tool: Name of the tool.
        args: Final arguments.
        invalid: What they break already.
        before: What is there now, where that is known.
    """
    policy = workspace.policy
    if not invalid:
        invalid = policy.check_arguments(tool, args)
    call, id = CALL.get(), new_id()
    key = action_key(run.agent, tool, args)
    action = Action(id, run.agent, run.id, call or id, tool, args, key, call is not None)
    return Proposal(action, policy.tool(tool), invalid, run.wait_s, before)


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
