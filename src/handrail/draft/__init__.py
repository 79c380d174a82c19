"""Drafting a policy from what MCP servers say of their tools: a default-deny `handrail.yaml` that a person reads."""

from __future__ import annotations

from handrail.draft.entry import ToolEntry, entry_of, method_entry
from handrail.draft.page import Page, Server, people_problem

__all__ = ["Page", "Server", "ToolEntry", "entry_of", "method_entry", "people_problem"]
