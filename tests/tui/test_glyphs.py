"""Screens on terminals that cannot draw their glyphs, and for whoever chose so."""

import unicodedata
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.pilot import Pilot

from core.domain.language import Language
from core.use_cases.settings import Glyphs, Settings, settings_of
from tests.support.catalogues import TRANSLATED, translated
from tests.support.showcase import drawn, play, press
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.glyphs import TABLE, InAscii, are_drawn_by

pytestmark = pytest.mark.files_only("is about the screen; what is kept is tried on both engines")
_OF_THE_GLYPHS = ("comma", "down")


def test_each_has_its_form_in_the_same_cell() -> None:
    assert all(cell_len(chr(glyph)) == cell_len(plain) == 1 for glyph, plain in TABLE.items())
    assert all(plain.isascii() and plain.isprintable() for plain in TABLE.values())


@pytest.mark.parametrize("language", TRANSLATED)
def test_of_what_translations_say_only_letters_are_not_ascii(language: Language) -> None:
    said = "".join(str(message.string) for message in translated(language))
    left = {each for each in said.translate(TABLE) if not each.isascii()}
    assert {each for each in left if unicodedata.category(each)[0] != "L"} == set()


def test_of_a_line_the_styles_stay() -> None:
    bold = Style(bold=True)
    line = [Segment("● ", bold), Segment("ok · 5 €"), Segment("é", bold)]
    assert InAscii().apply(line, Color(0, 0, 0)) == [
        Segment("* ", bold),
        Segment("ok . 5 E"),
        Segment("é", bold),
    ]


@pytest.mark.parametrize(
    ("term", "are_drawn"),
    [
        ("linux", False),
        ("linux-16color", False),
        ("vt100", False),
        ("vt220", False),
        ("dumb", False),
        ("vte-256color", True),
        ("xterm-256color", True),
        ("tmux-256color", True),
        ("", True),
    ],
)
def test_the_terminal_s_name_decides_for_who_chose_none(
    desk: Desk, term: str, are_drawn: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("LC_ALL", "C")  # says nothing: sshd may drop what it was
    assert are_drawn_by(term) is are_drawn
    app = WebhooksApp(desk)

    async def look(_: Pilot[None]) -> None:
        assert ("▲" in drawn(app)) is are_drawn
        assert ("^ " in drawn(app)) is not are_drawn

    play(app, look)


@pytest.mark.parametrize(("chosen", "term"), [(Glyphs.DRAWN, "linux"), (Glyphs.ASCII, "xterm")])
def test_who_chose_has_them_on_whatever_terminal(
    desk: Desk, chosen: Glyphs, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    app = WebhooksApp(replace(desk, settings=Settings(glyphs=chosen)))

    async def look(_: Pilot[None]) -> None:
        assert ("▲" in drawn(app)) is (chosen is Glyphs.DRAWN)

    play(app, look)


def test_what_is_chosen_is_kept_and_every_screen_below_has_it(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, *_OF_THE_GLYPHS, "space", "space")
        assert settings_of("marie") == Settings(glyphs=Glyphs.ASCII)
        await press(pilot, "q")
        assert drawn(app).isascii()
        await press(pilot, "comma", "down", "space", "q")
        assert settings_of("marie") == Settings()
        assert not drawn(app).isascii()

    play(app, script)
