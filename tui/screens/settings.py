"""What a login may choose for its own screens; it is kept for whichever terminal it sits at."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from core.use_cases.settings import keep_colours
from tui.page import GOOD, Page
from tui.untrusted import cell
from tui.widgets.table import Column, Row, Table

_COLUMNS = (Column("SETTING", 10), Column("CHOSEN"))
_COLOURS: tuple[tuple[bool | None, str], ...] = (
    (None, "as the terminal says (NO_COLOR)"),
    (True, "on"),
    (False, "off: only the terminal's own two, bold and reverse"),
)


class SettingsPage(Page):
    crumbs = ("Webhooks", "Settings")
    BINDINGS = [Binding("space,enter", "change", "change", key_display="space")]

    def body(self) -> Iterable[Widget]:
        yield Table(_COLUMNS)
        yield Static("Kept with your login, and used wherever you sign in.", classes="said")

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self._draw()

    def _draw(self) -> None:
        told = dict(_COLOURS)[self._app.settings.colours]
        self.query_one(Table).show([Row("colours", (cell("Colours"), cell(told)))])

    @on(Table.RowSelected)
    def action_change(self) -> None:
        choices = [colours for colours, _ in _COLOURS]
        chosen = choices[(choices.index(self._app.settings.colours) + 1) % len(choices)]
        login = self.desk.actor.login
        self.act(
            ("colours", chosen),
            lambda: keep_colours(login, colours=chosen),
            lambda _: self._changed(chosen),
        )

    def _changed(self, colours: bool | None) -> None:  # noqa: FBT001 - a choice
        self._app.use_colours(colours)
        self._draw()
        self.flash("✓ Kept with your login.", GOOD)
