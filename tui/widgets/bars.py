"""The rows around every screen: where am I, what just happened, what can I press."""

from collections.abc import Iterable

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.widgets import Static

from tui.untrusted import untrusted


class Crumbs(Static):
    """Row 1: the way here at the left, business and login at the right."""

    def __init__(self, crumbs: Iterable[str], right: str) -> None:
        super().__init__()
        self._left = untrusted(" › ".join(crumbs))
        self._right = untrusted(right)

    def render(self) -> Content:
        width = self.size.width
        left, right = self._left, self._right
        if left.cell_length + right.cell_length + 3 > width:
            right = Content("")
        left = left.truncate(max(1, width - right.cell_length - 2), ellipsis=True)
        gap = width - left.cell_length - right.cell_length - 2
        return Content.assemble(" ", left.stylize("bold"), " " * max(0, gap), right, " ")

    def tell_right(self, text: str) -> None:
        self._right = untrusted(text)
        self.refresh()


class Flash(Static):
    """The one line in which what just happened is told; a toast would cost ten times the bytes."""

    def say(self, text: str, style: str = "") -> None:
        told = untrusted(text, style)
        if told != self.visual:
            self.update(told)


class Keys(Static):
    """The last row: what can be pressed, each a place to click too."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        super().__init__()
        self._keys = [binding for binding in bindings if binding.show]

    def render(self) -> Content:
        """As many as fit; the help has them all."""
        shown: list[Content] = []
        room = self.size.width - 1
        for binding in self._keys:
            key = binding.key_display or binding.key.split(",")[0]
            room -= cell_len(f"{key} {binding.description}  ")
            if room < 0:
                break
            shown.append(
                Content.from_markup(
                    f"[@click=screen.{binding.action}][b]$key[/b] $what[/]  ",
                    key=key,
                    what=binding.description,
                )
            )
        return Content.assemble(" ", *shown)
