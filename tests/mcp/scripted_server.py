"""A server that does what no real one should: a child process that speaks raw JSON-RPC, driven by its first argument."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path


def write(message):
    sys.stdout.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
    sys.stdout.flush()


def read():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def answer(request, result):
    write({"jsonrpc": "2.0", "id": request["id"], "result": result})


def tool(name, **more):
    return {"name": name, "inputSchema": {"type": "object"}, **more}


def serve(page, capabilities=None, before=None):
    """Answer everything; `page(params)` gives the result of tools/list."""
    while True:
        request = read()
        method = request["method"]
        if "id" not in request:
            continue
        if before is not None:
            before(request)
        if method == "initialize":
            offers = {"tools": {}} if capabilities is None else capabilities
            answer(
                request,
                {"protocolVersion": "2025-11-25", "capabilities": offers, "serverInfo": {"name": "x", "version": "1"}},
            )
        elif method == "tools/list":
            answer(request, page(request.get("params", {})))
        else:
            write({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "no \x1b[31m method"}})


def listed(path):
    """Serve the tools of a file, read anew each time the server starts."""
    tools = json.loads(Path(path).read_text())
    serve(lambda params: {"tools": tools})


def paged():
    pages = {None: ("one", "a"), "a": ("two", "b"), "b": ("three", None)}

    def page(params):
        name, cursor = pages[params.get("cursor")]
        return {"tools": [tool(name)], **({"nextCursor": cursor} if cursor else {})}

    serve(page)


def endless():
    serve(lambda params: {"tools": [], "nextCursor": params.get("cursor", "") + "x"})


def circle():
    serve(lambda params: {"tools": [], "nextCursor": "again"})


def many(number):
    serve(lambda params: {"tools": [tool(f"tool_{index}") for index in range(int(number))]})


def stateless():
    """Know the era of 2026-07-28 only: no handshake, an envelope on every request."""
    while True:
        request = read()
        envelope = request.get("params", {}).get("_meta", {})
        version = envelope.get("io.modelcontextprotocol/protocolVersion")
        if request["method"] == "server/discover" and version == "2026-07-28":
            answer(request, {"supportedVersions": [version], "capabilities": {"tools": {}}, "resultType": "complete"})
        elif request["method"] == "tools/list" and version == "2026-07-28":
            more = {} if "cursor" in request["params"] else {"nextCursor": "2"}
            answer(request, {"tools": [tool(f"modern{len(more)}")], "resultType": "complete", **more})
        else:
            write({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32022, "message": "too old"}})


def curious():
    """Ask the client things first, write a lot to stderr, and wait for the answers."""
    sys.stderr.write("x" * 1_000_000 + "\n")
    sys.stderr.flush()

    def before(request):
        if request["method"] == "tools/list":
            write([{"jsonrpc": "2.0", "id": "p", "method": "ping"}, {"jsonrpc": "2.0", "method": "notifications/x"}])
            pong = read()
            assert pong == {"jsonrpc": "2.0", "id": "p", "result": {}}, pong
            write({"jsonrpc": "2.0", "id": 1, "method": "roots/list"})
            refused = read()
            assert refused["error"]["code"] == -32601, refused

    serve(lambda params: {"tools": [tool("after")]}, before=before)


def offering():
    """Announce resources and prompts, and have a prompt only."""

    def before(request):
        if request["method"] == "prompts/list":
            answer(request, {"prompts": [{"name": "p"}]})

    serve(lambda params: {"tools": []}, {"tools": {}, "resources": {}, "prompts": {}}, before)


def garbage():
    write("Listening on port 80 \x1b[2J")
    time.sleep(60)


def flood():
    line = json.dumps({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
    while True:
        write(line)


def long():
    while True:
        sys.stdout.write("x" * 1_000_000)


def deaf():
    """Neither read nor write nor heed a signal, and leave a child behind; its id goes to a file."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(sys.argv[2]).write_text(str(child.pid))
    time.sleep(600)


def leaves():
    """Answer, and leave a child in a session of its own that holds the output open."""
    child = [sys.executable, "-c", "import time; time.sleep(8)"]
    subprocess.Popen(child, start_new_session=True)
    paged()


def dies():
    sys.stderr.write("Traceback\nKeyError: 'API_KEY \x1b[31m'\n")
    sys.exit(3)


def said(text):
    """Write one line that is no answer."""
    write(text)
    time.sleep(60)


def result(text):
    """Answer tools/list with any JSON."""
    serve(lambda params: json.loads(text))


def hello(text):
    """Answer the handshake with any JSON."""
    answer(read(), json.loads(text))
    time.sleep(60)


def refuses():
    serve(lambda params: {}, before=lambda request: sys.exit(0) if request["method"] == "tools/list" else None)


globals()[sys.argv[1]](*(sys.argv[2:] if sys.argv[1] != "deaf" else ()))
