"""The server's process, and its end."""

import asyncio
import sys

import pytest

from handrail.errors import ConfigurationError
from handrail.mcp.child import Child


async def started(script, lines, over):
    child = Child([sys.executable, "-c", script], lines.append, over.set, lambda _full: None)
    child.source.resume()
    return child


async def test_lines_go_both_ways():
    """And the end is told, with how it came."""
    lines, over = [], asyncio.Event()
    child = await started("import sys; print(input()); sys.exit(7)", lines, over)
    child.sink.write(b"hello")
    await asyncio.wait_for(over.wait(), 10)
    assert await child.gone(10)
    assert lines == [b"hello"]
    assert child.ended == "it ended with code 7"
    await child.end()


async def test_closing_its_input_is_enough_for_a_good_one():
    """No signal is needed."""
    over = asyncio.Event()
    child = await started("import sys; sys.stdin.read()", [], over)
    await child.end(10)
    assert child.ended == "it ended with code 0"


@pytest.mark.parametrize(
    ("ignores", "how"), [("0", "signal 15"), ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "signal 9")]
)
async def test_others_are_signalled(ignores, how):
    """First politely."""
    lines, over = [], asyncio.Event()
    script = f"import signal, time; {ignores}; print('ready', flush=True); time.sleep(60)"
    child = await started(script, lines, over)
    while not lines:  # noqa: ASYNC110 (a list has no event)
        await asyncio.sleep(0.02)
    await child.end(0.3)
    assert child.ended == f"it was ended by {how}"


async def test_a_program_that_is_not_there():
    """Says what to do."""
    with pytest.raises(ConfigurationError, match=r"/no/such: No such file or directory. Name its program after '--'"):
        Child(["/no/such"], lambda _line: None, lambda: None, lambda _full: None)
