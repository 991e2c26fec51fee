"""What a webhook that its owner pauses in the middle of a drain costs the others, on both engines.

It has 20,000 deliveries. Half of them are made in the pause, and of the others most are left when
it begins. Both workers are killed meanwhile, and started anew. Nothing may be sent in the pause,
and each once after it.
Prints how late another business's deliveries are before it, in it and after it, and writes them to
bench/results/parked.json.
"""

import json
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import httpx

from core.config import load_config
from core.domain.delivery import WAITING
from core.storage.clock import utc_now as now
from core.storage.database import connection, open_database
from core.storage.models import Delivery
from core.use_cases import services
from core.verification.evidence import Evidence
from tasks.wiring import make_wake
from tests.benchmarks.fairness import add_healthy, publish_all
from tests.benchmarks.stage import (
    SCHEDULE,
    found,
    hold_to_invariants,
    known_secrets,
    new_database,
    posts_at,
    publish,
    receiver,
    spread,
    wait_for_posts,
    write_results,
)
from tests.support.installation import Installation, Storage, Worker
from tests.support.scene import OPERATOR, in_flight, nothing_waits
from tests.support.scripted import receiving
from tests.support.servers import postgres_server
from tests.support.waiting import wait_until

MADE = 10_000  # deliveries before the pause, and as many in it
SENT = 2_000  # of them, when it begins
TOLD = 150  # events of the other business, each time
PAUSED = 1  # the webhook
_PATIENCE = 300.0  # seconds
CONFIG = """
[secrets]
key_file = "key"
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
"""


# In a process of its own


def case(folder: Path, database: str) -> dict[str, dict[str, float]]:
    """How late the deliveries of another business are, in seconds."""
    with receiver() as url, receiving() as healthy, ExitStack() as workers:
        [business] = found(database, folder / "key", [url], 1)
        other = add_healthy(folder / "key", healthy.url)
        installation = Installation(folder, CONFIG, Storage(database))
        wake = make_wake(load_config(installation.config))

        def lateness() -> dict[str, float]:
            return spread(publish_all(installation.config, other, healthy, TOLD))

        def start() -> list[Worker]:
            both = [workers.enter_context(installation.worker()) for _ in range(2)]
            for each in both:
                each.wait_for("worker started")
            return both

        killed = start()
        late = {"before": lateness()}
        publish([business], MADE, now())
        wake()
        wait_for_posts(url, SENT, _PATIENCE)
        services.pause_webhook(OPERATOR, PAUSED, now())
        wait_until(lambda: not in_flight(), _PATIENCE)
        sent = got(url)
        publish([business], MADE, now())
        wake()
        wait_until(lambda: parked() > MADE, _PATIENCE)  # in the middle of making these
        for each in killed:
            each.process.send_signal(signal.SIGKILL)
        running = start()
        wait_until(lambda: parked() == 2 * MADE - sent, _PATIENCE)
        late["parked"] = lateness()
        assert got(url) == sent, "something was sent in the pause"
        services.resume_webhook(OPERATOR, PAUSED, now(), wake=wake)
        late["resumed"] = lateness()
        wait_until(nothing_waits, _PATIENCE)
        assert [each.stop() for each in running] == [0, 0]
        posts = posts_at(url)
        assert len({post.delivery for post in posts}) == len(posts) == 2 * MADE, "not once each"
        secrets = known_secrets(folder / "key")
        hold_to_invariants(Evidence([*posts, *healthy.posts], SCHEDULE, secrets=secrets))
    return late


def got(url: str) -> int:
    """How many POSTs the webhook has got."""
    return int(httpx.get(url).text)


def parked() -> int:
    with connection():
        waits = (Delivery.webhook == PAUSED) & Delivery.status.in_(WAITING)
        return int(Delivery.select().where(waits).count())


# In the process that measures


def apart(database: str) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as folder:
        url = database or f"sqlite:///{folder}/bench.db"
        command = [sys.executable, "-m", "tests.benchmarks.parked", folder, url]
        return dict(json.loads(subprocess.check_output(command)))


def measure() -> dict[str, dict[str, dict[str, float]]]:
    with postgres_server() as server:
        cases = {"SQLite": "", "PostgreSQL": new_database(server)}
        figures = {}
        for engine, database in cases.items():
            print(f"parked: {engine}", file=sys.stderr)
            figures[engine] = apart(database)
        return figures


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, database]:
            open_database(database, create=True)
            print(json.dumps(case(Path(folder), database)))
        case _:
            write_results("parked", measure())
