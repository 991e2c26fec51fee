"""Whose clocks the screens go by."""

from dataclasses import replace
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from textual.pilot import Pilot

from core.use_cases.settings import Settings, settings_of
from tests.support.scene import NOON
from tests.support.showcase import drawn, play, press, says
from tui.app import WebhooksApp
from tui.desk import Desk, clocks_in

pytestmark = pytest.mark.files_only("is about the screen; what is kept is tried on both engines")
_OF_THE_CLOCK = ("comma", "down", "down")


def test_every_screen_goes_by_the_clock_that_was_chosen(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        assert "11:00  Ticket T-112" in drawn(app)
        await press(pilot, *_OF_THE_CLOCK, "space")
        assert "Brussels, Paris, Amsterdam" in drawn(app)
        assert settings_of("marie") == Settings(zone="Europe/Brussels")
        await press(pilot, "q")
        assert "13:00  Ticket T-112" in drawn(app)
        assert "11:00  Ticket T-112" not in drawn(app)

    play(app, script, (120, 40))


def test_after_the_last_comes_the_machine_s_own(desk: Desk) -> None:
    app = WebhooksApp(replace(desk, settings=Settings(zone="UTC")))

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *_OF_THE_CLOCK, "space")
        assert says(app, "Clock as the machine has it")

    play(app, script)


def test_one_that_another_version_knew_is_shown_and_can_be_changed(desk: Desk) -> None:
    app = WebhooksApp(replace(desk, settings=Settings(zone="Mars/Olympus")))

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *_OF_THE_CLOCK)
        assert says(app, "Clock Mars/Olympus")
        await press(pilot, "space")
        assert says(app, "Clock as the machine has it")

    play(app, script)


def test_only_those_are_offered_that_the_machine_knows(
    app: WebhooksApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.screens.settings.is_known", lambda zone: "/" not in zone)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *_OF_THE_CLOCK, "space")
        assert says(app, "Clock UTC")

    play(app, script)


def test_an_unknown_one_is_the_machine_s() -> None:
    brussels, unknown, own = clocks_in("Europe/Brussels"), clocks_in("../etc/passwd"), clocks_in("")
    assert brussels(NOON).tzinfo == ZoneInfo("Europe/Brussels")
    assert unknown(NOON).tzinfo == own(NOON).tzinfo == NOON.astimezone().tzinfo
    assert brussels(NOON).astimezone(UTC) == NOON
