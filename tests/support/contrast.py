"""Whether what is on a screen can be read, in every theme: contrast, off the cells that are drawn.

The ratio and its bounds are WCAG 2.2's: 4.5 to 1 for text (1.4.3), 3 to 1 for other signs (1.4.11).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from rich.color import Color, ColorSystem
from rich.style import Style
from textual.pilot import Pilot

from core.use_cases.settings import Theme
from tests.support.showcase import quiet
from tui.session import Session

TEXT, SIGN = 4.5, 3.0
_RULES = frozenset("─│┤┼-|+ ")  # between things; they say nothing
# Of the terminal's 16 colours, what Textual draws in theme `terminal`:
_BLACK, _WHITE, _SCROLLBAR = 0, 7, 4
_CURSOR = {_BLACK, _WHITE, None}
Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Terminal:
    """What one is like: the ground, and of its 16 colours the two that a cursor has."""

    ground: str
    black: str
    white: str


TERMINALS = {
    "xterm, dark": Terminal("#000000", "#000000", "#e5e5e5"),
    "xterm, light": Terminal("#ffffff", "#000000", "#e5e5e5"),
    "VGA, dark": Terminal("#000000", "#000000", "#aaaaaa"),
    "VGA, light": Terminal("#ffffff", "#000000", "#aaaaaa"),
    "PuTTY, dark": Terminal("#000000", "#000000", "#bbbbbb"),
    "PuTTY, light": Terminal("#ffffff", "#000000", "#bbbbbb"),
    "Campbell, dark": Terminal("#0c0c0c", "#0c0c0c", "#cccccc"),
    "Campbell, light": Terminal("#f2f2f2", "#0c0c0c", "#cccccc"),
    "GNOME, dark": Terminal("#171421", "#171421", "#d0cfcc"),
    "GNOME, light": Terminal("#ffffff", "#171421", "#d0cfcc"),
    "macOS, dark": Terminal("#1e1e1e", "#000000", "#bfbfbf"),
    "macOS, light": Terminal("#ffffff", "#000000", "#bfbfbf"),
    "Solarized, dark": Terminal("#002b36", "#073642", "#eee8d5"),
    "Solarized, light": Terminal("#fdf6e3", "#073642", "#eee8d5"),
}


async def unreadable(pilot: Pilot[None]) -> list[str]:
    """What cannot be read of the screen on top, in any theme; then it is as it was."""
    app = pilot.app
    assert isinstance(app, Session)
    chosen, in_use = app.settings.theme, app._theme_in_use
    found = []
    for theme in sorted(Theme, key=in_use.__eq__):  # that one last
        app.use_theme(chosen if theme is in_use else theme)
        await quiet(pilot)
        found += [f"{theme}: {fault}" for fault in faults(app, theme)]
    return found


def faults(app: Session, theme: Theme) -> set[str]:
    """Of each look on the screen on top what is wrong with it in that theme."""
    looks = {(style, _least(text)): text for text, style in _drawn(app)}
    judge = {Theme.TERMINAL: _on_terminals, Theme.NONE: _without_colours}.get(theme, _on_own_ground)
    return {
        f"{text[:30]!r} {why}"
        for (style, least), text in looks.items()
        if (why := judge(style, least))
    }


def ratio(one: Rgb, other: Rgb) -> float:
    """Of the lighter to the darker: 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(rgb: Rgb) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in (each / 255 for each in rgb)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _drawn(app: Session) -> Iterator[tuple[str, Style]]:
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            if not segment.control:
                yield segment.text, (segment.style or Style()).clear_meta_and_links()


def _least(text: str) -> float:
    """The ratio that it needs at least; 0 where there is nothing to be read."""
    if set(text) <= _RULES:
        return 0
    return TEXT if any(character.isalnum() for character in text) else SIGN


def _on_own_ground(style: Style, least: float) -> str:
    """As `dark` and `light` are sent: in colours of the 256, never the terminal's own."""
    text, ground = style.color, style.bgcolor
    if ground is None or ground.is_default or style.dim:
        return "is not on the theme's own ground"
    if not least:
        return ""
    if text is None or text.is_default:
        return "is not in the theme's own colours"
    return _too_faint(_sent(text), _sent(ground), least, "its ground")


def _on_terminals(style: Style, least: float) -> str:
    """Text is as the terminal has it. Dim is what is not text yet: an empty field's, and a button's
    that cannot be pressed."""
    if not least or (_is_default(style.color) and _is_default(style.bgcolor)):
        return ""
    if _number(style.color) == _SCROLLBAR:
        return ""
    if not {_number(style.color), _number(style.bgcolor)} <= _CURSOR:
        return "is in a colour that each terminal has otherwise"
    if _is_default(style.bgcolor):
        least = SIGN  # of glyphs, bars and the names in a payload
    for name, terminal in TERMINALS.items():
        text, ground = _in(terminal, style.color), _in(terminal, style.bgcolor)
        if fault := _too_faint(text, ground, least, name):
            return fault
    return ""


def _without_colours(style: Style, _: float) -> str:
    is_plain = _is_default(style.color) and _is_default(style.bgcolor) and not style.dim
    return "" if is_plain else "has a colour"


def _too_faint(text: Rgb, ground: Rgb, least: float, where: str) -> str:
    found = ratio(text, ground)
    return f"has {found:.2f} to 1 on {where}, not {least}" if found < least else ""


def _is_default(colour: Color | None) -> bool:
    return colour is None or colour.is_default


def _in(terminal: Terminal, colour: Color | None) -> Rgb:
    """What that terminal makes of it; for the ground, of none."""
    if colour is None or colour.is_default:
        return _rgb(terminal.ground)
    if (number := _number(colour)) is not None:
        return _rgb({_BLACK: terminal.black, _WHITE: terminal.white}[number])
    return _sent(colour)


def _number(colour: Color | None) -> int | None:
    """Which of the terminal's 16 it is; None for any other."""
    number = colour.number if colour is not None else None
    return number if number is not None and number < 16 else None


def _sent(colour: Color) -> Rgb:
    """What is left of it among the 256 colours."""
    return colour.downgrade(ColorSystem.EIGHT_BIT).get_truecolor()


def _rgb(text: str) -> Rgb:
    return Color.parse(text).get_truecolor()
