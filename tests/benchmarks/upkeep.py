"""What happens beside deliveries, and what it costs.

An idle worker on each queue, in percent of a core; a pass with 50,000 webhooks that wait for later
beside one with 10; the processor time of one publication and of its wake; events a second through
`sync` and `publish`, beside bare INSERTs of the same rows in transactions as large; and how fast
fan-out is for 1,000 webhooks with ten conditions each. Prints a table and writes
bench/results/upkeep.json.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from time import perf_counter, process_time

from core.config import load_config
from core.domain.catalogue import CATALOGUE
from core.domain.events import EventType
from core.intake import publish, sync
from core.pipeline.fan_out import fan_out
from core.storage.clock import utc_now as now
from core.storage.database import open_database, release_connection, transaction
from core.storage.inserts import insert_rows
from core.storage.models import Event, SelectedEvent, Webhook
from tasks.wiring import make_wake, open_configured_queue
from tasks.writer import Rules, Writer
from tests.benchmarks.stage import (
    PAYLOAD,
    SCHEDULE,
    SHIPPED,
    cpu_of,
    found,
    new_database,
    shipped_worker,
    write_results,
)
from tests.support.long_history import keep_house
from tests.support.scene import silent
from tests.support.servers import postgres_server, redis_server
from tests.support.waiting import wait_until

NOBODY = "http://127.0.0.1:1024/"  # is called
IDLE_FOR = 5.0  # seconds
FEW, MANY = 10, 50_000  # webhooks that wait for tomorrow
PASSES = 50
PUBLICATIONS = 300
EVENTS, BATCH = 4000, 500  # BATCH is a push's
CHOOSY, EACH = 1_000, 10  # webhooks, and tickets for each
TICKET = CATALOGUE[EventType.TICKET_CREATED].example.encode()
TEN = [
    *("total_tvac > 0", "total_tvac < 1e6", 'mode_paiement != "x"', "lignes exists"),
    *('statut = "valide"', 'statut contains "val"', "absent missing", "numero exists"),
    *('statut >= "a"', "client.pays missing"),
]
"""Conditions that hold of it, so that all are looked at."""

Figures = dict[str, float]


def idle(folder: Path, database: str, queue: str) -> float:
    """Percent of a core, of a worker with nothing to do."""
    found(database, folder / "key", [NOBODY], 1)
    release_connection()
    with shipped_worker(folder, database, queue) as pid:
        time.sleep(1.0)  # in which it comes to rest
        before = cpu_of(pid)
        time.sleep(IDLE_FOR)  # what is measured is that nothing happens
        return 100 * (cpu_of(pid) - before) / IDLE_FOR


def look_around(folder: Path, database: str, _: str) -> float:
    """How many times as long a pass takes to look around, with many webhooks that wait."""
    found(database, folder / "key", [NOBODY], 1)
    writer = Writer(Rules(SCHEDULE, SHIPPED.recovery_window), now)
    taken = []
    for number in (FEW, MANY):
        add_waiting(number)
        taken.append(seconds_a_pass(writer))
    few, many = taken
    return many / few


def seconds_a_pass(writer: Writer) -> float:
    """The median; the next due time is asked for after it, as a worker does."""
    taken = []
    for _ in range(PASSES):
        begin = perf_counter()
        writer._look_around(now())
        writer._attend()
        writer._next_due()
        taken.append(perf_counter() - begin)
    return statistics.median(taken)


def add_waiting(number: int) -> None:
    """So many webhooks that are to be looked at tomorrow; what waits of them nobody reads."""
    [first] = Webhook.select().order_by(Webhook.id).limit(1)
    tomorrow = now() + timedelta(days=1)
    columns = (Webhook.business, Webhook.url, Webhook.secret, Webhook.created_at,
               Webhook.updated_at, Webhook.ready_at)  # fmt: skip
    row = (first.business_id, first.url, bytes(first.secret), now(), now(), tomorrow)
    with transaction():
        insert_rows(Webhook, columns, [row] * number)
    keep_house()


def publication(folder: Path, database: str, queue: str) -> Figures:
    """Microseconds of processor time."""
    [business] = found(database, folder / "key", [NOBODY], 1)
    with shipped_worker(folder, database, queue):
        wake = make_wake(load_config(folder / "shipped.toml"))
        wake()  # the first opens the queue
        spent = {
            "publish": microseconds(
                lambda: publish(business, EventType.TICKET_CREATED, PAYLOAD, now(), wake=silent)
            ),
            "wake": microseconds(wake, settled=queue_is_empty(folder)),
        }
    release_connection()
    return spent


def queue_is_empty(folder: Path) -> Callable[[], bool]:
    queue = open_configured_queue(load_config(folder / "shipped.toml"))
    return lambda: not queue.pending_count()


def microseconds(call: Callable[[], object], settled: Callable[[], bool] = lambda: True) -> float:
    """Of processor time, each call made once things have settled after the one before."""
    spent = 0.0
    for _ in range(PUBLICATIONS):
        wait_until(settled)
        begin = process_time()
        call()
        spent += process_time() - begin
    return 1e6 * spent / PUBLICATIONS


def ingest(folder: Path, database: str, _: str) -> Figures:
    """Events a second, and of bare INSERTs in transactions as large."""
    [business] = found(database, folder / "key", [NOBODY], 1)
    line = b'{"entity":"produit","before":null,"after":%b,"key":"%d"}\n'
    lines = [line % (PAYLOAD, number) for number in range(EVENTS)]
    singles = EVENTS // 10

    def insert(number: int, at_once: int) -> None:
        columns = (Event.business, Event.type, Event.payload, Event.created_at, Event.key)
        for start in range(0, number, at_once):
            keys = (f"bare-{at_once}-{start + each}" for each in range(at_once))
            with transaction():
                rows = [(business, "produit.updated", PAYLOAD, now(), key) for key in keys]
                insert_rows(Event, columns, rows)

    def publish_each() -> None:
        for _ in range(singles):
            publish(business, EventType.TICKET_CREATED, PAYLOAD, now(), wake=silent)

    ignore = {"on_bad": lambda *_: None, "on_progress": lambda _: None}
    return {
        "bare, in batches": rate(EVENTS, lambda: insert(EVENTS, BATCH)),
        "sync": rate(EVENTS, lambda: sync(business, lines, now, wake=silent, **ignore)),
        "bare, one by one": rate(singles, lambda: insert(singles, 1)),
        "publish": rate(singles, publish_each),
    }


def conditions(folder: Path, database: str, _: str) -> Figures:
    """Webhooks a second that fan-out decides about, with and without conditions of their own."""
    [business] = found(database, folder / "key", [NOBODY], 1)
    copy_webhook(CHOOSY)
    rates = {}
    for name, only in (("without", None), ("with ten conditions", json.dumps(TEN))):
        with transaction():
            Webhook.update(only=only).execute()
        for _ in range(EACH):
            publish(business, EventType.TICKET_CREATED, TICKET, now(), wake=silent)
        rates[name] = rate(CHOOSY * EACH, fan_out_all)
    release_connection()
    return rates


def copy_webhook(number: int) -> None:
    """So many webhooks like the first, for every ticket."""
    [first] = Webhook.select().order_by(Webhook.id).limit(1)
    columns = (Webhook.business, Webhook.url, Webhook.secret, Webhook.created_at,
               Webhook.updated_at)  # fmt: skip
    row = (first.business_id, first.url, bytes(first.secret), now(), now())
    with transaction():
        insert_rows(Webhook, columns, [row] * (number - 1))
        ids = [row[0] for row in Webhook.select(Webhook.id).tuples()]
        selected = [(each, EventType.TICKET_CREATED) for each in ids[1:]]
        insert_rows(SelectedEvent, (SelectedEvent.webhook, SelectedEvent.event_type), selected)


def fan_out_all() -> None:
    while not fan_out(500, now()).is_all:
        pass


def rate(events: int, work: Callable[[], object]) -> float:
    begin = perf_counter()
    work()
    return events / (perf_counter() - begin)


PARTS: dict[str, Callable[[Path, str, str], object]] = {
    "idle": idle,
    "look around": look_around,
    "publication": publication,
    "ingest": ingest,
    "conditions": conditions,
}


# In the process that measures


def apart(part: str, database: str, queue: str = "") -> object:
    print(f"upkeep: {part}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        url = database or f"sqlite:///{folder}/bench.db"
        command = [sys.executable, "-m", "tests.benchmarks.upkeep", part, folder, url, queue]
        return json.loads(subprocess.check_output(command))


def measure() -> dict[str, object]:
    with postgres_server() as server, redis_server() as (redis, by_socket):

        def each(part: str) -> Iterator[tuple[str, object]]:
            yield "SQLite", apart(part, "")
            yield "PostgreSQL", apart(part, new_database(server))

        url = new_database(server)
        queues = {
            "SQLite": apart("idle", ""),
            "Redis": apart("idle", "", redis),
            "Redis, by its socket": apart("idle", "", by_socket),
            "PostgreSQL": apart("idle", url, url),
        }
        return {"idle": queues} | {part: dict(each(part)) for part in PARTS if part != "idle"}


if __name__ == "__main__":
    match sys.argv[1:]:
        case [part, folder, database, queue]:
            open_database(database, create=True)
            print(json.dumps(PARTS[part](Path(folder), database, queue)))
        case _:
            write_results("upkeep", measure())
