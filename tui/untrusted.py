"""Text from outside: the only ways in which it reaches the screen.

A plain `str` is read as markup by most widgets, where `[@click=…]` becomes a live action; escape
sequences go through all of them. So whatever did not come from our own source code is made into a
`Content` (widgets) or a `Text` (table cells) here, and a line filter is the net under it.
"""

from collections.abc import Iterable
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.color import Color
from textual.content import Content
from textual.filter import LineFilter

from core.domain.cleaning import clean, is_hidden

_BETWEEN = " · "  # the parts of a headline


def untrusted(text: str, style: str = "") -> Content:
    """Text from outside for a widget: cleaned, and never read as markup."""
    return Content.styled(clean(text), style)


def untrusted_lines(lines: Iterable[str]) -> Content:
    """Several lines of it, each cleaned by itself so that the breaks between them stay."""
    return Content("\n").join([untrusted(line) for line in lines])


def cell(text: str, style: str = "") -> Text:
    """The same for a table's cell, on one line that is cut where the column ends."""
    return Text(clean(text), style=style, no_wrap=True, overflow="ellipsis", end="")


def shortened(text: str, width: int) -> str:
    """A cleaned text with its middle left out, where it is longer than `width` cells."""
    if cell_len(text) <= width:
        return text
    tail = _last_cells(text, max(1, width * 2 // 5)).lstrip("…")
    head = set_cell_size(text, max(1, width - 1 - cell_len(tail))).rstrip(" …")
    return f"{head}…{tail}"


def _last_cells(text: str, width: int) -> str:
    """As much of its end as fits into `width` cells, and does not begin with half a character."""
    end = text[-width:]
    while end and (cell_len(end) > width or not cell_len(end[0])):
        end = end[1:]
    return end


def whole_parts(text: str, width: int) -> str:
    """Of a cleaned `Ticket 4711 · 55.10 € · cash` the parts that fit into `width` cells: half an
    amount is another amount. The first alone is left as it is.
    """
    while cell_len(text) > width and _BETWEEN in text:
        text = text.rpartition(_BETWEEN)[0]
    return text


class NothingHidden(LineFilter):
    """The net: no control or invisible character is ever drawn, whichever way it came.

    Neighbours that look alike are joined on the way, which halves the bytes of a table's row.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        joined: list[Segment] = []
        for segment in map(_harmless, segments):
            if joined and _looks_alike(joined[-1], segment):
                text = joined[-1].text + segment.text
                joined[-1] = Segment(text, joined[-1].style)
            else:
                joined.append(segment)
        return joined


def _harmless(segment: Segment) -> Segment:
    if segment.control or (segment.text.isascii() and segment.text.isprintable()):
        return segment
    return Segment(_shown(segment.text), segment.style)


def _looks_alike(left: Segment, right: Segment) -> bool:
    """Whether two neighbours can be drawn in the style of the left; a click on the right then
    counts as one on the left, so they must not differ in what that does."""
    if left.control or right.control or left.style is None or right.style is None:
        return False
    text, space = _are_alike(left.style, right.style)
    return space if right.text.isspace() else text


@lru_cache(1024)
def _are_alike(left: Style, right: Style) -> tuple[bool, bool]:
    """Whether a text looks alike in them, and whether a space does."""
    if _action(left) != _action(right):
        return False, False
    text = left.clear_meta_and_links() == right.clear_meta_and_links()
    return text, text or _ground(left) == _ground(right)


def _action(style: Style) -> object:
    """What a click there does: an action, or a table's row."""
    meta = style.meta
    return meta.get("@click"), meta.get("row")


def _ground(style: Style) -> object:
    """All that shows of a space."""
    return style.bgcolor, style.reverse, style.underline, style.strike


@lru_cache(1024)
def _shown(text: str) -> str:
    """The text with one character of the same width for each that must not be drawn."""
    return "".join(
        "\ufffd" * max(1, cell_len(character)) if is_hidden(character) else character
        for character in text
    )
