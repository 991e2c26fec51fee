"""What the benchmarks share: servers of their own, something to deliver, tables and their JSON."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg

from core.config import Config, DeliveryConfig, SecretsConfig
from core.domain.delivery import Schedule
from core.domain.events import SELECTABLE, EventType
from core.domain.signing import Secret
from core.pipeline.fan_out import fan_out
from core.storage.clock import utc_now as now
from core.storage.database import open_database, release_connection, transaction
from core.storage.inserts import insert_rows
from core.storage.models import Event, Webhook
from core.storage.schema import migrate
from core.storage.vault import create_key_file, load_vault
from core.use_cases.businesses import add_business
from core.use_cases.services import create_webhook
from core.verification.evidence import Evidence
from core.verification.history import Post
from core.verification.invariants import check
from tasks.consumer import make_dispatcher
from tasks.dispatcher import Dispatcher
from tests.benchmarks import report
from tests.support.scene import DEVELOPMENT, OPERATOR
from tests.support.scripted import post_of
from tests.support.waiting import PATIENCE, wait_until

PAYLOAD = json.dumps({"lignes": ["x" * 90] * 10}).encode()
# The defaults, and this machine may be called.
SHIPPED = DeliveryConfig(allow_http=True, allow_networks=DEVELOPMENT.allow_networks)
SCHEDULE = Schedule(SHIPPED.retry_after, SHIPPED.max_attempts)
AT_ONCE = SHIPPED.concurrency  # POSTs in flight
_VIOLATIONS_TOLD = 10
_BETWEEN_LOOKS = 0.2  # seconds


@contextmanager
def receiver(takes: float = 0.0) -> Iterator[str]:
    """The URL of a receiver that costs next to nothing, in a process of its own, which answers
    after so many seconds.
    """
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("receiver.py"), str(takes)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def new_database(server: str) -> str:
    """A new, empty database on that server."""
    name = f"bench_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


def found(database: str, key_file: Path, urls: list[str], businesses: int) -> list[int]:
    """A new database with a webhook for each URL, dealt out to so many businesses: their ids."""
    open_database(database, create=True)
    migrate()
    create_key_file(key_file)
    vault = load_vault(key_file)
    ids = [
        add_business(OPERATOR, f"Bench {number}", "group", None, now())
        for number in range(businesses)
    ]
    for number, url in enumerate(urls):
        business = ids[number % businesses]
        create_webhook(OPERATOR, business, url, SELECTABLE, now(), policy=DEVELOPMENT, vault=vault)
    return ids


def publish(businesses: Sequence[int], each: int, at: datetime) -> None:
    """So many tickets of each at once, of one after the other in turn, as they come from tills."""
    columns = (Event.business, Event.type, Event.payload, Event.created_at)
    turn = [(business, EventType.TICKET_CREATED, PAYLOAD, at) for business in businesses]
    with transaction():
        insert_rows(Event, columns, turn * each)


def prepare(database: str, key_file: Path, urls: list[str], each: int) -> None:
    """A new database with a webhook for each URL, and so many deliveries due to each of them."""
    publish(found(database, key_file, urls, len(urls)), each, now())
    while fan_out(500, now()).events:
        pass
    release_connection()


def posts_at(url: str) -> list[Post]:
    """What the receiver has got since it was last asked."""
    return [
        replace(post_of(raw.encode("latin-1"), 200), at=datetime.fromtimestamp(at, UTC))
        for at, raw in httpx.delete(url, timeout=60).json()
    ]


def wait_for_posts(url: str, number: int, seconds: float) -> None:
    """Until so many have come; looks seldom, since that takes processor time too."""
    with httpx.Client() as client:
        wait_until(
            lambda: int(client.get(url).text) >= number, seconds, between_looks=_BETWEEN_LOOKS
        )


def forget_posts(url: str) -> None:
    """Have the receiver begin anew."""
    httpx.delete(url, timeout=60)


def known_secrets(key_file: Path) -> dict[int, list[Secret]]:
    """Each webhook's in the bound database."""
    vault = load_vault(key_file)
    return {
        row.id: [vault.open(bytes(row.secret), row.business_id, row.id)] for row in Webhook.select()
    }


def hold_to_invariants(evidence: Evidence) -> None:
    """End the run if what it has left behind is not as it must be."""
    violations = [f"{each.rule}: {each.sentence}" for each in check(evidence)]
    if violations:
        told = "\n".join(violations[:_VIOLATIONS_TOLD])
        sys.exit(f"{len(violations)} invariants were broken, the first of them:\n{told}")


@contextmanager
def shipped_worker(
    folder: Path, database: str, queue: str = "", delivery: str = ""
) -> Iterator[int]:
    """The number of a real worker's process, at the defaults but for what is said; it has started.

    Ends the run if the worker does not end well.
    """
    config = folder / "shipped.toml"
    queue = queue or f"sqlite:///{folder}/queue.db"
    config.write_text(
        f'[database]\nurl = "{database}"\n[queue]\nurl = "{queue}"\n[secrets]\nkey_file = "key"\n'
        f'[delivery]\nallow_http = true\nallow_networks = ["127.0.0.0/8"]\n{delivery}'
    )
    command = [sys.executable, "-m", "tui.cli", "--config", config, "worker"]
    with (folder / "worker.log").open("w+") as log:
        process = subprocess.Popen(command, stderr=log)
        try:
            wait_until(lambda: "worker started" in (folder / "worker.log").read_text())
            yield process.pid
        finally:
            process.terminate()
            if process.wait(PATIENCE):
                log.seek(0)
                sys.exit(f"the worker ended with {process.returncode}:\n{log.read()[-2000:]}")


def cpu_of(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def dispatcher(key_file: Path, per_webhook: int = SHIPPED.per_webhook) -> Dispatcher:
    """What a worker delivers with, as the program sets it up by default.

    Where there is one address only, `per_webhook` gives it all the places, so that a whole worker
    is measured: as shipped most of them would stay empty. So has the one host that there is.
    """
    delivery = replace(SHIPPED, per_webhook=per_webhook, per_host=AT_ONCE)
    return make_dispatcher(Config(secrets=SecretsConfig(str(key_file)), delivery=delivery))


def spread(seconds: Sequence[float]) -> dict[str, float]:
    """What most of them come to, and what the unlucky ones do."""
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": cuts[49], "p99": cuts[98], "worst": max(seconds)}


def write_results(name: str, figures: Any) -> None:
    """Print what was measured as a table, and write it as JSON for whoever compares runs."""
    report.RESULTS.mkdir(parents=True, exist_ok=True)
    (report.RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(report.table(report.rows(name, figures)), flush=True)
