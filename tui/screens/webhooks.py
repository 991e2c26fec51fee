"""The first screen: a business's webhooks and how each of them is."""

from collections.abc import Callable, Iterable
from datetime import timedelta

from rich.cells import cell_len, set_cell_size
from textual import events, on
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import Static

from core.domain.cleaning import clean
from core.domain.delivery import TOLD_BEFORE
from core.domain.editions import OPTION_PRICE
from core.domain.events import SELECTABLE
from core.use_cases import queries
from core.use_cases.queries import DeliveryDetail, DeliveryRow, WebhookRow
from core.use_cases.settings import keep_lost
from core.use_cases.webhook_health import Health, Overview, State, overview
from tui.desk import Place
from tui.failures import name_of, outcome_of, readable, titled
from tui.list_page import ListPage
from tui.page import BAD, GOOD, QUIET
from tui.pausing import pause_or_resume
from tui.ping import send_test
from tui.screens.catalogue import Sample
from tui.screens.check import CheckPage
from tui.screens.confirm import DeleteWebhook, RegenerateSecret
from tui.screens.delivery import DeliveryPage
from tui.screens.edit import EditWebhook, NewWebhook
from tui.screens.find import Find
from tui.screens.history import FAILED_ONLY, History
from tui.screens.recover import Recover
from tui.screens.settings import SettingsPage
from tui.screens.trail import Trail
from tui.untrusted import cell, shortened, untrusted
from tui.widgets.strip import strip
from tui.widgets.table import Column, Row, Table

_NARROW = 60
_STRIP = 12
_LEAST_SAID = 8  # cells of an answer that still tell something
_COLUMNS = (
    Column("STATE", 8),
    Column("URL", to_width=_NARROW - 1, middle=True),
    Column("URL", from_width=_NARROW, middle=True),
    Column("EVENTS", 6, from_width=_NARROW),
    Column("LAST", 13),
    Column("24 H", _STRIP, from_width=70),
)
_REFRESH = 30.0  # seconds until what only time changes is read again
_TICK_WITHIN = timedelta(minutes=2)
_STYLES = {State.OK: GOOD, State.FAILING: BAD, State.NEVER: QUIET, State.PAUSED: QUIET}


class Webhooks(ListPage):
    crumbs = ("Webhooks",)
    BINDINGS = [
        Binding("enter", "history", "open", key_display="⏎"),
        Binding("n", "new", "new"),
        Binding("e", "edit", "edit"),
        Binding("t", "test", "test"),
        Binding("h", "history", "history", show=False),
        Binding("s", "secret", "secret"),
        Binding("d", "delete", "delete"),
        Binding("slash", "filter", "Filter", show=False, key_display="/"),
        Binding("F", "find", "find"),
        Binding("q", "leave", "quit"),
        Binding("P", "pause", "Pause the webhook, or resume it", show=False),
        Binding("r", "recover", "Recover what was abandoned", show=False),
        Binding("V", "check", "Check that the server verifies", show=False),
        Binding("T", "sample", "Send a sample of an event", show=False),
        Binding("a", "trail", "Audit trail", show=False),
        Binding("comma", "settings", "Settings", show=False),
        Binding("b", "businesses", "Switch business", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._overview: Overview | None = None
        self._told = {"#banner": "", "#worst": ""}

    def body(self) -> Iterable[Widget]:
        yield Static(id="banner", classes="banner line")
        yield Table(_COLUMNS)
        yield Static(
            "No webhooks yet. Press n to create one.\n\n"
            "A webhook is an address of yours that AuraPOS calls when something happens:\n"
            "a ticket is validated, a customer changes, a product gets a new price.",
            classes="empty",
        )
        yield Static(id="worst", classes="said line")
        yield from self.filter_row("part of a URL; esc ends")

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        self._tell_what_was_lost()
        self._read()
        self.watch_database(self._read)
        self.set_interval(_REFRESH, self._read)
        self._open_place(self._app.take_place())

    def _open_place(self, place: Place) -> None:
        """Where the person asked to begin; q goes back to the list."""
        if place.find:
            self.app.push_screen(Find(place.find))
        elif place.delivery_id:
            self._open_delivery(place.delivery_id)
        elif place.webhook_id is not None:
            self._open_history(place.webhook_id, only_failed=place.only_failed)

    def _open_delivery(self, delivery_id: str) -> None:
        actor = self.desk.actor

        def read() -> tuple[WebhookRow, DeliveryDetail]:
            detail = queries.delivery(actor, delivery_id)
            return queries.webhook(actor, detail.delivery.webhook_id), detail

        def page(found: tuple[WebhookRow, DeliveryDetail]) -> DeliveryPage:
            webhook, detail = found
            return DeliveryPage(webhook, [str(detail.delivery.uuid)], detail)

        self.open(read, page)

    def _tell_what_was_lost(self) -> None:
        """With a session whose connection ended; told once."""
        lost, login = self._app.take_lost(), self.desk.actor.login
        if lost:
            self.flash(f"! {lost}", BAD)
            self.ask(lambda: keep_lost(login, ""), lambda _: None)

    def _read(self) -> None:
        actor, business_id, now = self.desk.actor, self._app.business_id, self.desk.clock()
        self.ask(
            lambda: (
                overview(actor, business_id, now),
                self.desk.key_trouble(business_id),
                self.desk.settings_trouble(),
            ),
            self._arrived,
        )

    def _arrived(self, answer: tuple[Overview, str, str]) -> None:
        found, key_trouble, settings_trouble = answer
        self._overview = found
        self._tell("#banner", self._banner(found, key_trouble, settings_trouble), BAD)
        self._tell("#worst", self._worst(found.worst) or self._paused(found.longest_paused))
        self.draw()

    def draw(self) -> None:
        all_rows = self._overview.webhooks if self._overview else ()
        shown = [each for each in all_rows if self._lets_through(each.webhook)]
        self.query_one(Table).show([self._row(each) for each in shown])
        self.tell_found(len(shown), len(all_rows))
        self.show_if(bool(all_rows), Table)
        self.show_if(not all_rows, ".empty")

    def _lets_through(self, webhook: WebhookRow) -> bool:
        known_as = titled(webhook), readable(webhook.url)
        return any(self.wanted in each.lower() for each in known_as)

    def _row(self, health: Health) -> Row:
        webhook = health.webhook
        return Row(
            str(webhook.id),
            (
                cell(health.state, _STYLES[health.state]),
                cell(webhook.choices.name or webhook.url.removeprefix("https://")),
                cell(titled(webhook)),
                cell(f"{len(webhook.events)}/{len(SELECTABLE)}"),
                cell(self._last(health.latest)),
                cell(strip(health.hours, _STRIP)),
            ),
        )

    def _last(self, latest: DeliveryRow | None) -> str:
        """What came back last, and when; a moment, since an age would change by itself."""
        if latest is None:
            return "–"
        at = latest.attempted_at or latest.created_at
        return f"{outcome_of(latest)} {self.desk.local(at):%H:%M}"

    def _tell(self, where: str, told: str, style: str = "") -> None:
        """Say it there, unless it is being said already."""
        if told != self._told[where]:
            self._told[where] = told
            line = self.query_one(where, Static)
            line.update(untrusted(told, style))
            line.display = bool(told)

    def _banner(self, found: Overview, key_trouble: str, settings_trouble: str) -> str:
        """What the person must know before anything else; the gravest only, on one line."""
        now = self.desk.clock()
        silent = found.last_tick is None or now - found.last_tick > _TICK_WITHIN
        failing = sum(each.state is State.FAILING for each in found.webhooks)
        if not found.is_included:
            return f"! Webhooks are off for this business: they are an option, {OPTION_PRICE}."
        if key_trouble:
            return key_trouble
        if silent and found.due_since is not None:
            return f"! Deliveries are waiting: is the worker running? {self.desk.worker_hint}"
        if silent and found.webhooks:
            return f"! No worker is running: {self.desk.worker_hint}"
        if failing:
            return f"! {failing} of {len(found.webhooks)} failing"
        return settings_trouble or self.desk.development

    def _worst(self, worst: Health | None) -> str:
        """One line: of what does not fit, it is the answer that is cut, never what is next."""
        if worst is None or worst.latest is None:
            return ""
        row, again, room = worst.latest, worst.next_attempt_at, self.size.width - 2
        failed = f": {worst.failed_in_a_row} failed"
        if room >= _NARROW:
            failed += f" in a row, {outcome_of(row)}"
        said = f' "{row.response}"' if row.response else f" ({row.detail})" if row.detail else ""
        then = f" · next try {self.desk.local(again):%H:%M}" if again is not None else ""
        held_until = worst.webhook.held_until
        if held_until is not None and held_until > self.desk.clock():
            then = f" · it asked to wait until {self.desk.local(held_until):%H:%M}"
        name = name_of(worst.webhook)
        room -= cell_len(failed + then)
        name = shortened(clean(name), room)
        said = _cut(clean(said), room - cell_len(name))
        hint = " · h history"
        told = f"{name}{failed}{said}{then}"
        return told + hint if cell_len(told + hint) <= self.size.width - 2 else told

    def _paused(self, webhook: WebhookRow | None) -> str:
        if webhook is None or webhook.paused_at is None:
            return ""
        told = f": paused since {self.desk.moment(webhook.paused_at)}, {webhook.parked} parked"
        if self._is_about_to_be_lost(webhook):
            told = f": {webhook.parked} parked, the oldest soon given up · P resumes"
        name = clean(name_of(webhook))
        return shortened(name, self.size.width - 2 - cell_len(told)) + told

    def _is_about_to_be_lost(self, webhook: WebhookRow) -> bool:
        since = webhook.parked_since
        return since is not None and since + self.desk.keep <= self.desk.clock() + TOLD_BEFORE

    @on(events.Resize)
    def _tell_worst_anew(self) -> None:
        if self._overview is not None:
            told = self._worst(self._overview.worst)
            self._tell("#worst", told or self._paused(self._overview.longest_paused))

    # Keys

    def action_test(self) -> None:
        self._with_chosen(lambda webhook: send_test(self, webhook.id, webhook.url, self.flash))

    def action_check(self) -> None:
        self._with_chosen(lambda webhook: self.app.push_screen(CheckPage(webhook)))

    def action_sample(self) -> None:
        self._with_chosen(lambda webhook: self.app.push_screen(Sample(webhook)))

    def action_new(self) -> None:
        if self.may_change():
            self.app.push_screen(NewWebhook())

    def action_edit(self) -> None:
        self._change_chosen(lambda webhook: self.app.push_screen(EditWebhook(webhook)))

    @on(Table.RowSelected)
    def action_history(self) -> None:
        self._with_chosen(lambda webhook: self._open_history(webhook.id))

    def _open_history(self, webhook_id: int, *, only_failed: bool = False) -> None:
        actor = self.desk.actor
        wanted = FAILED_ONLY if only_failed else queries.ALL

        def read() -> tuple[WebhookRow, list[DeliveryRow]]:
            return queries.webhook(actor, webhook_id), queries.deliveries(
                actor, webhook_id, wanted=wanted
            )

        self.open(read, lambda found: History(*found, wanted))

    def action_secret(self) -> None:
        self._change_chosen(lambda webhook: self.app.push_screen(RegenerateSecret(webhook)))

    def action_delete(self) -> None:
        self._change_chosen(lambda webhook: self.app.push_screen(DeleteWebhook(webhook)))

    def action_pause(self) -> None:
        self._with_chosen(lambda webhook: pause_or_resume(self, webhook))

    def action_recover(self) -> None:
        self._with_chosen(lambda webhook: self.app.push_screen(Recover(webhook)))

    def action_trail(self) -> None:
        self.app.push_screen(Trail())

    def action_settings(self) -> None:
        self.app.push_screen(SettingsPage())

    def action_businesses(self) -> None:
        self._app.switch_business()

    def action_leave(self) -> None:
        self._app.exit()

    def _change_chosen(self, then: Callable[[WebhookRow], object]) -> None:
        if self.may_change():
            self._with_chosen(then)

    def _with_chosen(self, then: Callable[[WebhookRow], object]) -> None:
        key = self.query_one(Table).at_key
        for each in self._overview.webhooks if self._overview else ():
            if str(each.webhook.id) == key:
                then(each.webhook)
                return
        self.flash("No webhook is chosen. Press n to create one.")


def _cut(text: str, room: int) -> str:
    """The text in so many cells, or nothing where only its first letters would be left."""
    if cell_len(text) <= room:
        return text
    return f"{set_cell_size(text, room - 2).rstrip()}…{text[-1]}" if room >= _LEAST_SAID else ""
