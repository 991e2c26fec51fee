"""The first screen: a business's webhooks and how each of them is."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from textual import events, on
from textual.binding import Binding
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from core.domain.language import N_
from core.use_cases import queries
from core.use_cases.queries import DeliveryDetail, WebhookRow, WentTo
from core.use_cases.settings import keep_lost
from core.use_cases.webhook_health import Details, Health, Overview, details, overview, pulse
from tui.card import card
from tui.desk import Desk, Place
from tui.failures import name_of, readable, titled
from tui.first_steps import before_the_first, in_lines
from tui.just_now import just_now
from tui.language import _, widest
from tui.list_page import ListPage
from tui.page import BAD, LOW, WIDE, unless_gone
from tui.pausing import pause_or_resume
from tui.ping import send_test
from tui.screens.activity import Activity, activity_of
from tui.screens.catalogue import Sample
from tui.screens.check import CheckPage
from tui.screens.confirm import DeleteWebhook, RegenerateSecret
from tui.screens.deliveries import FAILED_ONLY, Question
from tui.screens.delivery import DeliveryPage
from tui.screens.edit import EditWebhook, NewWebhook
from tui.screens.find import Find
from tui.screens.history import History, history_of
from tui.screens.recover import Recover
from tui.screens.settings import SettingsPage
from tui.screens.trail import Trail
from tui.states import longest_states, of_webhook
from tui.summary import summary
from tui.untrusted import cell, shortened
from tui.widgets.bars import Keys
from tui.widgets.chart import strip
from tui.widgets.lines import Lines
from tui.widgets.table import Column, Row, Table

_STRIP = 12  # cells of the day, and of the state
_STATE = 16
_EMPTY = N_(
    "No webhooks yet. Press n to create one.\n\n"
    "A webhook is an address of yours that AuraPOS calls when something happens:\n"
    "a ticket is validated, a customer changes, a product gets a new price."
)
_REFRESH = 30.0  # seconds until what only time changes is read again
_CARD_LEAST = 7  # rows that a long list leaves to the card, with the line between them
_AROUND = 5  # rows above the list and below it


class Webhooks(ListPage):
    BINDINGS = [
        Binding("enter", "history", "open", key_display="enter"),
        Binding("n", "new", "new"),
        Binding("e", "edit", "edit"),
        Binding("t", "test", "test"),
        Binding("h", "history", "history", show=False),
        Binding("P", "pause", "pause", tooltip=N_("Pause the webhook, or resume it")),
        Binding("a", "activity", "activity", tooltip=N_("What all webhooks were sent")),
        Binding("s", "secret", "New secret", show=False),
        Binding("d", "delete", "Delete", show=False),
        Binding("slash", "filter", "Filter", show=False, key_display="/"),
        Binding("F", "find", "find", tooltip=N_("Find a ticket")),
        Binding("q", "leave", "quit"),
        Binding("r", "recover", "Recover what was abandoned", show=False),
        Binding("V", "check", "Check that the server verifies", show=False),
        Binding("T", "sample", "Send a sample of an event", show=False),
        Binding("A", "trail", "Audit trail", show=False),
        Binding("comma", "settings", "Settings", show=False),
        Binding("b", "businesses", "Switch business", show=False),
    ]

    def __init__(self, look: "Look | None") -> None:
        """With what was seen at the first look; None where the database did not answer then."""
        super().__init__()
        self._seen = look
        self._sentence = Content("")

    @property
    def crumbs(self) -> tuple[str, ...]:
        return (_("Webhooks"),)

    def body(self) -> Iterable[Widget]:
        yield Static(id="sentence", classes="line")
        with Container(id="panes"):
            with Vertical(id="list"):
                yield Table(_columns())
                yield Lines(id="just-now")
            yield Lines(id="card")
        yield Static(
            Content("\n").join(
                [Content(_(_EMPTY)), Content(""), *in_lines(before_the_first(), WIDE)]
            ),
            classes="empty",
        )
        yield from self.filter_row(_("part of a name or a URL; esc ends"))

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.focus()
        self._tell_what_was_lost()
        if self._seen is not None:
            self._draw_all(self._seen)
            table.begin_at = self._seen.gravest
        else:
            self._read()
        self.watch_database(self._read, self._seen and self._seen.pulse)
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
        elif place.activity:
            self.action_activity()

    def _open_delivery(self, delivery_id: str) -> None:
        actor = self.desk.actor

        def read() -> tuple[WebhookRow, DeliveryDetail]:
            detail = queries.delivery(actor, delivery_id)
            return queries.webhook(actor, detail.delivery.webhook_id), detail

        def page(found: tuple[WebhookRow, DeliveryDetail]) -> DeliveryPage:
            webhook, detail = found
            return DeliveryPage([WentTo(webhook, detail.delivery)], detail)

        self.open(read, page)

    def _tell_what_was_lost(self) -> None:
        """With a session whose connection ended; told once."""
        lost, login = self._app.take_lost(), self.desk.actor.login
        if lost:
            self.flash(f"! {lost}", BAD)
            self.ask(lambda: keep_lost(login, ""), lambda __: None)

    def _read(self) -> None:
        desk, business_id, chosen = self.desk, self._app.business_id, self._chosen()
        at = chosen.webhook.id if chosen is not None else None
        self.ask_anew(lambda: look_at(desk, business_id, at), self._draw_all)

    def _draw_all(self, look: "Look") -> None:
        self._seen = look
        self._tell_sentence(
            summary(look.overview, look.key_trouble, look.settings_trouble, self.desk)
        )
        self.draw()
        self._draw_beside()

    def draw(self) -> None:
        all_rows = self._seen.overview.webhooks if self._seen is not None else ()
        shown = [each for each in all_rows if self._lets_through(each.webhook)]
        table = self.query_one(Table)
        table.fit(len(shown), self._room_for_the_list())
        table.show([self._row(each) for each in shown])
        self.tell_found(len(shown), len(all_rows))
        self.show_if(bool(all_rows), "#panes")
        self.show_if(not all_rows, ".empty")

    def _room_for_the_list(self) -> int:
        """Rows, of which a long list leaves some to what is below it."""
        columns, rows = self.app.size
        if columns >= WIDE:
            return (rows - _AROUND) * 3 // 5
        return rows - _AROUND - (_CARD_LEAST if rows >= LOW else 0)

    def _lets_through(self, webhook: WebhookRow) -> bool:
        known_as = titled(webhook), readable(webhook.url)
        return any(self.wanted in each.lower() for each in known_as)

    def _row(self, health: Health) -> Row:
        told = of_webhook(health)
        day = strip(health.hours, _STRIP)
        return Row(
            str(health.webhook.id),
            (cell(told.glyph, told.style), cell(name_of(health.webhook)), cell(told.words), day),
        )

    def _tell_sentence(self, told: Content) -> None:
        """Say it there, unless it is being said already."""
        if not told.is_same(self._sentence):
            self._sentence = told
            self.query_one("#sentence", Static).update(told, layout=False)

    # The card, and what happens

    @on(Table.RowHighlighted)
    def _chosen_another(self) -> None:
        self.wait_for_rest(self._read_details)

    def _read_details(self) -> None:
        chosen, actor = self._chosen(), self.desk.actor
        if chosen is not None:
            webhook_id = chosen.webhook.id
            self.ask(lambda: unless_gone(lambda: details(actor, webhook_id)), self._draw_details)

    def _draw_details(self, known: Details | None) -> None:
        if self._seen is not None and known is not None:
            self._seen = replace(self._seen, known=known)
            self._draw_beside()

    def _draw_beside(self) -> None:
        """The card of the webhook under the cursor, once it is known; what happens; what P does."""
        look, chosen, desk = self._seen, self._chosen(), self.desk
        if look is None:
            return
        is_paused = chosen is not None and chosen.webhook.paused_at is not None
        self.query_one(Keys).tell("pause", _("resume") if is_paused else _("pause"))
        self.query_one("#just-now", Lines).draw(lambda *size: just_now(look.overview, desk, *size))
        known = look.known
        if chosen is not None and known is not None and known.webhook_id == chosen.webhook.id:
            self.query_one("#card", Lines).draw(lambda *size: card(chosen, known, desk, *size))

    @on(events.Resize)
    def _fit_the_list(self) -> None:
        self.draw()

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
        actor, wanted = self.desk.actor, FAILED_ONLY if only_failed else queries.ALL
        self.open(
            lambda: history_of(actor, webhook_id, Question(wanted)),
            lambda listed: History(webhook_id, listed, wanted),
        )

    def action_activity(self) -> None:
        actor, business_id = self.desk.actor, self._app.business_id
        self.open(lambda: activity_of(actor, business_id, Question()), Activity)

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

    def _change_chosen(self, then: Callable[[WebhookRow], object]) -> None:
        if self.may_change():
            self._with_chosen(then)

    def _with_chosen(self, then: Callable[[WebhookRow], object]) -> None:
        health = self._chosen()
        if health is not None:
            then(health.webhook)
        else:
            self.flash(_("No webhook is chosen. Press n to create one."))

    def _chosen(self) -> Health | None:
        key = self.query_one(Table).at_key
        known = self._seen.overview.webhooks if self._seen is not None else ()
        return next((each for each in known if str(each.webhook.id) == key), None)


def _columns() -> tuple[Column, ...]:
    return (
        Column("", 1),
        Column(_("WEBHOOK"), cut=shortened),
        Column(_("STATE"), widest(_STATE, longest_states()), from_width=50),
        Column(_("24 H"), _STRIP, from_width=50),
    )


@dataclass(frozen=True)
class Look:
    """What is to be seen on the first screen."""

    pulse: object  # of the database, before it was read
    overview: Overview
    key_trouble: str
    settings_trouble: str
    known: Details | None  # of one webhook

    @property
    def gravest(self) -> str:
        """The key of the row at which to begin."""
        worst = self.overview.worst
        return str(worst.webhook.id) if worst is not None else ""


def look_at(desk: Desk, business_id: int, at: int | None = None) -> Look:
    """With the details of the webhook `at`; where it is not there, of the one to begin at."""
    seen = pulse()
    found = overview(desk.actor, business_id, desk.clock())
    ids = [each.webhook.id for each in found.webhooks]
    if at not in ids:
        at = found.worst.webhook.id if found.worst is not None else next(iter(ids), None)
    known = unless_gone(lambda: details(desk.actor, at)) if at is not None else None
    return Look(seen, found, desk.key_trouble(business_id), desk.settings_trouble(), known)
