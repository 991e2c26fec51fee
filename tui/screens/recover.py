"""After an outage: everything that was abandoned, tested first and then sent again."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from textual import on
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from core.domain.language import N_
from core.use_cases import queries, services
from core.use_cases.deliveries import DeliveryRow, Redelivered
from core.use_cases.queries import WebhookRow, WentTo
from tui.failures import name_of, outcome_of, said_by
from tui.language import _, moment_width, ngettext, widest
from tui.page import GOOD, Page
from tui.ping import send_test
from tui.redelivering import await_outcomes
from tui.screens.delivery import open_delivery
from tui.untrusted import cell, untrusted
from tui.widgets.bars import Crumbs
from tui.widgets.table import Column, Row, Table

_SINCE = (
    (N_("{count} abandoned in the last hour"), timedelta(hours=1)),
    (N_("{count} abandoned in the last 24 hours"), timedelta(days=1)),
    (N_("{count} abandoned in the last 7 days"), timedelta(days=7)),
    (N_("{count} abandoned in the last 90 days"), timedelta(days=90)),
)
_FIRST_SINCE = 1
_PORTION = 20  # deliveries queued again between two words of progress


class Recover(Page):
    BINDINGS = [
        Binding("space", "choose", "toggle"),
        Binding("a", "all", "all"),
        Binding("s", "since", "since when"),
        Binding("t", "test", "test first"),
        Binding("R", "redeliver", "redeliver"),
        Binding("enter", "detail", "detail", key_display="enter"),
    ]

    def __init__(self, webhook: WebhookRow) -> None:
        super().__init__()
        self._webhook = webhook
        self._since = _FIRST_SINCE
        self._rows: list[DeliveryRow] = []
        self._chosen: set[str] = set()

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), name_of(self._webhook), _("Recover")

    def body(self) -> Iterable[Widget]:
        yield Static(id="counts", classes="said")
        yield Table(_columns())
        yield Static(
            _("Nothing was abandoned in that time. Press s to look further back."), classes="empty"
        )
        told = _("Press t to see whether the address answers now.")
        yield Static(told, id="now", classes="said")

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self._read()

    def _read(self) -> None:
        actor, webhook_id = self.desk.actor, self._webhook.id
        since = self.desk.clock() - _SINCE[self._since][1]
        self.ask(lambda: queries.abandoned(actor, webhook_id, since), self._arrived)

    def _arrived(self, rows: list[DeliveryRow]) -> None:
        self._rows = rows
        self._chosen = {str(row.uuid) for row in rows}
        self._draw()

    def _draw(self) -> None:
        self.query_one(Table).show([self._row(row) for row in self._rows])
        self.show_if(not self._rows, ".empty")
        self.show_if(bool(self._rows), Table)
        by_event = Counter(row.event for row in self._rows if str(row.uuid) in self._chosen)
        counts = " · ".join(f"{count} {event}" for event, count in sorted(by_event.items()))
        told = _("{count} of {of} chosen: {counts}") if counts else _("{count} of {of} chosen")
        told = told.format(count=len(self._chosen), of=len(self._rows), counts=counts)
        self.query_one("#counts", Static).update(untrusted(told))
        self.query_one(Crumbs).tell(
            self.crumbs, _(_SINCE[self._since][0]).format(count=len(self._rows))
        )

    def _row(self, row: DeliveryRow) -> Row:
        mark = "[x]" if str(row.uuid) in self._chosen else "[ ]"
        cells = (
            mark,
            self.desk.moment(row.created_at),
            row.event,
            f"{row.attempts}/{self.desk.max_attempts}",
            f"{outcome_of(row)} {said_by(row)}",
        )
        return Row(str(row.uuid), tuple(cell(text) for text in cells))

    def action_choose(self) -> None:
        key = self.query_one(Table).at_key
        if key is not None:
            self._chosen ^= {key}
            self._draw()

    def action_all(self) -> None:
        every = {str(row.uuid) for row in self._rows}
        self._chosen = set() if self._chosen == every else every
        self._draw()

    def action_since(self) -> None:
        self._since = (self._since + 1) % len(_SINCE)
        self._read()

    @on(Table.RowSelected)
    def action_detail(self) -> None:
        key = self.query_one(Table).at_key
        for row in self._rows:
            if str(row.uuid) == key:
                went = [WentTo(self._webhook, each) for each in self._rows]
                open_delivery(self, went, row)

    def action_test(self) -> None:
        send_test(self, self._webhook.id, self._webhook.url, self._say_now)

    def _say_now(self, told: str, style: str = "") -> None:
        self.query_one("#now", Static).update(untrusted(told, style))

    def action_redeliver(self) -> None:
        chosen = [str(row.uuid) for row in reversed(self._rows) if str(row.uuid) in self._chosen]
        if chosen:
            self._redeliver(chosen, [])
        else:
            self.flash(_("Nothing is chosen. Press a to choose all."))

    def _redeliver(self, uuids: list[str], done: list[Redelivered]) -> None:
        """A portion at a time, the oldest first, saying how far it is."""
        if len(done) == len(uuids):
            told = ngettext(
                "✓ {count} deliveries are queued again.",
                "✓ {count} deliveries are queued again.",
                len(uuids),
            )
            self.flash(told.format(count=len(uuids)), GOOD)
            if self._webhook.paused_at is None:
                await_outcomes(self, self._webhook, done)
            self._read()
            return
        desk, now = self.desk, self.desk.clock()
        portion = uuids[len(done) : len(done) + _PORTION]
        self.flash(_("Queueing again: {count} of {of} …").format(count=len(done), of=len(uuids)))

        def redeliver() -> list[Redelivered]:
            return [services.redeliver(desk.actor, uuid, now, wake=desk.wake) for uuid in portion]

        self.act(portion[0], redeliver, lambda more: self._redeliver(uuids, done + more))


def _columns() -> tuple[Column, ...]:
    tries = _("TRIES")
    return (
        Column("", 3),
        Column(_("DATE"), moment_width()),
        Column(_("EVENT"), 17),
        Column(tries, widest(5, [tries]), from_width=60),
        Column(_("WHY"), from_width=60),
    )
