"""A page that is mostly one table, and can be filtered in place."""

from textual import on
from textual.binding import Binding
from textual.widgets import Input

from tui.page import Page
from tui.widgets.entry import Entry
from tui.widgets.table import Table


class ListPage(Page):
    BINDINGS = [Binding("slash", "filter", "filter", key_display="/")]

    def draw(self) -> None:
        """Show what was read, as far as the filter lets it through."""
        raise NotImplementedError

    def filter_entry(self, placeholder: str) -> Entry:
        """Where the filter is typed; hidden until it is asked for."""
        return Entry(placeholder=placeholder, id="filter")

    @property
    def wanted(self) -> str:
        """What to look for, in lower case; empty lets everything through."""
        return self.query_one("#filter", Entry).value.lower()

    def action_filter(self) -> None:
        entry = self.query_one("#filter", Entry)
        entry.display = True
        entry.focus()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self.draw()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.query_one("#filter").display = bool(self.wanted)
        self.query_one(Table).focus()

    def action_back(self) -> None:
        """The first one ends the filter."""
        entry = self.query_one("#filter", Entry)
        if entry.display:
            entry.value = ""
            self._filter_done()
        else:
            super().action_back()
