"""A page that is mostly one table, and can be filtered in place."""

from collections.abc import Callable, Iterable

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from tui.language import _
from tui.page import Page
from tui.widgets.entry import Entry
from tui.widgets.table import Table

_AT_REST = 0.15  # seconds that the cursor stands still before what it is on is read: a run is cheap


class ListPage(Page):
    BINDINGS = [Binding("slash", "filter", "filter", key_display="/")]

    _rest: Timer | None = None  # until the cursor has stood still long enough

    def draw(self) -> None:
        """Show what was read, as far as the filter lets it through."""
        raise NotImplementedError

    def wait_for_rest(self, then: Callable[[], None]) -> None:
        """Call it once the cursor has stood still, counted from now."""
        if self._rest is not None:
            self._rest.stop()

        def at_rest() -> None:
            self._rest = None
            then()

        self._rest = self.set_timer(_AT_REST, at_rest)

    @property
    def is_at_rest(self) -> bool:
        """Whether nothing waits for the cursor to stand still."""
        return self._rest is None

    def filter_row(self, placeholder: str) -> Iterable[Widget]:
        """Where the filter is typed, and how many it finds; hidden until it is asked for."""
        with Horizontal(id="filter-row"):
            yield Static(_("Filter"), classes="label")
            yield Entry(placeholder=placeholder, id="filter")
            yield Static(id="found")

    def tell_found(self, found: int, of: int | None = None) -> None:
        """How many the filter lets through, of how many where that is known."""
        told = _("{count} found").format(count=found)
        if of is not None:
            told = _("{count} of {of}").format(count=found, of=of)
        # Laid out anew is drawn anew, and where it is hidden nobody needs that.
        is_seen = self.query_one("#filter-row").display
        self.query_one("#found", Static).update(told, layout=is_seen)

    @property
    def wanted(self) -> str:
        """What to look for, in lower case; empty lets everything through."""
        return self.query_one("#filter", Entry).value.lower()

    def action_filter(self) -> None:
        self.query_one("#filter-row").display = True
        self.query_one("#filter", Entry).focus()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self.draw()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.query_one("#filter-row").display = bool(self.wanted)
        self.query_one(Table).focus()

    def action_back(self) -> None:
        """The first one ends the filter; none ends the program, where there is nothing to go to."""
        if self.query_one("#filter-row").display:
            self.query_one("#filter", Entry).value = ""
            self._filter_done()
        elif self._app.is_at_the_start:
            self.say_how_to_quit()
        else:
            super().action_back()

    def action_leave(self) -> None:
        self._app.back()
