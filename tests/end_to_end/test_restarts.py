"""Several workers go on, and so do wakes, after PostgreSQL or Redis has been restarted."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.installation import FAST, Installation, Storage, Worker
from tests.support.scripted import Scripted
from tests.support.servers import Postgres, Redis, restartable_postgres, restartable_redis
from tests.support.terminal import Terminal, terminal
from tests.support.waiting import AT_ONCE, PATIENCE, wait_until

A_MINUTE = 60 + PATIENCE  # what the tick needs


@pytest.fixture
def tables() -> Iterator[Postgres]:
    with restartable_postgres() as running:
        yield running


@pytest.fixture
def queue() -> Iterator[Redis]:
    with restartable_redis() as running:
        yield running


@pytest.fixture
def installed(tmp_path: Path, tables: Postgres, queue: Redis, receiver: Scripted) -> Installation:
    installation = Installation(tmp_path, FAST, Storage(tables.url, queue.url))
    installation.init()
    installation.add_webhook(receiver.url)
    return installation


@pytest.fixture
def workers(installed: Installation) -> Iterator[list[Worker]]:
    """Two, neither of which ends before it is told to."""
    with ExitStack() as stack:
        both = [stack.enter_context(installed.worker()) for _ in range(2)]
        for worker in both:
            worker.wait_for("worker started")
        yield both
        assert [worker.process.poll() for worker in both] == [None, None]
        assert [worker.stop() for worker in both] == [0, 0]


@pytest.fixture
def marie(installed: Installation, workers: list[Worker]) -> Iterator[Terminal]:
    """At the list of her one webhook, open all the while."""
    with terminal(installed.folder, "--config", str(installed.config)) as t:
        t.wait_for("127.0.0.1")
        yield t


def arrives(installed: Installation, receiver: Scripted, seconds: float) -> None:
    """Publish one more event, which arrives in so many seconds at the most."""
    before = len(receiver.requests)
    installed.emit()
    wait_until(lambda: len(receiver.requests) > before, seconds)


def each_once(installed: Installation, receiver: Scripted) -> bool:
    posted = [request.headers["X-AuraPOS-Delivery"] for request in receiver.requests]
    rows = installed.deliveries()
    return sorted(posted) == sorted(row["delivery_id"] for row in rows) and all(
        row["status"] == "delivered" for row in rows
    )


def test_after_postgresql_has_been_restarted(
    tables: Postgres, installed: Installation, workers: list[Worker], receiver: Scripted
) -> None:
    arrives(installed, receiver, AT_ONCE)
    tables.restart()
    arrives(installed, receiver, A_MINUTE)
    for _ in range(4):  # either worker may be woken
        arrives(installed, receiver, AT_ONCE)
    wait_until(lambda: each_once(installed, receiver))


@pytest.mark.slow
def test_after_redis_has_been_restarted(
    queue: Redis, installed: Installation, workers: list[Worker], receiver: Scripted
) -> None:
    arrives(installed, receiver, AT_ONCE)
    queue.kill()
    told = installed.run("emit", "ticket.created", stdin=b"{}")
    assert told.returncode == 0
    assert "may wait for the tick" in told.stderr
    wait_until(lambda: len(receiver.requests) == 2, A_MINUTE)
    queue.start()
    arrives(installed, receiver, A_MINUTE)
    for _ in range(4):
        arrives(installed, receiver, AT_ONCE)
    queue.flush()
    arrives(installed, receiver, AT_ONCE)
    wait_until(lambda: each_once(installed, receiver))


def test_an_open_terminal_s_wakes_work_again_after_both_have_been(
    tables: Postgres, queue: Redis, marie: Terminal, receiver: Scripted
) -> None:
    def test_arrives(seconds: float) -> None:
        before = len(receiver.requests)
        wait_until(lambda: marie.press("t") and len(receiver.requests) > before, seconds)
        marie.wait_for("test delivered: 200|database answers again")

    test_arrives(AT_ONCE)
    queue.kill()
    queue.start()
    tables.restart()
    test_arrives(A_MINUTE)
    test_arrives(AT_ONCE)
