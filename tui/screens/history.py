"""A webhook's 50 latest deliveries, live."""

from collections.abc import Iterable

from textual import events, on
from textual.binding import Binding
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import DataTable, Input, Static

from core import queries, services
from core.delivery import Status
from core.health import pulse
from core.queries import DeliveryRow, WebhookRow
from tui.page import BAD, GOOD, QUIET, Page
from tui.screens.delivery import DeliveryPage
from tui.untrusted import cell, untrusted_lines
from tui.widgets.bars import Crumbs
from tui.widgets.table import Column, Row, Table
from tui.words import explain, host_of, outcome_of

_POLL = 1.0  # seconds between two looks whether anything changed
_WIDE, _LOW = (
    100,
    16,
)  # columns from which the preview stands at the right; rows below which it goes
_COLUMNS = (
    Column("DATE", 12),
    Column("EVENT", 17),
    Column("STATUS", 9),
    Column("HTTP", 8),
    Column("TRIES", 5),
    Column("RESPONSE"),
)
_STYLES = {
    Status.DELIVERED: GOOD,
    Status.FAILED: "yellow",
    Status.ABANDONED: BAD,
    Status.PENDING: QUIET,
}


class History(Page):
    BINDINGS = [
        Binding("enter", "detail", "detail", key_display="⏎"),
        Binding("f", "failed_only", "failed only"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("p", "pause", "pause"),
        Binding("R", "redeliver", "redeliver"),
        Binding("y", "copy_id", "copy id"),
    ]

    def __init__(self, webhook: WebhookRow) -> None:
        super().__init__()
        self.webhook = webhook
        self.crumbs = ("Webhooks", host_of(webhook.url), "History")
        self._rows: list[DeliveryRow] = []
        self._is_read = False
        self._only_failed = False
        self._is_paused = False
        self._looking = False
        self._pulse: object = None

    def body(self) -> Iterable[Widget]:
        with Container(id="split"):
            yield Table(_COLUMNS)
            yield Static(id="preview")
        yield Static("No deliveries yet. Press q, then t to send a test.", classes="empty")
        yield Input(
            placeholder="part of an event or a response; esc ends", id="filter", compact=True
        )

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self._read()
        self.set_interval(_POLL, self._look)

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= _WIDE, "wide")
        self.set_class(event.size.height < _LOW, "low")

    # Reading

    def _look(self) -> None:
        if self._looking or self._is_paused or self._app.screen is not self:
            return
        self._looking = True
        self.ask(pulse, self._seen)

    def _seen(self, seen: object) -> None:
        self._looking = False
        if seen != self._pulse:
            self._pulse = seen
            self._read()

    def _read(self) -> None:
        actor, webhook_id = self.desk.actor, self.webhook.id
        self.ask(lambda: queries.deliveries(actor, webhook_id), self._arrived)

    def _arrived(self, rows: list[DeliveryRow]) -> None:
        """New rows come in above; the cursor stays where it was, and they are announced."""
        known = {row.uuid for row in self._rows}
        new = sum(row.uuid not in known for row in rows)
        table = self.query_one(Table)
        if self._is_read and new and table.cursor_row > 0:
            self.flash(f"{new} new, g to see")
        self._rows, self._is_read = rows, True
        self._draw()

    def _draw(self) -> None:
        shown = self.shown()
        table = self.query_one(Table)
        at_top = table.cursor_row == 0
        table.show([self._row(row) for row in shown])
        if at_top and shown:
            table.move_cursor(row=0, animate=False)
        self.query_one(".empty").display = self._is_read and not self._rows
        self.query_one("#split").display = bool(self._rows)
        self._tell_counts()
        self._preview()

    def shown(self) -> list[DeliveryRow]:
        wanted = self.query_one("#filter", Input).value.lower()
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
        self.query_one(Crumbs).tell_right(
            f"{len(self._rows)} latest · {delivered} delivered · "
            f"{len(self._rows) - delivered} not{only} · {manner}"
        )

    @on(DataTable.RowHighlighted)
    def _preview(self) -> None:
        row = self.chosen()
        preview = self.query_one("#preview", Static)
        if row is None:
            preview.update("")
            return
        told = explain(row, self.desk.timeout.total_seconds())
        lines = [told] if told else []
        if row.next_attempt_at is not None and row.status is not Status.DELIVERED:
            lines.append(f"Next attempt at {self.desk.time(row.next_attempt_at)}.")
        preview.update(untrusted_lines([*lines, row.response or "(no response)"]))

    def chosen(self) -> DeliveryRow | None:
        key = self.query_one(Table).at_key
        return next((row for row in self._rows if str(row.uuid) == key), None)

    # Keys

    @on(DataTable.RowSelected)
    def action_detail(self) -> None:
        row = self.chosen()
        if row is not None:
            uuids = [str(each.uuid) for each in self.shown()]
            self.app.push_screen(DeliveryPage(self.webhook, uuids, uuids.index(str(row.uuid))))

    def action_failed_only(self) -> None:
        self._only_failed = not self._only_failed
        self._draw()

    def action_pause(self) -> None:
        self._is_paused = not self._is_paused
        self._tell_counts()

    def action_redeliver(self) -> None:
        row = self.chosen()
        if row is None:
            return
        desk, now = self.desk, self.desk.clock()
        self.act(
            lambda: services.redeliver(desk.actor, str(row.uuid), now, wake=desk.wake),
            lambda _: self.flash(
                f"✓ {row.event} of {desk.moment(row.created_at)} goes again.", GOOD
            ),
        )

    def action_copy_id(self) -> None:
        row = self.chosen()
        if row is not None:
            self._app.send_to_clipboard(str(row.uuid))
            self.flash("The delivery id was sent to your terminal's clipboard.")

    def action_filter(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.display = True
        entry.focus()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self._draw()

    @on(Input.Submitted, "#filter")
    def _filter_done(self) -> None:
        self.query_one("#filter").display = False
        self.query_one(Table).focus()

    def action_back(self) -> None:
        entry = self.query_one("#filter", Input)
        if entry.display or entry.value:
            entry.value = ""
            self._filter_done()
        else:
            super().action_back()
