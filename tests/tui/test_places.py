"""Opened at a place, and opened to look only."""

from dataclasses import replace

import pytest
from textual.pilot import Pilot

from core.storage.models import AuditEntry
from core.use_cases import queries
from core.use_cases.businesses import add_business
from tests.support.scene import NOON, OPERATOR
from tests.support.showcase import PAY, crumbs_of, drawn, play, press, says, typed, uuid_of
from tui.app import WebhooksApp
from tui.desk import Desk, Place
from tui.page import READ_ONLY
from tui.widgets.table import Table

pytestmark = pytest.mark.files_only("is about the screen")


def opened_at(desk: Desk, place: Place) -> WebhooksApp:
    return WebhooksApp(replace(desk, place=place))


def test_a_webhook_s_history(desk: Desk) -> None:
    app = opened_at(desk, Place(webhook_id=PAY))

    async def script(pilot: Pilot[None]) -> None:
        assert "pay.example.net/…/aurapos › History" in crumbs_of(app)
        assert app.screen.query_one(Table).row_count == 7
        await press(pilot, "q")
        assert crumbs_of(app).startswith("Webhooks  ")

    play(app, script)


def test_what_did_not_arrive_of_it(desk: Desk) -> None:
    app = opened_at(desk, Place(webhook_id=PAY, only_failed=True))

    async def script(pilot: Pilot[None]) -> None:
        assert says(app, "Shown: failed only")
        assert app.screen.query_one(Table).row_count == 4
        await press(pilot, "f")
        assert app.screen.query_one(Table).row_count == 7

    play(app, script)


def test_one_delivery(desk: Desk) -> None:
    app = opened_at(desk, Place(delivery_id=str(uuid_of(112)).upper()))

    async def script(pilot: Pilot[None]) -> None:
        assert "7f3a…0070" in crumbs_of(app)
        await press(pilot, "q")
        assert crumbs_of(app).startswith("Webhooks  ")

    play(app, script)


def test_what_is_found(desk: Desk) -> None:
    app = opened_at(desk, Place(find="T-112"))

    async def script(pilot: Pilot[None]) -> None:
        assert says(app, "Ticket T-112")
        await press(pilot, "j", "enter")
        assert "7f3a…0070" in crumbs_of(app)

    play(app, script)


def test_what_all_webhooks_were_sent(desk: Desk) -> None:
    app = opened_at(desk, Place(activity=True))

    async def script(pilot: Pilot[None]) -> None:
        assert crumbs_of(app).startswith("Webhooks › Activity")
        assert says(app, "T-113")
        await press(pilot, "q")
        assert crumbs_of(app).startswith("Webhooks  ")

    play(app, script)


def test_it_is_gone_to_once(desk: Desk) -> None:
    add_business(OPERATOR, "Chez Marie 2", "group", "marie", NOON)
    app = opened_at(desk, Place(find="T-112"))

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        assert says(app, "Ticket T-112")
        await press(pilot, "q", "b", "enter")
        assert crumbs_of(app).startswith("Webhooks  ")

    play(app, script)


def test_what_is_gone_meanwhile_leaves_the_list(desk: Desk) -> None:
    app = opened_at(desk, Place(webhook_id=77))

    async def script(pilot: Pilot[None]) -> None:
        assert crumbs_of(app).startswith("Webhooks  ")
        assert says(app, "It is no longer here.")

    play(app, script)


@pytest.mark.parametrize(
    "pressed",
    [
        *(["n"], ["e"], ["s"], ["d"], ["t"], ["comma", "space"]),
        *(["down", "h", "R"], ["h", "t"], ["down", "h", "enter", "R"], ["down", "h", "enter", "t"]),
        *(["down", "r", "R"], ["r", "t"]),
    ],
    ids=" ".join,
)
def test_to_look_only_every_change_says_why_not(desk: Desk, pressed: list[str]) -> None:
    app = WebhooksApp(replace(desk, read_only=True))
    before = queries.webhooks(desk.actor, 1), AuditEntry.select().count()

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *pressed)
        assert says(app, READ_ONLY)
        assert drawn(app).splitlines()[0].rstrip().endswith("read only")

    play(app, script)
    assert (queries.webhooks(desk.actor, 1), AuditEntry.select().count()) == before


def test_the_title_says_so_in_a_small_window_too(desk: Desk) -> None:
    app = WebhooksApp(replace(desk, read_only=True))

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "down", "h", "enter")
        assert drawn(app).splitlines()[0].rstrip().endswith("read only")
        await press(pilot, "F", typed("T-112"), "enter")
        assert drawn(app).splitlines()[0].rstrip().endswith("read only")

    play(app, script, (40, 10))
