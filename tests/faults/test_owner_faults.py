"""What people change while a POST is on its way: on both engines."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from core.domain.signing import Secret
from core.pipeline.retention import prune
from core.storage.due import next_due
from core.storage.models import Delivery, Event
from tests.support.installation import Installation, Worker
from tests.support.scene import DAY
from tests.support.scripted import Request, Scripted, after, answer, receiving
from tests.support.terminal import terminal
from tests.support.waiting import wait_until

STARTED = "worker started"


class MidFlight:
    """A worker whose one POST is waiting for its answer."""

    def __init__(self, receiver: Scripted, worker: Worker, finish: threading.Event) -> None:
        self.receiver = receiver
        self.worker = worker
        self.land = finish.set


@contextmanager
def mid_flight(installation: Installation, status: int) -> Iterator[MidFlight]:
    finish = threading.Event()
    with receiving(after(finish, answer(status)), answer(200)) as receiver:
        installation.add_webhook(receiver.url)
        with installation.worker() as worker:
            worker.wait_for(STARTED)
            installation.emit()
            wait_until(lambda: receiver.requests)
            yield MidFlight(receiver, worker, finish)
            assert worker.stop() == 0


@pytest.mark.fault(26, "webhook deleted mid-flight")
@pytest.mark.parametrize("pruned", [False, True], ids=["kept", "pruned"])
def test_what_lands_after_a_deletion_is_ignored(installation: Installation, pruned: bool) -> None:
    with mid_flight(installation, 500) as flight:
        other = installation.add_webhook(f"{flight.receiver.url}/other")["id"]
        installation.delete_webhook()
        if pruned:
            prune(datetime.now(UTC) - DAY, datetime.now(UTC))
        flight.land()
        installation.emit()
        wait_until(lambda: len(flight.receiver.requests) == 2)
        wait_until(lambda: installation.deliveries(other)[0]["status"] == "delivered")
    assert len({each.headers["X-AuraPOS-Delivery"] for each in flight.receiver.requests}) == 2
    assert "no webhook 1" in installation.fails("delivery", "list", "--webhook", "1")
    assert Delivery.select().where(Delivery.webhook == 1).count() == (0 if pruned else 1)
    assert next_due(datetime.now(UTC)) is None


def signed(request: Request, secret: Secret) -> bool:
    return request.headers["X-AuraPOS-Signature"] == secret.sign(request.body)


@pytest.mark.fault(27, "secret regenerated mid-flight")
def test_the_attempt_after_a_new_secret_is_signed_with_it(installation: Installation) -> None:
    with mid_flight(installation, 500) as flight:
        secret = installation.regenerate_secret()
        flight.land()
        wait_until(lambda: len(flight.receiver.requests) == 2)
        flight.worker.wait_for("delivered")
    first, second = flight.receiver.requests
    assert (signed(first, secret), signed(second, secret)) == (False, True)
    assert first.body == second.body
    assert [(row["status"], row["attempts"]) for row in installation.deliveries()] == [
        ("delivered", 2)
    ]


@pytest.mark.fault(28, "option switched off mid-flight")
def test_after_the_option_is_switched_off_nothing_more_is_sent_and_history_stays(
    installation: Installation,
) -> None:
    installation.ok("business", "set", "1", "--edition", "boutique", "--option", "on")
    with mid_flight(installation, 500) as flight:
        installation.ok("business", "set", "1", "--option", "off")
        flight.land()
        flight.worker.wait_for("info failed")
        assert "€24 a month" in installation.fails("emit", "ticket.created", stdin=b"{}")
        due = installation.deliveries()[0]["next_attempt_at"]
        wait_until(lambda: datetime.now(UTC) > datetime.fromisoformat(due))
        assert installation.json("tick")["attempts"] == 0
    assert len(flight.receiver.requests) == 1
    [row] = installation.deliveries()
    assert (row["status"], row["http_status"], row["attempts"]) == ("failed", 500, 1)
    installation.ok("business", "set", "1", "--option", "on")
    with receiving():
        assert installation.json("tick")["attempts"] == 1


@pytest.mark.fault(29, "owner demoted with a session open")
def test_the_next_action_of_an_owner_that_was_demoted_is_refused(
    installation: Installation,
) -> None:
    installation.add_webhook("https://example.com/hook")
    config = ("--config", str(installation.config))
    with terminal(installation.folder, *config, "tui", "--as", "marie") as marie:
        marie.wait_for("example.com/hook")
        installation.ok("member", "add", "paul")
        installation.ok("member", "add", "marie", "--role", "staff")
        marie.press("t")
        marie.wait_for("Only an owner of Chez Marie")
        marie.press("d")
        marie.wait_for("Only an owner of Chez Marie")
    assert Event.select().count() == 0
    assert len(installation.json("webhook", "list")) == 1
