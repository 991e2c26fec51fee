"""What things cost as the history grows: the same work on top of few and of many deliveries.

A history is 80 days long, of 20 webhooks; what waits and what came within the last day is the same
in each, since those would be measured otherwise. Each is a database of its own, and every round
does everything on each of them in turn, so that a noisy machine is noisy for all. A round delivers,
looks, and prunes as much as it delivered, as its databases' clock goes on: no history grows.

Prints tables of medians, and what a worker's memory comes to with so many deliveries due; writes
them to bench/results/growth.json. Needs Linux, whose /proc tells a process's peak of memory.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import perf_counter

from core.domain.delivery import Answered
from core.pipeline import leases, retention, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.settling import Settlement
from core.storage.clock import utc_now as now
from core.storage.database import hold_connection, open_database, proxy, release_connection
from core.storage.models import Delivery, Event
from core.use_cases import queries
from core.use_cases.finding import find
from core.use_cases.installation_health import vitals
from core.use_cases.webhook_health import overview, pulse
from tasks.engine import suit_a_worker
from tests.benchmarks.stage import (
    SCHEDULE,
    dispatcher,
    found,
    new_database,
    publish,
    receiver,
    write_results,
)
from tests.support.long_history import LongHistory, keep_house
from tests.support.memory import most_resident
from tests.support.scene import OPERATOR
from tests.support.servers import postgres_server

ROUNDS = 25
SMALLEST, LARGEST = 3, 6  # powers of ten
BUSINESSES, WEBHOOKS = 5, 20
SCHEDULED = 200  # what waits is the same with every history
DAY, SPAN = timedelta(days=1), timedelta(days=80)
EVENTS = 100
BATCH = 100
DELIVERIES = EVENTS * WEBHOOKS // BUSINESSES  # a round
LATELY = 500  # within the last day
LOOKS = 6  # a round
ANSWER = Answered(200, '{"received": true}')
TOOK = timedelta(milliseconds=250)
POSTS = 20_000  # after which memory is read
Samples = defaultdict[str, list[float]]


class Installed:
    """A database with so long a history, and what was measured there, in milliseconds."""

    def __init__(self, url: str, key_file: Path, size: int) -> None:
        print(f"preparing {size:,} deliveries …", file=sys.stderr)
        urls = ["http://127.0.0.1/hook"] * WEBHOOKS
        self.businesses = found(url, key_file, urls, BUSINESSES)
        LongHistory(size, WEBHOOKS, SPAN, LATELY, scheduled=SCHEDULED).fill(now())
        keep_house()
        release_connection()
        self.size, self.now, self.samples = size, now(), Samples(list)
        self._database = proxy.obj

    @contextmanager
    def bound(self) -> Iterator[None]:
        """The models bound to this one of the databases."""
        proxy.initialize(self._database)
        hold_connection()
        yield

    def round(self, number: int) -> None:
        with self.bound():
            self.now += DAY / LATELY * DELIVERIES
            self._deliver()
            for turn in range(LOOKS):
                self._look(number * LOOKS + turn)
            self._prune()

    def _deliver(self) -> None:
        publish(self.businesses, EVENTS // BUSINESSES, self.now)
        with self._timed("fan out 100 events"):
            fan_out(EVENTS, self.now)
        wanted = dict.fromkeys(range(1, WEBHOOKS + 1), BATCH // WEBHOOKS)
        for _ in range(DELIVERIES // BATCH):
            with self._timed("claim 100"):
                claims = leases.claim(wanted, SCHEDULE, self.now)
            assert len(claims) == BATCH
            ended = [Settlement(each, ANSWER, self.now, TOOK) for each in claims]
            with self._timed("settle 100"):
                settling.settle(ended, SCHEDULE, self.now)

    def _look(self, turn: int) -> None:
        with self._timed("list"):
            overview(OPERATOR, self.businesses[turn % BUSINESSES], self.now)
        with self._timed("history"):
            queries.deliveries(OPERATOR, turn % WEBHOOKS + 1)
        uuid = some_delivery(turn)
        with self._timed("history of a business"):
            queries.deliveries_of_business(OPERATOR, self.businesses[turn % BUSINESSES])
        with self._timed("delivery"):
            queries.delivery(OPERATOR, uuid)
        business, subject = some_event(turn)
        with self._timed("find"):
            assert find(OPERATOR, business, subject)
        with self._timed("find nothing"):
            assert not find(OPERATOR, business, "nothing")
        with self._timed("pulse"):
            pulse()
        with self._timed("status"):
            vitals(self.now)

    def _prune(self) -> None:
        before = (
            Delivery.select(Delivery.created_at).order_by(Delivery.id).offset(DELIVERIES).scalar()
        )
        begin = perf_counter()
        removed = retention.prune(before, self.now)
        if removed:
            self.samples["prune 1,000"].append(1e6 * (perf_counter() - begin) / removed)

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        begin = perf_counter()
        yield
        self.samples[name].append(1000 * (perf_counter() - begin))


def some_delivery(turn: int) -> str:
    """One from anywhere in the history, the same place in each."""
    first, last = Delivery.select(Delivery.id).order_by(Delivery.id), Delivery.id.desc()
    low, high = first.scalar(), first.order_by(last).scalar()
    place = low + (high - low) * (turn * 37 % 100) // 100
    return str(
        Delivery.select(Delivery.uuid).where(Delivery.id >= place).order_by(Delivery.id).scalar()
    )


def some_event(turn: int) -> tuple[int, str]:
    """The business and the subject of one from anywhere in the history: the last one by then that
    has a subject, as what `_deliver` publishes has not.
    """
    to = Delivery.get(Delivery.uuid == some_delivery(turn)).event_id
    named = Event.select().where((Event.id <= to) & (Event.subject != ""))
    event = named.order_by(Event.id.desc()).first()
    return event.business_id, event.subject


def costs(sizes: list[int], urls: list[str], folder: Path) -> dict[str, dict[int, float]]:
    """Milliseconds of each piece of work by the length of the history."""
    installed = [
        Installed(url, folder / f"{size}.key", size) for size, url in zip(sizes, urls, strict=True)
    ]
    for number in range(ROUNDS):
        for each in installed:
            each.round(number)
    for each in installed:
        with each.bound():
            release_connection()
    return {
        name: {each.size: statistics.median(each.samples[name]) for each in installed}
        for name in installed[0].samples
    }


# Memory


def fill_due(database: str, key_file: Path, url: str, count: int) -> None:
    found(database, key_file, [f"{url}{number}" for number in range(WEBHOOKS)], BUSINESSES)
    LongHistory(0, WEBHOOKS, SPAN, due=count).fill(now())
    keep_house()
    release_connection()


async def drain(database: str, key_file: Path) -> None:
    """A worker that stops after POSTS: what its memory came to, in MB."""
    open_database(database)
    worker = dispatcher(key_file)
    suit_a_worker()
    tally = await worker.drain(
        now, lambda tally: worker.stop() if tally.delivered >= POSTS else None
    )
    await worker.close()
    assert tally.delivered
    print(most_resident() / 2**20)


def memory(count: int, url: str) -> float:
    """Each step in a process of its own, so that the worker holds nothing but its own."""
    print(f"draining {count:,} due deliveries …", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.benchmarks.growth"]
        files = [f"sqlite:///{folder}/bench.db", f"{folder}/key"]
        subprocess.run([*command, "--due", *files, url, str(count)], check=True)
        return float(subprocess.check_output([*command, "--drain", *files]))


def print_costs(engine: str, measured: dict[str, dict[int, float]]) -> None:
    sizes = list(next(iter(measured.values())))
    print(f"\n{engine + ', ms':<24}" + "".join(f"{size:>12,}" for size in sizes) + "       ratio")
    for name, by_size in measured.items():
        figures = "".join(f"{value:>12.2f}" for value in by_size.values())
        print(f"{name:<24}{figures}{by_size[sizes[-1]] / by_size[sizes[0]]:>12.2f}")


def main(largest: int) -> None:
    sizes = [10**power for power in range(SMALLEST, largest + 1)]
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as path, postgres_server() as server:
        folder = Path(path)
        files = [f"sqlite:///{folder / str(size)}.db" for size in sizes]
        figures["SQLite"] = lite = costs(sizes, files, folder)
        print_costs("SQLite", lite)
        databases = [new_database(server) for _ in sizes]
        (others := folder / "postgresql").mkdir()
        figures["PostgreSQL"] = full = costs(sizes, databases, others)
        print_costs("PostgreSQL", full)
    with receiver() as url:
        figures["memory"] = {
            count: memory(count, url) for count in (1000, 10 ** (largest - 1), 10**largest)
        }
    write_results("growth", figures)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What things cost as the history grows.")
    parser.add_argument(
        "--largest",
        type=int,
        choices=range(SMALLEST + 1, 9),
        default=LARGEST,
        help="history, a power of ten",
    )
    parser.add_argument("--due", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument("--drain", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    match arguments():
        case argparse.Namespace(due=[database, key, url, count]):
            fill_due(database, Path(key), url, int(count))
        case argparse.Namespace(drain=[database, key]):
            asyncio.run(drain(database, Path(key)))
        case given:
            main(given.largest)
