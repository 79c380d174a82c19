"""The public API as a type checker sees it: run through mypy strict and pyright, never executed."""

from typing import assert_type

import handrail
from handrail import Contract


class Lead:
    """A lead."""


hr = handrail.open("handrail.yaml", store="memory:")
assert_type(hr, handrail.Workspace)


@hr.tool("crm.get_lead")
def get_lead(id: str, *, deep: bool = False) -> dict[str, int]:
    """Read."""
    return {"size": len(id)}


@hr.tool("crm.update_lead", inject=["session"])
async def update_lead(id: str, session: object, size: int = 1) -> Lead:
    """Write."""
    return Lead()


class Crm:
    """A client."""

    @hr.tool("crm.touch", inject=["self"])
    def touch(self, id: str) -> None:
        """Touch."""


async def work() -> None:
    """Guarded functions keep their signatures."""
    with hr.run(agent="bot", id="run-1", wait_s=1.0) as run:
        assert_type(run, handrail.Run)
        assert_type(get_lead("a", deep=True), dict[str, int])
        assert_type(await update_lead("a", object(), size=2), Lead)
        Crm().touch("a")
        with run.call("c-1"):
            get_lead("a")
        assert_type(hr.handoff(Contract("lead", Lead), Lead()), Lead)
        get_lead(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        get_lead("a", depth=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    current = handrail.current()
    if current is not None:
        assert_type(current.idempotency_key, str)
    try:
        get_lead("a")
    except handrail.ReviewRequired as error:
        assert_type(error.ticket, str | None)
        assert_type(error.outcome.status, handrail.Status)
