"""What a login may choose for its own screens; it is kept for whichever terminal it sits at."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from textual import on
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from core.use_cases.mail import mail_to
from core.use_cases.settings import (
    Glyphs,
    Theme,
    keep_glyphs,
    keep_language,
    keep_theme,
    keep_zone,
)
from tui.desk import is_known
from tui.language import LANGUAGES, _
from tui.page import GOOD, Page
from tui.screens.mail import MailPage
from tui.untrusted import cell
from tui.widgets.table import Column, Row, Table


@dataclass(frozen=True)
class _Setting:
    label: str
    options: Sequence[tuple[Any, str]]
    chosen: Any
    keep: Callable[[str | None, Any], None]  # with a login
    use: Callable[[Any], None]  # in this session, once it is kept

    @property
    def in_words(self) -> str:
        """What is chosen; as it is kept where another version knew it."""
        return dict(self.options).get(self.chosen, self.chosen)

    @property
    def next(self) -> Any:
        """What comes after the one chosen now; the first after the last."""
        values = [value for value, __ in self.options]
        at = values.index(self.chosen) if self.chosen in values else -1
        return values[(at + 1) % len(values)]


class SettingsPage(Page):
    BINDINGS = [
        Binding("space,enter", "change", "change"),
        Binding("m", "mail", "alerts by mail"),
    ]

    def __init__(self, at: str = "") -> None:
        """With `at` it comes again, drawn anew by a choice of that setting."""
        super().__init__()
        self._at = at

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), _("Settings")

    def body(self) -> Iterable[Widget]:
        yield Table((Column(_("SETTING"), 10), Column(_("CHOSEN"))))
        yield Static(_("Kept with your login, and used wherever you sign in."), classes="said")

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.focus()
        table.begin_at = self._at
        self._draw()
        if self._at:
            self._say_kept()

    def _settings(self) -> dict[str, _Setting]:
        chosen = self._app.settings
        return {
            "theme": _Setting(
                _("Theme"),
                (
                    (None, _("as the terminal says (NO_COLOR)")),
                    (Theme.TERMINAL, _("terminal: its own ground and text")),
                    (Theme.DARK, _("dark")),
                    (Theme.LIGHT, _("light")),
                    (Theme.NONE, _("none: only the terminal's own two, bold and reverse")),
                ),
                chosen.theme,
                keep_theme,
                self._use_theme,
            ),
            "glyphs": _Setting(
                _("Glyphs"),
                (
                    (None, _("as the terminal says (TERM)")),
                    (Glyphs.DRAWN, _("drawn: ● ▲ ■ ○ × ▃▅▇")),
                    (Glyphs.ASCII, _("ASCII, for what cannot draw them: * ^ = o x :%#")),
                ),
                chosen.glyphs,
                keep_glyphs,
                self._use_glyphs,
            ),
            "clock": _Setting(
                _("Clock"),
                [each for each in _zones() if is_known(each[0])],
                chosen.zone,
                keep_zone,
                self._use_zone,
            ),
            "language": _Setting(
                _("Language"),
                ((None, _("as it is configured here")), *LANGUAGES),
                chosen.language,
                keep_language,
                self._app.speak,
            ),
        }

    def _draw(self) -> None:
        self.query_one(Table).show(
            [
                Row(name, (cell(setting.label), cell(setting.in_words)))
                for name, setting in self._settings().items()
            ]
        )

    @on(Table.RowSelected)
    def action_change(self) -> None:
        name = self.query_one(Table).at_key
        if name is not None:
            self._change(name, self._settings()[name])

    def action_mail(self) -> None:
        actor, business_id = self.desk.actor, self._app.business_id
        self.open(lambda: mail_to(actor, business_id), MailPage)

    def _change(self, name: str, setting: _Setting) -> None:
        login, chosen = self.desk.actor.login, setting.next
        self.act(
            (name, chosen),
            lambda: setting.keep(login, chosen),
            lambda __: setting.use(chosen),
        )

    def _use_theme(self, theme: Theme | None) -> None:
        self._app.use_theme(theme)
        self._draw()
        self._say_kept()

    def _use_glyphs(self, glyphs: Glyphs | None) -> None:
        self._app.use_glyphs(glyphs)
        self._draw()
        self._say_kept()

    def _use_zone(self, zone: str) -> None:
        self._app.use_zone(zone)
        self._draw()
        self._say_kept()

    def _say_kept(self) -> None:
        self.flash(_("✓ Kept with your login."), GOOD)


def _zones() -> Iterable[tuple[str, str]]:
    yield "", _("as the machine has it (TZ)")
    yield "Europe/Brussels", _("Brussels, Paris, Amsterdam")
    yield "Europe/London", _("London")
    yield "UTC", _("UTC")
