"""The long run of `tests/crash/test_kill.py`, by hand: resumable and seeded.

    python -m tests.soak.kill --kills 500 --seed 1 --state soak-kill.json
    python -m tests.soak.kill --store postgres --restart 25

`--restart N` restarts the database server while the worker of every N-th round works: ended by turns in order (`fast`)
and as by a crash (`immediate`). Prints a progress bar on stderr and, at the end, the row for the table in
docs/durability.md.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tests.crash.killing import check, kill_once
from tests.stores.postgres.server import server

WORK_ON_S = 1.0
"""How long a worker goes on after a restart, before it is killed."""


def restart(how: str) -> None:
    """Restart the server under the worker's hands."""
    server().restart(how)
    time.sleep(WORK_ON_S)


def main() -> None:
    """Kill, check, remember how far we are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--restart", type=int, default=0, metavar="N")
    parser.add_argument("--state", type=Path, default=Path("soak-kill.json"))
    options = parser.parse_args()
    if options.restart and options.store != "postgres":
        parser.error("--restart needs --store postgres")
    state = json.loads(options.state.read_text()) if options.state.exists() else {"done": 0, "total": {}}
    total = Counter(state["total"])
    rounds = range(state["done"], options.kills)
    for index in track(rounds, "Killing", console=Console(stderr=True)):
        with tempfile.TemporaryDirectory() as folder:
            effects, url = Path(folder) / "effects.txt", f"sqlite:///{folder}/handrail.db"
            name = server().new_database() if options.store == "postgres" else ""
            if name:
                url = server().url(name)
            seed = options.seed * 100_000 + index
            how = ""
            if options.restart and index % options.restart == 0:
                how = "immediate" if index // options.restart % 2 else "fast"
                kill_once(url, effects, seed, lambda how=how: restart(how))
                total["restarts"] += 1
            else:
                kill_once(url, effects, seed)
            total.update(check(url, effects, crashed=how == "immediate"))
            if name:
                server().drop(name)
        options.state.write_text(json.dumps({"done": index + 1, "total": total}))
    found = " | ".join(str(total[name]) for name in ("effects", "rows", "doubted", "repeated"))
    told = f", {total['restarts']} restarts of the server" if total["restarts"] else ""
    print(f"| {options.kills} ({options.store}{told}) | {options.seed} | {found} | 0 |")


if __name__ == "__main__":
    main()
