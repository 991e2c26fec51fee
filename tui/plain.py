"""Without colours: everything in the two colours that the terminal itself has, and none dim.

Whatever a screen says in a colour it says in a word or a glyph too. Textual's own filters turn
the terminal's colours, which it does not know, into black on black.
"""

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

_OWN = Style(color="default", bgcolor="default", dim=False)


class NoColours(LineFilter):
    """Bold, reverse and underlined stay: they read on any ground."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [
            Segment(text, _plain(style) if style is not None else None, control)
            for text, style, control in segments
        ]


@lru_cache(1024)
def _plain(style: Style) -> Style:
    return style + _OWN
