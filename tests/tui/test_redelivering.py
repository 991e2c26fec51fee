"""Whoever redelivers is told how it went, wherever they are by then."""

from threading import Event
from typing import Any, cast

import pytest
from textual.pilot import Pilot

from core.domain.delivery import ErrorKind, Status
from core.domain.events import SELECTABLE
from core.storage.database import transaction
from core.storage.models import Attempt, Delivery, Webhook
from core.use_cases import queries, services
from core.use_cases.queries import Again
from tests.support.scene import MARIE, MINUTE, NOON
from tests.support.showcase import (
    CI,
    OK,
    PAY,
    add_delivery,
    crumbs_of,
    play,
    press,
    quiet,
    says,
    send_key,
    uuid_of,
)
from tests.support.waiting import PATIENCE, until
from tui.app import WebhooksApp
from tui.page import Page
from tui.widgets import bars

pytestmark = pytest.mark.files_only("what is read is tried on both engines in tests/core")

HISTORY = ("down", "h")  # of PAY, whose deliveries from above are 113, 112, 111 and 110
TO_111 = ("down", "down")


def ends(number: int, http_status: int, response: str = "") -> None:
    """As a worker settles a first attempt."""
    arrived = http_status == 200
    with transaction():
        status = Status.DELIVERED if arrived else Status.FAILED
        Delivery.update(status=status, attempts=1).where(Delivery.uuid == uuid_of(number)).execute()
        Attempt.create(
            delivery=Delivery.get(Delivery.uuid == uuid_of(number)).id,
            number=1,
            started_at=NOON,
            duration_us=143_000,
            http_status=http_status,
            error=None if arrived else ErrorKind.STATUS,
            response=response,
        )


async def tells(app: WebhooksApp, sentence: str) -> None:
    await until(lambda: says(app, sentence))


def test_one_that_arrives_is_told_of(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "R")
        assert says(app, "✓ ticket.created of 17 May 09:00 goes again.")
        ends(111, 200, "thanks")
        await tells(app, "✓ ticket.created of 17 May 09:00 delivered: 200 in 143 ms · thanks")

    play(app, script)


def test_what_comes_in_meanwhile_does_not_talk_over_it(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1e6]
    monkeypatch.setattr(bars, "monotonic", lambda: now[0])

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "R")
        ends(111, 200, "thanks")
        await tells(app, "delivered: 200 in 143 ms · thanks")
        add_delivery(900, PAY, SELECTABLE[0], Status.DELIVERED, NOON, OK)
        await until(lambda: says(app, "T-900"))
        assert says(app, "delivered: 200 in 143 ms · thanks")
        now[0] += 60
        add_delivery(901, PAY, SELECTABLE[0], Status.DELIVERED, NOON, OK)
        await tells(app, "1 new, g to see")

    play(app, script)


def test_one_that_fails_is_told_of_with_why_also_where_its_page_has_been_left(
    app: WebhooksApp,
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "enter", "R", "q", "q")
        assert crumbs_of(app).startswith("Webhooks  ")
        ends(111, 503, "still down")
        await tells(app, "✗ ticket.created of 17 May 09:00 failed: 503 in 143 ms · still down")

    play(app, script)


def test_what_went_wrong_before_is_not_taken_for_the_outcome(app: WebhooksApp) -> None:
    """Of one that waits after three failures, which is attempted beside its schedule."""

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, "down", "R")
        ends(112, 200, "at last")
        await tells(app, "✓ ticket.created of 17 May 11:00 delivered: 200 in 143 ms · at last")

    play(app, script)


def test_several_are_told_of_in_one_sentence(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, "R", "down", "R", "down", "R")
        for number in (111, 112):
            ends(number, 200)
        await until(lambda: len(app._outcomes._ended) == 2)
        assert not says(app, "sent again")
        ends(113, 500, "no")
        await tells(app, "✗ 3 sent again: 2 delivered, 1 failed: 500 no")

    play(app, script)


def test_those_that_are_recovered_are_told_of_too(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "down", "r", "R")
        assert says(app, "2 deliveries are queued again.")
        for number in (110, 111):
            ends(number, 200)
        await tells(app, "✓ 2 sent again, all delivered.")

    play(app, script)


def test_a_warning_is_not_talked_over(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "R", "q", "n", "x", "Q", "escape")
        assert says(app, "The same key once more leaves.")
        ends(111, 200)
        await until(lambda: app._outcomes._ended)
        assert says(app, "The same key once more leaves.")
        await press(pilot, "escape")
        await tells(app, "delivered: 200")

    play(app, script)


@pytest.mark.parametrize(
    ("pace", "told"),
    [
        ("1/h", "It waits for its turn, at 1/h."),
        ("", "It is still waiting: is the worker running? It stays queued."),
    ],
)
def test_one_that_does_not_go_says_what_it_waits_for(
    app: WebhooksApp, pace: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.redelivering.PATIENCE", -app.desk.timeout)  # it should be there by now
    Webhook.update(pace=pace or None).where(Webhook.id == PAY).execute()

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "R")
        await tells(app, told)

    play(app, script)


def test_several_that_do_not_go_are_counted(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.redelivering.PATIENCE", -app.desk.timeout)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "down", "r", "R")
        await tells(app, "Sent again: 0 delivered, 0 failed, 2 still wait.")

    play(app, script)


def test_one_of_a_paused_webhook_is_parked_and_says_so(app: WebhooksApp) -> None:
    services.pause_webhook(MARIE, PAY, NOON)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "R")
        assert says(app, "It is parked: the webhook is paused, and P resumes it.")
        assert app._outcomes._timer is None

    play(app, script)


def test_one_that_its_server_does_not_want_yet_says_until_when(app: WebhooksApp) -> None:
    Webhook.update(held_until=NOON + 5 * MINUTE).where(Webhook.id == PAY).execute()

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "R")
        assert says(app, "The server asked for nothing more until 12:05:00.")

    play(app, script)


def test_one_whose_webhook_is_deleted_meanwhile_is_forgotten(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "R", "q")
        services.delete_webhook(MARIE, PAY, NOON)
        await until(lambda: app._outcomes._timer is None)
        assert not says(app, "ticket.created of")

    play(app, script)


def test_an_answer_that_is_late_is_not_told_again(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask, asked, answers = queries.attempted_again, Event(), Event()

    def late_at_first(*about: Any) -> Again:
        found = ask(*about)
        if found.attempted and not asked.is_set():
            asked.set()
            answers.wait(PATIENCE)
        return found

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "R")
        ends(111, 200)
        await until(asked.is_set)
        send_key(app, "enter")
        await tells(app, "delivered: 200")
        cast("Page", app.screen).flash("told since")
        answers.set()
        await quiet(pilot)
        assert says(app, "told since")

    monkeypatch.setattr(queries, "attempted_again", late_at_first)
    play(app, script)


def test_of_two_webhooks_one_of_which_is_deleted_the_other_is_told_of(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_delivery(901, CI, SELECTABLE[0], Status.PENDING, NOON)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *HISTORY, *TO_111, "R", "q", "a", "R")
        await until(lambda: len(app._outcomes._waiting) == 2)
        services.delete_webhook(MARIE, PAY, NOON)
        await until(lambda: len(app._outcomes._waiting) == 1)
        app._outcomes._until = NOON
        await tells(app, "It is still waiting: is the worker running?")

    play(app, script)
