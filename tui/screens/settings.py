"""What a login may choose for its own screens; it is kept for whichever terminal it sits at."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from textual import on
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from core.use_cases.mail import mail_to
from core.use_cases.settings import Theme, keep_theme, keep_zone
from tui.desk import is_known
from tui.page import GOOD, Page
from tui.screens.mail import MailPage
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
_ZONES: Sequence[tuple[str, str]] = (
    ("", "as the machine has it (TZ)"),
    ("Europe/Brussels", "Brussels, Paris, Amsterdam"),
    ("Europe/London", "London"),
    ("UTC", "UTC"),
)


class SettingsPage(Page):
    crumbs = ("Webhooks", "Settings")
    BINDINGS = [
        Binding("space,enter", "change", "change", key_display="space"),
        Binding("m", "mail", "alerts by mail"),
    ]

    def body(self) -> Iterable[Widget]:
        yield Table(_COLUMNS)
        yield Static("Kept with your login, and used wherever you sign in.", classes="said")

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self._draw()

    def _draw(self) -> None:
        settings = self._app.settings
        told = {
            "theme": ("Theme", dict(_THEMES)[settings.theme]),
            "clock": ("Clock", dict(_ZONES).get(settings.zone, settings.zone)),
        }
        self.query_one(Table).show([Row(key, tuple(map(cell, told[key]))) for key in told])

    @on(Table.RowSelected)
    def action_change(self) -> None:
        app, settings = self._app, self._app.settings
        match self.query_one(Table).at_key:
            case "theme":
                self._next(_THEMES, settings.theme, keep_theme, app.use_theme)
            case "clock":
                zones = [each for each in _ZONES if is_known(each[0])]
                self._next(zones, settings.zone, keep_zone, app.use_zone)

    def action_mail(self) -> None:
        actor, business_id = self.desk.actor, self._app.business_id
        self.open(lambda: mail_to(actor, business_id), MailPage)

    def _next(
        self,
        options: Sequence[tuple[T, str]],
        now: T,
        keep: Callable[[str | None, T], None],
        use: Callable[[T], None],
    ) -> None:
        """Of these the one that comes after the one chosen now; the first after the last."""
        values = [value for value, _ in options]
        at = values.index(now) if now in values else -1  # another version's
        chosen = values[(at + 1) % len(values)]
        login = self.desk.actor.login

        def kept(_: None) -> None:
            use(chosen)
            self._draw()
            self.flash("✓ Kept with your login.", GOOD)

        self.act(chosen, lambda: keep(login, chosen), kept)
