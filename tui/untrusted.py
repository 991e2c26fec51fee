"""Text from outside: the only ways in which it reaches the screen.

A plain `str` is read as markup by most widgets, where `[@click=…]` becomes a live action; escape
sequences go through all of them. So whatever did not come from our own source code is made into a
`Content` (widgets) or a `Text` (table cells) here, and a line filter is the net under it.
"""

import unicodedata
from collections.abc import Iterable

from rich.segment import Segment
from rich.text import Text
from textual.color import Color
from textual.content import Content
from textual.filter import LineFilter

from core.cleaning import clean

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def untrusted(text: str, style: str = "") -> Content:
    """Text from outside for a widget: cleaned, and never read as markup."""
    return Content.styled(clean(text), style)


def untrusted_lines(lines: Iterable[str]) -> Content:
    """Several lines of it, each cleaned by itself so that the breaks between them stay."""
    return Content("\n").join([untrusted(line) for line in lines])


def cell(text: str, style: str = "") -> Text:
    """The same for a table's cell, on one line that is cut where the column ends."""
    return Text(clean(text), style=style, no_wrap=True, overflow="ellipsis", end="")


class NothingHidden(LineFilter):
    """The net: no control or invisible character is ever drawn, whichever way it came."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        return [
            segment
            if segment.control or (segment.text.isascii() and segment.text.isprintable())
            else Segment(_shown(segment.text), segment.style)
            for segment in segments
        ]


def _shown(text: str) -> str:
    """The text with one character of the same width for each that must not be drawn."""
    return "".join(
        "\ufffd" if unicodedata.category(character) in _HIDDEN else character for character in text
    )
