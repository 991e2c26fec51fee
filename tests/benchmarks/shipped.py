"""How fast a worker is as shipped: the real command at its defaults, on both engines with fsync.

POSTs a second from the first arrival to the last, beside bare aiohttp, and beside the same worker
whose one webhook may have all places. What is published before the worker starts, and while it
runs; to a receiver that answers at once, and to one that takes 50 ms. Only `per_host` is raised,
since there is one host. Prints a table of medians; a ratio is the median of those of each
round. Writes the rounds to bench/results/shipped.json.
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.config import load_config
from core.intake import sync
from core.storage.clock import utc_now as now
from core.storage.database import open_database, release_connection
from core.verification.evidence import Evidence
from tasks.wiring import make_wake
from tests.benchmarks.pipeline import client_rate
from tests.benchmarks.report import ALL_PLACES, BARE
from tests.benchmarks.stage import (
    AT_ONCE,
    PAYLOAD,
    SCHEDULE,
    forget_posts,
    found,
    hold_to_invariants,
    known_secrets,
    new_database,
    posts_at,
    prepare,
    receiver,
    shipped_worker,
    wait_for_posts,
    write_results,
)
from tests.support.servers import postgres_server

ROUNDS = 5
POSTS, SLOW_POSTS = 10_000, 2000
TAKES = 0.05  # seconds, of the slow receiver
_PATIENCE = 120.0  # seconds for one case


@dataclass(frozen=True)
class Case:
    postgres: bool = False
    addresses: int = 1
    per_webhook: int = 0  # as shipped
    takes: float = 0.0
    meanwhile: bool = False  # published while the worker runs

    @property
    def posts(self) -> int:
        return SLOW_POSTS if self.takes else POSTS


CASES = {
    f"{engine}, {name}": case
    for engine, postgres in (("SQLite", False), ("PostgreSQL", True))
    for name, case in {
        "1 address": Case(postgres),
        f"1 address{ALL_PLACES}": Case(postgres, per_webhook=AT_ONCE),
        "1 address, published meanwhile": Case(postgres, meanwhile=True),
        "10 addresses": Case(postgres, 10),
        "1 address that takes 50 ms": Case(postgres, takes=TAKES),
    }.items()
}


# In a process of its own


def run_case(case: Case, database: str, folder: Path, url: str) -> float:
    """POSTs a second, of a database that is as it must be afterwards."""
    urls = [f"{url}{number}" for number in range(case.addresses)]
    if case.meanwhile:
        [business] = found(database, folder / "key", urls, 1)
    else:
        prepare(database, folder / "key", urls, case.posts // case.addresses)
    places = f"per_webhook = {case.per_webhook}\n" if case.per_webhook else ""
    with shipped_worker(folder, database, delivery=f"per_host = {AT_ONCE}\n{places}"):
        if case.meanwhile:
            push(business, case.posts, folder)
        wait_for_posts(url, case.posts, _PATIENCE)
    posts = posts_at(url)
    hold_to_invariants(Evidence(posts, SCHEDULE, secrets=known_secrets(folder / "key")))
    times = [post.at for post in posts if post.at is not None]
    return (len(times) - 1) / (max(times) - min(times)).total_seconds()


def push(business: int, events: int, folder: Path) -> None:
    line = b'{"entity":"produit","before":null,"after":%b,"key":"%d"}\n'
    lines = [line % (PAYLOAD, number) for number in range(events)]
    wake = make_wake(load_config(folder / "shipped.toml"))
    ignore = {"on_bad": lambda *_: None, "on_progress": lambda _: None}
    sync(business, lines, now, wake=wake, **ignore)
    release_connection()


# In the process that measures


def apart(name: str, url: str, server: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        database = new_database(server) if CASES[name].postgres else f"sqlite:///{folder}/bench.db"
        command = [sys.executable, "-m", "tests.benchmarks.shipped", name, database, folder, url]
        return float(subprocess.check_output(command))


def measure() -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in (BARE, *CASES)}
    with postgres_server() as server:
        for turn in range(ROUNDS):
            for name, measured in rates.items():
                case = CASES.get(name, Case())
                with receiver(case.takes) as url:
                    forget_posts(url)
                    rate = client_rate(BARE, url) if name == BARE else apart(name, url, server)
                measured.append(rate)
                told = f"as shipped, round {turn + 1} of {ROUNDS}: {name}, {rate:,.0f} POSTs/s"
                print(told, file=sys.stderr)
    return rates


def main(given: Sequence[str]) -> None:
    match given:
        case [name, database, folder, url]:
            open_database(database, create=True)
            print(run_case(CASES[name], database, Path(folder), url))
        case _:
            write_results("shipped", measure())


if __name__ == "__main__":
    main(sys.argv[1:])
