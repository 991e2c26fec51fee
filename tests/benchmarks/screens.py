"""How long the terminal UI lets one wait: in a real terminal, with few and with many deliveries.

Prints a table of medians and writes them to bench/results/screens.json.
"""

import statistics
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from installation import Installation
from stage import write_results
from terminal import terminal

from core.database import open_database, proxy

ROUNDS = 5
FEW, MANY = 1_000, 1_000_000
DELIVERIES = """
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :count)
"""
# A delivery every seven seconds, which is a million in 80 days.
AT = "(CAST(strftime('%s', 'now') AS INTEGER) - (:count - n) * 7) * 1000000"
FILL = (
    f"""INSERT INTO event (id, business_id, type, payload, created_at, fanned_out_at)
    {DELIVERIES} SELECT n, 1, 'ticket.created', x'7b7d', :at, :at FROM number""",
    f"""INSERT INTO delivery
    (id, uuid, event_id, webhook_id, status, attempts, interruptions, created_at, settled_at)
    {DELIVERIES} SELECT n, printf('%032x', n), n, 1, 'delivered', 1, 0, :at, :at
    FROM number""",
    f"""INSERT INTO attempt
    (delivery_id, number, started_at, duration_us, http_status, detail, response)
    {DELIVERIES} SELECT n, 1, :at, 1000, 200, '', 'ok' FROM number""",
)


def prepare(folder: Path, count: int) -> Installation:
    """A webhook with so many deliveries."""
    installation = Installation(folder)
    installation.init()
    installation.add_webhook("https://example.com/hook")
    open_database(f"sqlite:///{folder / 'aurapos-webhooks.db'}")
    with proxy.connection_context():
        for statement in FILL:
            proxy.execute_sql(statement.replace(":at", AT).replace(":count", str(count)))
        proxy.execute_sql("ANALYZE")
    return installation


def measure(installation: Installation) -> tuple[float, float]:
    """Seconds from the command to the first rows, and from the key to the open history."""
    paints, opens = [], []
    for _ in range(ROUNDS):
        begin = perf_counter()
        with terminal(installation.folder, "--config", str(installation.config)) as screen:
            screen.wait_for("7/7")
            paints.append(perf_counter() - begin)
            screen.press("")
            begin = perf_counter()
            screen.process.send("h")
            screen.wait_for("50 latest")
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
