"""Activity: the deliveries of all webhooks in one list, live."""

import pytest
from textual.pilot import Pilot

from core.domain.delivery import Status
from core.domain.events import SELECTABLE
from core.storage.models import AuditEntry, Webhook
from core.use_cases import services
from core.use_cases.businesses import add_business
from tests.support.scene import MARIE, NOON, OPERATOR, SECOND
from tests.support.showcase import (
    CI,
    NEW,
    OK,
    PAY,
    UPSTREAM,
    add_delivery,
    crumbs_of,
    drawn,
    play,
    press,
    says,
    typed,
    uuid_of,
)
from tests.support.waiting import until
from tui.app import WebhooksApp
from tui.widgets.table import Table

TICKET = SELECTABLE[0]
of_the_screen = pytest.mark.files_only("is about the screen")


def test_what_any_webhook_gets_comes_in_and_the_cursor_stays(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a", "j", "j")
        table = app.screen.query_one(Table)
        under = table.at_key
        add_delivery(900, NEW, TICKET, Status.DELIVERED, NOON, OK)
        add_delivery(901, CI, TICKET, Status.FAILED, NOON, UPSTREAM, due_at=NOON)
        await until(lambda: says(app, "2 new, g to see"))
        assert table.at_key == under
        await press(pilot, "g")
        assert says(app, "ci.exampl…com/in Ticket T-901 · 55.10 € ▲ waits, try 2 of 5")
        assert says(app, "new.examp…g/hook Ticket T-900 · 55.10 € ● arrived")

    play(app, script)


def test_another_business_s_are_not_in_it(app: WebhooksApp) -> None:
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    add_delivery(900, NEW, TICKET, Status.DELIVERED, NOON, OK)
    Webhook.update(business=other).where(Webhook.id == NEW).execute()

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a")
        assert not says(app, "T-900")
        add_delivery(901, CI, TICKET, Status.DELIVERED, NOON, OK)
        await until(lambda: says(app, "T-901"))
        assert not says(app, "T-900")

    play(app, script)


@of_the_screen
def test_what_did_not_arrive_and_what_holds_a_text(app: WebhooksApp) -> None:
    add_delivery(900, CI, TICKET, Status.ABANDONED, NOON, *[UPSTREAM] * 5)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a", "f")
        table = app.screen.query_one(Table)
        assert says(app, "Shown: failed only")
        assert (table.row_count, table.at_key) == (5, str(uuid_of(900)))
        await press(pilot, "slash", typed("upstream"))
        assert table.row_count == 3
        await press(pilot, "escape", "e", "e")
        assert says(app, f"Shown: {SELECTABLE[1]}")

    play(app, script)


def test_older_ones_come_page_by_page_from_all_webhooks(app: WebhooksApp) -> None:
    for number in range(60):
        webhook_id = (CI, PAY, NEW)[number % 3]
        add_delivery(900 + number, webhook_id, TICKET, Status.DELIVERED, NOON, OK)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a", "n")
        table = app.screen.query_one(Table)
        assert says(app, "Shown: page 2")
        assert table.at_key == str(uuid_of(909))
        await press(pilot, "n", "n", "n")
        assert says(app, "There are no older ones.")
        await press(pilot, "p", "p", "p")
        assert table.at_key == str(uuid_of(959))

    play(app, script)


@of_the_screen
@pytest.mark.parametrize("key", ["a", "h"])
def test_a_search_goes_back_page_by_page_and_says_how_far(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setattr("core.use_cases.queries.LOOKED_THROUGH", 30)
    add_delivery(800, CI, TICKET, Status.FAILED, NOON, (500, None, "", "lost"), due_at=NOON)
    for number in range(60):
        add_delivery(900 + number, CI, TICKET, Status.DELIVERED, NOON, OK)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "g", key, "slash", typed("lost"), "enter")
        assert says(app, 'No delivery is like that: "lost". Only those since 17 May 12:00')
        for _ in range(10):
            if says(app, "T-800"):
                break
            assert says(app, "Press n to look further back.")
            await press(pilot, "n")
        assert says(app, "n looks further")
        await press(pilot, *["n"] * 10)
        assert says(app, "There are no older ones.")
        await press(pilot, *["p"] * 10)
        assert says(app, "Press n to look further back.")

    play(app, script)


@of_the_screen
def test_j_and_k_walk_from_one_webhook_s_delivery_to_another_s(app: WebhooksApp) -> None:
    add_delivery(900, CI, TICKET, Status.DELIVERED, NOON, OK)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a", "enter")
        assert "ci.example.com/in › Activity › 7f3a…0384" in crumbs_of(app)
        await press(pilot, "j")
        assert "pay.example.net/…/aurapos › Activity › 7f3a…0071" in crumbs_of(app)
        assert says(app, "POST https://pay.example.net/webhooks/aurapos")
        await press(pilot, "q")
        assert crumbs_of(app).startswith("Webhooks › Activity")

    play(app, script)


@of_the_screen
def test_from_there_to_one_webhook_s_history_and_back(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a", "h")
        assert "pay.example.net/…/aurapos › History" in crumbs_of(app)
        assert app.screen.query_one(Table).row_count == 7
        await press(pilot, "q")
        assert crumbs_of(app).startswith("Webhooks › Activity")

    play(app, script)


@of_the_screen
def test_what_is_done_there_is_done_to_the_webhook_under_the_cursor(app: WebhooksApp) -> None:
    add_delivery(900, CI, TICKET, Status.DELIVERED, NOON, OK)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a", "t")
        assert says(app, "Sending a test to ci.example.com")
        await press(pilot, "j", "P")
        await until(lambda: says(app, "pay.example.net/…/aurapos is paused"))
        await until(lambda: says(app, "It is parked: the webhook is paused"))

    play(app, script)
    done = AuditEntry.select(AuditEntry.action, AuditEntry.webhook_id).order_by(AuditEntry.id)
    assert list(done.tuples())[-2:] == [("tested", CI), ("paused", PAY)]


@of_the_screen
def test_a_deleted_webhook_s_leave_the_list(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a")
        assert says(app, "T-113")
        services.delete_webhook(MARIE, PAY, NOON + SECOND)
        await until(lambda: not says(app, "T-113"))
        assert says(app, "ci.exampl…com/in")

    play(app, script)


@of_the_screen
def test_beside_a_wide_list_stands_the_delivery_once_the_cursor_rests(app: WebhooksApp) -> None:
    add_delivery(900, CI, TICKET, Status.DELIVERED, NOON, OK)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a")
        await until(lambda: says(app, "POST https://ci.example.com/in"))
        await press(pilot, "j")
        await until(lambda: says(app, "POST https://pay.example.net/webhooks/aurapos"))
        assert "Activity" in drawn(app).splitlines()[0]

    play(app, script, (120, 40))
