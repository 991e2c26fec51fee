"""What the screens say in other languages, how it is chosen, and that it fits."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from babel.dates import format_datetime
from babel.numbers import format_decimal
from rich.cells import cell_len
from textual.pilot import Pilot

import tui.desk
from core.domain.catalogue import CATALOGUE, fields
from core.domain.language import Language
from core.errors import BadKeyFile
from core.storage.vault import Vault
from core.use_cases.settings import Settings, settings_of
from tests.support.catalogues import TRANSLATED
from tests.support.fitting import cut_off
from tests.support.scene import OPERATOR
from tests.support.showcase import at_rest, drawn, play, press, quiet, says
from tests.tui.test_snapshots import SCREENS, SMALL
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.kept import said_again
from tui.language import Speech, begin, decimal, month, number

in_each_language = pytest.mark.parametrize("language", Language)

pytestmark = pytest.mark.files_only("settings are tried on both engines in tests/core")


def speaking(desk: Desk, language: Language | None) -> WebhooksApp:
    return WebhooksApp(replace(desk, settings=Settings(language=language)))


def test_a_login_chooses_its_language(desk: Desk) -> None:
    """Kept with the login, used at once, and still there in the next session."""
    app = WebhooksApp(desk)

    async def choose(pilot: Pilot[None]) -> None:
        await press(pilot, "comma", "G", "space", "space")  # English, then French
        assert says(app, "Langue français")
        assert says(app, "✓ Enregistré avec votre compte.")
        await press(pilot, "q")
        assert says(app, "1 sur 3 est en échec.")

    play(app, choose)
    assert settings_of("marie").language is Language.FRENCH


def test_two_sessions_at_once_each_have_their_own(desk: Desk) -> None:
    async def both() -> None:
        french, dutch = (speaking(desk, each) for each in (Language.FRENCH, Language.DUTCH))
        async with french.run_test() as one, dutch.run_test() as other:
            for pilot in (one, other, one):
                await quiet(pilot)
                await press(pilot, "question_mark", "q")
            assert says(french, "1 sur 3 est en échec.")
            assert says(dutch, "1 van 3 faalt.")

    asyncio.run(both())


def test_the_environment_has_no_say(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """sshd may hand on the client's, or drop it: nobody would know which."""
    for name in ("LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.setenv(name, "fr_BE.UTF-8")
    app = WebhooksApp(desk)

    async def look(_: Pilot[None]) -> None:
        assert says(app, "1 of 3 is failing.")

    play(app, look)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [(None, "Webhooks › Instellingen"), (Language.ENGLISH, "Webhooks › Settings")],
)
def test_who_has_chosen_none_reads_the_configured_one(
    desk: Desk, chosen: Language | None, told: str
) -> None:
    app = speaking(replace(desk, language=Language.DUTCH), chosen)

    async def look(pilot: Pilot[None]) -> None:
        await press(pilot, "comma")
        assert says(app, told)

    play(app, look)


@pytest.mark.usefixtures("_spoken")
@in_each_language
def test_numbers_and_dates_are_written_as_cldr_has_them(language: Language) -> None:
    assert number(1_234_567) == format_decimal(1_234_567, locale=language)
    assert decimal(1.25) == format_decimal(1.2, "0.0", locale=language)
    for at in range(1, 13):
        when = datetime(2026, at, 1, tzinfo=UTC)
        assert month(when) == format_datetime(when, "MMM", locale=language)


def _vault_without_its_key() -> Vault:
    raise BadKeyFile("The key file is missing.")


@pytest.mark.usefixtures("_spoken")
@in_each_language
def test_that_secrets_are_locked_fits_into_the_row_it_has(
    desk: Desk, language: Language, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its end it says whom to tell."""
    locked = replace(desk, open_vault=_vault_without_its_key).key_trouble(1)
    monkeypatch.setattr(tui.desk, "lost_secrets", lambda *_: list(range(12)))
    for told in (locked, desk.key_trouble(1)):
        assert told.endswith(("AuraPOS Webhooks.", "AuraPOS Webhooks beheert."))
        assert cell_len(told) <= 78


@pytest.mark.usefixtures("_spoken")
@pytest.mark.parametrize("language", TRANSLATED)
def test_each_field_of_a_payload_is_told_of(language: Language) -> None:
    told = [said for entry in CATALOGUE.values() for _, said in fields(entry.schema)]
    assert [said for said in told if said_again(said) == said] == []


@pytest.mark.parametrize("pressed", [("question_mark",), ("n", "f1")])
def test_the_help_has_no_word_of_english(desk: Desk, pressed: tuple[str, ...]) -> None:
    """Nor of what Textual's own widgets call their keys."""
    app = speaking(desk, Language.FRENCH)

    async def look(pilot: Pilot[None]) -> None:
        await press(pilot, *pressed)
        assert says(app, "Touches de l’écran d’où vous venez")
        assert not {"Copy", "Move", "Scroll", "Select", "Submit"} & set(drawn(app).split())

    play(app, look, (80, 50))


def test_the_operator_has_a_word_in_each(desk: Desk) -> None:
    app = speaking(replace(desk, actor=OPERATOR), Language.FRENCH)

    async def look(_: Pilot[None]) -> None:
        assert says(app, "· opérateur")

    play(app, look)


@pytest.fixture
def _spoken(language: Language) -> Any:
    begin(Speech(language))
    yield
    begin(Speech())


@pytest.mark.slow  # all of them together
@pytest.mark.parametrize(
    ("pressed", "size"),
    [each for each in SCREENS if SMALL not in each.values],  # so small a window cuts English too
)
def test_nothing_is_cut_that_is_not_cut_in_english(
    desk: Desk, pressed: tuple[Any, ...], size: tuple[int, int]
) -> None:
    """A name or an answer may be; our own words have the room that they need."""
    cut = set[tuple[str, str]]().union(
        *(_cut_off(desk, language, pressed, size) for language in TRANSLATED)
    )
    assert not cut or cut <= _cut_off(desk, Language.ENGLISH, pressed, size)


def _cut_off(
    desk: Desk, language: Language, pressed: tuple[Any, ...], size: tuple[int, int]
) -> set[tuple[str, str]]:
    app, found = speaking(desk, language), set[tuple[str, str]]()

    async def look(pilot: Pilot[None]) -> None:
        await press(pilot, *pressed)
        await at_rest(pilot)
        found.update(cut_off(app))

    play(app, look, size, at_the_top=False)
    return found
