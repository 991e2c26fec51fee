"""A webhook that its owner pauses while it is being sent to: on both engines."""

import signal
import threading
from collections import Counter

import pytest

from tests.support.installation import Installation
from tests.support.scene import let_leases_run_out, nothing_waits
from tests.support.scripted import Scripted, after, answer, receiving
from tests.support.waiting import wait_until

STARTED = "worker started"


def has(receiver: Scripted, count: int) -> bool:
    return len(receiver.requests) >= count


@pytest.mark.fault(60, "paused in the middle of a drain, workers killed")
def test_what_is_parked_is_sent_once_after_the_pause_and_never_in_it(
    installation: Installation,
) -> None:
    finish = threading.Event()
    with receiving(after(finish, answer(200))) as paused, receiving(answer(200)) as other:
        installation.add_webhook(paused.url)
        installation.add_webhook(other.url)
        installation.push(100)
        with installation.worker() as first, installation.worker() as second:
            wait_until(lambda: has(paused, 20) and has(other, 100))
            installation.ok("webhook", "pause", "1")
            sent = len(paused.requests)
            finish.set()
            installation.push(100, first=100)
            wait_until(lambda: has(other, 200))
            for worker in (first, second):
                assert worker.stop(signal.SIGKILL) != 0
        let_leases_run_out()
        with installation.worker() as third:
            installation.emit()
            wait_until(lambda: has(other, 201))
            installation.ok("webhook", "test", "1")
            wait_until(lambda: has(paused, sent + 1))
            told = installation.json("webhook", "show", "1")
            assert told["paused_at"] is not None
            assert told["parked"] >= 201 - sent
            assert [each.headers["X-AuraPOS-Event"] for each in paused.requests[sent:]] == ["ping"]
            installation.ok("webhook", "resume", "1")
            wait_until(nothing_waits)
            assert third.stop() == 0
    posts = Counter(each.headers["X-AuraPOS-Delivery"] for each in paused.requests)
    assert len(posts) == 202
    repeated = posts.total() - len(posts)
    assert repeated <= sent, "only what was in flight when its worker was killed, and not recorded"
