"""Workers that stop, hang behind and crowd: on both engines."""

import signal
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.crowd import Crowd
from tests.support.installation import FAST, Installation, Storage, Worker, command_after
from tests.support.scene import has_ticked, let_leases_run_out, nothing_waits
from tests.support.scripted import Request, after, answer, receiving
from tests.support.waiting import PATIENCE, wait_until

STARTED = "worker started"


def each_once(requests: list[Request], count: int) -> bool:
    """Whether that many deliveries were POSTed, none of them twice."""
    posts = Counter(request.headers["X-AuraPOS-Delivery"] for request in requests)
    return len(posts) == count == posts.total()


@pytest.mark.fault(5, "a stale worker resumes")
def test_a_worker_that_resumes_past_its_lease_settles_nothing(installation: Installation) -> None:
    resumed = threading.Event()
    stale = after(resumed, answer(500, b"to the stale one"))
    with receiving(stale, answer(200, b"to the other")) as receiver:
        installation.add_webhook(receiver.url)
        with installation.worker() as first:
            first.wait_for(STARTED)
            installation.emit()
            wait_until(lambda: receiver.requests)
            # Stopped between two transactions: on SQLite a lock would be stopped with it.
            wait_until(has_ticked)
            first.stand_still()
            let_leases_run_out()
            with installation.worker() as second:
                second.wait_for("delivered")
                resumed.set()
                first.process.send_signal(signal.SIGCONT)
                assert first.stop() == second.stop() == 0
    assert not any("info failed" in line for line in first.log)
    [row] = installation.deliveries()
    assert (row["status"], row["attempts"], row["response"]) == ("delivered", 1, "to the other")
    assert [each["error"] for each in installation.attempts(row)] == ["interrupted", None]
    first_post, second_post = receiver.requests
    assert (first_post.headers, first_post.body) == (second_post.headers, second_post.body)


@pytest.mark.fault(13, "two, four consumers")
@pytest.mark.parametrize("consumers", [2, 4])
def test_consumers_claim_each_delivery_once(installation: Installation, consumers: int) -> None:
    crowd = Crowd()
    config = installation.config.read_text()
    installation.config.write_text(f"{config}per_webhook = 4\n")
    with receiving(crowd.expecting(4 * consumers)) as receiver:
        installation.add_webhook(receiver.url)
        installation.push(120)
        with installation.worker("--workers", str(consumers)) as worker:
            wait_until(lambda: len(receiver.requests) == 120)
            wait_until(nothing_waits)
            assert worker.stop() == 0
    assert crowd.most == 4 * consumers, "each of them took part"
    assert each_once(receiver.requests, 120)
    assert {row["attempts"] for row in installation.deliveries()} == {1}


@pytest.mark.fault(14, "the same tick twice, ticks overlapping")
def test_ticks_that_overlap_and_the_same_one_again_attempt_nothing_twice(
    installation: Installation,
) -> None:
    finish = threading.Event()
    with receiving(after(finish, answer(200))) as receiver, ThreadPoolExecutor() as pool:
        installation.add_webhook(receiver.url)
        installation.push(40)
        ticks = [pool.submit(installation.json, "tick")]
        wait_until(lambda: len(receiver.requests) == 16)  # where one alone stops
        ticks += [pool.submit(installation.json, "tick") for _ in range(2)]
        wait_until(lambda: len(receiver.requests) == 40)
        finish.set()
        attempts = [tick.result(PATIENCE)["attempts"] for tick in ticks]
        again = installation.json("tick")
    assert sum(attempts) == 40
    assert again["attempts"] == 0
    assert each_once(receiver.requests, 40)


TIMING_LOOKS = """
import sys, time
import tasks.writer
look_around = tasks.writer.Writer._look_around
def timed(*args):
    print("LOOKS AT", time.monotonic(), file=sys.stderr, flush=True)
    return look_around(*args)
tasks.writer.Writer._look_around = timed
"""


def looks_of(worker: Worker) -> list[float]:
    """When it looked around, by the monotonic clock."""
    return [float(line.split()[-1]) for line in worker.log if line.startswith("LOOKS AT ")]


@pytest.mark.fault(50, "a worker's own call for help comes back to it")
def test_a_worker_that_calls_for_help_does_not_wake_itself(tmp_path: Path, redis_url: str) -> None:
    """On Redis, where a message comes back at once."""
    finish, looks = threading.Event(), 5
    installed = Installation(tmp_path, FAST, Storage("", redis_url))
    installed.init()
    installed.command = command_after(TIMING_LOOKS)
    with receiving(after(finish, answer(200))) as receiver:
        installed.add_webhook(receiver.url)
        installed.push(40)
        with installed.worker() as worker:
            wait_until(lambda: len(receiver.requests) == 16)  # and 24 that it cannot start
            before = len(looks_of(worker))
            wait_until(lambda: len(looks_of(worker)) >= before + looks)
            times = looks_of(worker)[before:]
            assert times[looks - 1] - times[0] > looks / 2, "more than once a second"
            finish.set()
            wait_until(lambda: len(receiver.requests) == 40)
            assert worker.stop() == 0
    assert each_once(receiver.requests, 40)
