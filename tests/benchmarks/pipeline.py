"""How fast the pipeline is beside bare HTTP clients: same receiver, same body, one run.

Prints a table of medians and writes them to bench/results/pipeline.json. Machines are noisy, so
what counts is the ratios.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from time import perf_counter

import aiohttp
import httpx

from core import outbox
from core.database import open_database, release_connection
from core.delivery import Schedule
from core.directory import add_business
from core.events import SELECTABLE, EventType
from core.models import Event
from core.plans import Actor
from core.schema import migrate
from core.sender import Sender
from core.services import create_webhook
from core.transport import GuardedTransport, tls_context
from core.url_policy import UrlPolicy
from core.vault import create_key_file, load_vault
from tasks.dispatcher import Dispatcher
from tasks.load import Limits

ROUNDS = 3
AT_ONCE = 64
POSTS = 5000
SLOW_POSTS = 500  # for the client whose pool rescans every connection
PAYLOAD = json.dumps({"lignes": ["x" * 90] * 10}).encode()
POLICY = UrlPolicy(allow_http=True, allow_networks=(ip_network("127.0.0.0/8"),))
RESULTS = Path(__file__).parents[2] / "bench" / "results"
OPERATOR = Actor(None, "bench")


def now() -> datetime:
    return datetime.now(UTC)


async def together(posts: int, post: Callable[[], Awaitable[object]]) -> float:
    """POSTs per second with AT_ONCE in flight."""

    async def some() -> None:
        for _ in range(posts // AT_ONCE):
            await post()

    begin = perf_counter()
    await asyncio.gather(*(some() for _ in range(AT_ONCE)))
    return posts // AT_ONCE * AT_ONCE / (perf_counter() - begin)


async def bare_aiohttp(url: str) -> float:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def post() -> None:
            async with session.post(url, data=PAYLOAD) as answer:
                await answer.read()

        return await together(POSTS, post)


async def stock_httpx(url: str) -> float:
    async with httpx.AsyncClient() as client:
        return await together(SLOW_POSTS, lambda: client.post(url, content=PAYLOAD))


async def pipeline(url: str, addresses: int = 1) -> float:
    """Claim, sign, POST, log and settle: deliveries per second of one process on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder), url, addresses)
        vault = load_vault(Path(folder) / "key")
        dispatcher = Dispatcher(
            Sender(GuardedTransport(POLICY, tls_context("")), timedelta(seconds=10)),
            lambda: vault,
            Schedule((timedelta(minutes=1),), 5),
            Limits(256, AT_ONCE),
            now,
        )
        begin = perf_counter()
        tally = await dispatcher.drain(now)
        seconds = perf_counter() - begin
        await dispatcher.close()
        release_connection()
    return tally.delivered / seconds


def prepare(folder: Path, url: str, addresses: int) -> None:
    """POSTS deliveries, due and fanned out, spread over so many webhooks."""
    open_database(f"sqlite:///{folder / 'bench.db'}", create=True)
    migrate()
    create_key_file(folder / "key")
    vault = load_vault(folder / "key")
    for each in range(addresses):
        business = add_business(OPERATOR, f"Bench {each}", "group", None, now())
        create_webhook(
            OPERATOR, business, f"{url}{each}", SELECTABLE, now(), policy=POLICY, vault=vault
        )
        events = [(business, EventType.TICKET_CREATED, PAYLOAD, now())] * (POSTS // addresses)
        columns = [Event.business, Event.type, Event.payload, Event.created_at]
        Event.insert_many(events, columns).execute()
    while outbox.fan_out(500, now()).events:
        pass


CASES: dict[str, Callable[[str], Awaitable[float]]] = {
    "bare aiohttp": bare_aiohttp,
    "stock httpx.AsyncClient": stock_httpx,
    "pipeline, SQLite, 1 address": pipeline,
    "pipeline, SQLite, 200 addresses": lambda url: pipeline(url, 200),
}


def measure() -> dict[str, float]:
    receiver = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("receiver.py")], stdout=subprocess.PIPE
    )
    assert receiver.stdout is not None
    url = f"http://127.0.0.1:{int(receiver.stdout.readline())}/"
    rates: dict[str, list[float]] = {name: [] for name in CASES}
    try:
        for turn in range(ROUNDS):
            for name, case in CASES.items():
                print(f"round {turn + 1} of {ROUNDS}: {name}", file=sys.stderr)
                rates[name].append(asyncio.run(case(url)))  # type: ignore[arg-type]  # coroutines
    finally:
        receiver.terminate()
        receiver.wait()
        receiver.stdout.close()
    return {name: statistics.median(values) for name, values in rates.items()}


def main() -> None:
    medians = measure()
    base = medians["bare aiohttp"]
    print(f"{'':<34}{'POSTs/s':>9}{'× aiohttp':>11}")
    for name, rate in medians.items():
        print(f"{name:<34}{rate:>9.0f}{rate / base:>11.2f}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "pipeline.json").write_text(json.dumps(medians, indent=2) + "\n")


if __name__ == "__main__":
    main()
