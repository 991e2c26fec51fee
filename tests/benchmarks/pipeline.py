"""How fast deliveries go beside bare HTTP clients and beside django-webhook on Celery and Redis:
same receiver, same payload, one run.

Each case runs in processes of its own, and what it has left behind is held to the invariants.
Prints a table of medians and writes each round to bench/results/pipeline.json. Machines are noisy,
so what counts is the ratios, which are those of each round.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import aiohttp
import httpx

from core.outbound.event_loop import run
from core.storage.clock import utc_now as now
from core.storage.database import open_database
from core.verification.evidence import Evidence
from tasks.engine import suit_a_worker
from tests.benchmarks import cost
from tests.benchmarks.report import BARE, RIVAL
from tests.benchmarks.stage import (
    AT_ONCE,
    PAYLOAD,
    SCHEDULE,
    SHIPPED,
    dispatcher,
    forget_posts,
    hold_to_invariants,
    known_secrets,
    new_database,
    posts_at,
    prepare,
    receiver,
    write_results,
)
from tests.support.servers import postgres_server, redis_server

ROUNDS = 5
POSTS = 40_000  # so that a run's beginning and end weigh little
SLOW_ROUNDS = 3  # one in so many is for the slow ones too
SLOW_POSTS = 2000  # for the client whose pool rescans every connection
RIVAL_POSTS = 1000
RIVAL_PYTHON = Path(__file__).parents[2] / ".venv-bench" / "bin" / "python"
RIVAL_PATIENCE = 300  # seconds for one case, with its start and end


@dataclass(frozen=True)
class Case:
    """So many workers that drain so many deliveries to so many addresses."""

    addresses: int = 1
    workers: int = 1
    postgres: bool = False

    @property
    def per_webhook(self) -> int:
        """One address has all the places to itself; of more each has what it has as shipped."""
        return AT_ONCE if self.addresses == 1 else SHIPPED.per_webhook


CASES: dict[str, Case] = {
    "SQLite, 1 worker": Case(),
    "SQLite, 1 worker, 200 addresses": Case(addresses=200),
    "SQLite, 2 workers": Case(workers=2),
    "PostgreSQL, 1 worker": Case(postgres=True),
    "PostgreSQL, 2 workers": Case(postgres=True, workers=2),
}
RIVALS: dict[str, Case] = {
    f"{RIVAL}, SQLite, 1 process": Case(),
    f"{RIVAL}, SQLite, a process a core": Case(workers=0),
    f"{RIVAL}, PostgreSQL, 1 process": Case(postgres=True),
    f"{RIVAL}, PostgreSQL, a process a core": Case(postgres=True, workers=0),
}


# In the processes of the cases


async def on_the_word(work: Callable[[], Awaitable[int]]) -> None:
    """Say ready, wait for the word, and say how many POSTs the work came to."""
    print("ready", flush=True)
    sys.stdin.readline()
    print(await work(), flush=True)


async def together(posts: int, post: Callable[[], Awaitable[object]]) -> int:
    """POST so often with AT_ONCE in flight."""

    async def some() -> None:
        for _ in range(posts // AT_ONCE):
            await post()

    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return posts // AT_ONCE * AT_ONCE


async def bare_aiohttp(url: str) -> int:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post() -> None:
            async with session.post(url, data=PAYLOAD) as answer:
                await answer.read()

        return await together(POSTS, post)


async def stock_httpx(url: str) -> int:
    async with httpx.AsyncClient() as client:
        return await together(SLOW_POSTS, lambda: client.post(url, content=PAYLOAD))


@dataclass(frozen=True)
class Client:
    """A bare HTTP client in so many processes."""

    work: Callable[[str], Awaitable[int]]
    processes: int = 1


CLIENTS = {
    BARE: Client(bare_aiohttp),
    f"{BARE}, 2 processes": Client(bare_aiohttp, 2),  # how far this machine goes with a second one
    (STOCK := "stock httpx.AsyncClient"): Client(stock_httpx),
}


async def drain(database: str, key_file: Path, per_webhook: int) -> None:
    """One worker's part: delivers what is due."""
    open_database(database)
    worker = dispatcher(key_file, per_webhook)
    suit_a_worker()

    async def work() -> int:
        tally = await worker.drain(now)
        await worker.close()
        return tally.delivered

    await on_the_word(work)


def examine(database: str, key_file: Path, url: str) -> None:
    """End the run if what was drained was not delivered as it must be."""
    open_database(database)
    hold_to_invariants(Evidence(posts_at(url), SCHEDULE, secrets=known_secrets(key_file)))


# In the process that measures


def measure() -> dict[str, list[float]]:
    rates: dict[str, list[float]] = {name: [] for name in [*CLIENTS, *RIVALS, *CASES]}
    with (
        receiver() as url,
        postgres_server() as server,
        redis_server() as (redis, _),
    ):
        for turn in range(ROUNDS):
            for name, measured in rates.items():
                if turn % SLOW_ROUNDS and name in {STOCK, *RIVALS}:
                    continue
                print(f"round {turn + 1} of {ROUNDS}: {name}", end="", file=sys.stderr, flush=True)
                if name in CLIENTS:
                    measured.append(client_rate(name, url))
                elif name in RIVALS:
                    measured.append(rival_rate(RIVALS[name], url, server, redis))
                else:
                    measured.append(case_rate(CASES[name], url, server))
                print(f", {measured[-1]:,.0f} POSTs/s", file=sys.stderr)
    return rates


def client_rate(name: str, url: str) -> float:
    posts, seconds = run_at_once(["client", name, url], CLIENTS[name].processes)
    return posts / seconds


def run_at_once(part: Sequence[str | Path], processes: int) -> tuple[int, float]:
    """The POSTs of so many processes with this part, and the seconds from the word to the last's
    end: of its work, not of Python.
    """
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.pipeline", *part],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for each in running:
        assert each.stdout is not None
        each.stdout.readline()
    begin = perf_counter()
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    posts = sum(int(each.stdout.readline()) for each in running if each.stdout)
    seconds = perf_counter() - begin
    for each in running:
        each.communicate()
    return posts, seconds


def rival_rate(case: Case, url: str, server: str, redis: str) -> float:
    """Deliveries per second; ends the run when django-webhook is not there or does not deliver."""
    if not RIVAL_PYTHON.exists():
        sys.exit(f"There is no {RIVAL_PYTHON}: `make bench` sets it up.")
    script = Path(__file__).with_name("rival.py")
    with tempfile.TemporaryDirectory() as folder:
        database = new_database(server) if case.postgres else f"sqlite:///{folder}/bench.db"
        done = subprocess.run(
            [RIVAL_PYTHON, script, url, f"{RIVAL_POSTS}", f"{case.workers}"],
            input=PAYLOAD,
            capture_output=True,
            timeout=RIVAL_PATIENCE,
            check=False,
            env={**os.environ, "BENCH_DATABASE": database, "BENCH_REDIS": redis},
        )
    if done.returncode:
        sys.exit(f"django-webhook ended with {done.returncode}:\n{done.stderr.decode()[-5000:]}")
    return float(done.stdout)


def case_rate(case: Case, url: str, server: str) -> float:
    """Deliveries per second of what is prepared for the case, held to the invariants."""
    forget_posts(url)
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "key"
        database = new_database(server) if case.postgres else f"sqlite:///{folder}/bench.db"
        command = [sys.executable, "-m", "tests.benchmarks.pipeline"]
        subprocess.run(
            [*command, "prepare", database, key_file, url, str(case.addresses)], check=True
        )
        drain_it = ["drain", database, key_file, str(case.per_webhook)]
        delivered, seconds = run_at_once(drain_it, case.workers)
        subprocess.run([*command, "examine", database, key_file, url], check=True)
    expected = POSTS // case.addresses * case.addresses
    assert delivered == expected, f"{delivered} of {expected} were delivered"
    return delivered / seconds


def main() -> None:
    write_results("pipeline", measure())
    write_results("cost", cost.measure())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["client", name, url]:
            asyncio.run(on_the_word(lambda: CLIENTS[name].work(url)))  # as its users run it
        case ["prepare", database, key_file, url, addresses]:
            urls = [f"{url}{each}" for each in range(int(addresses))]
            prepare(database, Path(key_file), urls, POSTS // int(addresses))
        case ["examine", database, key_file, url]:
            examine(database, Path(key_file), url)
        case ["drain", database, key_file, per_webhook]:
            run(drain(database, Path(key_file), int(per_webhook)))
        case _:
            main()
