"""Several workers on one database: each delivery is POSTed once, whoever of them is killed.

`make backlog` runs the same with 100,000 deliveries.
"""

import json
import re
import signal
import socket
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from core.config import load_config
from core.domain.delivery import ErrorKind, Status
from core.pipeline.steps import Step
from core.storage.database import connection, is_postgres, open_database, proxy, transaction
from core.storage.models import Attempt, Delivery
from tests.support import dying_worker
from tests.support.counting import Counted, counting
from tests.support.installation import (
    COMMAND,
    FAST,
    SHORT_MINUTES,
    Installation,
    Storage,
    Worker,
)
from tests.support.scene import close_database, nothing_waits
from tests.support.scripted import answer, receiving, telling
from tests.support.servers import restartable_postgres
from tests.support.waiting import PATIENCE, wait_until

WEBHOOKS = 8
CONCURRENCY = 64
LONG = 300  # seconds
LEASE = 15  # seconds, of the worker that dies: longer than its timeout


@pytest.fixture
def backlog(request: pytest.FixtureRequest) -> int:
    """How many deliveries there are to drain."""
    return int(request.config.getoption("deliveries")) // WEBHOOKS * WEBHOOKS


@pytest.fixture
def servers(postgres_url: str, redis_url: str) -> Storage:
    return Storage(postgres_url, redis_url)


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Counted]:
    with counting(tmp_path) as counted:
        yield counted
    close_database()


def fill(installed: Installation, url: str, backlog: int) -> None:
    """Eight webhooks, one push of events for all of them, and the models bound to it all."""
    installed.init()
    for number in range(WEBHOOKS):
        installed.add_webhook(f"{url}{number}")
    changes = (
        {"entity": "client", "before": None, "after": {"id": number}, "key": f"c-{number}"}
        for number in range(backlog // WEBHOOKS)
    )
    installed.ok("sync", stdin="\n".join(map(json.dumps, changes)).encode())
    open_database(load_config(installed.config).database.url)


def quiet(installed: Installation, command: Sequence[str] = COMMAND) -> list[str]:
    """A worker that tells of passes, not of each delivery."""
    return [*command, "--config", str(installed.config), "worker"]


@contextmanager
def starting_together(installed: Installation, *commands: list[str]) -> Iterator[list[Worker]]:
    """A worker of each command, none of which can begin before all have started."""
    with ExitStack() as stack:
        with transaction():  # on SQLite that alone keeps every other writer waiting
            if is_postgres():
                proxy.execute_sql("LOCK TABLE event")
            workers = [stack.enter_context(installed.worker(command=each)) for each in commands]
            for worker in workers:
                worker.wait_for("worker started")
        yield workers


def delivered_ids() -> set[str]:
    with connection():
        delivered = Delivery.select(Delivery.uuid).where(Delivery.status == Status.DELIVERED)
        return {str(row[0]) for row in delivered.tuples()}


def interrupted_ids() -> set[str]:
    with connection():
        rows = (
            Attempt.select(Delivery.uuid)
            .join(Delivery)
            .where(Attempt.error == ErrorKind.INTERRUPTED)
            .tuples()
        )
        return {str(row[0]) for row in rows}


def share_of(worker: Worker) -> int:
    """How many deliveries it says it has made."""
    return sum(int(count) for count in re.findall(r"delivered=(\d+)", "".join(worker.log)))


@pytest.mark.parametrize(
    ("engine", "count"),
    [("PostgreSQL and Redis", 2), ("PostgreSQL and Redis", 4), ("SQLite", 2)],
)
def test_workers_share_a_backlog_and_post_each_delivery_once(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    receiver: Counted,
    backlog: int,
    engine: str,
    count: int,
) -> None:
    storage = Storage() if engine == "SQLite" else request.getfixturevalue("servers")
    installed = Installation(tmp_path, f"{FAST}concurrency = {CONCURRENCY}\n", storage)
    fill(installed, receiver.url, backlog)
    with starting_together(installed, *[quiet(installed)] * count) as workers:
        wait_until(lambda: len(receiver) >= backlog and nothing_waits(), LONG)
        assert [worker.stop() for worker in workers] == [0] * count
    posted = [post.delivery_id for post in receiver.posts()]
    assert len(posted) == backlog
    assert set(posted) == delivered_ids()
    shares = [share_of(worker) for worker in workers]
    assert sum(shares) == backlog
    assert sum(map(bool, shares)) > 1, shares


def test_a_backlog_wakes_the_workers_that_the_push_s_own_wake_did_not_reach(
    tmp_path: Path, installed: Installation
) -> None:
    @telling(200)
    def slowly(connection: socket.socket) -> None:
        threading.Event().wait(0.2)  # as long as a receiver takes
        answer(200).do(connection)

    with receiving(slowly) as receiver, ExitStack() as stack:
        installed.add_webhook(receiver.url)
        workers = [
            stack.enter_context(installed.worker(command=quiet(installed))) for _ in range(2)
        ]
        for worker in workers:
            worker.wait_for("worker started")
        installed.push(600)
        wait_until(lambda: len(receiver.requests) == 600)
        assert [worker.stop() for worker in workers] == [0, 0]
    assert all(share_of(worker) > 0 for worker in workers)


def nothing_is_lost(receiver: Counted, backlog: int) -> set[str]:
    """Each was POSTed; once, or once more after an interruption, as the same bytes. Those twice."""
    bodies = defaultdict(list)
    for post in receiver.posts():
        bodies[post.delivery_id].append(post.digest)
    assert set(bodies) == delivered_ids()
    assert len(bodies) == backlog
    assert all(len(set(digests)) == 1 for digests in bodies.values())
    repeated = {each for each, digests in bodies.items() if len(digests) > 1}
    assert all(len(bodies[each]) == 2 for each in repeated)
    assert repeated <= interrupted_ids()
    return repeated


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_a_worker_killed_among_others_loses_nothing_and_repeats_only_what_it_had_in_flight(
    tmp_path: Path, servers: Storage, receiver: Counted, backlog: int, count: int
) -> None:
    installed = Installation(tmp_path, f"{FAST}concurrency = {CONCURRENCY}\n", servers)
    fill(installed, receiver.url, backlog)
    dying = [*dying_worker.COMMAND, str(installed.config)]
    dying += [Step.ANSWERED, str(CONCURRENCY), str(LEASE)]
    others = [quiet(installed, SHORT_MINUTES)] * (count - 1)
    with starting_together(installed, dying, *others) as workers:
        assert workers[0].process.wait(PATIENCE) == -signal.SIGKILL
        posted_before = len(receiver)
        wait_until(nothing_waits, LONG)
        assert [worker.stop() for worker in workers[1:]] == [0] * (count - 1)
    assert posted_before < backlog, "it was killed after the work"
    repeated = nothing_is_lost(receiver, backlog)
    assert len(repeated) <= CONCURRENCY
    assert interrupted_ids(), "what it had claimed ahead counts as interrupted too"


def test_a_postgresql_restarted_among_workers_loses_nothing(
    tmp_path: Path, redis_url: str, receiver: Counted, backlog: int
) -> None:
    with restartable_postgres() as tables:
        storage = Storage(tables.url, redis_url)
        installed = Installation(tmp_path, f"{FAST}concurrency = {CONCURRENCY}\n", storage)
        fill(installed, receiver.url, backlog)
        with starting_together(installed, quiet(installed), quiet(installed)) as workers:
            wait_until(lambda: len(receiver) > backlog // 5, LONG)
            tables.restart()
            posted_before = len(receiver)
            close_database()
            wait_until(nothing_waits, LONG)
            assert [worker.stop() for worker in workers] == [0, 0]
        assert posted_before < backlog, "it was restarted after the work"
        assert len(nothing_is_lost(receiver, backlog)) <= 2 * CONCURRENCY
        close_database()
