"""Workers that are told to end, or cannot begin, while something hangs."""

import os
import signal
import subprocess
import threading
from contextlib import suppress

import pytest

from tests.support.installation import Installation
from tests.support.processes import alive, children
from tests.support.scripted import Scripted, after, answer, receiving
from tests.support.waiting import PATIENCE, wait_until
from tests.support.writers import locked

STARTED = "worker started"
DATABASE = "aurapos-webhooks.db"


def fill(pipe: int) -> None:
    os.set_blocking(pipe, False)
    with suppress(BlockingIOError):
        while True:
            os.write(pipe, bytes(4096))
    os.set_blocking(pipe, True)


@pytest.mark.fault(47, "nobody reads the log")
def test_a_worker_whose_log_nobody_reads_delivers_and_ends(
    installed: Installation, receiver: Scripted
) -> None:
    read, write = os.pipe()
    fill(write)
    installed.add_webhook(receiver.url)
    command = [*installed.command, "--config", str(installed.config), "worker", "--verbose"]
    with subprocess.Popen(command, cwd=installed.folder, stderr=write) as worker:
        installed.push(50)
        wait_until(lambda: len(receiver.requests) == 50)
        wait_until(lambda: installed.json("status")["in_flight"] == 0)
        worker.terminate()
        assert worker.wait(PATIENCE) == 0, "its time ran out"
    os.close(write)
    os.close(read)


@pytest.mark.slow
@pytest.mark.fault(48, "told to end while SQLite is locked")
@pytest.mark.files_only("its lock is the one that others hold")
def test_a_worker_told_to_end_while_the_database_is_locked_does_so_in_time(
    installed: Installation,
) -> None:
    finish = threading.Event()
    with receiving(after(finish, answer(200))) as receiver:
        installed.add_webhook(receiver.url)
        with installed.worker() as worker:
            worker.wait_for(STARTED)
            installed.emit()
            wait_until(lambda: receiver.requests)
            with locked(installed.folder / DATABASE):
                finish.set()
                assert worker.time_ran_out()
        wait_until(lambda: installed.json("status")["due"])
        installed.ok("tick")
    assert [row["status"] for row in installed.deliveries()] == ["delivered"]


@pytest.mark.fault(49, "workers that die at their start")
def test_a_supervisor_whose_workers_cannot_start_ends(installed: Installation) -> None:
    key = installed.folder / "aurapos-webhooks.key"
    key.rename(key.with_suffix(".away"))
    with installed.worker("--workers", "2") as worker:
        assert worker.process.wait(PATIENCE) == 1
        worker.reader.join(PATIENCE)
    assert any("The workers end as soon as they start" in line for line in worker.log)
    assert len([line for line in worker.log if "is missing" in line or "no key" in line]) >= 2
    key.with_suffix(".away").rename(key)


def told_to_start_anew(installed: Installation, workers: int) -> list[int]:
    """The process ids of workers that have done so, beside an event that arrived after."""
    with receiving() as receiver, installed.worker("--workers", str(workers)) as worker:
        wait_until(lambda: sum(STARTED in line for line in worker.log) == workers)
        pids = children(worker.process.pid)
        worker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: sum(STARTED in line for line in worker.log) == 2 * workers)
        installed.add_webhook(receiver.url)
        installed.emit()
        wait_until(lambda: receiver.requests)
        assert children(worker.process.pid) == pids
        worker.wait_for("debug delivered")
        assert worker.stop() == 0
    return pids


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_starts_workers_anew_with_what_is_configured_now(
    installed: Installation, workers: int
) -> None:
    pids = told_to_start_anew(installed, workers)
    assert len(pids) == (workers if workers > 1 else 0)


def test_workers_that_started_anew_still_end_with_their_supervisor(
    installed: Installation,
) -> None:
    with installed.worker("--workers", "2") as worker:
        wait_until(lambda: sum(STARTED in line for line in worker.log) == 2)
        pids = children(worker.process.pid)
        worker.process.send_signal(signal.SIGHUP)
        wait_until(lambda: sum(STARTED in line for line in worker.log) == 4)
        worker.process.kill()
        worker.process.wait()
        wait_until(lambda: not any(alive(pid) for pid in pids))
