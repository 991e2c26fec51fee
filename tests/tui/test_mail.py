"""The address for alerts, at the terminal: given, confirmed by its code, and taken back."""

from dataclasses import replace
from typing import cast

import pytest
from textual.pilot import Pilot

from core.storage.vault import Vault
from core.use_cases.mail import mail_to
from tests.support import waiting
from tests.support.addresses import add_address, ask, mailed_code
from tests.support.scene import MARIE
from tests.support.showcase import drawn, play, press, says, typed
from tui.app import WebhooksApp

HERS, OTHER = "marie@example.com", "shop@example.com"
TO_THE_PAGE = ("comma", "m")

pytestmark = pytest.mark.files_only("what it writes is tried on both engines")


async def until(pilot: Pilot[None], text: str) -> None:
    """Until it is on the screen."""
    app = cast("WebhooksApp", pilot.app)
    await waiting.until(
        lambda: says(app, text), pause=lambda: pilot.pause(0.02), seen=lambda: drawn(app)
    )


def test_an_address_is_typed_then_its_code_and_it_counts(app: WebhooksApp, vault: Vault) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *TO_THE_PAGE)
        await until(pilot, "No alerts are mailed to you.")
        await press(pilot, typed(HERS), "enter")
        await until(pilot, "A code was mailed to that address")
        code = mailed_code(vault)
        await press(pilot, typed(f"{(int(code) + 1) % 10**6:06}"), "enter")
        await until(pilot, "! That is not the code that was mailed")
        assert mail_to(MARIE, 1).address == ""
        await press(pilot, "ctrl+u", typed(code), "enter")
        await until(pilot, f"✓ Alerts are mailed to {HERS}.")

    play(app, script)
    assert mail_to(MARIE, 1).address == HERS


def test_what_is_no_address_is_told(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *TO_THE_PAGE, typed("marie"), "enter")
        await until(pilot, "! That is not a mail address")

    play(app, script)
    assert mail_to(MARIE, 1).asked == ""


def test_one_that_counts_goes_on_until_another_one_does_and_is_taken_back(
    app: WebhooksApp, vault: Vault
) -> None:
    add_address(vault, 1)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *TO_THE_PAGE)
        await until(pilot, f"Alerts are mailed to {HERS}.")
        await press(pilot, "enter")
        await until(pilot, "It counts already.")
        await press(pilot, "ctrl+u", typed(OTHER), "enter")
        await until(pilot, "A code was mailed to that address")
        assert mail_to(MARIE, 1).address == HERS
        await press(pilot, typed(mailed_code(vault)), "enter")
        await until(pilot, f"✓ Alerts are mailed to {OTHER}.")
        await press(pilot, "ctrl+u", "enter")
        await until(pilot, "✓ Nothing is mailed to you any more.")

    play(app, script)
    assert mail_to(MARIE, 1).address == ""


def test_who_comes_back_later_types_the_code_then(app: WebhooksApp, vault: Vault) -> None:
    ask(1)
    code = mailed_code(vault)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *TO_THE_PAGE)
        await until(pilot, "A code was mailed to that address")
        await press(pilot, typed(code), "enter")
        await until(pilot, f"✓ Alerts are mailed to {HERS}.")

    play(app, script)


def test_without_a_server_an_address_is_only_taken_back(app: WebhooksApp, vault: Vault) -> None:
    add_address(vault, 1)
    without = WebhooksApp(replace(app.desk, sends_mail=False))

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *TO_THE_PAGE)
        await until(pilot, "has named no server for it.")
        await press(pilot, "ctrl+u", typed(OTHER), "enter")
        await until(pilot, "! No mail is sent here")
        assert mail_to(MARIE, 1).asked == ""
        await press(pilot, "ctrl+u", "enter")
        await until(pilot, "✓ Nothing is mailed to you any more.")

    play(without, script)


def test_in_a_session_that_only_reads_nothing_is_mailed(app: WebhooksApp) -> None:
    reading = WebhooksApp(replace(app.desk, read_only=True))

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *TO_THE_PAGE, typed(HERS), "enter")
        await until(pilot, "! Read only")

    play(reading, script)
    assert mail_to(MARIE, 1).asked == ""
