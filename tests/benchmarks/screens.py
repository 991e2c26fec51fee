"""How long the terminal UI lets one wait: in a real terminal, with few and with many deliveries.

Prints a table of medians and writes them to bench/results/screens.json.
"""

import statistics
import sys
import tempfile
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from core.storage.clock import utc_now as now
from core.storage.database import open_database
from tests.benchmarks.stage import write_results
from tests.support.installation import Installation
from tests.support.long_history import LongHistory, keep_house
from tests.support.terminal import terminal

ROUNDS = 5
FEW, MANY = 1_000, 1_000_000
EVERY = timedelta(seconds=7)  # a million in 80 days


def prepare(folder: Path, count: int) -> Installation:
    """A webhook with so many deliveries."""
    installation = Installation(folder)
    installation.init()
    installation.add_webhook("https://example.com/hook")
    open_database(f"sqlite:///{folder / 'aurapos-webhooks.db'}")
    LongHistory(settled=count, webhooks=1, over=count * EVERY).fill(now())
    keep_house()
    return installation


def measure(installation: Installation) -> tuple[float, float]:
    """Seconds from the command to the first rows, and from the key to the open history."""
    paints, opens = [], []
    for _ in range(ROUNDS):
        begin = perf_counter()
        with terminal(installation.folder, "--config", str(installation.config)) as screen:
            screen.wait_for("/hook +ok")
            paints.append(perf_counter() - begin)
            screen.press("")
            begin = perf_counter()
            screen.process.send("h")
            screen.wait_for("of 50")
            opens.append(perf_counter() - begin)
    return statistics.median(paints), statistics.median(opens)


def main() -> None:
    figures: dict[str, float] = {}
    for count in (FEW, MANY):
        print(f"screens: {count:,} deliveries", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            paint, opening = measure(prepare(Path(folder), count))
        figures[f"first paint, {count:,} deliveries"] = paint
        figures[f"history opens, {count:,} deliveries"] = opening
    write_results("screens", figures)


if __name__ == "__main__":
    main()
