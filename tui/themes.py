"""What the stylesheet's tokens are in each theme.

`terminal` knows neither the ground's colour nor the text's, so text has the terminal's own, and the
few colours hold 3 to 1 on dark grounds and on light ones. `dark` and `light` have a ground of their
own, and colours of the 256 that every terminal has. `none` is drawn as `terminal` is, and then all
its colours are taken out (`tui/plain.py`).
"""

from collections.abc import Mapping
from dataclasses import replace

from textual.theme import BUILTIN_THEMES
from textual.theme import Theme as Colours

from core.use_cases.settings import Theme

_OWN = "ansi_default"


def _with_tokens(base: Colours, theme: Theme, tokens: Mapping[str, str]) -> Colours:
    return replace(base, name=theme, variables={**base.variables, **tokens})


def _on_own_ground(theme: Theme, tokens: Mapping[str, str], *, is_dark: bool) -> Colours:
    ground, here = tokens["ground"], tokens["here"]
    base = Colours(
        theme,
        primary=here,
        foreground=tokens["text"],
        background=ground,
        surface=ground,
        panel=ground,
        dark=is_dark,
        text_alpha=1.0,
    )
    bar = dict.fromkeys(("scrollbar", "scrollbar-hover", "scrollbar-active"), tokens["quiet"])
    behind = {name.replace("scrollbar", "scrollbar-background"): ground for name in bar}
    return _with_tokens(base, theme, {**bar, **behind, **tokens})


COLOURS: Mapping[Theme, Colours] = {
    Theme.TERMINAL: _with_tokens(
        BUILTIN_THEMES["ansi-dark"],
        Theme.TERMINAL,
        {
            "ground": _OWN,
            "text": _OWN,
            "quiet": _OWN,
            "off": "dim",
            "press": _OWN,
            "row": _OWN,
            "good": "#5f8700",
            "bad": "#ff0000",
            "held": "#d75f00",
            "here": "#0087d7",
            "rule": "#808080",
            "chip": "#ffffff",
            "chip-ground": "#af0000",
        },
    ),
    Theme.DARK: _on_own_ground(
        Theme.DARK,
        {
            "ground": "#121212",
            "text": "#d7d7d7",
            "quiet": "#8a8a8a",
            "off": "none",
            "press": "#5fafff",
            "row": "#303030",
            "good": "#87d787",
            "bad": "#ff8787",
            "held": "#ffaf00",
            "here": "#5fafff",
            "rule": "#585858",
            "chip": "#121212",
            "chip-ground": "#ff8787",
        },
        is_dark=True,
    ),
    Theme.LIGHT: _on_own_ground(
        Theme.LIGHT,
        {
            "ground": "#ffffff",
            "text": "#262626",
            "quiet": "#626262",
            "off": "none",
            "press": "#005faf",
            "row": "#e6e6e6",
            "good": "#005f00",
            "bad": "#af0000",
            "held": "#875f00",
            "here": "#005faf",
            "rule": "#b0b0b0",
            "chip": "#ffffff",
            "chip-ground": "#af0000",
        },
        is_dark=False,
    ),
}


def colours_of(theme: Theme) -> Colours:
    """As Textual has them; without colours they are the terminal's until they are taken out."""
    return COLOURS.get(theme, COLOURS[Theme.TERMINAL])
