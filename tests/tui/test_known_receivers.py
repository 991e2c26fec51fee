"""What a well-known receiver answers is explained wherever a delivery is looked at."""

import pytest
from textual.pilot import Pilot

from core.domain.choices import Format
from core.domain.delivery import ErrorKind, Status
from core.domain.events import SELECTABLE
from core.storage.vault import Vault
from core.use_cases import queries
from core.use_cases.services import create_webhook
from tests.support.scene import DEVELOPMENT, MARIE, NOON
from tests.support.showcase import add_delivery, drawn, play, press, says, typed
from tui.app import WebhooksApp
from tui.desk import Desk

SLACK = "https://hooks.slack.com/services/T0/B0/x"
ZAPIER = "https://hooks.zapier.com/hooks/catch/1/a/"
NO_TEXT = (400, ErrorKind.STATUS, "", "no_text")
SUCCESS = (200, None, "", '{"status":"success"}')

pytestmark = pytest.mark.files_only("is about the screen")


def register(vault: Vault, url: str) -> int:
    new = create_webhook(MARIE, 1, url, SELECTABLE, NOON, policy=DEVELOPMENT, vault=vault)
    return new.id


def test_a_failure_is_explained_in_the_history_and_in_the_delivery(
    empty: Desk, vault: Vault
) -> None:
    webhook_id = register(vault, SLACK)
    add_delivery(1, webhook_id, SELECTABLE[0], Status.ABANDONED, NOON, *[NO_TEXT] * 5)
    app = WebhooksApp(empty)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "h")
        assert says(app, "Slack found no text in it. Edit the webhook and choose the format chat.")
        await press(pilot, "enter")
        assert says(app, "Slack found no text in it. Edit the webhook and choose the format chat.")

    play(app, script)


def test_a_success_that_says_nothing_is_explained_as_well(empty: Desk, vault: Vault) -> None:
    webhook_id = register(vault, ZAPIER)
    add_delivery(1, webhook_id, SELECTABLE[0], Status.DELIVERED, NOON, SUCCESS)
    app = WebhooksApp(empty)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "h", "enter")
        assert says(app, "Zapier answers success whether or not a Zap is on")

    play(app, script)


def test_what_must_be_known_before_is_said_in_the_form(empty: Desk) -> None:
    app = WebhooksApp(empty)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "n", typed("https://discord.com/api/webhooks/1/x"))
        assert "ok: https, public" in drawn(app)
        assert says(app, "Put /slack behind Discord's URL, and choose the format chat.")
        await press(pilot, typed("/slack"))
        assert "Put /slack" not in drawn(app)

    play(app, script)


def test_for_a_chat_program_the_format_chat_is_chosen_unless_its_owner_has_chosen(
    empty: Desk,
) -> None:
    app = WebhooksApp(empty)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "n", typed(SLACK))
        assert "(x) a chat line" in drawn(app)
        await press(pilot, *["backspace"] * len("services/T0/B0/x"))
        assert "(x) JSON" in drawn(app)
        await press(pilot, typed("services/T0/B0/x"))
        assert "(x) a chat line" in drawn(app)
        app.screen.query_one("#format").focus()
        await press(pilot, "space")
        assert "(x) JSON" in drawn(app)
        assert says(app, "Slack takes nothing but a line of text: choose the format chat.")
        app.screen.query_one("#url").focus()
        await press(pilot, typed("y"))
        assert "(x) JSON" in drawn(app)
        app.screen.query_one("#format").focus()
        await press(pilot, "space", "ctrl+s")
        [webhook] = queries.webhooks(MARIE, 1)
        assert (webhook.url, webhook.choices.format) == (f"{SLACK}y", Format.CHAT)

    play(app, script)


def test_of_a_webhook_that_is_there_the_format_is_left_as_it_is(empty: Desk, vault: Vault) -> None:
    register(vault, SLACK)
    app = WebhooksApp(empty)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "e")
        assert "(x) JSON" in drawn(app)
        assert says(app, "Slack takes nothing but a line of text: choose the format chat.")

    play(app, script)
