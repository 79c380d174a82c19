"""The gate of the proxy: a tool is what its server lists, as it was pinned, or it is denied.

So is one with the name of a tool of guarded data: of that the policy says what Handrail does, not what a server does.
"""

from __future__ import annotations

from dataclasses import dataclass

from handrail.core.decision import Finding, Verdict
from handrail.core.outcome import Reason
from handrail.core.policy import Case
from handrail.core.text import safe
from handrail.mcp.catalogue import Catalogue
from handrail.mcp.methods import GATED


@dataclass(frozen=True, slots=True)
class Listed:
    """Denies tools that the server does not list, those that changed since they were pinned, and names of guarded data.

    Attributes:
        catalogue: The server's tools.
        prefix: What stands before their names in the policy.
    """

    catalogue: Catalogue
    prefix: str
    name: str = "listed"

    def judge(self, case: Case) -> tuple[Finding, ...]:
        """Object to what the catalogue does not vouch for. Of an undeclared tool the allowlist speaks."""
        tool = case.action.tool
        own = tool.removeprefix(self.prefix)
        if case.tool is None or own in GATED or not tool.startswith(self.prefix):
            return ()
        why = self.catalogue.why_not(own)
        if case.tool.place:
            why = (
                f"'{safe(tool)}' is declared as a tool of the guarded data '{case.tool.place}', and this is another "
                "server's. Give the place, or the server (--server), another name in the policy."
            )
        return (Finding(self.name, "server", Verdict.DENY, why, reason=Reason.NOT_DECLARED),) if why else ()
