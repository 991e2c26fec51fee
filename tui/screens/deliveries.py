"""Deliveries in a list, live: the 50 latest, older ones page by page, or those that match.

Whose they are, and how one of them stands in the list, its subclasses say.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual import events, on
from textual.binding import Binding
from textual.containers import Container
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.delivery import Status
from core.domain.events import EventType
from core.domain.language import N_
from core.use_cases import queries
from core.use_cases.deliveries import DeliveryRow
from core.use_cases.queries import (
    HISTORY_LENGTH,
    UNDELIVERED,
    DeliveryDetail,
    Horizon,
    Wanted,
    WebhookRow,
    WentTo,
)
from tui.delivery_text import whole
from tui.failures import explain
from tui.language import _, ngettext
from tui.list_page import ListPage
from tui.page import unless_gone
from tui.pausing import pause_or_resume
from tui.ping import send_test
from tui.reading import visible_text
from tui.redelivering import redeliver
from tui.screens.delivery import open_delivery
from tui.states import made_as
from tui.untrusted import untrusted, untrusted_lines
from tui.widgets.bars import Crumbs, Flash
from tui.widgets.entry import Entry
from tui.widgets.lines import Lines
from tui.widgets.table import Column, Row, Table

BECAME = 17  # cells of what became of a delivery
_EVENTS = tuple(EventType)

FAILED_ONLY = Wanted(UNDELIVERED)


@dataclass(frozen=True)
class Listed:
    """Deliveries, the newest first, and the webhooks they are for by id."""

    webhooks: Mapping[int, WebhookRow]
    rows: Sequence[DeliveryRow]
    searched_to: Horizon | None = None  # where the search for them ended before the history does
    pulse: object = None  # of the database, before they were read

    @property
    def has_older(self) -> bool:
        return len(self.rows) == HISTORY_LENGTH or self.searched_to is not None

    @property
    def next_before(self) -> int:
        """Where the next page begins."""
        if len(self.rows) < HISTORY_LENGTH and self.searched_to is not None:
            return self.searched_to.id + 1
        return self.rows[-1].id


@dataclass(frozen=True)
class Question:
    """What is asked of the database, and so what an answer answers."""

    wanted: Wanted = queries.ALL
    before: int | None = None  # the id of the last row of the page before


class Deliveries(ListPage):
    BINDINGS = [
        Binding("enter", "detail", "detail", key_display="enter"),
        Binding("f", "failed_only", "failed", tooltip=N_("Show only what failed, or all again")),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("e", "event", "event", tooltip=N_("Show one event only: the next one, then all")),
        Binding("n", "older", "older", tooltip=N_("Older")),
        Binding("p", "newer", "Newer", show=False),
        Binding("R", "redeliver", "redeliver"),
        Binding("t", "test", "test"),
        Binding("P", "pause", "Pause the webhook, or resume it", show=False),
        Binding("space", "freeze", "Freeze the list, and go on", show=False),
        Binding("i,y", "copy_id", "Copy the delivery id", show=False),
    ]

    def __init__(self, listed: Listed, wanted: Wanted = queries.ALL) -> None:
        """`wanted` is what is listed: all of the latest, or the failed ones only."""
        super().__init__()
        self.listed = listed
        self._answered = Question(wanted)  # what the rows are the answer to
        self._only_failed = wanted == FAILED_ONLY
        self._event: EventType | None = None
        self._pages: list[int] = []  # the ids of the last rows of the pages before
        self._is_frozen = False

    def columns(self) -> Sequence[Column]:
        raise NotImplementedError

    def read(self, asked: Question) -> Listed:
        """Called in a thread: see `ask`."""
        raise NotImplementedError

    def row(self, delivery: DeliveryRow) -> Row:
        """How it stands in the list, for `columns`."""
        raise NotImplementedError

    def why_none(self) -> str:
        """Why nothing is listed, where no filter keeps anything back."""
        return _("No deliveries yet. Press t to send a test.")

    def state(self) -> Iterable[str]:
        """What is to be known of whose deliveries they are, in sentences."""
        return ()

    def webhook_of(self, row: DeliveryRow) -> WebhookRow:
        return self.listed.webhooks[row.webhook_id]

    def body(self) -> Iterable[Widget]:
        yield Static(id="modes", classes="said line")
        with Container(id="split"):
            yield Table(self.columns())
            with Container(id="aside"):
                heading = _("response")
                yield Static(f"── {heading} ".ljust(200, "─"), id="line")
                yield Static(id="preview")
                yield Lines(id="beside")
        yield Static(id="none", classes="empty")
        yield from self.filter_row(_("part of an event or a response; esc ends"))

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self.draw()
        self.watch_database(self._read, self.listed.pulse)

    def is_live(self) -> bool:
        return not self._is_frozen

    def _question(self) -> Question:
        statuses = UNDELIVERED if self._only_failed else frozenset[Status]()
        wanted = Wanted(statuses, self._event, self.query_one("#filter", Entry).value)
        return Question(wanted, self._pages[-1] if self._pages else None)

    def _read(self) -> None:
        asked = self._question()
        self.ask_anew(lambda: self.read(asked), lambda listed: self._arrived(asked, listed))

    def _arrived(self, asked: Question, listed: Listed) -> None:
        """New rows come in above; the cursor stays where it was, and they are announced."""
        if asked != self._question():
            return  # the answer to what is no longer asked
        table = self.query_one(Table)
        if asked == self._answered:
            known = {row.uuid for row in self.listed.rows}
            new = sum(row.uuid not in known for row in listed.rows)
            if new and table.cursor_row > 0:
                told = ngettext("{count} new, g to see", "{count} new, g to see", new)
                self.query_one(Flash).say_aside(told.format(count=new))
        elif asked.before is not None and not (listed.rows or listed.has_older):
            self._pages.pop()
            self.flash(_("There are no older ones."))
            return
        self.listed = listed
        self.draw()
        if asked != self._answered:
            self._answered = asked
            table.move_cursor(row=0, animate=False)

    def draw(self) -> None:
        with self.app.batch_update():
            self._draw()

    def _draw(self) -> None:
        table, rows = self.query_one(Table), self.listed.rows
        at_top = table.cursor_row == 0
        table.show([self.row(row) for row in rows])
        if at_top and rows:
            table.move_cursor(row=0, animate=False)
        self.query_one("#none", Static).update(untrusted_lines(self._why_none()))
        self.show_if(not rows, "#none")
        self.show_if(bool(rows), "#split")
        self.tell_found(len(rows))
        self._tell_modes()
        self._preview()

    def _why_none(self) -> list[str]:
        told = self._shown_only()
        if not told:
            return [self.why_none()]
        why = _("No delivery is like that: {filters}.").format(filters=" · ".join(told))
        back_to = self.listed.searched_to
        if back_to is None:
            return [why, "", _("Press esc to see all again.")]
        until = self.desk.moment(back_to.at)
        looked_at = _("Only those since {moment} were looked at.").format(moment=until)
        return [why, looked_at, "", _("Press n to look further back.")]

    def _shown_only(self) -> list[str]:
        """What the filters let through, in words."""
        wanted = self._question().wanted
        told = [_("failed only")] if wanted.statuses else []
        told += [str(wanted.event)] if wanted.event is not None else []
        return told + ([f'"{wanted.text}"'] if wanted.text else [])

    def _tell_modes(self) -> None:
        """On a line of their own, that no crumb can push out."""
        modes = self._shown_only()
        modes += [_("page {number}").format(number=len(self._pages) + 1)] if self._pages else []
        if self.listed.rows and len(self.listed.rows) < HISTORY_LENGTH and self.listed.searched_to:
            until = self.desk.moment(self.listed.searched_to.at)
            modes.append(_("back to {moment}, n looks further").format(moment=until))
        modes += [_("FROZEN")] if self._is_frozen else []
        told = [_("Shown: {what}").format(what=" · ".join(modes))] if modes else []
        told += self.state()
        line = self.query_one("#modes", Static)
        line.update(untrusted(" · ".join(told), "bold"))
        self.show_if(bool(told), "#modes")
        self.tell_place()

    def tell_place(self) -> None:
        rows, count = self.listed.rows, len(self.listed.rows)
        delivered = sum(row.status is Status.DELIVERED for row in rows)
        latest = ngettext("{count} latest", "{count} latest", count)
        if self._answered != Question():
            latest = ngettext("{count} here", "{count} here", count)
        told = (
            self.query_one(Table).place or latest.format(count=count),
            ngettext("{count} delivered", "{count} delivered", delivered).format(count=delivered),
            _("{count} not").format(count=count - delivered),
            _("live") if self.is_live() else "",
        )
        self.query_one(Crumbs).tell(self.crumbs, " · ".join(filter(None, told)))

    @on(Table.RowHighlighted)
    def _preview(self) -> None:
        """Below the list what it means; beside it, where there is room, all of it."""
        row = self.chosen()
        if row is None:
            return
        if self.has_class("wide"):
            self.wait_for_rest(self._read_beside)
        else:
            self._draw_preview(row)

    def _read_beside(self) -> None:
        row, actor = self.chosen(), self.desk.actor
        if row is not None:
            delivery_id = str(row.uuid)
            self.ask(
                lambda: unless_gone(lambda: queries.delivery(actor, delivery_id)), self._draw_beside
            )

    def _draw_beside(self, detail: DeliveryDetail | None) -> None:
        row, lines = self.chosen(), self.query_one("#beside", Lines)
        if row is not None and detail is not None and row.uuid == detail.delivery.uuid:
            webhook = self.webhook_of(row)
            lines.draw(lambda *size: whole(detail, webhook, self.desk, *size))

    @on(events.Resize)
    def _draw_for_this_size(self) -> None:
        self.call_after_refresh(self._preview)

    def _draw_preview(self, row: DeliveryRow) -> None:
        preview = self.query_one("#preview", Static)
        webhook = self.webhook_of(row)
        told = explain(row, webhook, self.desk.timeout.total_seconds())
        lines = [told] if told else []
        if purpose := made_as(row):
            on_purpose = _("Sent on purpose ({purpose}): nothing had happened.")
            lines.insert(0, on_purpose.format(purpose=purpose))
        if row.is_parked:
            lines.append(_("It is parked: the webhook is paused, and P resumes it."))
        elif row.next_attempt_at is not None:
            lines.append(self._next(webhook, row.next_attempt_at))
        shown = untrusted_lines([*lines, visible_text(row.response) or _("(no response)")])
        if shown != preview.visual:
            preview.update(shown, layout=False)

    def _next(self, webhook: WebhookRow, at: datetime) -> str:
        held_until = webhook.held_until
        if held_until is not None and held_until > max(at, self.desk.clock()):
            told = _("The server asked for nothing more until {time}.")
            return told.format(time=self.desk.time(held_until))
        if at <= self.desk.clock():
            return _("It goes out now.")
        return _("Next attempt at {time}.").format(time=self.desk.time(at))

    def chosen(self) -> DeliveryRow | None:
        key = self.query_one(Table).at_key
        return next((row for row in self.listed.rows if str(row.uuid) == key), None)

    def chosen_webhook(self) -> WebhookRow | None:
        """That of the delivery under the cursor."""
        row = self.chosen()
        return self.webhook_of(row) if row is not None else None

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
            went = [WentTo(self.webhook_of(each), each) for each in self.listed.rows]
            open_delivery(self, went, row)

    def action_failed_only(self) -> None:
        self._only_failed = not self._only_failed
        self._ask_anew()

    def action_event(self) -> None:
        """To the next event that was delivered lately; behind the last one are all of them."""
        actor, business_id = self.desk.actor, self._app.business_id
        webhook_ids = list(self.listed.webhooks)
        self.ask(
            lambda: queries.recent_events(actor, business_id, webhook_ids), self._go_to_the_next
        )

    def _go_to_the_next(self, known: Sequence[EventType]) -> None:
        at = -1 if self._event is None else _EVENTS.index(self._event)
        self._event = next((event for event in known if _EVENTS.index(event) > at), None)
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

    @on(Table.PastEnd)
    def _turn_page(self, event: Table.PastEnd) -> None:
        if event.steps > 0:
            self.action_older()
        else:
            self.action_newer()

    def action_older(self) -> None:
        if not self.listed.has_older:
            self.flash(_("There are no older ones."))
        elif self._answered == self._question():  # else the page before has not come yet
            self._pages.append(self.listed.next_before)
            self._read()

    def action_newer(self) -> None:
        if self._pages and self._answered == self._question():
            self._pages.pop()
            self._read()

    def action_freeze(self) -> None:
        self._is_frozen = not self._is_frozen
        self._tell_modes()

    def action_pause(self) -> None:
        webhook = self.chosen_webhook()
        if webhook is not None:
            pause_or_resume(self, webhook)

    def action_redeliver(self) -> None:
        row = self.chosen()
        if row is not None:
            redeliver(self, row)

    def action_test(self) -> None:
        webhook = self.chosen_webhook()
        if webhook is not None:
            send_test(self, webhook.id, webhook.url, self.flash)

    def action_copy_id(self) -> None:
        row = self.chosen()
        if row is not None:
            self._app.send_to_clipboard(str(row.uuid))
            self.flash(_("The delivery id was sent to your terminal's clipboard."))
