"""How long an event takes from the return of its publication to its arrival, with a running worker.

Fifty events a second, at random gaps, on each queue. Prints a table of the median, the 99th
percentile and the worst (a wake that was lost would be there), and writes them to
bench/results/latency.json.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from core.config import load_config
from core.intake import Wake, publish
from core.storage.clock import utc_now as now
from core.storage.database import open_database
from tasks.wiring import make_wake
from tests.benchmarks.stage import hold_to_invariants, new_database, spread, write_results
from tests.support.checked import evidence
from tests.support.installation import FAST, Installation
from tests.support.scripted import Scripted, receiving
from tests.support.servers import postgres_server, redis_server
from tests.support.waiting import wait_until

EVENTS = 500
WARM_UP = 20
GAPS = (0.01, 0.03)  # seconds, evenly spread
SEED = 2026
SQLITE = "sqlite:///latency.db"


# In the process of one case


def publish_all(config_file: Path, receiver: Scripted) -> list[float]:
    """Seconds from the return of each publication to the arrival of its POST."""
    config = load_config(config_file)
    open_database(config.database.url)
    wake, gaps = make_wake(config), random.Random(SEED)
    published = [publish_one(number, wake, gaps) for number in range(WARM_UP + EVENTS)]
    wait_until(lambda: len(receiver.requests) >= len(published), 60)
    arrived = {json.loads(each.body)["payload"]["number"]: each.at for each in receiver.requests}
    return [arrived[number] - at for number, at in enumerate(published)][WARM_UP:]


def publish_one(number: int, wake: Wake, gaps: random.Random) -> float:
    time.sleep(gaps.uniform(*GAPS))  # it is the till that waits here
    publish(1, "ticket.created", b'{"number": %d}' % number, now(), wake=wake)
    return time.monotonic()


def case(database: str, queue: str) -> list[float]:
    with tempfile.TemporaryDirectory() as folder, receiving() as receiver:
        sections = f'[database]\nurl = "{database}"\n[queue]\nurl = "{queue}"\n'
        installation = Installation(Path(folder), FAST + sections)
        installation.init()
        installation.add_webhook(receiver.url)
        with installation.worker() as worker:
            worker.wait_for("worker started")
            seconds = publish_all(installation.config, receiver)
            assert worker.stop() == 0
        hold_to_invariants(evidence())
    return seconds


# In the process that measures


def measure() -> dict[str, dict[str, float]]:
    with (
        postgres_server() as server,
        redis_server() as (redis, _),
    ):
        cases = {
            "SQLite": (SQLITE, "sqlite:///latency-queue.db"),
            "SQLite, queue on Redis": (SQLITE, redis),
            "PostgreSQL": (url := new_database(server), url),
            "PostgreSQL, queue on Redis": (new_database(server), redis),
        }
        return {name: figures(name, urls) for name, urls in cases.items()}


def figures(name: str, urls: tuple[str, str]) -> dict[str, float]:
    print(f"latency: {name}", file=sys.stderr)
    seconds = json.loads(
        subprocess.check_output([sys.executable, "-m", "tests.benchmarks.latency", *urls])
    )
    return spread(seconds)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [database, queue]:
            print(json.dumps(case(database, queue)))
        case _:
            write_results("latency", measure())
