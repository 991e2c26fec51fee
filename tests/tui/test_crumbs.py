"""The crumbs in the first row: where one is, and a click back to where one came from."""

import pytest
from textual.pilot import Pilot

from tests.support.showcase import crumbs_of, drawn, play, press, quiet, says, typed
from tui.app import WebhooksApp
from tui.widgets.bars import Crumbs

pytestmark = pytest.mark.files_only("is about the screen")
TO_A_DELIVERY = ("h", "enter")


async def click(pilot: Pilot[None], app: WebhooksApp, crumb: str) -> None:
    """On the middle of that text in the first row."""
    at = drawn(app).splitlines()[0].index(crumb)
    await pilot.click(Crumbs, offset=(at + len(crumb) // 2, 0))
    await quiet(pilot)


@pytest.mark.parametrize(
    ("pressed", "crumb", "leads_to"),
    [
        (TO_A_DELIVERY, "History", "Webhooks › ci.example.com/in › History  "),
        (TO_A_DELIVERY, "ci.example.com", "Webhooks  "),
        (TO_A_DELIVERY, "Webhooks", "Webhooks  "),
        (TO_A_DELIVERY, "7f3a", "Webhooks › ci.example.com/in › History › 7f3a"),
        (("a", "enter"), "Activity", "Webhooks › Activity  "),
        (("a", "h"), "pay.example.net", "Webhooks  "),
        (("F", typed("T-112"), "enter", "enter"), "Find", "Webhooks › Find  "),
        ((), "Webhooks", "Webhooks  "),
    ],
)
def test_a_click_goes_back_to_that_page(
    app: WebhooksApp, pressed: tuple[str, ...], crumb: str, leads_to: str
) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *pressed)
        await click(pilot, app, crumb)
        assert f"{crumbs_of(app)}  ".startswith(leads_to)

    play(app, script)


def test_where_there_is_no_room_the_dots_stand_for_the_list(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *TO_A_DELIVERY)
        assert crumbs_of(app).startswith("… › ci")
        await click(pilot, app, "History")
        assert crumbs_of(app) == "Webhooks › ci.example.com/in › History"
        await press(pilot, "enter")
        await click(pilot, app, "…")
        assert crumbs_of(app).startswith("Webhooks  ")

    play(app, script, (60, 16))


def test_what_is_not_saved_is_asked_for_first(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "x")
        await click(pilot, app, "Webhooks")
        assert says(app, "Unsaved changes")
        assert "Edit" in crumbs_of(app)
        await click(pilot, app, "Webhooks")
        assert crumbs_of(app).startswith("Webhooks  ")

    play(app, script)
