"""The server's tools as the proxy uses them: listed once, shown where declared, called for Handrail itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from handrail.core.digest import Json
from handrail.core.policy import Mode, Policy
from handrail.core.text import safe
from handrail.core.tool import Tool
from handrail.drivers.host import Body
from handrail.mcp import methods
from handrail.mcp.answers import AnswerKind, ServerAnswer, ServerError, kind_of_answer, value_of
from handrail.mcp.catalogue import Catalogue, Offered
from handrail.mcp.link import ServerLink
from handrail.mcp.message import INTERNAL_ERROR, error_answer, write

if TYPE_CHECKING:
    from handrail.workspace import Workspace


class ServerTools:
    """The tools of one server, between its catalogue and the policy.

    Args:
        workspace: The open policy.
        catalogue: What the server lists.
        link: The way to the server.

    Attributes:
        prefix: What stands before the tools' names in the policy.
    """

    def __init__(self, workspace: Workspace, catalogue: Catalogue, link: ServerLink) -> None:
        self.prefix = f"{catalogue.server}." if catalogue.server else ""
        self._workspace = workspace
        self._catalogue = catalogue
        self._link = link
        self._listing: asyncio.Task[None] | None = None
        self._known: tuple[Policy | None, dict[str, Tool | None]] = (None, {})

    def declared(self, name: str) -> Tool | None:
        """Return a declared tool as the proxy runs it.

        Handrail repeats a failed call by itself only where the policy says `idempotent: true`: the agent that is told
        of a failure is the one to repeat it, and its repetitions are counted.
        """
        policy = self._workspace.policy
        if self._known[0] is not policy:
            self._known = (policy, {})
        known = self._known[1]
        if name not in known:
            tool = policy.tool(name)
            document = getattr(policy, "document", None)
            said = document is not None and name in document.tools and document.tools[name].idempotent
            known[name] = tool if tool is None or said else replace(tool, repeatable=False)
        return known[name]

    def shown(self, answer: ServerAnswer) -> bytes:
        """Return the line that answers tools/list, without what would be denied."""
        tools = answer.result.get("tools")
        if not isinstance(tools, list) or answer.message.faults:
            if "error" in answer.message.value:
                return answer.line
            return error_answer(answer.message.id, INTERNAL_ERROR, "The server's answer to tools/list is no list.")
        policy = self._workspace.policy
        observes = policy.mode is Mode.OBSERVE

        def runs(name: str) -> bool:
            declared = policy.tool(self.prefix + name)
            return observes if declared is None else not declared.place

        kept = self._catalogue.shown(tools, runs)
        if len(kept) == len(tools):
            return answer.line
        return write({**answer.message.value, "result": {**answer.result, "tools": kept}})

    async def offered(self, name: str) -> Offered | None:
        """Return a tool as the server lists it; ask the server first where that is not known."""
        found = self._catalogue.find(name)
        if found is None and not self._catalogue.complete:
            if self._listing is None or self._listing.done():
                self._listing = asyncio.get_running_loop().create_task(self._ask())
            await asyncio.shield(self._listing)  # one question for all who wait
            found = self._catalogue.find(name)
        return found

    async def _ask(self) -> None:
        catalogue = self._catalogue
        changes, catalogue.trouble = catalogue.changes, ""
        try:
            tools = await self._link.pages(methods.LIST, "tools")
        except (OSError, ValueError) as error:
            catalogue.trouble = f"The tools of the server could not be listed, so nothing is called. {safe(error)}"
            return
        for definition in tools:
            catalogue.learn(definition)
        catalogue.complete = changes == catalogue.changes  # else the list changed while it was read

    def body(self, name: str, args: Mapping[str, Json]) -> Body | None:
        """Return a body that calls the server for Handrail itself; None for a tool of another server."""
        if not name.startswith(self.prefix):
            return None
        own = name.removeprefix(self.prefix)
        return Body(lambda: self._call(own, dict(args)), None, is_async=True)

    async def _call(self, name: str, args: dict[str, Json]) -> Json:
        """Make one of Handrail's own calls: a before-image, a read-back."""
        if name in methods.GATED:
            return value_of(name, self._done(await self._link.own(name, args)))
        offered = await self.offered(name)
        if offered is None:
            raise ServerError(self._catalogue.why_not(name))
        args = {**offered.defaults, **args}
        broken = offered.check_arguments(args)
        if broken:
            raise ServerError(f"The arguments are not valid: {f'{broken[0].path} {broken[0].why}'.strip()}")
        result = self._done(await self._link.own(methods.CALL, {"name": name, "arguments": args}))
        broken = offered.check_result(result)
        if broken:
            raise ServerError(f"The result is not valid: {f'{broken[0].path} {broken[0].why}'.strip()}")
        return value_of(methods.CALL, result)

    @staticmethod
    def _done(answer: ServerAnswer) -> dict[str, Json]:
        """Return the result of an answer that is one. Raises `ServerError`."""
        kind, said = kind_of_answer(answer)
        if kind is not AnswerKind.DONE:
            raise ServerError(said or "The server did not answer at once, but asked back or began a task.")
        return answer.result
