"""One tool as the draft declares it: what it does, on what, when it asks, and why it was drafted so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from handrail.core.effect import DESTRUCTIVE, Verb
from handrail.draft.aim import Aim, aim
from handrail.draft.scalar import quoted, scalar
from handrail.draft.verb import guess, words_of

SECRETS = frozenset({"env", "secret", "secrets", "password", "passwords", "credential", "credentials"})
"""Words of a name after which even a read asks."""


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """One tool of the draft.

    Attributes:
        name: Its name in the policy.
        verb: What it does.
        aim: What it acts on.
        why: Why it was drafted so, a sentence.
        look: What a person should look at, a sentence; `""` for nothing in particular.
        said: What the server says of it; foreign text.
        secret: Whether what it reads may be secret.
    """

    name: str
    verb: Verb
    aim: Aim
    why: str
    look: str = ""
    said: str = ""
    secret: bool = False

    @property
    def asks(self) -> bool:
        """Whether a person is asked: for everything that writes, and for secrets."""
        return self.verb is not Verb.READ or self.secret

    @property
    def reason(self) -> str:
        """Why it was drafted so, and what to look at."""
        return f"{self.why} {self.look}".rstrip()

    def declaration(self) -> str:
        """Return the entry as one line of YAML, without indentation."""
        parts = [f"do: {self.verb.value}"]
        if self.aim.resource is not None:
            parts.append(f"resource: {scalar(self.aim.resource)}")
        if self.aim.to is not None:
            parts.append(f"to: {scalar(self.aim.to)}")
        if self.aim.amount is not None:
            parts.append(f"amount: {self.aim.amount}")
        if self.asks and self.verb not in DESTRUCTIVE:  # those ask by themselves
            parts.append("ask: always")
        return f"{scalar(self.name)}: {{{', '.join(parts)}}}"

    def lines(self) -> Iterator[str]:
        """Yield the entry with its comments, without indentation."""
        if self.said.strip():
            yield f"# {quoted(self.said)}"
        yield f"# {self.verb.value}: {self.reason}"
        yield self.declaration()


def entry_of(tool: Mapping[str, object], server: str) -> ToolEntry:
    """Draft one tool.

    Args:
        tool: The tool as its server lists it; it has a name.
        server: The server's name in the policy, `""` without one.
    """
    found = guess(tool)
    secret = found.verb is Verb.READ and not SECRETS.isdisjoint(words_of(str(tool["name"])))
    said = tool.get("description")
    why = found.why + (", so it asks every time" if found.verb is Verb.EXECUTE else "") + "."
    if secret:
        why += " What it returns may be secret, so it asks every time."
    look = found.look
    if found.verb is Verb.PAY:
        look = f"{look} Check that the amount is in whole units, such as cents.".lstrip()
    name = policy_name(server, str(tool["name"]))
    return ToolEntry(name, found.verb, aim(tool, found.verb), why, look, said if isinstance(said, str) else "", secret)


_METHODS = {
    "resources/read": (Aim("{args.uri}"), "the server offers resources, which the agent's client reads by address."),
    "prompts/get": (Aim("prompt/{args.name}"), "the server offers prompts, which the agent's client asks for by name."),
}


def method_entry(method: str, server: str) -> ToolEntry:
    """Draft a method of MCP that is gated like a tool.

    Args:
        method: `resources/read` or `prompts/get`.
        server: The server's name in the policy, `""` without one.
    """
    where, why = _METHODS[method]
    return ToolEntry(policy_name(server, method), Verb.READ, where, why)


def policy_name(server: str, tool: str) -> str:
    """Return what a tool of a server is called in the policy."""
    return f"{server}.{tool}" if server else tool
