"""A running worker, and what becomes of it."""

import signal
import statistics
import sys
import threading
from pathlib import Path
from time import monotonic

import pytest

from tests.support.installation import FAST, Installation, Storage, command_after
from tests.support.processes import alive, children
from tests.support.scene import let_leases_run_out
from tests.support.scripted import Scripted, after, answer, receiving
from tests.support.waiting import AT_ONCE, PATIENCE, wait_until

STARTED = "worker started"


def test_an_event_arrives_within_two_seconds(installed: Installation, receiver: Scripted) -> None:
    installed.add_webhook(receiver.url)
    waits = []
    with installed.worker() as worker:
        worker.wait_for(STARTED)
        for number in range(1, 21):
            installed.emit()
            committed = monotonic()
            wait_until(lambda number=number: len(receiver.requests) == number)
            waits.append(receiver.requests[-1].at - committed)
        assert worker.stop() == 0
    assert statistics.median(waits) < AT_ONCE


def test_a_retry_starts_at_its_time_and_not_at_the_next_tick(installed: Installation) -> None:
    with receiving(answer(500), answer(500), answer(500), answer(500), answer(500)) as receiver:
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for(STARTED)
            installed.emit()
            worker.wait_for("info abandoned")
    assert len(receiver.requests) == 5
    assert receiver.requests[-1].at - receiver.requests[0].at < AT_ONCE


@pytest.mark.slow
@pytest.mark.files_only("deletes the file")
def test_with_the_queue_deleted_under_it_an_event_arrives_within_a_minute(
    installed: Installation, receiver: Scripted
) -> None:
    installed.add_webhook(receiver.url)
    with installed.worker() as worker:
        worker.wait_for(STARTED)
        for left in installed.folder.glob("aurapos-webhooks-queue.db*"):
            left.unlink()
        installed.emit()
        wait_until(lambda: receiver.requests, 60 + PATIENCE)
        assert worker.stop() == 0


@pytest.mark.fault(4, "SIGTERM and SIGINT to the consumer")
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_worker_finishes_what_is_in_flight(
    installed: Installation, signum: signal.Signals
) -> None:
    finish = threading.Event()
    with receiving(after(finish, answer(200))) as receiver:
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for(STARTED)
            installed.emit()
            wait_until(lambda: receiver.requests)
            worker.process.send_signal(signum)
            threading.Timer(0.5, finish.set).start()
            assert worker.process.wait(PATIENCE) == 0
    assert [row["status"] for row in installed.deliveries()] == ["delivered"]
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "broken", ["tasks.consumer.make_dispatcher", "tasks.writer.waiting_webhooks"]
)
def test_a_worker_whose_engine_breaks_ends_so_that_it_is_started_anew(
    installed: Installation, broken: str
) -> None:
    module = broken.rpartition(".")[0]
    installed.command = command_after(f"import {module}\n{broken} = None")
    with installed.worker() as worker:
        assert worker.process.wait(PATIENCE) not in {0, None}
        worker.reader.join(PATIENCE)
    assert "TypeError" in "".join(worker.log)


@pytest.mark.fault(2, "kill -9 while the POST is open")
def test_a_killed_worker_s_post_is_made_again_with_the_same_bytes_and_uses_up_no_attempt(
    installed: Installation,
) -> None:
    never = threading.Event()
    with receiving(after(never, answer(200)), answer(200)) as receiver:
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for(STARTED)
            installed.emit()
            wait_until(lambda: receiver.requests)
            worker.process.kill()
            worker.process.wait()
        with installed.tables():
            let_leases_run_out()
        with installed.worker() as worker:
            wait_until(lambda: len(receiver.requests) == 2)
            worker.wait_for("delivered")
            assert worker.stop() == 0
        never.set()
    first, second = receiver.requests
    assert (first.body, first.headers) == (second.body, second.headers)
    [row] = installed.deliveries()
    assert (row["status"], row["attempts"]) == ("delivered", 1)
    log = installed.json("delivery", "show", row["delivery_id"])["attempt_log"]
    assert [attempt["error"] for attempt in log] == ["interrupted", None]


@pytest.mark.fault(26, "webhook deleted mid-flight")
def test_no_post_starts_once_delete_has_returned(installed: Installation) -> None:
    finish = threading.Event()
    with receiving(after(finish, answer(200))) as receiver:
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for(STARTED)
            installed.push(100)
            wait_until(lambda: len(receiver.requests) == 16)
            installed.delete_webhook()
            finish.set()
            installed.add_webhook(f"{receiver.url}/other")
            installed.emit()
            wait_until(lambda: len(receiver.requests) == 17)
            assert worker.stop() == 0
    assert receiver.requests[16].line.split()[1] == "/hook/other"
    assert len(receiver.requests) == 17


def test_several_workers_share_the_work_and_end_together(
    installed: Installation, receiver: Scripted
) -> None:
    installed.add_webhook(receiver.url)
    with installed.worker("--workers", "2") as worker:
        wait_until(lambda: sum(STARTED in line for line in worker.log) == 2)
        pids = children(worker.process.pid)
        for _ in range(5):
            installed.emit()
        wait_until(lambda: len(receiver.requests) == 5)
        assert worker.stop() == 0
    assert len(pids) == 2
    assert not any(alive(pid) for pid in pids)
    assert len({request.headers["X-AuraPOS-Delivery"] for request in receiver.requests}) == 5


def test_workers_end_when_their_supervisor_is_killed(installed: Installation) -> None:
    with installed.worker("--workers", "2") as worker:
        wait_until(lambda: sum(STARTED in line for line in worker.log) == 2)
        pids = children(worker.process.pid)
        worker.process.kill()
        worker.process.wait()
        wait_until(lambda: not any(alive(pid) for pid in pids))
    assert len(pids) == 2


def test_the_stock_consumer_works_too(installed: Installation, receiver: Scripted) -> None:
    installed.add_webhook(receiver.url)
    stock = [sys.executable, "-m", "huey.bin.huey_consumer", "tasks.consumer.huey"]
    flags = [
        "-k",
        "thread",
        "-w",
        "1",
        "-d",
        "0.002",
        "-b",
        "1.05",
        "-m",
        "0.05",
        "-g",
        "TERM",
        "-t",
        "20",
    ]
    env = {"AURAPOS_WEBHOOKS_CONFIG": str(installed.config)}
    with installed.worker(command=[*stock, *flags], env=env) as worker:
        worker.wait_for("Huey consumer started")
        installed.emit()
        wait_until(lambda: receiver.requests)
        assert worker.stop() == 0
    assert [row["status"] for row in installed.deliveries()] == ["delivered"]


@pytest.mark.parametrize("queue", ["redis", "postgres"])
def test_postgresql_and_redis_by_configuration_alone(
    tmp_path: Path, postgres_url: str, redis_url: str, receiver: Scripted, queue: str
) -> None:
    urls = {"redis": redis_url, "postgres": postgres_url}
    installed = Installation(tmp_path, FAST, Storage(postgres_url, urls[queue]))
    installed.init()
    installed.add_webhook(receiver.url)
    with installed.worker() as worker:
        worker.wait_for(STARTED)
        installed.emit()
        committed = monotonic()
        wait_until(lambda: receiver.requests)
        assert receiver.requests[0].at - committed < AT_ONCE
        worker.wait_for("delivered")
        installed.ok("doctor")
        assert worker.stop() == 0
    assert [row["status"] for row in installed.deliveries()] == ["delivered"]
