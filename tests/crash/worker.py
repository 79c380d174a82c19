"""A real process that makes guarded writes until it is killed. Effects go to a file, one line each, by their key.

python worker.py URL EFFECTS SEED
"""

import os
import random
import sys
from pathlib import Path

import handrail
from handrail.policy import loads
from handrail.stores import connect
from handrail.workspace import Workspace

POLICY = """
version: 1
agents: {bot: {access: write}}
tools:
  lead.get:   {do: read, resource: "lead/{args.n}"}
  lead.write: {do: update, resource: "lead/{args.n}", ask: never}
  lead.put:   {do: update, resource: "lead/{args.n}", ask: never, idempotent: true, retry: {base_s: 0.001, cap_s: 0.001}}
"""


def open_tools(url: str, effects: Path):
    """Return the workspace and its tools; each writes one line for each effect."""
    hr = Workspace(loads(POLICY, source="worker.yaml"), connect(url, effects.parent))
    out = os.open(effects, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def effect(name: str, n: int) -> None:
        os.write(out, f"{name} {n} {handrail.current().idempotency_key}\n".encode())

    @hr.tool("lead.get")
    def get(n: int) -> int:
        return n

    @hr.tool("lead.write")
    def write(n: int) -> None:
        effect("lead.write", n)

    @hr.tool("lead.put")
    def put(n: int) -> None:
        effect("lead.put", n)

    return hr, [get, write, put]


def main() -> None:
    """Begin where the seed says, and never stop."""
    url, effects, seed = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    hr, tools = open_tools(url, effects)
    chance = random.Random(seed)
    print("ready", flush=True)
    with hr.run("bot", id="run") as run:
        for step in range(1_000_000):
            tool = chance.choice(tools)
            n = seed * 1_000_000 + step
            if chance.random() < 0.5:
                with run.call(f"c{n}"):
                    tool(n)
            else:
                tool(n)


if __name__ == "__main__":
    main()
