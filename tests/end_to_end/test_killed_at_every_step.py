"""A worker that dies at a step, for each step there is: what it left is carried on to its end.

And one that only stood still, and comes back to what was carried on without it.
"""

import signal
import threading
from collections import Counter
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.domain.delivery import ErrorKind, Recovery, Status
from core.domain.events import EventType
from core.intake import publish
from core.pipeline.fan_out import fan_out
from core.pipeline.steps import OF_ALERTS, OF_MAIL, Step
from core.storage.database import transaction
from core.storage.models import Attempt, Delivery, Webhook
from core.storage.vault import Vault
from core.verification.invariants import check
from tests.support import dying_worker
from tests.support.checked import evidence
from tests.support.installation import FAST, Installation, Worker
from tests.support.notes import notes
from tests.support.scene import MINUTE, add_webhook, silent
from tests.support.scripted import Scripted, after, answer, receiving
from tests.support.waiting import PATIENCE, wait_until

SENT_AGAIN = {Step.ANSWERED, Step.SETTLING}
"""Here the receiver has the POST and the tables do not say so: it is made once more."""
LEASED = {Step.CLAIMED, Step.SENDING, *SENT_AGAIN}
"""Here the lease must run out first, and the attempt is on record as interrupted."""

each_step = pytest.mark.parametrize(
    "step",
    [each for each in Step if each not in OF_ALERTS | OF_MAIL],
    ids=lambda step: step.name.lower(),
)


class Killed:
    """An installation with events to deliver, whose worker is killed and then replaced."""

    def __init__(self, folder: Path, database: str, delivery: str) -> None:
        self.installed = Installation(
            folder,
            f'[database]\nurl = "{database}"\n[secrets]\nkey_file = "test.key"\n{FAST}{delivery}',
        )

    def publish(self, business: int, vault: Vault, url: str, events: int) -> None:
        add_webhook(vault, business, url, now=datetime.now(UTC))
        self.keys = [f"c-{number}" for number in range(events)]
        for key in self.keys:
            now = datetime.now(UTC)
            publish(business, EventType.CLIENT_CREATED, b"{}", now, key=key, wake=silent)
        notes().published += self.keys
        self._abandon(events // 2, datetime.now(UTC))

    def _abandon(self, events: int, now: datetime) -> None:
        """As an outage that is over has left them, so that there is something to recover."""
        fan_out(events, now)
        abandoned = {"status": Status.ABANDONED, "attempts": 5, "recovery": Recovery.DUE}
        with transaction():
            Delivery.update(settled_at=now, due_at=None, **abandoned).execute()
            Webhook.update(down_since=now - MINUTE, up_since=now, is_recovering=True).execute()

    def dying(self, *when: str) -> AbstractContextManager[Worker]:
        command = [*dying_worker.COMMAND, str(self.installed.config), *when]
        return self.installed.worker(command=command)

    def kill_at(self, step: Step, nth: int) -> None:
        """Run a worker that kills itself there, and see that it did."""
        with self.dying(step, str(nth)) as worker:
            assert worker.process.wait(PATIENCE) == -signal.SIGKILL, "".join(worker.log)

    def carry_on(self) -> None:
        """Run the command's own worker until everything is delivered."""
        with self.installed.worker() as worker:
            wait_until(self._all_delivered)
            assert worker.stop() == 0

    def _all_delivered(self) -> bool:
        delivered = Delivery.select().where(Delivery.status == Status.DELIVERED)
        return bool(delivered.count() == len(self.keys))


@pytest.mark.fault(1, "kill -9 before the POST")
@pytest.mark.fault(3, "kill -9 between the 200 and the commit")
@each_step
def test_only_what_was_answered_and_not_settled_is_sent_again_and_once(
    tmp_path: Path, database: str, business: int, vault: Vault, receiver: Scripted, step: Step
) -> None:
    killed = Killed(tmp_path, database, "concurrency = 1\n")
    killed.publish(business, vault, receiver.url, events=3)
    killed.kill_at(step, 1)
    killed.carry_on()
    posts = sorted(Counter(post.delivery for post in receiver.posts).values())
    assert posts == [1, 1, 2 if step in SENT_AGAIN else 1]
    interruptions = sum(row.interruptions for row in Delivery.select())
    assert interruptions == (step in LEASED)


@each_step
def test_with_many_in_flight_none_is_lost_and_none_sent_more_than_twice(
    tmp_path: Path, database: str, business: int, vault: Vault, receiver: Scripted, step: Step
) -> None:
    killed = Killed(tmp_path, database, "")
    killed.publish(business, vault, receiver.url, events=50)
    killed.kill_at(step, 2)
    killed.carry_on()
    assert check(evidence()) == []
    assert set(Counter(post.delivery for post in receiver.posts).values()) <= {1, 2}


def test_a_worker_that_stood_still_past_its_lease_settles_nothing(
    tmp_path: Path, database: str, business: int, vault: Vault
) -> None:
    replaced, finish = Killed(tmp_path, database, ""), threading.Event()
    with receiving(after(finish, answer(200)), answer(200)) as receiver:
        replaced.publish(business, vault, receiver.url, events=1)
        with replaced.dying() as stale:
            wait_until(lambda: receiver.requests)
            stale.stand_still()
            replaced.carry_on()
            finish.set()
            stale.process.send_signal(signal.SIGCONT)
            assert stale.stop() == 0
    assert check(evidence()) == []
    attempts = Attempt.select().order_by(Attempt.id)
    assert [row.error for row in attempts] == [ErrorKind.INTERRUPTED, None]
    assert len(receiver.posts) == 2
