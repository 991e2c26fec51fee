"""The catalogue: what is in each event; and a sample of one, sent to see what a server does."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from core.domain.catalogue import CATALOGUE, CatalogueEntry, fields
from core.domain.events import SELECTABLE, EventType
from core.use_cases.queries import WebhookRow
from tui.failures import name_of
from tui.kept import said_again
from tui.language import _
from tui.page import Page
from tui.ping import send_sample
from tui.untrusted import cell, untrusted_lines
from tui.widgets.table import Column, Row, Table


class Catalogue(Page):
    """The events above, and below what is in the payload of the one under the cursor."""

    BINDINGS = [
        Binding("space", "scroll(1)", "more of it"),
        Binding("b", "scroll(-1)", "Back up", show=False),
    ]

    def __init__(self, chosen: EventType = SELECTABLE[0]) -> None:
        super().__init__()
        self._first = SELECTABLE.index(chosen)

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), _("Events")

    def body(self) -> Iterable[Widget]:
        yield Table(_columns(), id="events")
        yield VerticalScroll(Static(id="inside"), classes="pane gap", can_focus=False)

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.focus()
        table.show([_row(entry) for entry in CATALOGUE.values()])
        table.move_cursor(row=self._first, animate=False)
        self._show_inside()

    @property
    def chosen(self) -> EventType:
        return SELECTABLE[self.query_one(Table).cursor_row]

    @on(Table.RowHighlighted)
    def _show_inside(self) -> None:
        self.query_one("#inside", Static).update(self.inside(CATALOGUE[self.chosen]))
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def inside(self, entry: CatalogueEntry) -> Content:
        named = fields(entry.schema)
        width = max(len(name) for name, _ in named)
        return untrusted_lines(f"{name:<{width}}  {said_again(said)}" for name, said in named)

    def action_scroll(self, pages: int) -> None:
        pane = self.query_one(VerticalScroll)
        pane.scroll_relative(y=pages * (pane.size.height - 1), animate=False)


class Sample(Catalogue):
    """Sends a sample of the event under the cursor, which is shown as it is sent."""

    BINDINGS = [Binding("enter", "send", "send a sample", key_display="enter")]

    def __init__(self, webhook: WebhookRow) -> None:
        super().__init__()
        self._webhook = webhook

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), name_of(self._webhook), _("Sample")

    def body(self) -> Iterable[Widget]:
        warning = _('Your server will take it for a real sale unless it looks at "sample": true.')
        yield Static(Content(f"! {warning}"), classes="banner gap")
        yield from super().body()

    def inside(self, entry: CatalogueEntry) -> Content:
        first, *members = entry.example.splitlines()
        return untrusted_lines([first, '  "sample": true,', *members])

    @on(Table.RowSelected)
    def action_send(self) -> None:
        send_sample(self, self._webhook.id, self._webhook.url, self.chosen, self.flash)


def _columns() -> tuple[Column, ...]:
    return Column(_("EVENT"), 17), Column(_("IS PUBLISHED WHEN"))


def _row(entry: CatalogueEntry) -> Row:
    return Row(entry.event_type, (cell(entry.event_type), cell(_(entry.meaning))))
