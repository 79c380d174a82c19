"""A server that does what no real one does on purpose. Raw JSON-RPC; it writes what it hears into a file."""

import json
import os
import sys
import threading
import time
from pathlib import Path

LOG = Path(sys.argv[1]).open("a")  # noqa: SIM115 (until the end)
MODE = sys.argv[2] if len(sys.argv) > 2 else ""
OUT = sys.stdout.buffer
LOCK = threading.Lock()

OBJECT = {"type": "object"}
ID = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
TYPED_IN = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "default": "one"},
        "env": {"type": "string", "default": "dev"},
        "size": {"type": "integer", "minimum": 1},
        "note": {"type": "string", "default": None},
        "do": {"type": "string"},
    },
    "additionalProperties": False,
}
TYPED_OUT = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
TOOLS = [
    {"name": "echo", "description": "Says what it hears.", "inputSchema": OBJECT},
    {"name": "write", "inputSchema": OBJECT},
    {"name": "update", "inputSchema": ID},
    {"name": "typed", "inputSchema": TYPED_IN, "outputSchema": TYPED_OUT},
    {"name": "secret", "description": "Not declared.", "inputSchema": OBJECT},
]
if MODE == "prod":
    TYPED_IN["properties"]["env"]["default"] = "prod"
if MODE == "changed":
    TOOLS[0]["description"] = "Now it does something else."


def raw(data):
    with LOCK:
        OUT.write(data)
        OUT.flush()


def say(message):
    raw(json.dumps(message).encode() + b"\n")


def answer(id, result):
    say({"jsonrpc": "2.0", "id": id, "result": result})


def text(id, words, **more):
    answer(id, {"content": [{"type": "text", "text": words}], **more})


def listed(id, params):
    cursor = params.get("cursor")
    if MODE == "pages":
        at = int(cursor or 0)
        more = {"nextCursor": str(at + 1)} if at + 1 < len(TOOLS) else {}
        answer(id, {"tools": TOOLS[at : at + 1], **more})
    elif MODE == "endless":
        answer(id, {"tools": [], "nextCursor": "again"})
    elif MODE == "no-list":
        say({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no"}})
    else:
        answer(id, {"tools": TOOLS})


def called(id, params):
    name, args = params["name"], params.get("arguments") or {}
    do = args.get("do", "")
    if do == "slow":
        threading.Timer(float(args.get("s", 0.3)), text, (id, "late")).start()
    elif do == "never":
        pass
    elif do == "die":
        os._exit(3)
    elif do == "deaf":
        sys.stdin.close()
        os.close(0)
        time.sleep(30)
    elif do == "garbage":
        raw(b'{"jsonrpc": "2.0", "id": %d, "result": {"con\n' % id)
    elif do == "banner":
        raw(b"\x1b[31mServer started\n")
        text(id, "after the banner")
    elif do == "long":
        raw(b'{"jsonrpc": "2.0", "id": %d, "result": {"content": [], "x": "%s"}}\n' % (id, b"x" * 70 * 1024 * 1024))
    elif do == "big":
        text(id, "x" * int(args["size"]))
    elif do == "both":
        say({"jsonrpc": "2.0", "id": id, "result": {"content": []}, "error": {"code": 1, "message": "x"}})
    elif do == "twice":
        raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[],"content":[{"type":"text","text":"b"}]}}\n' % id)
    elif do == "nan":
        raw(b'{"jsonrpc":"2.0","id":%d,"result":{"content":[],"structuredContent":{"n":NaN}}}\n' % id)
    elif do == "odd":
        answer(id, {"content": [], "resultType": "surprise"})
    elif do == "nothing":
        answer(id, None)
    elif do == "fails":
        text(id, "it is broken", isError=True)
    elif do == "error":
        say({"jsonrpc": "2.0", "id": id, "error": {"code": -32050, "message": "it is broken", "data": {"a": 1}}})
    elif do == "batch":
        answers = [{"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "in a batch"}]}}]
        raw(
            json.dumps([{"jsonrpc": "2.0", "method": "notifications/message", "params": {}}, *answers]).encode() + b"\n"
        )
    elif do == "hidden":
        raw(b'{"jsonrpc":"2.0","method":"notifications/message","params":\r{"a":1}\r}\n')
        text(id, "after")
    elif do == "elicit":
        say({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": {"message": "Sure?"}})
        WAITING[id] = id
    elif do == "ask":
        asked_back(id, params)
    elif do == "change":
        TOOLS[0]["description"] = "changed"
        say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        text(id, "changed")
    elif params.get("task") is not None or do == "task":
        task(id, params, args)
    elif name == "typed":
        n = args.get("size", 1)
        answer(
            id,
            {"content": [], "structuredContent": {"n": n if n != 13 else "thirteen"}} if n != 14 else {"content": []},
        )
    else:
        text(id, json.dumps(args))


WAITING = {}
TASKS = {}


def asked_back(id, params):
    """Ask back as 2026-07-28 does; the answer says what came with the repetition."""
    if "inputResponses" not in params and "requestState" not in params:
        question = {"method": "elicitation/create", "params": {"message": "Sure?"}}
        result = {"resultType": "input_required", "inputRequests": {"q": question}, "requestState": "state-1"}
        answer(id, result)
    else:
        text(id, json.dumps([params.get("inputResponses"), params.get("requestState")]), resultType="complete")


def task(id, params, args):
    name = args.get("id", "t")
    TASKS[name] = args
    if "_meta" in params:  # the stateless era tells of a task flatly
        answer(id, {"resultType": "task", "taskId": name, "status": "working"})
    else:
        answer(id, {"task": {"taskId": name, "status": "working"}})


def task_result(args):
    if args.get("bad"):
        return {"content": [{"type": "text", "text": "broken"}], "isError": True}
    return {"content": [{"type": "text", "text": "done"}]}


def about_task(id, method, params):
    args = TASKS.get(params.get("taskId"), {})
    if method == "tasks/result":
        answer(id, task_result(args))
    elif method == "tasks/cancel":
        answer(id, {"taskId": params["taskId"], "status": "cancelled"})
    elif args.get("inline"):
        answer(
            id,
            {"resultType": "complete", "taskId": params["taskId"], "status": "completed", "result": task_result(args)},
        )
    else:
        answer(id, {"taskId": params["taskId"], "status": "working"})


def heard(message):
    id, method, params = message.get("id"), message.get("method"), message.get("params") or {}
    if method is None:
        waiting = WAITING.pop(id, None)
        if waiting is not None:
            text(waiting, json.dumps(message.get("result")))
    elif method == "initialize":
        answer(
            id,
            {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "fake", "version": "1"},
            },
        )
    elif method == "tools/list":
        listed(id, params)
    elif method == "tools/call":
        called(id, params)
    elif method == "resources/read":
        answer(id, {"contents": [{"uri": params["uri"], "text": "text"}]})
    elif method == "prompts/get":
        answer(id, {"messages": []})
    elif method.startswith("tasks/"):
        about_task(id, method, params)
    elif id is not None and not params.get("never"):
        answer(id, {"heard": method})


if MODE == "stubborn":
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if MODE == "child":
    import subprocess

    LOG.write(json.dumps({"pid": subprocess.Popen(["sleep", "300"]).pid}) + "\n")
for line in sys.stdin.buffer:
    message = json.loads(line)
    LOG.write(json.dumps(message) + "\n")
    LOG.flush()
    heard(message)
if MODE == "stubborn":
    time.sleep(60)
