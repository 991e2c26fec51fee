"""A webhook's 50 latest deliveries, live."""

from collections.abc import Iterable
from datetime import datetime

from textual import events, on
from textual.binding import Binding
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Static

from core import queries, services
from core.delivery import Status
from core.queries import DeliveryRow, WebhookRow
from tui.list_page import ListPage
from tui.page import BAD, GOOD, QUIET
from tui.screens.delivery import open_delivery
from tui.send_test import send_test
from tui.untrusted import cell, untrusted_lines
from tui.widgets.bars import Crumbs
from tui.widgets.table import Column, Row, Table
from tui.words import explain, host_of, outcome_of

_WIDE = 100  # columns from which the preview stands at the right
_LOW = 16  # rows below which it goes
_COLUMNS = (
    Column("DATE", 12),
    Column("EVENT", 17),
    Column("STATUS", 9),
    Column("HTTP", 8, from_width=60),
    Column("TRIES", 5, from_width=60),
    Column("RESPONSE", from_width=70),
)
_STYLES = {
    Status.DELIVERED: GOOD,
    Status.FAILED: "yellow",
    Status.ABANDONED: BAD,
    Status.PENDING: QUIET,
}


class History(ListPage):
    BINDINGS = [
        Binding("enter", "detail", "detail", key_display="⏎"),
        Binding("f", "failed_only", "failed only"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("p", "pause", "pause"),
        Binding("R", "redeliver", "redeliver"),
        Binding("t", "test", "test"),
        Binding("y", "copy_id", "copy id"),
    ]

    def __init__(self, webhook: WebhookRow, rows: list[DeliveryRow]) -> None:
        super().__init__()
        self.webhook = webhook
        self.crumbs = ("Webhooks", host_of(webhook.url), "History")
        self._rows = rows
        self._only_failed = False
        self._is_paused = False

    def body(self) -> Iterable[Widget]:
        with Container(id="split"):
            yield Table(_COLUMNS)
            with Container(id="aside"):
                yield Static("── response ".ljust(200, "─"), id="line")
                yield Static(id="preview")
        yield Static("No deliveries yet. Press t to send a test.", classes="empty")
        yield self.filter_entry("part of an event or a response; esc ends")

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self.draw()
        self.watch_database(self._read)

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= _WIDE, "wide")
        self.set_class(event.size.height < _LOW, "low")

    def is_live(self) -> bool:
        return not self._is_paused

    def _read(self) -> None:
        actor, webhook_id = self.desk.actor, self.webhook.id
        self.ask(lambda: queries.deliveries(actor, webhook_id), self._arrived)

    def _arrived(self, rows: list[DeliveryRow]) -> None:
        """New rows come in above; the cursor stays where it was, and they are announced."""
        known = {row.uuid for row in self._rows}
        new = sum(row.uuid not in known for row in rows)
        table = self.query_one(Table)
        if new and table.cursor_row > 0:
            self.flash(f"{new} new, g to see")
        self._rows = rows
        self.draw()

    def draw(self) -> None:
        with self.app.batch_update():
            self._draw()

    def _draw(self) -> None:
        shown = self.shown()
        table = self.query_one(Table)
        at_top = table.cursor_row == 0
        table.show([self._row(row) for row in shown])
        if at_top and shown:
            table.move_cursor(row=0, animate=False)
        self.show_if(not self._rows, ".empty")
        self.show_if(bool(self._rows), "#split")
        self._tell_counts()
        self._preview()

    def shown(self) -> list[DeliveryRow]:
        wanted = self.wanted
        return [
            row
            for row in self._rows
            if not (self._only_failed and row.status is Status.DELIVERED)
            and wanted in f"{row.event} {row.status} {row.response} {row.detail}".lower()
        ]

    def _row(self, row: DeliveryRow) -> Row:
        status = row.status.upper() if row.status is Status.ABANDONED else str(row.status)
        tries = str(row.attempts)
        if row.status is not Status.DELIVERED:
            tries += f"/{self.desk.max_attempts}"
        return Row(
            str(row.uuid),
            (
                cell(self.desk.moment(row.created_at)),
                cell(row.event),
                cell(status, _STYLES[row.status]),
                cell(outcome_of(row)),
                cell(tries),
                cell(row.response or row.detail),
            ),
        )

    def _tell_counts(self) -> None:
        delivered = sum(row.status is Status.DELIVERED for row in self._rows)
        manner = "PAUSED" if self._is_paused else "live"
        only = " · failed only" if self._only_failed else ""
        self.query_one(Crumbs).tell(
            self.crumbs,
            f"{len(self._rows)} latest · {delivered} delivered · "
            f"{len(self._rows) - delivered} not{only} · {manner}",
        )

    @on(Table.RowHighlighted)
    def _preview(self) -> None:
        row = self.chosen()
        preview = self.query_one("#preview", Static)
        if row is None:
            return
        told = explain(row, self.desk.timeout.total_seconds())
        lines = [told] if told else []
        if row.next_attempt_at is not None:
            lines.append(self._next(row.next_attempt_at))
        shown = untrusted_lines([*lines, row.response or "(no response)"])
        if shown != preview.visual:
            preview.update(shown, layout=False)

    def _next(self, at: datetime) -> str:
        if at <= self.desk.clock():
            return "It goes out now."
        return f"Next attempt at {self.desk.time(at)}."

    def chosen(self) -> DeliveryRow | None:
        key = self.query_one(Table).at_key
        return next((row for row in self._rows if str(row.uuid) == key), None)

    # Keys

    @on(Table.RowSelected)
    def action_detail(self) -> None:
        row = self.chosen()
        if row is not None:
            open_delivery(self, self.webhook, self.shown(), row)

    def action_failed_only(self) -> None:
        self._only_failed = not self._only_failed
        self.draw()

    def action_pause(self) -> None:
        self._is_paused = not self._is_paused
        self._tell_counts()

    def action_redeliver(self) -> None:
        row = self.chosen()
        if row is None:
            return
        desk, now = self.desk, self.desk.clock()
        self.act(
            row.uuid,
            lambda: services.redeliver(desk.actor, str(row.uuid), now, wake=desk.wake),
            lambda _: self.flash(
                f"✓ {row.event} of {desk.moment(row.created_at)} goes again.", GOOD
            ),
        )

    def action_test(self) -> None:
        send_test(self, self.webhook.id, self.webhook.url, self.flash)

    def action_copy_id(self) -> None:
        row = self.chosen()
        if row is not None:
            self._app.send_to_clipboard(str(row.uuid))
            self.flash("The delivery id was sent to your terminal's clipboard.")
