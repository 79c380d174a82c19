"""Connections through the real proxy, ended after each test whatever happened in it."""

import sys

import pytest
from tests.mcp.wire import FAKE, POLICY, Wire


@pytest.fixture
def serve(tmp_path):
    """Return a function that starts the proxy: before the scripted server in a mode, or before any command."""
    wires = []

    def start(*server, mode="", **options):
        if not server:
            server = (sys.executable, str(FAKE), str(tmp_path / "server.log"), *([mode] if mode else []))
        options.setdefault("policy", POLICY)
        wires.append(Wire(tmp_path, *server, **options))
        return wires[-1]

    yield start
    for wire in wires:
        if wire.process.poll() is None:
            wire.process.stdin.close()
            try:
                wire.process.wait(10)
            except Exception:
                wire.process.kill()
        wire.end()


@pytest.fixture(scope="module")
def shared_wire(tmp_path_factory):
    """One connection for the tests of a file that leave nothing behind."""
    folder = tmp_path_factory.mktemp("shared")
    found = Wire(folder, sys.executable, str(FAKE), str(folder / "server.log"))
    found.begin()
    yield found
    found.end()


@pytest.fixture
def wire(serve):
    """A connection whose handshake is done."""
    found = serve()
    found.begin()
    return found
