"""The first steps: what is next, ticked off as it happens."""

import pytest
from textual.events import Paste
from textual.pilot import Pilot

from core.domain.delivery import Status
from core.domain.events import SELECTABLE, EventType
from core.storage.vault import Vault
from core.use_cases.first_steps import note_secret_stored
from tests.support.scene import MARIE, NOON
from tests.support.showcase import (
    CI,
    OK,
    UPSTREAM,
    add_delivery,
    drawn,
    play,
    press,
    quiet,
    register_three,
    says,
    typed,
)
from tests.support.waiting import until
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.screens.secret import ShownSecret

URL = "https://hooks.example.org/aurapos"
pytestmark = pytest.mark.files_only("is about the screen")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["usual", "wide"])
def test_from_nothing_to_the_first_sale(empty: Desk, size: tuple[int, int]) -> None:
    app = WebhooksApp(empty)

    async def script(pilot: Pilot[None]) -> None:
        assert says(app, "Make a webhook: n.")
        await press(pilot, "n", typed(URL), "ctrl+s")
        assert isinstance(app.screen, ShownSecret)
        app.post_message(Paste(app.screen._revealed()))
        await until(lambda: says(app, "That is the secret"))
        await quiet(pilot)
        await press(pilot, "q")
        while isinstance(app.screen, ShownSecret) or "Edit" in drawn(app).splitlines()[0]:
            await press(pilot, "q")
        await until(lambda: says(app, "2 of 4 done"))
        assert says(app, "● Its secret is in your server.")
        assert says(app, "○ Send a test: t.")
        ping = EventType.PING
        add_delivery(900, 1, ping, Status.FAILED, NOON, UPSTREAM, due_at=NOON)
        await until(lambda: says(app, "503"))
        assert says(app, "2 of 4 done")
        add_delivery(901, 1, ping, Status.DELIVERED, NOON, OK)
        await until(lambda: says(app, "● A test arrived."))
        add_delivery(902, 1, SELECTABLE[0], Status.DELIVERED, NOON, OK)
        await until(lambda: says(app, "4 of 4 done"))
        add_delivery(903, 1, SELECTABLE[0], Status.DELIVERED, NOON, OK)
        await until(lambda: not says(app, "FIRST STEPS"))

    play(app, script, size)


def test_each_webhook_has_its_own(empty: Desk, vault: Vault) -> None:
    register_three(vault, 1)
    note_secret_stored(MARIE, CI, NOON)
    app = WebhooksApp(empty)

    async def script(pilot: Pilot[None]) -> None:
        await until(lambda: says(app, "2 of 4 done"))
        await press(pilot, "j")
        await until(lambda: says(app, "1 of 4 done"))
        assert says(app, "○ Put its secret into your server")

    play(app, script)
