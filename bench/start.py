"""How long `import handrail` and `handrail --version` take, beside a bare interpreter in the same run.

python bench/start.py [--quick] [--json]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from figures import Figure, options, report

IMPORT = "import time; t = time.perf_counter(); import handrail; print((time.perf_counter() - t) * 1000)"


def wall_ms(command: list[str], count: int) -> float:
    """Return the median wall time of a command, in milliseconds."""
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append((time.perf_counter() - begun) * 1_000)
    return statistics.median(times)


def measure(*, quick: bool) -> Iterator[Figure]:
    """Yield the figures."""
    count = 7 if quick else 25
    subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True)
    told = [
        float(subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True).stdout)
        for _ in range(count)
    ]
    bare = wall_ms([sys.executable, "-c", "pass"], count)
    yield Figure("import handrail: median", statistics.median(told), "ms", None, 150)
    yield Figure(
        "handrail --version: median", wall_ms([sys.executable, "-m", "handrail", "--version"], count), "ms", bare, 250
    )


if __name__ == "__main__":
    chosen = options(__doc__ or "")
    report(measure(quick=chosen.quick), as_json=chosen.json)
