"""Several workers on one database: each delivery is POSTed once, whoever of them is killed.

`make backlog` runs the same with 100,000 deliveries.
"""

import json
import re
import signal
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
from tests.support.arrivals import arrived, arriving
from tests.support.counting import Counted, counting
from tests.support.installation import (
    COMMAND,
    FAST,
    Installation,
    Storage,
    Worker,
)
from tests.support.scene import close_database, nothing_waits
from tests.support.servers import restartable_postgres
from tests.support.waiting import wait_until

WEBHOOKS = 8
CONCURRENCY = 64
LONG = 300  # seconds
LEASE = 15  # seconds, where a worker dies
HELD = 15  # seconds for which a receiver may hold its answers: FAST's attempts wait for 20


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


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[Counted]:
    """Answers nothing until it is told to go on."""
    with counting(tmp_path, at_first=0) as counted:
        yield counted
    close_database()


@pytest.fixture
def met(tmp_path: Path) -> Path:
    """Where it is noted which workers have sent something."""
    (folder := tmp_path / "met").mkdir()
    return folder


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
    silent: Counted,
    met: Path,
    backlog: int,
    engine: str,
    count: int,
) -> None:
    storage = Storage() if engine == "SQLite" else request.getfixturevalue("servers")
    installed = Installation(tmp_path, f"{FAST}concurrency = {CONCURRENCY}\n", storage)
    fill(installed, silent.url, backlog)
    command = quiet(installed, arriving(met, Step.SENDING))
    with starting_together(installed, *[command] * count) as workers:
        wait_until(lambda: arrived(met) > 1, HELD)
        silent.go_on()
        wait_until(lambda: len(silent) >= backlog and nothing_waits(), LONG)
        assert [worker.stop() for worker in workers] == [0] * count
    posted = [post.delivery_id for post in silent.posts()]
    assert len(posted) == backlog
    assert set(posted) == delivered_ids()
    shares = [share_of(worker) for worker in workers]
    assert sum(shares) == backlog
    assert sum(map(bool, shares)) > 1, shares


def test_a_backlog_wakes_the_workers_that_the_push_s_own_wake_did_not_reach(
    installed: Installation, silent: Counted, met: Path
) -> None:
    installed.add_webhook(silent.url)
    command = quiet(installed, arriving(met, Step.SENDING))
    with ExitStack() as stack:
        workers = [stack.enter_context(installed.worker(command=command)) for _ in range(2)]
        for worker in workers:
            worker.wait_for("worker started")
        installed.push(600)
        wait_until(lambda: arrived(met) == 2, HELD)
        silent.go_on()
        wait_until(lambda: len(silent) == 600)
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
    answered = CONCURRENCY  # by whoever is first to have so many, which no others can prevent
    assert backlog > count * (answered + CONCURRENCY)
    each = [*dying_worker.COMMAND, str(installed.config)]
    each += [Step.ANSWERED, str(answered), str(LEASE), str(tmp_path / "dead")]
    with starting_together(installed, *[each] * count) as workers:
        wait_until(lambda: [worker for worker in workers if worker.process.poll() is not None])
        wait_until(nothing_waits, LONG)
        ends = sorted(worker.stop() for worker in workers)
        assert ends == [-signal.SIGKILL, *[0] * (count - 1)]
    repeated = nothing_is_lost(receiver, backlog)
    assert 1 <= len(repeated) <= answered + CONCURRENCY, "answered and not settled, or in flight"


def test_a_postgresql_restarted_among_workers_loses_nothing(
    tmp_path: Path, redis_url: str, backlog: int
) -> None:
    with restartable_postgres() as tables, counting(tmp_path, backlog // 5) as receiver:
        storage = Storage(tables.url, redis_url)
        installed = Installation(tmp_path, f"{FAST}concurrency = {CONCURRENCY}\n", storage)
        fill(installed, receiver.url, backlog)
        with starting_together(installed, quiet(installed), quiet(installed)) as workers:
            wait_until(lambda: len(receiver) > backlog // 5, LONG)
            wait_until(delivered_ids)
            delivered = delivered_ids()
            tables.stop()
            receiver.go_on()
            tables.restart()
            close_database()
            wait_until(nothing_waits, LONG)
            assert [worker.stop() for worker in workers] == [0, 0]
        assert nothing_is_lost(receiver, backlog).isdisjoint(delivered)
        close_database()
