"""The gate that compares the policy's tools with what the server lists."""

import handrail
from handrail.core.action import Action
from handrail.core.policy import Case
from handrail.mcp.catalogue import Catalogue
from handrail.mcp.listed import Listed
from handrail.mcp.lock import Lock, pins_of

POLICY = """\
version: 1
agents: {bot: {access: write}}
tools: {files.read: {do: read}, files.gone: {do: read}, files.resources/read: {do: read}, other.read: {do: read}}
databases: {files: {tables: {lead: {write: [status]}}}}
"""


def judged(tmp_path, catalogue, name):
    """Return the sentences of the gate about a call of a tool."""
    (tmp_path / "handrail.yaml").write_text(POLICY)
    with handrail.open(tmp_path / "handrail.yaml", store="memory:") as hr:
        action = Action("a", "bot", "r", "c", name, {}, "k")
        case = Case(action, hr.policy.agent("bot"), hr.policy.tool(name), (), None, hr.policy)
        return [finding.why for finding in Listed(catalogue, "files.").judge(case)]


def test_what_the_server_lists_passes(tmp_path):
    """So do the methods that are no tools, what other servers have, and what nobody declared."""
    catalogue = Catalogue("files", complete=True)
    catalogue.learn({"name": "read"})
    for name in ("files.read", "files.resources/read", "other.read", "files.unknown"):
        assert judged(tmp_path, catalogue, name) == []


def test_the_rest_is_denied(tmp_path):
    """What is not listed, what changed, and everything while nothing is known."""
    catalogue = Catalogue("files", Lock().with_pins("files", pins_of([{"name": "read"}])), complete=True)
    catalogue.learn({"name": "read", "description": "new"})
    assert "changed since it was pinned" in judged(tmp_path, catalogue, "files.read")[0]
    assert "does not list a tool 'gone'" in judged(tmp_path, catalogue, "files.gone")[0]
    assert judged(tmp_path, Catalogue("files"), "files.read") != []


def test_a_server_cannot_pass_for_guarded_data(tmp_path):
    """A tool of its own that has the name of one of Handrail's does something else, whatever its arguments say."""
    catalogue = Catalogue("files", complete=True)
    for name in ("query", "apply_change"):
        catalogue.learn({"name": name})
        assert "is declared as a tool of the guarded data 'files'" in judged(tmp_path, catalogue, f"files.{name}")[0]
