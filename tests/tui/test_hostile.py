"""Whatever comes from outside, no screen draws a character that a terminal would obey."""

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.pilot import Pilot

from core.domain.delivery import ErrorKind, Status
from core.domain.events import SELECTABLE
from core.domain.signing import Secret
from core.storage.database import is_postgres
from core.storage.models import AuditEntry, Business, Webhook
from core.storage.vault import Vault
from core.use_cases.businesses import add_business
from tests.support.hostile import BODIES, harmful
from tests.support.scene import NOON, OPERATOR, SECOND
from tests.support.showcase import (
    CI,
    OnePage,
    add_delivery,
    drawn,
    make_desk,
    play,
    press,
    quiet,
)
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.screens.notice import Notice
from tui.screens.secret import ShownSecret
from tui.untrusted import NothingHidden, cell, untrusted

TEXTS = [body.decode("utf-8", "replace") for body in BODIES.values()]
ALL_OF_THEM = "".join(TEXTS)
TALL = (120, 60)


def storable(text: str) -> str:
    """PostgreSQL has no NUL in its texts."""
    return text.replace("\0", "") if is_postgres() else text


@pytest.fixture
def attacked(desk: Desk) -> Desk:
    """As if nothing had been cleaned when it was stored: every body in every column there is."""
    for number, body in enumerate(TEXTS, start=500):
        at = NOON + number * SECOND
        text = storable(body)
        outcome = (503, ErrorKind.STATUS, text, text)
        status = Status.ABANDONED if number % 2 else Status.FAILED
        payload = body.encode()
        add_delivery(number, CI, SELECTABLE[0], status, at, outcome, payload=payload)
        AuditEntry.create(
            at=at, business_id=1, actor=text, origin=text, action=text, webhook_id=CI, subject=text
        )
    everything = storable(ALL_OF_THEM)
    Business.update(name=f"[b]{everything}").execute()
    Webhook.update(url=f"https://evil.example/{everything}").where(Webhook.id == CI).execute()
    return desk


SCREENS = {
    "webhooks": [],
    "history": ["h"],
    "recover": ["r", "s", "s"],
    "activity": ["a"],
    "trail": ["A"],
    "edit": ["e"],
    "delete": ["d"],
    "regenerate": ["s"],
}


@pytest.mark.parametrize("pressed", SCREENS.values(), ids=SCREENS)
def test_no_screen_draws_what_a_terminal_obeys(attacked: Desk, pressed: list[str]) -> None:
    app = WebhooksApp(attacked)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *pressed)
        assert harmful(drawn(app)) == set()

    play(app, script, TALL)


@pytest.mark.slow
def test_no_delivery_does(attacked: Desk) -> None:
    app = WebhooksApp(attacked)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "h", "enter")
        for _ in TEXTS:
            assert harmful(drawn(app)) == set()
            await press(pilot, "j")

    play(app, script, TALL)


def test_nor_do_the_screens_for_a_name_or_a_sentence(attacked: Desk, vault: Vault) -> None:
    add_business(OPERATOR, "Second", "group", "marie", NOON)
    secret = Secret("whsec_EXAMPLEonlyEXAMPLEonlyEXAMPLEonlyEXAMPLEon")
    for app in (
        WebhooksApp(make_desk(vault)),
        OnePage(attacked, lambda: Notice(ALL_OF_THEM)),
        OnePage(
            attacked,
            lambda: ShownSecret(1, f"https://x.example/{ALL_OF_THEM}", secret, is_new=True),
        ),
    ):

        async def script(pilot: Pilot[None], app: WebhooksApp = app) -> None:
            app.screen.query_one("Flash").say(ALL_OF_THEM)  # type: ignore[attr-defined]
            await quiet(pilot)
            assert harmful(drawn(app)) == set()

        play(app, script, TALL)


def test_what_is_typed_and_pasted_does_not_either(empty: Desk) -> None:
    app = WebhooksApp(empty)

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "n")
        app.screen.query_one("Entry").value = ALL_OF_THEM[:2000]  # type: ignore[attr-defined]
        await press(pilot, "ctrl+s")
        assert harmful(drawn(app)) == set()

    play(app, script, TALL)


@pytest.mark.parametrize("body", TEXTS)
def test_the_one_constructor_leaves_nothing_hidden(body: str) -> None:
    assert harmful(untrusted(body).plain) == set()
    assert harmful(cell(body).plain) == set()


def test_markup_is_text() -> None:
    text = "[@click=app.exit]x[/] [/nothing] [b]bold[/b]"
    assert untrusted(text).plain == text
    assert untrusted(text).spans == []
    assert cell(text).plain == text


@pytest.mark.parametrize("body", TEXTS)
def test_the_net_catches_what_came_another_way(body: str) -> None:
    line = NothingHidden().apply([Segment(body, Style())], Color(0, 0, 0))
    assert harmful("".join(segment.text for segment in line)) == set()
