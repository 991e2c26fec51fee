"""What the trail kept in English, by whoever wrote it, as it is read in other languages."""

from dataclasses import fields, replace

import pytest
from textual.pilot import Pilot

from core.domain.actors import Role
from core.domain.choices import AS_IT_COMES, Choices, Format, changes
from core.domain.events import EventType
from core.domain.language import Language
from core.use_cases.export import Span
from core.use_cases.queries import TrailRow
from core.use_cases.settings import Settings
from tests.support.scene import NOON
from tests.support.showcase import drawn, play, press, says
from tests.tui.test_snapshots import WIDE
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.language import Speech, begin
from tui.screens.trail import _about

pytestmark = pytest.mark.files_only("is about the screen")

CHOSEN = Choices(
    name="Compta, bis",
    format=Format.CHAT,
    language=Language.DUTCH,
    standard_webhooks=True,
    headers=("X-Key",),
    only=("a = 1", "b = 2"),
    pace="2/s",
    alerts=True,
)


@pytest.fixture(autouse=True)
def _in_french() -> object:
    begin(Speech(Language.FRENCH))
    yield
    begin(Speech())


def row(action: str, subject: str, detail: str = "") -> TrailRow:
    return TrailRow(NOON, "marie", "tui", action, subject, detail)


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            AS_IT_COMES,
            CHOSEN,
            (
                "nom Compta, bis, format chat, langue nl, Standard Webhooks activé, en-têtes "
                "X-Key, seulement a = 1 and b = 2, rythme 2/s, alertes activées"
            ),
        ),
        (
            CHOSEN,
            replace(AS_IT_COMES, format=Format.CHAT, language=Language.DUTCH),
            (
                "sans nom, sans Standard Webhooks, sans en-têtes, sans condition, sans rythme, "
                "sans alertes"
            ),
        ),
    ],
)
def test_what_a_webhook_chose(before: Choices, after: Choices, told: str) -> None:
    assert all(getattr(CHOSEN, field.name) for field in fields(Choices)), "each is told of"
    assert _about(row("edited", "https://x", changes(before, after))) == f"https://x: {told}"


@pytest.mark.parametrize(
    ("action", "subject", "told"),
    [
        ("sample sent", "ticket.created to https://x", "ticket.created à https://x"),
        (
            "recovered",
            "12 deliveries since 2026-05-17 12:00 UTC",
            "12 envois depuis 2026-05-17 12:00 UTC",
        ),
        ("business changed", "edition group, option True", "édition group, option activée"),
        ("created", "ticket.created to https://x", "ticket.created to https://x"),
        ("deleted", "https://example.com/no name", "https://example.com/no name"),
        *(
            ("member added", f"paul, {role}", f"paul, {told}")
            for role, told in zip(Role, ("propriétaire", "gérant", "employé"), strict=True)
        ),
        (
            "exported",
            str(Span(NOON, NOON, 7, EventType.TICKET_CREATED, 3)),
            (
                "depuis 2026-05-17 12:00 UTC, jusqu’à 2026-05-17 12:00 UTC, après 7, "
                "événement ticket.created, non arrivés au 3"
            ),
        ),
    ],
)
def test_what_else_was_done(action: str, subject: str, told: str) -> None:
    assert _about(row(action, subject)) == told


def test_the_screen_has_no_word_of_english(desk: Desk) -> None:
    app = WebhooksApp(replace(desk, settings=Settings(language=Language.FRENCH)))

    async def look(pilot: Pilot[None]) -> None:
        await press(pilot, "A")
        assert says(app, "membre ajouté marie, propriétaire")
        assert not {"operator", "owner", "added"} & set(drawn(app).split())

    play(app, look, WIDE)
