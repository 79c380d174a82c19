"""The long run of `tests/crash/test_kill.py`, by hand: resumable and seeded.

    python -m tests.soak.kill --kills 500 --seed 1 --state soak-kill.json

Prints a progress bar on stderr and, at the end, the row for the table in docs/durability.md.
"""

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tests.crash.killing import check, kill_once


def main() -> None:
    """Kill, check, remember how far we are."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path, default=Path("soak-kill.json"))
    options = parser.parse_args()
    state = json.loads(options.state.read_text()) if options.state.exists() else {"done": 0, "total": {}}
    total = Counter(state["total"])
    rounds = range(state["done"], options.kills)
    for index in track(rounds, "Killing", console=Console(stderr=True)):
        with tempfile.TemporaryDirectory() as folder:
            store, effects = Path(folder) / "handrail.db", Path(folder) / "effects.txt"
            kill_once(store, effects, options.seed * 100_000 + index)
            total.update(check(store, effects))
        options.state.write_text(json.dumps({"done": index + 1, "total": total}))
    found = " | ".join(str(total[name]) for name in ("effects", "rows", "doubted", "repeated"))
    print(f"| {options.kills} | {options.seed} | {found} | 0 |")


if __name__ == "__main__":
    main()
