"""What every bench prints: one figure a line, or one JSON object a line, beside its baseline and its bar."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        figure: What was measured.
        value: How much.
        unit: In what.
        baseline: The bare counterpart of the same run, None where there is none.
        bar: What the value must not exceed, None for a figure that only informs.
    """

    figure: str
    value: float
    unit: str
    baseline: float | None = None
    bar: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the bar holds."""
        return self.bar is None or self.value <= self.bar


def at_most(figure: str, value: float, unit: str, bar: float, baseline: float | None = None) -> Figure:
    """Return a figure with a bar."""
    return Figure(figure, value, unit, baseline, bar)


def options(description: str) -> argparse.Namespace:
    """Read `--json` and `--quick`."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a figure")
    parser.add_argument("--quick", action="store_true", help="under 40 s")
    return parser.parse_args()


def report(figures: Iterable[Figure], *, as_json: bool) -> None:
    """Print figures; exit 1 when a bar does not hold."""
    broken = False
    for figure in figures:
        broken |= not figure.holds
        print(json.dumps({**asdict(figure), "holds": figure.holds}) if as_json else _line(figure), flush=True)
    sys.exit(1 if broken else 0)


def _line(figure: Figure) -> str:
    text = f"{figure.figure:<72} {figure.value:>10.4g} {figure.unit}"
    if figure.baseline is not None:
        text += f"  (bare: {figure.baseline:.4g})"
    if figure.bar is not None:
        text += f"  bar {figure.bar:g}: {'holds' if figure.holds else 'BROKEN'}"
    return text


def median_us(call: Callable[[], object], count: int, warm: int = 200) -> float:
    """Return the median duration of `call`, in microseconds."""
    for _ in range(warm):
        call()
    times = []
    for _ in range(count):
        begun = time.perf_counter()
        call()
        times.append(time.perf_counter() - begun)
    return statistics.median(times) * 1e6
