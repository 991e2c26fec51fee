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

ROUNDS = 5  # after one that makes everything warm
MOVES = 10  # of the cursor, a round
WEBHOOKS = 7
FEW, USUAL, MANY = 1_000, 50_000, 1_000_000
EVERY = timedelta(seconds=7)  # a million in 80 days


def prepare(folder: Path, count: int) -> Installation:
    """Some webhooks with so many deliveries behind them."""
    installation = Installation(folder)
    installation.init()
    for number in range(WEBHOOKS):
        installation.add_webhook(f"https://example.com/{number}")
    open_database(f"sqlite:///{folder / 'aurapos-webhooks.db'}")
    LongHistory(settled=count, webhooks=WEBHOOKS, over=count * EVERY).fill(now())
    keep_house()
    return installation


def measure(installation: Installation) -> dict[str, float]:
    """Medians, in seconds: from the command to the first rows, from a key to the first byte of what
    it changes, and from another to the open history.
    """
    paints, answers, opens = list[float](), list[float](), list[float]()
    for _ in range(1 + ROUNDS):
        begin = perf_counter()
        with terminal(
            installation.folder, "--config", str(installation.config), anew=True
        ) as screen:
            screen.wait_for("example.com/0 +(ok|failing)")
            paints.append(perf_counter() - begin)
            screen.press("g")
            answers += [screen.seconds_to_answer(key) for key in "jk" * (MOVES // 2)]
            begin = perf_counter()
            screen.process.send("h")
            screen.wait_for("of 50")
            opens.append(perf_counter() - begin)
    return {
        "first paint": statistics.median(paints[1:]),
        "a key's first byte": statistics.median(answers[MOVES:]),
        "history opens": statistics.median(opens[1:]),
    }


def main() -> None:
    figures: dict[str, float] = {}
    for count in (FEW, USUAL, MANY):
        print(f"screens: {count:,} deliveries", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(prepare(Path(folder), count))
        figures |= {f"{what}, {count:,} deliveries": took for what, took in measured.items()}
    write_results("screens", figures)


if __name__ == "__main__":
    main()
