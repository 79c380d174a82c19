"""Requests to the server, and what they wait for."""

import asyncio
import json

import pytest

from handrail.mcp.answers import ServerAnswer, ServerLost
from handrail.mcp.link import PAGES_MAX, ServerLink
from handrail.mcp.message import read


def answer(id, **member):
    line = json.dumps({"jsonrpc": "2.0", "id": id, **(member or {"result": {}})}).encode()
    return ServerAnswer(line, read(line))


async def test_an_answer_finds_its_request():
    """1 and "1" are two; what nobody waits for is told."""
    link = ServerLink(lambda _line: None)
    first, second = asyncio.create_task(link.request(1, b"")), asyncio.create_task(link.request("1", b""))
    await asyncio.sleep(0)
    assert (1 in link, "1" in link, len(link)) == (True, True, 2)
    assert link.answered(answer("1"))
    assert (await second).message.id == "1"
    assert link.answered(answer(1))
    assert (await first).message.id == 1
    assert not link.answered(answer(1))


async def test_a_late_answer_is_not_taken_for_another_requests():
    """Its id stays in use until it came."""
    link = ServerLink(lambda _line: None)
    task = asyncio.create_task(link.request(1, b""))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert 1 in link
    assert link.answered(answer(1))
    assert 1 not in link


async def test_own_requests_have_ids_of_their_own_and_the_clients_envelope():
    """The stateless era asks for one in every request."""
    sent = []
    link = ServerLink(sent.append)
    link.envelope = {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}
    task = asyncio.create_task(link.own("tools/list", {"cursor": "x"}))
    await asyncio.sleep(0.01)
    message = json.loads(sent[0])
    assert message["id"].startswith("handrail-")
    assert message["params"] == {"cursor": "x", "_meta": link.envelope}
    link.answered(answer(message["id"], result={"a": 1}))
    assert (await task).result == {"a": 1}


async def test_pages_are_read_to_the_last_and_no_further():
    """A list without end is refused, as is what is no list."""

    def serve(results):
        def send(line):
            message = json.loads(line)
            asyncio.get_running_loop().call_soon(
                lambda: link.answered(answer(message["id"], result=results(message["params"].get("cursor"))))
            )

        link = ServerLink(send)
        return link

    finite = serve(lambda cursor: {"tools": [cursor], **({"nextCursor": "b"} if cursor is None else {})})
    assert await finite.pages("tools/list", "tools") == [None, "b"]
    endless = serve(lambda _cursor: {"tools": [], "nextCursor": "a"})
    with pytest.raises(ValueError, match=str(PAGES_MAX)):
        await endless.pages("tools/list", "tools")
    with pytest.raises(ValueError, match="with a list"):
        await serve(lambda _cursor: {"tools": 3}).pages("tools/list", "tools")


async def test_a_server_that_is_lost():
    """What waits is in doubt; what comes later was never sent."""
    sent = []
    link = ServerLink(sent.append)
    task = asyncio.create_task(link.request(1, b"x"))
    await asyncio.sleep(0)
    link.fail_all("gone.", for_good=True)
    with pytest.raises(ServerLost, match="gone"):
        await task
    with pytest.raises(ConnectionError, match="gone"):
        await link.request(2, b"y")
    assert sent == [b"x"]
    assert link.lost == "gone."


async def test_a_broken_line_fails_what_waits_only():
    """The next request goes out."""
    sent = []
    link = ServerLink(sent.append)
    lost = []
    link.ask(1, b"x", lost.append, lost.append)
    link.fail_all("broken.", for_good=False)
    assert isinstance(lost[0], ServerLost)
    link.ask(2, b"y", lost.append, lost.append)
    assert sent == [b"x", b"y"]
