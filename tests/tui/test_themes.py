"""Choosing a theme, and what it looks like from then on."""

from dataclasses import replace

import pytest
from rich.color import Color, ColorSystem
from textual.pilot import Pilot

from core.use_cases.settings import Settings, Theme, settings_of
from tests.support.contrast import faults, ratio, unreadable
from tests.support.showcase import drawn, play, press, quiet
from tui.app import WebhooksApp
from tui.desk import Desk
from tui.themes import COLOURS

pytestmark = pytest.mark.files_only("is about the screen; what is kept is tried on both engines")
OWN_GROUND = [Theme.DARK, Theme.LIGHT]


def colours(app: WebhooksApp) -> set[str]:
    """Of everything that is drawn, letters and grounds."""
    strips = app.screen._compositor.render_strips()
    styles = [segment.style for strip in strips for segment in strip if segment.style]
    return {each.name for style in styles for each in (style.color, style.bgcolor) if each}


def test_what_is_chosen_is_kept_and_every_screen_below_has_it(app: WebhooksApp) -> None:
    terminal, dark = (COLOURS[theme].variables for theme in (Theme.TERMINAL, Theme.DARK))

    async def script(pilot: Pilot[None]) -> None:
        assert terminal["good"] in colours(app)
        await press(pilot, "comma", "space", "space")
        assert "dark" in drawn(app)
        assert colours(app) <= set(dark.values())
        await press(pilot, "q")
        assert dark["good"] in colours(app)
        assert colours(app) <= set(dark.values())
        assert settings_of("marie") == Settings(Theme.DARK)

    play(app, script)


@pytest.mark.parametrize("theme", [None, *Theme])
def test_who_chose_has_it_at_once_whatever_the_environment_says(
    desk: Desk, theme: Theme | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = WebhooksApp(replace(desk, settings=Settings(theme)))

    async def script(pilot: Pilot[None]) -> None:
        wanted = theme or Theme.NONE
        assert faults(app, wanted) == set()
        assert (colours(app) == {"default"}) is (wanted is Theme.NONE)

    play(app, script)


def test_to_look_only_a_theme_is_not_changed_either(desk: Desk) -> None:
    app = WebhooksApp(replace(desk, read_only=True))

    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "comma", "space")
        assert "Read only: nothing is changed" in drawn(app)
        assert settings_of("marie") == Settings()

    play(app, script)


@pytest.mark.parametrize("theme", OWN_GROUND)
def test_its_colours_are_among_the_256_or_next_to_one(theme: Theme) -> None:
    told = [each for each in COLOURS[theme].variables.values() if each.startswith("#")]
    assert len(told) > 10
    for each in map(Color.parse, told):
        sent = each.downgrade(ColorSystem.EIGHT_BIT).get_truecolor()
        pairs = zip(sent, each.get_truecolor(), strict=True)
        assert max(abs(part - other) for part, other in pairs) <= 10, each


def test_the_measure_is_that_of_wcag() -> None:
    assert ratio((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert ratio((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize(
    ("theme", "token", "faint"),
    [
        pytest.param(Theme.DARK, "quiet", "#585858", id="text"),
        pytest.param(Theme.LIGHT, "good", "#87d787", id="bars"),
        pytest.param(Theme.DARK, "ground", "ansi_default", id="no_ground"),
        pytest.param(Theme.TERMINAL, "held", "#5f0000", id="unused_here"),
        pytest.param(Theme.TERMINAL, "bad", "ansi_red", id="one_of_16"),
        pytest.param(Theme.TERMINAL, "good", "#00ff00", id="on_light_ones"),
    ],
)
def test_what_cannot_be_read_is_found(
    app: WebhooksApp, theme: Theme, token: str, faint: str
) -> None:
    usual = COLOURS[theme]
    app.register_theme(replace(usual, variables={**usual.variables, token: faint}))
    app.use_theme(theme)

    async def script(pilot: Pilot[None]) -> None:
        await quiet(pilot)
        assert bool(await unreadable(pilot)) is (token != "held")

    play(app, script)
