"""What can be pressed on the screen it was asked from: read off its live bindings."""

from collections.abc import Iterable

from textual.binding import ActiveBinding
from textual.widget import Widget
from textual.widgets import Static

from tui.page import Page
from tui.untrusted import untrusted, untrusted_lines


class Help(Page):
    crumbs = ("Help",)

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        keys: dict[str, list[str]] = {}
        for active in bindings:
            binding = active.binding
            if binding.description and not binding.system:
                shown = binding.key_display or _shown(binding.key)
                keys.setdefault(binding.description, []).append(shown)
        self._by_meaning = keys

    def body(self) -> Iterable[Widget]:
        lines = [
            f"{', '.join(dict.fromkeys(shown)):<16} {what}"
            for what, shown in self._by_meaning.items()
        ]
        yield Static(untrusted("Keys of the screen you came from"), classes="said gap")
        yield Static(untrusted_lines(lines), classes="pane")


_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "enter": "⏎",
    "escape": "esc",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "space": "space",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


def _shown(key: str) -> str:
    return _NAMES.get(key, key.replace("ctrl+", "^"))
