"""Databases and queues that are locked, full, restarted or emptied under a running worker."""

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.storage.database import open_database
from tests.support.disks import Disk, PageLimit, mounting_is_allowed, small_disk
from tests.support.installation import FAST, SHORT_MINUTES, Installation, Storage, Worker
from tests.support.scene import has_ticked, in_flight, nothing_waits
from tests.support.scripted import Scripted, after, answer, receiving
from tests.support.servers import Postgres, restartable_postgres, restartable_redis
from tests.support.silence import silenceable
from tests.support.terminal import terminal
from tests.support.waiting import AT_ONCE, PATIENCE, wait_until
from tests.support.writers import locked

STARTED = "worker started"
DATABASE = "aurapos-webhooks.db"


@pytest.mark.fault(6, "SQLite locked")
@pytest.mark.files_only("its lock is the one that others hold")
def test_a_locked_database_is_waited_for_and_no_owner_hears_of_it(
    installed: Installation, receiver: Scripted
) -> None:
    installed.add_webhook(receiver.url)
    owner = ("--config", str(installed.config), "tui", "--as", "marie")
    with (
        installed.worker() as worker,
        terminal(installed.folder, *owner) as marie,
        ThreadPoolExecutor() as pool,
    ):
        worker.wait_for(STARTED)
        marie.wait_for("127.0.0.1")
        with locked(installed.folder / DATABASE):
            emitted = pool.submit(installed.emit)
            marie.press("t")
            marie.bytes_during(2)
            assert not emitted.done()
            assert receiver.requests == []
        emitted.result(PATIENCE)
        marie.wait_for("test delivered: 200")
        wait_until(lambda: len(receiver.requests) == 2)
        assert worker.stop() == 0
    assert b"locked" not in marie.written
    assert not any("locked" in line for line in worker.log)
    assert {row["status"] for row in installed.deliveries()} == {"delivered"}


@pytest.mark.slow
@pytest.mark.fault(6, "SQLite locked")
@pytest.mark.files_only("its lock is the one that others hold")
def test_a_wait_for_a_lock_is_bounded_and_told_in_one_sentence(
    installed: Installation, receiver: Scripted
) -> None:
    installed.add_webhook(receiver.url)
    installed.emit()
    with installed.worker() as worker:
        with locked(installed.folder / DATABASE):
            sentence = installed.fails("emit", "ticket.created", stdin=b"{}")
            worker.wait_for("the pass was cut short")
        wait_until(lambda: receiver.requests)
        worker.wait_for("delivered")
        assert worker.stop() == 0
    assert "busy for too long: nothing was changed" in sentence
    assert [row["status"] for row in installed.deliveries()] == ["delivered"]


DISKS = ["page limit", *["1 MB tmpfs"] * mounting_is_allowed()]


@pytest.fixture(params=DISKS)
def disk(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Disk]:
    if request.param == "page limit":
        limit = PageLimit(tmp_path)
        monkeypatch.setenv("PYTHONPATH", str(limit.path))
        yield limit
    else:
        with small_disk() as small:
            yield small


def passes_cut_short(worker: Worker) -> int:
    return sum("the pass was cut short" in line for line in worker.log)


@pytest.mark.fault(7, "disk full")
def test_a_full_disk_fails_one_action_and_stops_the_sending_until_there_is_room(
    disk: Disk,
) -> None:
    installed = Installation(disk.folder, FAST)
    installed.init()
    open_database(f"sqlite:///{disk.folder / DATABASE}")
    full = threading.Event()
    with receiving(after(full, answer(200, b"x" * 500))) as receiver:
        installed.add_webhook(receiver.url)
        installed.push(40)
        with installed.worker() as worker:
            wait_until(lambda: len(receiver.requests) == 16)
            wait_until(has_ticked)
            disk.fill()
            big = json.dumps({"note": "x" * 50_000}).encode()
            sentence = installed.fails("emit", "ticket.created", stdin=big)
            full.set()
            wait_until(lambda: passes_cut_short(worker) >= 2)
            sent = len(receiver.requests)
            wait_until(lambda: passes_cut_short(worker) >= 4)
            sent_meanwhile = len(receiver.requests) - sent
            disk.make_room()
            wait_until(nothing_waits)
            installed.emit()
            wait_until(lambda: len(receiver.requests) == 41)
            assert worker.stop() == 0
    assert sentence == "The disk is full: nothing was changed; make room and try again."
    assert sent_meanwhile == 0
    assert sent < 40
    rows = installed.deliveries()
    assert {(row["status"], row["attempts"]) for row in rows} == {("delivered", 1)}
    assert len({request.headers["X-AuraPOS-Delivery"] for request in receiver.requests}) == 41


@pytest.fixture
def tables() -> Iterator[Postgres]:
    with restartable_postgres() as server:
        yield server


@pytest.mark.fault(8, "PostgreSQL restarts mid-tick")
def test_a_worker_goes_on_after_postgresql_crashed_under_it(
    tmp_path: Path, tables: Postgres
) -> None:
    finish = threading.Event()
    with receiving(after(finish, answer(200))) as receiver:
        storage = Storage(tables.url, tables.url)
        installed = Installation(tmp_path, FAST, storage, SHORT_MINUTES)
        installed.init()
        installed.add_webhook(receiver.url)
        installed.push(40)
        with installed.worker() as worker:
            worker.wait_for(STARTED)
            wait_until(lambda: len(receiver.requests) == 16)
            tables.crash(meanwhile=finish.set)
            wait_until(lambda: len(receiver.requests) == 40)
            installed.emit()
            wait_until(lambda: len(receiver.requests) == 41)
            wait_until(lambda: sum("debug delivered" in line for line in worker.log) == 41)
            assert worker.stop() == 0
        rows = installed.deliveries()
    assert {(row["status"], row["attempts"]) for row in rows} == {("delivered", 1)}
    assert len({request.headers["X-AuraPOS-Delivery"] for request in receiver.requests}) == 41


@pytest.mark.slow
@pytest.mark.fault(9, "Redis flushed, restarted")
def test_the_next_tick_carries_on_after_redis_lost_everything(
    tmp_path: Path, receiver: Scripted
) -> None:
    with restartable_redis() as server:
        storage = Storage(queue=server.url)
        installed = Installation(tmp_path, FAST, storage, SHORT_MINUTES)
        installed.init()
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for(STARTED)
            server.flush()
            installed.emit()
            wait_until(lambda: len(receiver.requests) == 1)
            server.kill()
            told = installed.run("emit", "ticket.created", stdin=b"{}")
            server.start()
            server.flush()
            wait_until(lambda: len(receiver.requests) == 2)
            installed.emit()
            wait_until(lambda: len(receiver.requests) == 3)
            assert worker.stop() == 0
    assert sum("Error reading from queue" in line for line in worker.log) == 1, "once a minute"
    assert told.returncode == 0
    assert re.search("the queue does not answer, so delivery may wait for the tick", told.stderr)
    assert {row["status"] for row in installed.deliveries()} == {"delivered"}


@pytest.mark.fault(69, "Redis falls silent")
def test_while_redis_says_nothing_workers_are_rung_by_the_database(
    tmp_path: Path, database: str, receiver: Scripted
) -> None:
    with restartable_redis() as server, silenceable(server.port) as way:
        queue = server.url.replace(f":{server.port}/", f":{way.port}/")
        installed = Installation(tmp_path, FAST, Storage(database, queue))
        installed.init()
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for(STARTED)
            installed.emit()
            wait_until(lambda: len(receiver.requests) == 1)
            wait_until(lambda: in_flight() == 0)
            way.silences_new = True
            way.silence()
            told = installed.run("emit", "ticket.created", stdin=b"{}")
            wait_until(lambda: len(receiver.requests) == 2, AT_ONCE)
            wait_until(lambda: in_flight() == 0)
            assert worker.stop() == 0
    assert re.search("the queue does not answer, so delivery may wait for the tick", told.stderr)
