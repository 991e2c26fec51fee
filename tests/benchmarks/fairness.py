"""What webhooks that never answer cost those that do.

First how late a healthy webhook's deliveries are beside ten that hang for the whole timeout with
ten thousand deliveries due each, and while another business's 50,000 events go to 20 webhooks; and
how late a new webhook's first delivery is beside 20 of another business that take nine seconds
each. Then how fast twenty healthy webhooks are drained beside more and more that hang, the median
of three rounds, as a table and a plot. Writes bench/results/fairness.json and slow-webhooks.svg.
"""

import asyncio
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from core.config import load_config
from core.domain.events import SELECTABLE, EventType
from core.intake import publish
from core.storage.clock import utc_now as now
from core.storage.database import open_database
from core.storage.vault import load_vault
from core.use_cases.businesses import add_business
from core.use_cases.services import create_webhook
from tasks.engine import suit_a_worker
from tasks.shares import Limits
from tasks.tally import Tally
from tasks.wiring import make_wake
from tests.benchmarks.plot import line_plot
from tests.benchmarks.report import RESULTS
from tests.benchmarks.stage import (
    SHIPPED,
    dispatcher,
    found,
    hold_to_invariants,
    known_secrets,
    posts_at,
    prepare,
    receiver,
    shipped_worker,
    spread,
    write_results,
)
from tests.benchmarks.stage import publish as publish_many
from tests.support.checked import evidence
from tests.support.installation import Installation
from tests.support.notes import notes
from tests.support.scene import DEVELOPMENT, OPERATOR, in_flight
from tests.support.scripted import Scripted, receiving
from tests.support.waiting import wait_until

HANGING, BACKLOG = 10, 10_000
EVENTS, GAPS, SEED = 300, (0.05, 0.25), 2026  # gaps in seconds, evenly spread
FLOOD, FLOODED = 50_000, 20  # events, each to so many webhooks
SLOW_ONES, SLOW_DUE, TAKES = 20, 800, 9.0  # seconds
NEWCOMERS = 8
HEALTHY, DUE_EACH = 20, 1000
ROUNDS = 3
SLOW = (0, 1, 3, 10, 30, 100, 300)
CONFIG = """
[database]
url = "sqlite:///bench.db"
[secrets]
key_file = "key"
[delivery]
allow_http = true
allow_networks = ["127.0.0.0/8"]
"""


@contextmanager
def hanging() -> Iterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


# In processes of their own


def publish_all(
    config: Path, business: int, healthy: Scripted, events: int = EVENTS
) -> list[float]:
    """Seconds from each publication to the arrival of its POST."""
    wake, gaps = make_wake(load_config(config)), random.Random(SEED)
    before, published = len(healthy.requests), []
    for number in range(events):
        time.sleep(gaps.uniform(*GAPS))  # it is the till that waits here
        published.append(time.monotonic())
        payload = b'{"number": %d}' % number
        publish(business, EventType.TICKET_CREATED, payload, now(), wake=wake)
    wait_until(lambda: len(healthy.requests) >= before + events, 120)
    came = healthy.requests[before:]
    arrived = {json.loads(each.body)["payload"]["number"]: each.at for each in came}
    return [arrived[number] - at for number, at in enumerate(published)]


def lateness(folder: Path) -> list[float]:
    """How late a healthy webhook's deliveries are, each, while the others hang."""
    with hanging() as url, receiving() as healthy:
        database, key_file = f"sqlite:///{folder}/bench.db", folder / "key"
        prepare(database, key_file, [f"{url}{each}" for each in range(HANGING)], BACKLOG)
        installation = Installation(folder, CONFIG)
        open_database(database)
        business = add_healthy(key_file, healthy.url)
        notes().secrets.update(known_secrets(key_file))
        with installation.worker() as worker:
            worker.wait_for("worker started")
            seconds = publish_all(installation.config, business, healthy)
            assert worker.stop() == 0
        hold_to_invariants(evidence())
    return seconds


def add_healthy(key_file: Path, url: str) -> int:
    """A business of its own, with one webhook."""
    business, vault = add_business(OPERATOR, "Healthy", "group", None, now()), load_vault(key_file)
    create_webhook(OPERATOR, business, url, SELECTABLE, now(), policy=DEVELOPMENT, vault=vault)
    return business


def flooded(folder: Path) -> list[float]:
    """How late a healthy webhook's deliveries are, each, while another business has everything."""
    with receiver() as url, receiving() as healthy:
        database, key_file = f"sqlite:///{folder}/bench.db", folder / "key"
        flooding = found(database, key_file, [f"{url}{each}" for each in range(FLOODED)], 1)
        business = add_healthy(key_file, healthy.url)
        with shipped_worker(folder, database):
            publish_many(flooding, FLOOD, now())
            return publish_all(folder / "shipped.toml", business, healthy)


def newcomers(folder: Path) -> list[float]:
    """How late the first delivery of a new webhook is, each, beside those that are slow."""
    with receiver(TAKES) as url, receiving() as healthy:
        database, key_file = f"sqlite:///{folder}/bench.db", folder / "key"
        slow = found(database, key_file, [f"{url}{each}" for each in range(SLOW_ONES)], 1)
        publish_many(slow, SLOW_DUE, now())
        late = []
        with shipped_worker(folder, database, delivery="per_host = 256\n"):
            wake = make_wake(load_config(folder / "shipped.toml"))
            wake()
            most = Limits(SHIPPED.concurrency, 1, 1).unproven * 7 // 8  # of those not known yet
            wait_until(lambda: in_flight() >= most)
            for number in range(1, NEWCOMERS + 1):
                business, begin = add_healthy(key_file, healthy.url), time.monotonic()
                publish(business, EventType.TICKET_CREATED, b"{}", now(), wake=wake)
                wait_until(lambda number=number: len(healthy.requests) >= number)
                late.append(healthy.requests[-1].at - begin)
    return late


def drained(folder: Path, url: str, slow: int) -> float:
    """Deliveries per second to the healthy ones, from the first claim to their last delivery."""
    with hanging() as hangs:
        database, key_file = f"sqlite:///{folder}/bench.db", folder / "key"
        healthy = [f"{url}{each}" for each in range(HEALTHY)]
        prepare(database, key_file, [f"{hangs}{each}" for each in range(slow)] + healthy, DUE_EACH)
        open_database(database)
        return asyncio.run(_drain(key_file))


async def _drain(key_file: Path) -> float:
    worker = dispatcher(key_file)
    suit_a_worker()
    begin, ended = perf_counter(), 0.0

    def watch(tally: Tally) -> None:
        nonlocal ended
        if tally.delivered >= HEALTHY * DUE_EACH and not ended:
            ended = perf_counter()
            worker.stop()

    await worker.drain(now, watch)
    seconds = (ended or perf_counter()) - begin
    await worker.close()
    return HEALTHY * DUE_EACH / seconds


LATENESS = {"lateness": lateness, "flooded": flooded, "newcomers": newcomers}


# In the process that measures


def apart(*args: str) -> str:
    """What a process of its own prints, given a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.benchmarks.fairness", folder, *args]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def rates_of(url: str, turn: int) -> dict[int, float]:
    """One round, so that what disturbs the machine disturbs them all."""
    rates = {}
    for slow in SLOW:
        told = f"round {turn} of {ROUNDS}: {HEALTHY} healthy beside {slow} that hang"
        print(f"fairness: {told}", file=sys.stderr)
        rates[slow] = float(apart("drained", url, str(slow)))
        posts = posts_at(url)
        once = len({post.delivery for post in posts}) == len(posts) == HEALTHY * DUE_EACH
        assert once, f"the healthy ones got {len(posts)} POSTs"
    return rates


def main() -> None:
    late = {}
    for what in LATENESS:
        print(f"fairness: {what}", file=sys.stderr)
        late[what] = spread(json.loads(apart(what)))
    with receiver() as url:
        rounds = [rates_of(url, turn) for turn in range(1, ROUNDS + 1)]
    rates = {slow: statistics.median(each[slow] for each in rounds) for slow in SLOW}
    write_results("fairness", {**late, "deliveries_per_second": rates})
    plot = line_plot(
        f"Deliveries per second to {HEALTHY} healthy webhooks",
        "beside so many that hang for 10 s",
        list(rates.items()),
    )
    (RESULTS / "slow-webhooks.svg").write_text(plot)


if __name__ == "__main__":
    match sys.argv[1:]:
        case [folder, what] if what in LATENESS:
            print(json.dumps(LATENESS[what](Path(folder))))
        case [folder, "drained", url, slow]:
            print(drained(Path(folder), url, int(slow)))
        case _:
            main()
