"""A colleague deletes a webhook in the moment in which a page reads about it: only that is gone."""

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from core.domain.delivery import Status
from core.domain.events import SELECTABLE
from core.use_cases import queries, services
from tests.support.scene import MARIE, NOON, SECOND
from tests.support.showcase import (
    CI,
    NEW,
    OK,
    PAY,
    add_delivery,
    crumbs_of,
    play,
    press,
    says,
    typed,
)
from tests.support.waiting import until
from tui.app import WebhooksApp
from tui.screens import webhooks

TICKET = SELECTABLE[0]
Deletes = Callable[[object, str, int], None]

pytestmark = pytest.mark.files_only("is about the screen")


@pytest.fixture
def deletes(monkeypatch: pytest.MonkeyPatch) -> Deletes:
    """Has a webhook deleted right before something is read for the first time, by its name."""

    def arrange(where: object, name: str, webhook_id: int) -> None:
        read, still = getattr(where, name), [webhook_id]

        def late(*args: Any, **how: Any) -> Any:
            while still:
                services.delete_webhook(MARIE, still.pop(), NOON + SECOND)
            return read(*args, **how)

        monkeypatch.setattr(where, name, late)

    return arrange


def at_the_list(app: WebhooksApp) -> bool:
    return crumbs_of(app).startswith("Webhooks  ") and says(app, "ci.example.com")


def test_the_first_list_stays_where_it_reads_a_card(app: WebhooksApp, deletes: Deletes) -> None:
    async def script(pilot: Pilot[None]) -> None:
        deletes(webhooks, "details", PAY)
        await press(pilot, "G", "k")
        await until(lambda: not says(app, "pay.example.net"))
        assert at_the_list(app)

    play(app, script)


def test_the_first_list_stays_where_it_is_read_anew(app: WebhooksApp, deletes: Deletes) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "G")
        deletes(webhooks, "details", NEW)
        add_delivery(900, CI, TICKET, Status.DELIVERED, NOON, OK)
        await until(lambda: says(app, "of 2"))
        assert at_the_list(app)

    play(app, script)


def test_a_test_that_nobody_can_answer_any_more_is_told(app: WebhooksApp, deletes: Deletes) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "G")
        deletes(queries, "webhook", NEW)
        await press(pilot, "t")
        await until(lambda: says(app, "! It is no longer here."))
        assert at_the_list(app)

    play(app, script)


def test_activity_stays_where_it_reads_a_delivery(app: WebhooksApp, deletes: Deletes) -> None:
    add_delivery(900, CI, TICKET, Status.DELIVERED, NOON, OK)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "a")
        await until(lambda: says(app, "POST https://ci.example.com/in"))
        deletes(queries, "delivery", PAY)
        await press(pilot, "j")
        await until(lambda: not says(app, "T-113"))
        assert crumbs_of(app).startswith("Webhooks › Activity")

    play(app, script, (120, 40))


@pytest.mark.parametrize("way", [("a",), ("F", typed("T-113"), "enter")], ids=["activity", "find"])
def test_a_list_of_many_stays_where_one_of_them_cannot_be_sent_again(
    app: WebhooksApp, deletes: Deletes, way: tuple[str | tuple[str, ...], ...]
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *way)
        await until(lambda: says(app, "T-113"))
        where = crumbs_of(app)
        if way[0] == "F":
            await press(pilot, "down")
        deletes(services, "redeliver", PAY)
        await press(pilot, "R")
        await until(lambda: says(app, "! It is no longer here."))
        assert crumbs_of(app)[:20] == where[:20]

    play(app, script)
