"""Asking one MCP server for its tools: raw JSON-RPC over stdio, both protocol eras, everything bounded.

The handshake is tried first, since nearly every server knows it. A server that answers it with an error is asked in
the stateless era (2026-07-28), where each request carries its own envelope. Nothing a server does can hang this or
make it grow: time, lines, bytes, pages and tools have limits, and its whole process group is ended afterwards.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from handrail.core.text import safe
from handrail.mcp.lock import NotPinnable, Tool, pin_of

TIMEOUT_S = 20.0
"""How long a server may take, all in all."""

TOOLS_MAX = 500
"""Tools that a server may list. More is no allowlist that a person can read."""

PAGES_MAX = 100
"""Pages of its list."""

LINE_MAX = 16 * 1024 * 1024
"""Bytes of one of its lines."""

MESSAGES_MAX = 5_000
"""Messages that it may send while it is asked."""

NAME_MAX = 200
"""Characters of a tool's name."""

LAST_WORDS_MAX = 2_000
"""Bytes of what it wrote to stderr that are kept."""

GRACE_S = 2.0
"""How long a server may take to end once its input is closed, and again after a signal."""

HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
GATED = ("resources/read", "prompts/get")
"""Methods that the proxy gates as tools of these names."""

_LISTS = {"resources": "resources/list", "resourceTemplates": "resources/templates/list", "prompts": "prompts/list"}
_CLIENT = {"name": "handrail-init", "version": "1"}
_ENVELOPE = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": STATELESS,
        "io.modelcontextprotocol/clientInfo": _CLIENT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}
_NOT_FOUND = -32601

Message: TypeAlias = dict[str, object]


class NoAnswer(Exception):  # noqa: N818 (it says what there is not)
    """A server could not be asked; the message is one sentence or two, safe to print, and starts with "It"."""


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is started.

    Attributes:
        words: The program and its arguments.
        env: What is added to this process's environment.
        folder: Where it runs; None for the current folder.
    """

    words: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a server offers.

    Attributes:
        tools: The tools that can be declared, in its order; each has a name of its own and an object as input schema.
        left_out: A sentence for each tool that cannot be declared, safe to print.
        resources: Whether it has resources.
        prompts: Whether it has prompts.
    """

    tools: tuple[Tool, ...] = ()
    left_out: tuple[str, ...] = ()
    resources: bool = False
    prompts: bool = False

    @property
    def gated(self) -> tuple[str, ...]:
        """The methods beside `tools/call` that the proxy gates and it has something for."""
        return tuple(name for name, there in zip(GATED, (self.resources, self.prompts), strict=True) if there)


async def ask(command: Command, *, timeout_s: float = TIMEOUT_S) -> Listing:
    """Start a server, ask for its tools, and end it.

    Args:
        command: How it is started.
        timeout_s: How long it may take, in seconds.

    Raises:
        NoAnswer: It cannot be started, ends, hangs, answers with an error, floods, or does not speak MCP.
    """
    async with started(command) as talk:
        try:
            async with asyncio.timeout(timeout_s):
                return await _listing(talk)
        except TimeoutError:
            what = f" answer {talk.waits_for}" if talk.waits_for else " take what it was sent"
            raise NoAnswer(
                f"It did not{what} within {timeout_s:g} s.{talk.last_words()} Start it by hand to see what it waits "
                f"for, or give it longer: --timeout {2 * timeout_s:g}"
            ) from None


async def greeted(talk: Talk) -> tuple[Message, Message]:
    """Return a server's capabilities, and what each request to it carries.

    Raises:
        NoAnswer: It answers neither the handshake nor the stateless era's question.
    """
    params: Message = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": _CLIENT}
    hello = await talk.request("initialize", params)
    envelope: Message = {}
    if "error" in hello:
        refused = hello
        envelope = dict(_ENVELOPE)
        hello = await talk.request("server/discover", envelope)
        if "error" in hello:
            raise NoAnswer(_refusal("initialize", refused))
    else:
        await talk.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    result = hello.get("result")
    offers = result.get("capabilities") if isinstance(result, dict) else None
    if not isinstance(offers, dict):
        raise NoAnswer("It told no capabilities, so it is no MCP server that Handrail knows how to ask.")
    return offers, envelope


async def _listing(talk: Talk) -> Listing:
    offers, envelope = await greeted(talk)
    found = await pages(talk, envelope) if offers.get("tools") is not None else []
    tools, left_out = usable(found)
    resources = await _any(talk, envelope, ("resources", "resourceTemplates")) if "resources" in offers else False
    prompts = await _any(talk, envelope, ("prompts",)) if "prompts" in offers else False
    return Listing(tools, left_out, resources, prompts)


async def _any(talk: Talk, envelope: Message, kinds: Sequence[str]) -> bool:
    """Return whether one of the lists has an entry: many servers announce resources and prompts and have none."""
    for kind in kinds:
        answer = await talk.request(_LISTS[kind], dict(envelope))
        result = answer.get("result")
        if isinstance(result, dict) and result.get(kind):
            return True
    return False


async def pages(talk: Talk, envelope: Message) -> list[object]:
    """Return all tools as listed, over all pages."""
    found: list[object] = []
    cursors: set[str] = set()
    params = dict(envelope)
    for _ in range(PAGES_MAX):
        answer = await talk.request("tools/list", params)
        if "error" in answer:
            raise NoAnswer(_refusal("tools/list", answer))
        result = answer.get("result")
        page = result.get("tools") if isinstance(result, dict) else None
        if not isinstance(result, dict) or not isinstance(page, list):
            raise NoAnswer("It answered tools/list without a list of tools, so it does not keep to MCP.")
        found += page
        if len(found) > TOOLS_MAX:
            raise NoAnswer(
                f"It lists more than {TOOLS_MAX:,} tools, which nobody can look through. Have it offer fewer."
            )
        cursor = result.get("nextCursor")
        if cursor is None:
            return found
        if not isinstance(cursor, str) or cursor in cursors:
            raise NoAnswer("Its list of tools never ends: a page leads to one that was there before.")
        cursors.add(cursor)
        params = {**envelope, "cursor": cursor}
    raise NoAnswer(f"Its list of tools does not end within {PAGES_MAX} pages.")


def usable(listed: Sequence[object]) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    """Return the listed tools that can be declared and pinned, and a sentence about each of the others.

    Args:
        listed: Tools as a server listed them: any decoded JSON.
    """
    names = [tool.get("name") if isinstance(tool, dict) else None for tool in listed]
    twice = {name for name in names if isinstance(name, str) and names.count(name) > 1}
    good: list[Tool] = []
    bad: dict[str, None] = {}  # a set that keeps its order: a tool that is there twice is told once
    for tool, name in zip(listed, names, strict=True):
        if not isinstance(tool, dict) or not isinstance(name, str):
            bad["It lists a tool without a name. That one is left out."] = None
            continue
        why = "is listed twice, so nobody knows which one would run" if name in twice else _unusable(name, tool)
        if why:
            bad[f"Its tool '{safe(name, max_chars=80)}' {why}. It is left out, and so denied."] = None
        else:
            good.append(tool)
    return tuple(good), tuple(bad)


def _unusable(name: str, tool: Tool) -> str:
    if not name.strip() or name != name.strip():
        return "has a name that is blank or has blanks around it"
    if len(name) > NAME_MAX:
        return f"has a name of more than {NAME_MAX} characters"
    if any("\ud800" <= char <= "\udfff" for char in name):
        return "has a name that is not valid Unicode"
    if name in GATED:
        return "has the name of a method of MCP, which stands for that method in the policy"
    if not isinstance(tool.get("inputSchema"), dict):
        return "has no object as its input schema, so its arguments cannot be checked"
    try:
        pin_of(tool)
    except NotPinnable as error:
        return str(error)
    return ""


class Talk:
    """One conversation with a running server.

    Attributes:
        waits_for: The method whose answer is awaited.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
        self._last = bytearray()
        self._ids = 0
        self._messages = 0
        self.waits_for = ""

    async def send(self, message: Message) -> None:
        """Send one message. A server that is gone says so when its answer is awaited."""
        stdin = self._process.stdin
        assert stdin is not None
        with suppress(ConnectionError):
            stdin.write(json.dumps(message).encode() + b"\n")
            await stdin.drain()

    async def request(self, method: str, params: Message) -> Message:
        """Send a request and return its answer, a result or an error."""
        self._ids += 1
        self._messages = 0
        self.waits_for = ""
        await self.send({"jsonrpc": "2.0", "id": self._ids, "method": method, "params": params})
        self.waits_for = method
        while True:
            for message in await self._receive():
                if "method" in message:
                    await self._serve(message)
                elif message.get("id") == self._ids and ("result" in message or "error" in message):
                    return message

    async def _serve(self, message: Message) -> None:
        """Answer what a server asks meanwhile; notifications need no answer."""
        if "id" not in message:
            return
        answer: Message = {"jsonrpc": "2.0", "id": message["id"]}
        if message["method"] == "ping":
            answer["result"] = {}
        else:
            answer["error"] = {"code": _NOT_FOUND, "message": "Handrail only asks here, and serves nothing."}
        await self.send(answer)

    async def _receive(self) -> list[Message]:
        """Return the messages of the next line: several when it is a batch."""
        stdout = self._process.stdout
        assert stdout is not None
        try:
            line = await stdout.readline()
        except ValueError:
            raise NoAnswer(f"It sent a line of more than {LINE_MAX // 2**20} MiB. Nothing of it was used.") from None
        if not line:
            raise NoAnswer(await self._ended())
        self._messages += 1
        if self._messages > MESSAGES_MAX:
            raise NoAnswer(f"It sent more than {MESSAGES_MAX:,} messages without answering {self.waits_for}.")
        if not line.strip():
            return []
        return _decoded(line)

    async def _ended(self) -> str:
        await _has_ended(self._process)
        code = self._process.returncode
        if code is None:
            how = "It closed its output"
        else:
            how = f"It was killed by signal {-code}" if code < 0 else f"It ended with code {code}"
        awaited = f"it answered {self.waits_for}" if self.waits_for else "it was asked"
        await asyncio.sleep(0.05)  # what it last wrote to stderr may still be on its way
        return f"{how} before {awaited}.{self.last_words()} Start it by hand to see why."

    async def listen(self) -> None:
        """Keep the end of what the server writes to stderr, and keep it from blocking there."""
        stderr = self._process.stderr
        assert stderr is not None
        while chunk := await stderr.read(65_536):
            self._last = (self._last + chunk)[-LAST_WORDS_MAX:]

    def last_words(self) -> str:
        """Return the last line that it wrote to stderr as a sentence, safe to print; `""` when there is none."""
        lines = [row for row in self._last.decode(errors="replace").splitlines() if row.strip()]
        return f" It last said: '{safe(lines[-1].strip(), max_chars=300)}'." if lines else ""


def _decoded(line: bytes) -> list[Message]:
    try:
        value = json.loads(line, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        said = safe(line[:200].decode(errors="replace").strip(), max_chars=120)
        raise NoAnswer(f"It wrote something else than a JSON-RPC message to stdout: '{said}'.") from None
    messages = value if isinstance(value, list) else [value]
    if not all(isinstance(message, dict) for message in messages):
        raise NoAnswer("It wrote something else than a JSON-RPC message to stdout: JSON without an object.")
    return messages


def _unique(pairs: Sequence[tuple[str, object]]) -> Message:
    """Refuse an object that names a key twice: two readers could take two different tools."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not a JSON value")


def _refusal(method: str, answer: Message) -> str:
    error = answer["error"]
    said = error.get("message") if isinstance(error, dict) else error
    return f"It answered {method} with an error: {safe(said, max_chars=300)}"


@asynccontextmanager
async def started(command: Command) -> AsyncIterator[Talk]:
    """Run a server in a process group of its own, which is ended however the block ends."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command.words,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, **command.env},
            cwd=command.folder,
            limit=LINE_MAX,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        raise NoAnswer(_not_started(command, error)) from None
    talk = Talk(process)
    listening = asyncio.create_task(talk.listen())
    try:
        yield talk
    finally:
        try:
            await _end(process)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening


def _not_started(command: Command, error: OSError | ValueError) -> str:
    program = safe(command.words[0])
    if command.folder is not None and not command.folder.is_dir():
        return f"It cannot be started: its folder {safe(command.folder)} does not exist."
    if isinstance(error, FileNotFoundError):
        return f"It cannot be started: there is no program '{program}'. Install it, or write its full path."
    reason = getattr(error, "strerror", None) or error
    return f"It cannot be started: '{program}' gives: {safe(reason)}."


async def _end(process: Process) -> None:
    """Close a server's input, and end whatever of its process group is still there: TERM, then KILL."""
    assert process.stdin is not None
    process.stdin.close()
    reading = asyncio.create_task(_read_away(process))
    try:
        for number in (None, signal.SIGTERM):
            if number is not None:
                _signal(process, number)
            if await _has_ended(process):
                break
        _signal(process, signal.SIGKILL)  # also for what the server started and left behind
        await _has_ended(process)
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 (no public way closes held pipes)


def _signal(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


async def _has_ended(process: Process) -> bool:
    """Wait for a server's end, as long as it is given. Its output may stay open: a child that escaped may hold it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            while process.returncode is None:  # noqa: ASYNC110 (wait() also waits for the pipes' end)
                await asyncio.sleep(0.005)
    return process.returncode is not None


async def _read_away(process: Process) -> None:
    """Read what a server still writes: a full pipe must not keep it from ending."""
    assert process.stdout is not None
    while await process.stdout.read(65_536):
        pass
