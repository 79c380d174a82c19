"""Lines over pipes: whole, bounded, in order, and never waiting."""

import asyncio
import os

from hypothesis import given
from hypothesis import strategies as st

from handrail.mcp import lines
from handrail.mcp.lines import BUFFER_HIGH, LineSink, LineSource


async def fed(chunks, line_max=100):
    """Return the lines of what is fed, without a pipe."""
    got = []
    reading, writing = os.pipe()
    source = LineSource(reading, got.append, lambda: None, line_max)
    for chunk in chunks:
        source.feed(chunk)
    source.close()
    os.close(writing)
    return got


@given(st.lists(st.binary(max_size=12).map(lambda raw: raw.replace(b"\n", b"").removesuffix(b"\r"))), st.data())
def test_lines_come_whole_however_they_are_cut(wanted, data):
    """Any cut gives the same lines."""
    whole = b"".join(line + b"\n" for line in wanted)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    chunks = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert asyncio.run(fed([chunk for chunk in chunks if chunk])) == wanted


async def test_a_long_line_is_told_and_dropped():
    """In one piece or in many; the next one comes."""
    assert await fed([b"x" * 101 + b"\nb\n"]) == [None, b"b"]
    assert await fed([b"x" * 60, b"x" * 60, b"x" * 60, b"\nb\n"]) == [None, b"b"]
    assert await fed([b"x" * 100 + b"\n"]) == [b"x" * 100]
    assert await fed([b"a\n" + b"x" * 101 + b"\nb\n"]) == [b"a", None, b"b"]


async def test_the_end_of_a_line_may_be_windows():
    """A carriage return inside stays, and is refused by whoever reads the line."""
    assert await fed([b"a\r\nb\rc\n"]) == [b"a", b"b\rc"]


async def test_a_pipe_is_read_to_its_end():
    """The last line needs no end."""
    reading, writing = os.pipe()
    got, over = [], asyncio.Event()
    source = LineSource(reading, got.append, over.set)
    source.resume()
    os.write(writing, b"a\nb")
    await asyncio.sleep(0.05)
    assert got == [b"a"]
    source.pause()
    os.write(writing, b"c\n")
    await asyncio.sleep(0.05)
    assert got == [b"a"]
    source.resume()
    os.close(writing)
    await asyncio.wait_for(over.wait(), 5)
    assert got == [b"a", b"bc"]


async def test_a_slow_reader_is_waited_for():
    """More than a pipe holds; told when it is too much, and when it is over; nothing is lost."""
    reading, writing = os.pipe()
    told = []
    sink = LineSink(writing, lambda: None, told.append)
    line = b"x" * (BUFFER_HIGH // 4)
    for _ in range(6):
        sink.write(line)
    assert told == [True]
    got = bytearray()
    closing = asyncio.create_task(sink.close(10))
    while chunk := await asyncio.to_thread(os.read, reading, 1 << 20):
        got += chunk
    await closing
    os.close(reading)
    assert told == [True, False]
    assert got == (line + b"\n") * 6


async def test_a_reader_that_is_gone_is_told_once():
    """What is written then goes nowhere."""
    reading, writing = os.pipe()
    broken = []
    sink = LineSink(writing, lambda: broken.append(1))
    os.close(reading)
    sink.write(b"a")
    sink.write(b"b")
    await asyncio.sleep(0.05)
    assert broken == [1]
    await sink.close()


async def test_closing_waits_no_longer_than_its_patience():
    """A reader that never reads does not keep us."""
    reading, writing = os.pipe()
    sink = LineSink(writing, lambda: None)
    sink.write(b"x" * 1_000_000)
    await asyncio.wait_for(sink.close(0.1), 5)
    os.close(reading)


async def test_files_are_pumped(tmp_path):
    """A loop cannot watch them."""
    (tmp_path / "in").write_bytes(b"a\nb\n")
    got, over = [], asyncio.Event()
    source = LineSource(os.open(tmp_path / "in", os.O_RDONLY), got.append, over.set)
    source.resume()
    await asyncio.wait_for(over.wait(), 5)
    assert got == [b"a", b"b"]
    sink = LineSink(os.open(tmp_path / "out", os.O_WRONLY | os.O_CREAT), lambda: None)
    sink.write(b"c")
    await sink.close(5)
    assert (tmp_path / "out").read_bytes() == b"c\n"


def test_a_pipe_that_is_stderr_too_is_pumped(monkeypatch):
    """It would become non-blocking for everybody who writes there."""
    reading, writing = os.pipe()
    monkeypatch.setattr(lines, "_same", lambda one, other: (one, other) == (writing, 2))
    ours, pump = lines.watchable_out(writing)
    assert ours != writing
    os.write(ours, b"x")
    os.close(ours)
    pump.join(5)
    assert os.read(reading, 10) == b"x"
    os.close(reading)
