"""The rows around every screen: where am I, what just happened, what can I press."""

from collections.abc import Iterable

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.style import Style
from textual.widgets import Static

from tui.untrusted import untrusted


class Crumbs(Static):
    """Row 1: the way here at the left, business and login at the right."""

    def __init__(self, crumbs: Iterable[str], right: str) -> None:
        super().__init__()
        self._left = _joined(crumbs)
        self._right = untrusted(right)

    def render(self) -> Content:
        width = self.size.width
        left, right = self._left, self._right
        if left.cell_length + right.cell_length + 3 > width:
            right = Content("")
        left = left.truncate(max(1, width - right.cell_length - 2), ellipsis=True)
        gap = width - left.cell_length - right.cell_length - 2
        return Content.assemble(" ", left.stylize("bold"), " " * max(0, gap), right, " ")

    def tell(self, crumbs: Iterable[str], right: str) -> None:
        """Say this from now on, unless it is being said already."""
        left, told = _joined(crumbs), untrusted(right)
        if (left, told) != (self._left, self._right):
            self._left, self._right = left, told
            self.refresh()


def _joined(crumbs: Iterable[str]) -> Content:
    return untrusted(" › ".join(crumbs))


class Flash(Static):
    """The one line in which what just happened is told; a toast would cost ten times the bytes."""

    def say(self, text: str, style: str = "") -> None:
        told = untrusted(text, style)
        if told != self.visual:
            self.update(told)


class Keys(Static):
    """The last row: what can be pressed, each a place to click too."""

    def __init__(self, own: Iterable[Binding], common: Iterable[Binding]) -> None:
        super().__init__()
        self._own = [binding for binding in own if binding.show]
        self._common = [binding for binding in common if binding.show]

    def render(self) -> Content:
        """The common ones always, of the screen's own as many as fit; the help has them all."""
        room = self.size.width + 1 - sum(map(_width, self._common))
        shown: list[Binding] = []
        for binding in self._own:
            room -= _width(binding)
            if room < 0:
                break
            shown.append(binding)
        return Content.assemble(" ", *map(_key, [*shown, *self._common]))


def _name(binding: Binding) -> str:
    return binding.key_display or binding.key.split(",")[0]


def _width(binding: Binding) -> int:
    return cell_len(f"{_name(binding)} {binding.description}  ")


def _key(binding: Binding) -> Content:
    click = Style.from_meta({"@click": f"screen.{binding.action}"})
    told = ((_name(binding), Style(bold=True) + click), (f" {binding.description}", click))
    return Content.assemble(*told, "  ")
