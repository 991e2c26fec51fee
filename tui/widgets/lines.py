"""Lines of text of which only those are sent that differ from before: a card costs 2 KB, not 5."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from textual.content import Content
from textual.geometry import Region
from textual.strip import Strip
from textual.style import Style
from textual.visual import RenderOptions
from textual.widget import Widget

_NOTHING = Content("")


class Lines(Widget):
    """Each line is as wide as it comes; what does not fit is cut off, at the right and below."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._lines: tuple[Content, ...] = ()
        self._make: Callable[[int, int], Sequence[Content]] = lambda *_: ()

    def draw(self, make: Callable[[int, int], Sequence[Content]]) -> None:
        """Show what is made for the width and the height there are, and again when they change."""
        self._make = make
        if self.size:
            self._show(make(*self.size))

    def on_resize(self) -> None:
        self.draw(self._make)

    def _show(self, lines: Sequence[Content]) -> None:
        before, self._lines = self._lines, tuple(lines)
        for y in range(min(self.size.height, max(len(before), len(self._lines)))):
            if not _at(before, y).is_same(_at(self._lines, y)):
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        options = RenderOptions(self._token, {"text_wrap": "nowrap", "text_overflow": "clip"})
        strips = _at(self._lines, y).render_strips(width, 1, self.visual_style, options)
        strip = strips[0] if strips else Strip.blank(width, self.rich_style)
        return strip.adjust_cell_length(width, self.rich_style)

    def _token(self, style: Style | str) -> Style:
        """A style as the stylesheet has it; Textual's own way loses the ground of a part."""
        found = self._get_style(style)
        if isinstance(style, str) and style.startswith("."):
            rules = self.screen.get_component_styles(style[1:])
            if rules.has_rule("background"):
                return replace(found, background=rules.background)
        return found


def _at(lines: Sequence[Content], y: int) -> Content:
    return lines[y] if y < len(lines) else _NOTHING
