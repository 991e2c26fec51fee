"""What a login may choose for its own screens; it is kept for whichever terminal it sits at."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from textual import on
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from core.use_cases.settings import Theme, keep_theme
from tui.page import GOOD, Page
from tui.untrusted import cell
from tui.widgets.table import Column, Row, Table

T = TypeVar("T")

_COLUMNS = (Column("SETTING", 10), Column("CHOSEN"))
_THEMES: Sequence[tuple[Theme | None, str]] = (
    (None, "as the terminal says (NO_COLOR)"),
    (Theme.TERMINAL, "terminal: its own ground and text"),
    (Theme.DARK, "dark"),
    (Theme.LIGHT, "light"),
    (Theme.NONE, "none: only the terminal's own two, bold and reverse"),
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
        theme = dict(_THEMES)[self._app.settings.theme]
        self.query_one(Table).show([Row("theme", (cell("Theme"), cell(theme)))])

    @on(Table.RowSelected)
    def action_change(self) -> None:
        self._next(_THEMES, self._app.settings.theme, keep_theme, self._app.use_theme)

    def _next(
        self,
        options: Sequence[tuple[T, str]],
        now: T,
        keep: Callable[[str | None, T], None],
        use: Callable[[T], None],
    ) -> None:
        """Of these the one that comes after the one chosen now; the first after the last."""
        values = [value for value, _ in options]
        chosen = values[(values.index(now) + 1) % len(values)]
        login = self.desk.actor.login

        def kept(_: None) -> None:
            use(chosen)
            self._draw()
            self.flash("✓ Kept with your login.", GOOD)

        self.act(chosen, lambda: keep(login, chosen), kept)
