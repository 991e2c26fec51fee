"""The rows around every screen: where am I, what just happened, what can I press."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from time import monotonic
from typing import NamedTuple

from rich.cells import cell_len
from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.style import Style
from textual.widgets import Static

from core.domain.cleaning import clean
from tui.language import _
from tui.untrusted import shortened, untrusted

_LEAST_NAME = 8  # cells in which a webhook's name still tells something
_MARKS = {"!": ".bad", "✓": ".good"}  # before what is told
_STAYS = 5.0  # seconds that what was told stays, whatever is pressed meanwhile
_GAPS = ("  ", " ")  # between two keys; the second is enough where it makes all of them fit
_LEAST_WAY = 24  # cells that are left for the way here, before the right goes


_Key = tuple[str, Binding]  # what it is called on the screen, and what it does


class _Part(NamedTuple):
    """Of the way what stands for one crumb, with the arrow before it."""

    at: int
    told: Content


def _joined(crumbs: Iterable[str]) -> list[_Part]:
    return [_Part(at, untrusted(f" › {crumb}" if at else crumb)) for at, crumb in enumerate(crumbs)]


def _length(way: Iterable[_Part]) -> int:
    return sum(part.told.cell_length for part in way)


class Crumbs(Static):
    """Row 1: the way here at the left, business and login at the right. A click on a crumb asks for
    the page of that name.
    """

    class Pressed(Message):
        """One of the crumbs, by its place among them; the last one is the page itself."""

        def __init__(self, at: int) -> None:
            super().__init__()
            self.at = at

    def __init__(self, crumbs: Iterable[str], right: str, always: str = "") -> None:
        """`always` stands at the right, whatever there is no room for."""
        super().__init__()
        self._always = always
        self._crumbs = tuple(crumbs)
        self._right = right
        self._place = ""
        self._way: list[_Part] = []  # as it is drawn

    def render(self) -> Content:
        width = self.size.width
        right = untrusted(_in_a_row(self._right, self._place, self._always))
        way = untrusted(" › ".join(self._crumbs))
        if width - right.cell_length - 4 < min(way.cell_length, _LEAST_WAY):
            right = untrusted(self._always)
        self._way = self._as_far_as_it_fits(width - right.cell_length - 4 if right else width - 2)
        left = Content("").join(part.told for part in self._way)
        gap = width - left.cell_length - right.cell_length - 2
        told = Content.assemble(" " * max(0, gap), right, " ").stylize(".quiet")
        return Content.assemble(" ", left.stylize(".press"), told)

    def _as_far_as_it_fits(self, room: int) -> list[_Part]:
        """The crumbs, or the last of them: where one is counts more than where one came from."""
        way = _joined(self._crumbs)
        if _length(way) <= room:
            return way
        first, name, *below = ["…", *self._crumbs[1:]] if self._crumbs[1:] else ["…", *self._crumbs]
        left = room - _length(_joined([first, "", *below]))
        if left >= _LEAST_NAME:
            return _joined([first, shortened(clean(name), left), *below])
        last = untrusted(self._crumbs[-1]).truncate(max(1, room), ellipsis=True)
        return [_Part(len(self._crumbs) - 1, last)]

    def on_click(self, event: events.Click) -> None:
        left = event.x - 1
        for part in self._way:
            if 0 <= left < part.told.cell_length:
                self.post_message(self.Pressed(part.at))
            left -= part.told.cell_length

    def tell(self, crumbs: Iterable[str], right: str) -> None:
        """Say this from now on, unless it is being said already."""
        told = tuple(crumbs), right
        if told != (self._crumbs, self._right):
            self._crumbs, self._right = told
            self.refresh()

    def tell_place(self, place: str) -> None:
        """Where the cursor is in a list that scrolls: `3 of 65`."""
        if place != self._place:
            self._place = place
            self.refresh()


def _in_a_row(*told: str) -> str:
    return " · ".join(filter(None, told))


class Flash(Static):
    """The one line in which what just happened is told; a toast would cost ten times the bytes."""

    _said_at = 0.0
    _is_aside = False  # what is told is no answer to what somebody did

    def say(self, text: str, style: str = "") -> None:
        self._said_at, self._is_aside = monotonic(), False
        told = untrusted(text[:1], _MARKS.get(text[:1], style)) + untrusted(text[1:], style)
        if told != self.visual:
            self.update(told)

    def say_aside(self, text: str) -> None:
        """The same, unless somebody may still be reading what was told of what they did."""
        if self._is_aside or self.is_old or not self.visual:
            self.say(text)
            self._is_aside = True

    @property
    def is_old(self) -> bool:
        return monotonic() - self._said_at > _STAYS

    def end_if_old(self) -> None:
        """What was told before somebody went on to do something else is true no longer."""
        if self.is_old:
            self.say("")


class Keys(Static):
    """The last row: what can be pressed, each a place to click too."""

    auto_links = False  # they look like keys, not like links

    def __init__(self, own: Iterable[Binding], common: Iterable[Binding]) -> None:
        super().__init__()
        self._own = [_translated(binding) for binding in own if binding.show]
        self._common = [_translated(binding) for binding in common if binding.show]
        self._is_typing = False

    def tell_typing(self, is_typing: bool) -> None:  # noqa: FBT001 - a state
        """Whether letters are text now: then help has another key."""
        if is_typing != self._is_typing:
            self._is_typing = is_typing
            self.refresh()

    def tell(self, action: str, description: str) -> None:
        """What the key of that action does from now on, unless that is being said already."""
        told = [
            replace(each, description=description) if each.action == action else each
            for each in self._own
        ]
        if told != self._own:
            self._own = told
            self.refresh()

    def render(self) -> Content:
        """All of them, closer together where that is needed; where not even that helps, the common
        ones always and of the screen's own as many as fit. The help has them all.
        """
        own, common = map(self._named, (self._own, self._common))
        all_of_them = [*own, *common]
        room = self.size.width - 1
        for gap in _GAPS:
            if _taken(all_of_them, gap) <= room:
                return _row(all_of_them, gap)
        while own and _taken([*own, *common], _GAPS[0]) > room:
            own.pop()
        return _row([*own, *common], _GAPS[0])

    def _named(self, bindings: Iterable[Binding]) -> list[_Key]:
        return [(self._key_name(binding), binding) for binding in bindings]

    def _key_name(self, binding: Binding) -> str:
        """Where letters are typed, the one of its keys that is none, if there is one."""
        keys = binding.key.split(",")
        others = [key for key in keys if len(key) > 1 and len(key_name(key)) > 1]
        if self._is_typing and others:
            return key_name(others[0])
        return binding.key_display or key_name(keys[0])


def _translated(binding: Binding) -> Binding:
    return replace(binding, description=_(binding.description))


_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "comma": ",",
    "f1": "F1",
    "escape": "esc",
    "left": "←",
    "up": "↑",
    "down": "↓",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


BELGIAN = (
    "ampersand",
    "é",
    "quotation_mark",
    "apostrophe",
    "left_parenthesis",
    "section_sign",
    "è",
)
"""What the keys of 1 to 7 are without shift on a Belgian keyboard."""


def key_name(key: str) -> str:
    """What a key is called on the screen."""
    return _("space") if key == "space" else _NAMES.get(key, key.replace("ctrl+", "^"))


def _taken(keys: Sequence[_Key], gap: str) -> int:
    """Cells of them side by side."""
    told = (f"{name} {binding.description}" for name, binding in keys)
    return cell_len(gap.join(told))


def _row(keys: Sequence[_Key], gap: str) -> Content:
    return Content.assemble(" ", *(_key(*each) + gap for each in keys))


def _key(name: str, binding: Binding) -> Content:
    click = Style.from_meta({"@click": f"screen.{binding.action}"})
    return Content.assemble((name, ".press"), f" {binding.description}").stylize(click)
