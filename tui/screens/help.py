"""What can be pressed on the screen it was asked from: read off its live bindings."""

from collections.abc import Iterable

from textual.binding import ActiveBinding
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Static

from tui.page import Page
from tui.untrusted import untrusted, untrusted_lines

_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "comma": ",",
    "enter": "⏎",
    "escape": "esc",
    "left": "←",
    "up": "↑",
    "down": "↓",
    "pageup": "pgup",
    "pagedown": "pgdn",
}
_KEYS_WIDTH = 12


class Help(Page):
    crumbs = ("Help",)

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        keys: dict[str, list[str]] = {}
        for active in bindings:
            binding = active.binding
            if binding.description and not binding.system:
                what = binding.description[0].upper() + binding.description[1:]
                keys.setdefault(what, []).append(_name(binding.key))
        self._by_meaning = keys

    def body(self) -> Iterable[Widget]:
        lines = (
            f"{' '.join(dict.fromkeys(names)):<{_KEYS_WIDTH}} {what}"
            for what, names in self._by_meaning.items()
        )
        yield Static(untrusted("Keys of the screen you came from", "bold"), classes="said")
        with VerticalScroll(classes="pane", id="keys"):
            yield Static(untrusted_lines(lines))

    def on_mount(self) -> None:
        self.query_one("#keys").focus()


def _name(key: str) -> str:
    return _NAMES.get(key, key.replace("ctrl+", "^"))
