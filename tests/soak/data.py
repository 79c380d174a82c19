"""The long run of `tests/data/killing`, by hand: agents that change rows by plans, raw writers beside them, and kill -9.

    python -m tests.soak.data --database sqlite --kills 500 --seed 1
    python -m tests.soak.data --database postgres --kills 500 --stop 25 --json

Each round has a fresh database, three agents and two raw writers. Agents die at a chosen statement, around a COMMIT, or
when they are killed; after each death the judge looks at the whole database. `--stop N` stops the server as by a crash
after every N-th kill. A round is repeated by its seed, but not the machine's own timing. Progress is on stderr. The last
line says how many kills, effects and faults there were; with `--json` as JSON, with all counts.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from tests.data.killing.rounds import forget, play

KILLS = 25
"""Kills in one round."""


def soak(options, advance):
    """Play rounds until enough were killed; return what happened, and the faults."""
    total, faults, index = Counter(), [], 0
    while total["kills"] < options.kills and len(faults) < 100:
        seed = options.seed * 100_000 + index
        folder = Path(tempfile.mkdtemp(prefix=f"soak-data-{seed}-"))
        stops = []
        if options.database == "postgres" and options.stop:
            stops = [at for at in range(KILLS) if (total["kills"] + at) % options.stop == options.stop // 2]
        found, wrong = play(options.database, folder, seed, KILLS, stops=stops)
        total.update(found)
        total["rounds"] += 1
        faults += [f"{fault} (files: {folder})" for fault in wrong]
        if not wrong:
            forget(folder)
        index += 1
        advance(total["kills"], len(faults))
    return total, faults


def main():
    """Kill, judge, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stop", type=int, default=25, metavar="N", help="PostgreSQL only; 0 for never")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    started = time.monotonic()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(f"Killing on {options.database}", total=options.kills)

        def advance(kills, faults):
            said = f"Killing on {options.database}, {faults} faults"
            progress.update(task, completed=min(kills, options.kills), description=said)

        total, faults = soak(options, advance)
    for fault in faults:
        print(fault, file=sys.stderr)
    told = {"database": options.database, "seed": options.seed, "kills": total["kills"], "effects": total["effects"]}
    told |= {"faults": faults, "duration_s": round(time.monotonic() - started)}
    if options.json:
        print(json.dumps({**told, "counts": dict(sorted(total.items()))}))
    else:
        print(", ".join(f"{name} {len(value) if name == 'faults' else value}" for name, value in told.items()))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
