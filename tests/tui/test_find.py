"""Find: from anywhere, by a ticket's number, to what became of it."""

import pytest
from textual.pilot import Pilot

from core.domain.delivery import Status
from core.domain.events import SELECTABLE
from core.storage.models import AuditEntry, Delivery
from core.use_cases.businesses import add_business
from tests.support.scene import MINUTE, NOON, OPERATOR
from tests.support.showcase import (
    CI,
    OK,
    PAY,
    UPSTREAM,
    add_delivery,
    crumbs_of,
    play,
    press,
    says,
    typed,
    uuid_of,
)
from tests.support.waiting import until
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.widgets.entry import Entry
from tui.widgets.table import Table

TICKET = b'{"numero": "4711", "total_tvac": 55.10, "mode_paiement": "Bancontact"}'


@pytest.fixture
def sold(app: WebhooksApp) -> WebhooksApp:
    """A ticket that arrived at one webhook and waits for another."""
    event = SELECTABLE[0]
    add_delivery(700, CI, event, Status.DELIVERED, NOON - MINUTE, OK, payload=TICKET)
    due = NOON + MINUTE
    add_delivery(701, PAY, event, Status.FAILED, NOON, *[UPSTREAM] * 2, due_at=due, payload=TICKET)
    return app


FIND = ("F", typed("4711"), "enter")


def test_a_ticket_and_what_became_of_it(sold: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *FIND)
        assert says(sold, "Ticket 4711 · 55.10 € · Bancontact")
        assert says(sold, "pay.example.net/…/aurapos waits, try 3 of 5")
        assert says(sold, "ci.example.com/in arrived")
        await press(pilot, "j", "enter")
        assert "Find › 7f3a…" in crumbs_of(sold)
        await press(pilot, "q")
        assert says(sold, "Ticket 4711")
        await press(pilot, "q")
        assert crumbs_of(sold).startswith("Webhooks  ")

    play(sold, script)


def test_enter_on_the_event_itself_opens_its_first_delivery(sold: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *FIND, "enter")
        assert "7f3a…02bd" in crumbs_of(sold)

    play(sold, script)


@pytest.mark.files_only("is about the screen")
@pytest.mark.parametrize(
    "pressed", [("h",), ("h", "enter"), ("a",), ("A",), ("n", "tab"), ("question_mark",)]
)
def test_it_is_there_from_anywhere(sold: WebhooksApp, pressed: tuple[str, ...]) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *pressed, *FIND)
        assert says(sold, "Ticket 4711")

    play(sold, script)


@pytest.mark.files_only("is about the screen")
def test_what_is_not_there_is_said_and_another_can_be_looked_for(sold: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "F", "enter", typed("471"), "enter")
        assert says(sold, "Nothing was found for “471”.")
        assert says(sold, "esc back")  # where a q is text
        await press(pilot, typed("1"), "enter")
        assert says(sold, "Ticket 4711")
        assert isinstance(sold.focused, Table)
        assert says(sold, "q back")
        await press(pilot, "F")
        assert isinstance(sold.focused, Entry)

    play(sold, script)


@pytest.mark.files_only("is about the screen")
def test_what_arrives_meanwhile_is_seen(sold: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "F", typed("4712"), "enter")
        assert says(sold, "Nothing was found")
        add_delivery(800, CI, SELECTABLE[0], Status.DELIVERED, NOON, OK, payload=b'{"id": 4712}')
        await until(lambda: says(sold, "Ticket 4712"))

    play(sold, script)


@pytest.mark.files_only("is about the screen")
def test_what_is_chosen_there_is_redelivered(sold: WebhooksApp) -> None:
    both = Delivery.get(Delivery.uuid == uuid_of(701)).event_id
    Delivery.update(event=both).where(Delivery.uuid == uuid_of(700)).execute()

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *FIND)
        assert says(sold, "R redeliver")
        await press(pilot, "R")
        assert says(sold, "Choose a webhook first: it went to more than one.")
        await press(pilot, "j", "j", "R")
        assert says(sold, "✓ ticket.created of 17 May 12:00 goes again.")

    play(sold, script)
    done = AuditEntry.select(AuditEntry.action, AuditEntry.subject).order_by(AuditEntry.id.desc())
    assert done.tuples()[0] == ("redelivered", str(uuid_of(701)))


@pytest.mark.files_only("is about the screen")
def test_on_the_line_of_an_event_that_went_to_one_webhook_that_one_is(sold: WebhooksApp) -> None:
    payload = b'{"numero": "4712"}'
    failed = [UPSTREAM] * 5
    add_delivery(702, PAY, SELECTABLE[0], Status.ABANDONED, NOON, *failed, payload=payload)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "F", typed("4712"), "enter", "R")
        assert says(sold, "goes again")

    play(sold, script)
    assert Delivery.get(Delivery.uuid == uuid_of(702)).status == Status.PENDING


@pytest.mark.files_only("is about the screen")
def test_where_no_business_is_chosen_there_is_nothing_to_find(empty: Desk) -> None:
    add_business(OPERATOR, "Chez Marie 2", "group", "marie", NOON)
    app = WebhooksApp(empty)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "F")
        assert "Find" not in crumbs_of(app)

    play(app, script)
