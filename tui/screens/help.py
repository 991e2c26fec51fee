"""What can be pressed on the screen it was asked from: read off its live bindings."""

from collections.abc import Iterable

from textual.binding import ActiveBinding, Binding
from textual.containers import VerticalScroll
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.language import _
from tui.page import Page
from tui.untrusted import untrusted, untrusted_lines
from tui.widgets.bars import key_name

_KEYS_WIDTH = 12
_COMMON = {"help", "leave", "back", "quit_program", "quit", "find"}


class KeyList(VerticalScroll, inherit_bindings=False):
    """Scrolls with the keys that lists have."""

    BINDINGS = [
        Binding("down,j", "scroll_down", "Down", show=False),
        Binding("up,k", "scroll_up", "Up", show=False),
        Binding("pagedown,space", "page_down", "Page down", show=False),
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("g,home", "scroll_home", "First row", show=False),
        Binding("G,end", "scroll_end", "Last row", show=False),
    ]


class Help(Page):
    def __init__(self, page: Page, bindings: Iterable[ActiveBinding]) -> None:
        """Its own keys first, those of what has the focus next, those of every screen last. What a
        footer has too little room to say is the tooltip of its binding.

        Those of typing are every text field's and go without saying.
        """
        super().__init__()
        keys: dict[str, list[str]] = {}

        own = [binding.action for binding in page.bindings_shown()[0]]

        def place(active: ActiveBinding) -> tuple[int, int]:
            action = active.binding.action
            if action in _COMMON or "." in action:
                return 2, 0
            return (0, own.index(action)) if active.node is page and action in own else (1, 0)

        for active in sorted(bindings, key=place):
            binding = active.binding
            if binding.description and not binding.system and not isinstance(active.node, Input):
                told = _(binding.tooltip or binding.description)
                what = told[0].upper() + told[1:]
                keys.setdefault(what, []).append(key_name(binding.key))
        self._by_meaning = keys

    @property
    def crumbs(self) -> tuple[str, ...]:
        return (_("Help"),)

    def body(self) -> Iterable[Widget]:
        lines = (
            f"{' '.join(dict.fromkeys(names)):<{_KEYS_WIDTH}} {what}"
            for what, names in self._by_meaning.items()
        )
        yield Static(untrusted(_("Keys of the screen you came from"), "bold"), classes="said")
        with KeyList(classes="pane", id="keys"):
            yield Static(untrusted_lines(lines))

    def on_mount(self) -> None:
        self.query_one("#keys").focus()
