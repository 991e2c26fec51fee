"""The first screen: a business's webhooks and how each of them is."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from textual import on
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import DataTable, Input, Static

from core import queries, services
from core.delivery import Status
from core.events import SELECTABLE
from core.health import Health, Overview, State, overview, pulse
from core.queries import DeliveryRow, WebhookRow
from tui.page import BAD, GOOD, QUIET, Page
from tui.screens.confirm import DeleteWebhook, RegenerateSecret
from tui.screens.edit import EditWebhook, NewWebhook
from tui.screens.history import History
from tui.screens.recover import Recover
from tui.screens.trail import Trail
from tui.untrusted import cell, untrusted
from tui.widgets.strip import strip
from tui.widgets.table import Column, Row, Table
from tui.words import host_of, outcome_of

_STRIP = 12
_COLUMNS = (
    Column("STATE", 8),
    Column("URL"),
    Column("EVENTS", 6),
    Column("LAST", 13),
    Column("24 H", _STRIP),
)
_POLL = 1.0  # seconds between two looks whether anything changed
_REFRESH = 30.0  # seconds until what only time changes is read again
_TICK_WITHIN = timedelta(minutes=2)
_TEST_PATIENCE = 20  # looks until a test that has not been answered is given up on
_STYLES = {State.OK: GOOD, State.FAILING: BAD, State.NEVER: QUIET}


class Webhooks(Page):
    crumbs = ("Webhooks",)
    BINDINGS = [
        Binding("enter", "history", "open", key_display="⏎"),
        Binding("n", "new", "new"),
        Binding("e", "edit", "edit"),
        Binding("t", "test", "test"),
        Binding("h", "history", "history"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("s", "secret", "secret"),
        Binding("d", "delete", "delete"),
        Binding("r", "recover", "Recover what was abandoned", show=False),
        Binding("a", "trail", "Audit trail", show=False),
        Binding("b", "businesses", "Switch business", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._overview: Overview | None = None
        self._pulse: object = None
        self._looking = False
        self._looks_left: dict[int, int] = {}  # for a test's answer, by its event
        self._told = {"#banner": "", "#worst": ""}

    def body(self) -> Iterable[Widget]:
        yield Static(id="banner", classes="banner")
        yield Table(_COLUMNS)
        yield Static("No webhooks yet. Press n to create one.", classes="empty")
        yield Static(id="worst", classes="said")
        yield Input(placeholder="part of a URL; esc ends", id="filter", compact=True)

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self.query_one("#banner").display = self.query_one("#worst").display = False
        self._read()
        self.set_interval(_POLL, self._look)
        self.set_interval(_REFRESH, self._read)

    def on_screen_resume(self) -> None:
        if self._overview is not None:
            self._read()

    # Reading

    def _look(self) -> None:
        """Read again if anything has changed; quietly skipped while a look is under way."""
        if self._looking or self._app.screen is not self:
            return
        self._looking = True
        self.ask(pulse, self._seen)

    def _seen(self, seen: object) -> None:
        self._looking = False
        if seen != self._pulse:
            self._pulse = seen
            self._read()

    def _read(self) -> None:
        business_id, now = self._app.business_id, self.desk.clock()
        self.ask(lambda: overview(self.desk.actor, business_id, now), self._draw)

    def _draw(self, found: Overview) -> None:
        self._overview = found
        self._draw_table()
        self._tell("#banner", " ".join([*self._worker_warning(found), *self.desk.warnings]), BAD)
        self._tell("#worst", self._worst(found.worst))

    def _draw_table(self) -> None:
        wanted = self.query_one("#filter", Input).value.lower()
        all_rows = self._overview.webhooks if self._overview else ()
        shown = [each for each in all_rows if wanted in each.webhook.url.lower()]
        table = self.query_one(Table)
        table.show([self._row(each) for each in shown])
        empty = self.query_one(".empty")
        if empty.display == bool(all_rows):
            empty.display = not all_rows
            table.display = bool(all_rows)

    def _row(self, health: Health) -> Row:
        webhook = health.webhook
        return Row(
            str(webhook.id),
            (
                cell(health.state, _STYLES[health.state]),
                cell(webhook.url),
                cell(f"{len(webhook.events)}/{len(SELECTABLE)}"),
                cell(self._last(health.latest)),
                cell(strip(health.hours, _STRIP)),
            ),
        )

    def _last(self, latest: DeliveryRow | None) -> str:
        """What came back last, and when; a moment, since an age would change by itself."""
        if latest is None:
            return "–"
        return f"{outcome_of(latest)} {self.desk.local(latest.created_at):%H:%M}"

    def _tell(self, where: str, told: str, style: str = "") -> None:
        """Say it there, unless it is being said already."""
        if told != self._told[where]:
            self._told[where] = told
            line = self.query_one(where, Static)
            line.update(untrusted(told, style))
            line.display = bool(told)

    def _worker_warning(self, found: Overview) -> list[str]:
        now = self.desk.clock()
        silent = found.last_tick is None or now - found.last_tick > _TICK_WITHIN
        if silent and found.due_since is not None:
            return ["! Deliveries are waiting: is the worker running?"]
        if silent and found.webhooks:
            return ["! No worker has been seen for 2 minutes: is it running?"]
        return []

    def _worst(self, worst: Health | None) -> str:
        if worst is None or worst.latest is None:
            return ""
        row = worst.latest
        said = f' "{row.response[:24]}"' if row.response else f" ({row.detail[:24]})"
        again = worst.next_attempt_at
        then = f" · next try {self.desk.time(again)}" if again is not None else ""
        return (
            f"{host_of(worst.webhook.url)}: {worst.failed_in_a_row} failed in a row, "
            f"{outcome_of(row)}{said}{then} · h history"
        )

    # Send test, with its answer on the flash line

    def action_test(self) -> None:
        self._with_chosen(self._test)

    def _test(self, webhook: WebhookRow) -> None:
        desk, now = self.desk, self.desk.clock()
        self.flash(f"Sending a test to {host_of(webhook.url)} …")
        self.act(
            lambda: services.send_test(desk.actor, webhook.id, now, wake=desk.wake),
            lambda event_id: self._await_test(webhook.id, event_id),
        )

    def _await_test(self, webhook_id: int, event_id: int) -> None:
        self._looks_left[event_id] = _TEST_PATIENCE
        self._ask_test(webhook_id, event_id)

    def _ask_test(self, webhook_id: int, event_id: int) -> None:
        self.ask(
            lambda: queries.delivery_of_event(self.desk.actor, webhook_id, event_id),
            lambda row: self._tell_test(webhook_id, event_id, row),
        )

    def _tell_test(self, webhook_id: int, event_id: int, row: DeliveryRow | None) -> None:
        if row is not None and outcome_of(row) != "–":
            self._looks_left.pop(event_id, None)
            good = row.status is Status.DELIVERED
            said = row.response or row.detail
            verdict = "✓ test delivered" if good else "✗ test failed"
            self.flash(f"{verdict}: {outcome_of(row)} {said}", GOOD if good else BAD)
            return
        self._looks_left[event_id] -= 1
        if self._looks_left[event_id] > 0:
            self.set_timer(_POLL / 2, lambda: self._ask_test(webhook_id, event_id))
        else:
            self.flash("The test is still waiting: is the worker running? It stays queued.", BAD)

    # Where to from here

    def action_new(self) -> None:
        self.app.push_screen(NewWebhook())

    def action_edit(self) -> None:
        self._with_chosen(lambda webhook: self.app.push_screen(EditWebhook(webhook)))

    def action_history(self) -> None:
        self._with_chosen(lambda webhook: self.app.push_screen(History(webhook)))

    def action_secret(self) -> None:
        self._with_chosen(lambda webhook: self.app.push_screen(RegenerateSecret(webhook)))

    def action_delete(self) -> None:
        self._with_chosen(lambda webhook: self.app.push_screen(DeleteWebhook(webhook)))

    def action_recover(self) -> None:
        self._with_chosen(lambda webhook: self.app.push_screen(Recover(webhook)))

    def action_trail(self) -> None:
        self.app.push_screen(Trail())

    def action_businesses(self) -> None:
        self._app.switch_business()

    @on(DataTable.RowSelected)
    def _opened(self) -> None:
        self.action_history()

    def action_filter(self) -> None:
        entry = self.query_one("#filter", Input)
        entry.display = True
        entry.focus()

    @on(Input.Changed, "#filter")
    def _filtered(self) -> None:
        self._draw_table()

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

    def _with_chosen(self, then: Callable[[WebhookRow], object]) -> None:
        key = self.query_one(Table).at_key
        for each in self._overview.webhooks if self._overview else ():
            if str(each.webhook.id) == key:
                then(each.webhook)
                return
        self.flash("No webhook is chosen. Press n to create one.")
