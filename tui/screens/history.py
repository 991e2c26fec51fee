"""A webhook's deliveries, live: the 50 latest, older ones page by page, or those that match."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from textual import events, on
from textual.binding import Binding
from textual.containers import Container
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.delivery import Status
from core.domain.events import EventType
from core.use_cases import queries, services
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import HISTORY_LENGTH, UNDELIVERED, DeliveryDetail, Wanted, WebhookRow
from tui.delivery_text import whole
from tui.failures import explain, name_of, outcome_of
from tui.list_page import ListPage
from tui.page import GOOD
from tui.pausing import pause_or_resume
from tui.ping import send_test
from tui.screens.delivery import open_delivery
from tui.states import of_delivery
from tui.untrusted import cell, untrusted, untrusted_lines
from tui.widgets.bars import Crumbs
from tui.widgets.entry import Entry
from tui.widgets.lines import Lines
from tui.widgets.table import Column, Row, Table

_NARROW = 60
_COLUMNS = (
    Column("DATE", 12),
    Column("WHAT"),
    Column("", 1),
    Column("BECAME", 17),
    Column("CODE", 8, from_width=_NARROW),
)
_AT_REST = 0.15  # seconds that the cursor stands still before the delivery beside it is read
_EVENTS: tuple[EventType | None, ...] = (None, *EventType)


FAILED_ONLY = Wanted(UNDELIVERED)


@dataclass(frozen=True)
class _Question:
    """What is asked of the database, and so what an answer answers."""

    wanted: Wanted = queries.ALL
    before: int | None = None  # the id of the last row of the page before


class History(ListPage):
    BINDINGS = [
        Binding("enter", "detail", "detail", key_display="enter"),
        Binding("f", "failed_only", "failed"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("e", "event", "event"),
        Binding("n", "older", "older"),
        Binding("p", "newer", "Newer", show=False),
        Binding("R", "redeliver", "redeliver"),
        Binding("t", "test", "test"),
        Binding("P", "pause", "Pause the webhook, or resume it", show=False),
        Binding("space", "freeze", "Freeze the list, and go on", show=False),
        Binding("y", "copy_id", "Copy the delivery id", show=False),
    ]

    def __init__(
        self, webhook: WebhookRow, rows: list[DeliveryRow], wanted: Wanted = queries.ALL
    ) -> None:
        """`wanted` is what the rows are: all of the latest, or the failed ones only."""
        super().__init__()
        self.webhook = webhook
        self.crumbs = ("Webhooks", name_of(webhook), "History")
        self._rows = rows
        self._answered = _Question(wanted)  # what the rows are the answer to
        self._only_failed = wanted == FAILED_ONLY
        self._event: EventType | None = None
        self._pages: list[int] = []  # the ids of the last rows of the pages before
        self._is_frozen = False
        self._rest: Timer | None = None  # until the cursor has stood still long enough

    def body(self) -> Iterable[Widget]:
        yield Static(id="modes", classes="said line")
        with Container(id="split"):
            yield Table(_COLUMNS)
            with Container(id="aside"):
                yield Static("── response ".ljust(200, "─"), id="line")
                yield Static(id="preview")
                yield Lines(id="beside")
        yield Static(id="none", classes="empty")
        yield from self.filter_row("part of an event or a response; esc ends")

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self.draw()
        self.watch_database(self._read)

    def is_live(self) -> bool:
        return not self._is_frozen

    def _question(self) -> _Question:
        statuses = UNDELIVERED if self._only_failed else frozenset[Status]()
        wanted = Wanted(statuses, self._event, self.query_one("#filter", Entry).value)
        return _Question(wanted, self._pages[-1] if self._pages else None)

    def _read(self) -> None:
        actor, webhook_id, asked = self.desk.actor, self.webhook.id, self._question()
        self.ask(
            lambda: (
                queries.webhook(actor, webhook_id),
                queries.deliveries(actor, webhook_id, wanted=asked.wanted, before=asked.before),
            ),
            lambda answer: self._arrived(asked, *answer),
        )

    def _arrived(self, asked: _Question, webhook: WebhookRow, rows: list[DeliveryRow]) -> None:
        """New rows come in above; the cursor stays where it was, and they are announced."""
        if asked != self._question():
            return  # the answer to what is no longer asked
        self.webhook = webhook
        table = self.query_one(Table)
        if asked == self._answered:
            known = {row.uuid for row in self._rows}
            new = sum(row.uuid not in known for row in rows)
            if new and table.cursor_row > 0:
                self.flash(f"{new} new, g to see")
        elif asked.before is not None and not rows:
            self._pages.pop()
            self.flash("There are no older ones.")
            return
        self._rows = rows
        self.draw()
        if asked != self._answered:
            self._answered = asked
            table.move_cursor(row=0, animate=False)

    def draw(self) -> None:
        with self.app.batch_update():
            self._draw()

    def _draw(self) -> None:
        table = self.query_one(Table)
        at_top = table.cursor_row == 0
        table.show([self._row(row) for row in self._rows])
        if at_top and self._rows:
            table.move_cursor(row=0, animate=False)
        self.query_one("#none", Static).update(untrusted_lines(self._why_none()))
        self.show_if(not self._rows, "#none")
        self.show_if(bool(self._rows), "#split")
        self.tell_found(len(self._rows))
        self._tell_modes()
        self._preview()

    def _why_none(self) -> list[str]:
        told = self._shown_only()
        if not told:
            return ["No deliveries yet. Press t to send a test."]
        return [f"No delivery is like that: {' · '.join(told)}.", "", "Press esc to see all again."]

    def _row(self, row: DeliveryRow) -> Row:
        told = of_delivery(row, self.desk.max_attempts)
        return Row(
            str(row.uuid),
            (
                cell(self.desk.moment(row.created_at)),
                cell(row.headline),
                cell(told.glyph, told.style),
                cell(told.words),
                cell(outcome_of(row)),
            ),
        )

    def _shown_only(self) -> list[str]:
        """What the filters let through, in words."""
        wanted = self._question().wanted
        told = ["failed only"] if wanted.statuses else []
        told += [str(wanted.event)] if wanted.event is not None else []
        return told + ([f'"{wanted.text}"'] if wanted.text else [])

    def _tell_modes(self) -> None:
        """On a line of their own, that no crumb can push out."""
        modes = self._shown_only()
        modes += [f"page {len(self._pages) + 1}"] if self._pages else []
        modes += ["FROZEN"] if self._is_frozen else []
        told = [f"Shown: {' · '.join(modes)}"] if modes else []
        if self.webhook.paused_at is not None:
            since = self.desk.moment(self.webhook.paused_at)
            told.append(f"Paused since {since}, {self.webhook.parked} parked; P resumes.")
        line = self.query_one("#modes", Static)
        line.update(untrusted(" · ".join(told), "bold"))
        self.show_if(bool(told), "#modes")
        self.tell_place()

    def tell_place(self) -> None:
        delivered = sum(row.status is Status.DELIVERED for row in self._rows)
        latest = f"{len(self._rows)} {'latest' if self._answered == _Question() else 'here'}"
        told = self.query_one(Table).place or latest
        manner = " · live" if self.is_live() else ""
        self.query_one(Crumbs).tell(
            self.crumbs,
            f"{told} · {delivered} delivered · {len(self._rows) - delivered} not{manner}",
        )

    @on(Table.RowHighlighted)
    def _preview(self) -> None:
        """Below the list what it means; beside it, where there is room, all of it."""
        row = self.chosen()
        if row is None:
            return
        if self.has_class("wide"):
            self._wait_for_rest()
        else:
            self._draw_preview(row)

    def _wait_for_rest(self) -> None:
        if self._rest is not None:
            self._rest.stop()
        self._rest = self.set_timer(_AT_REST, self._read_beside)

    def _read_beside(self) -> None:
        row, actor = self.chosen(), self.desk.actor
        if row is not None:
            self.ask(lambda: queries.delivery(actor, str(row.uuid)), self._draw_beside)

    def _draw_beside(self, detail: DeliveryDetail) -> None:
        row, lines = self.chosen(), self.query_one("#beside", Lines)
        if row is not None and row.uuid == detail.delivery.uuid:
            lines.draw(lambda *size: whole(detail, self.webhook, self.desk, *size))

    @on(events.Resize)
    def _draw_for_this_size(self) -> None:
        self.call_after_refresh(self._preview)

    def _draw_preview(self, row: DeliveryRow) -> None:
        preview = self.query_one("#preview", Static)
        told = explain(row, self.webhook, self.desk.timeout.total_seconds())
        lines = [f"Sent on purpose ({row.made_as}): nothing had happened."] if row.made_as else []
        lines += [told] if told else []
        if row.is_parked:
            lines.append("It is parked: the webhook is paused, and P resumes it.")
        elif row.next_attempt_at is not None:
            lines.append(self._next(row.next_attempt_at))
        shown = untrusted_lines([*lines, row.response or "(no response)"])
        if shown != preview.visual:
            preview.update(shown, layout=False)

    def _next(self, at: datetime) -> str:
        held_until = self.webhook.held_until
        if held_until is not None and held_until > max(at, self.desk.clock()):
            return f"The server asked for nothing more until {self.desk.time(held_until)}."
        if at <= self.desk.clock():
            return "It goes out now."
        return f"Next attempt at {self.desk.time(at)}."

    def chosen(self) -> DeliveryRow | None:
        key = self.query_one(Table).at_key
        return next((row for row in self._rows if str(row.uuid) == key), None)

    # Keys

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self._ask_anew()

    def _ask_anew(self) -> None:
        """Others are wanted, so the first page of them."""
        self._pages.clear()
        self._tell_modes()
        self._read()

    @on(Table.RowSelected)
    def action_detail(self) -> None:
        row = self.chosen()
        if row is not None:
            open_delivery(self, self.webhook, self._rows, row)

    def action_failed_only(self) -> None:
        self._only_failed = not self._only_failed
        self._ask_anew()

    def action_event(self) -> None:
        self._event = _EVENTS[(_EVENTS.index(self._event) + 1) % len(_EVENTS)]
        self._ask_anew()

    def action_back(self) -> None:
        """The first one ends what is filtered, the next one the history."""
        if not self._shown_only():
            super().action_back()
            return
        self._only_failed, self._event = False, None
        self.query_one("#filter", Entry).value = ""
        self._filter_done()
        self._ask_anew()

    def action_leave(self) -> None:
        self._app.back()

    @on(Table.PastEnd)
    def _turn_page(self, event: Table.PastEnd) -> None:
        if event.steps > 0:
            self.action_older()
        else:
            self.action_newer()

    def action_older(self) -> None:
        if len(self._rows) < HISTORY_LENGTH:
            self.flash("There are no older ones.")
        elif self._answered == self._question():  # else the page before has not come yet
            self._pages.append(self._rows[-1].id)
            self._read()

    def action_newer(self) -> None:
        if self._pages and self._answered == self._question():
            self._pages.pop()
            self._read()

    def action_freeze(self) -> None:
        self._is_frozen = not self._is_frozen
        self._tell_modes()

    def action_pause(self) -> None:
        pause_or_resume(self, self.webhook)

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
