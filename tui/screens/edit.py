"""Create and edit: a URL that is checked as it is typed, and the seven events."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.catalogue import paths
from core.domain.choices import AS_IT_COMES, Choices, Format
from core.domain.conditions import parse_conditions
from core.domain.events import MEANINGS, SELECTABLE, EventType
from core.domain.hosts import host_of
from core.domain.receivers import advice_before, known_receiver
from core.domain.url_policy import URL_LIMIT, Target
from core.errors import BadInput, BlockedUrl, Changed, WebhooksError
from core.use_cases import services
from core.use_cases.queries import WebhookRow
from core.use_cases.services import NewWebhook as Created
from core.use_cases.trials import kept_back, try_conditions
from tui.failures import name_of
from tui.language import _, in_words, ngettext
from tui.page import BAD, GOOD, Page
from tui.screens.catalogue import Catalogue
from tui.screens.more import More, Typed, typed_of
from tui.screens.secret import ShownSecret
from tui.session import AtStake
from tui.untrusted import cell, untrusted
from tui.widgets.bars import BELGIAN
from tui.widgets.entry import Entry
from tui.widgets.table import Column, Row, Table

_MOMENT = 0.3  # seconds
_A_DAY = timedelta(days=1)
_SCHEME = "https://"
_NAME_WIDTH = max(map(len, SELECTABLE)) + 2


class Events(Table):
    """The seven events, toggled with space or by their number; enter goes on, as in a field."""

    BINDINGS = [
        Binding("space", "mark", "Toggle"),
        Binding("enter", "app.focus_next", "Next"),
        Binding("a", "all", "All events"),
        Binding("i", "invert", "Invert the selection"),
        Binding("w", "what", "What is in it"),
        *[
            Binding(str(number), f"mark_number({number - 1})", "Toggle by number")
            for number in range(1, len(SELECTABLE) + 1)
        ],
        *[Binding(key, f"mark_number({at})", show=False) for at, key in enumerate(BELGIAN)],
    ]

    class Changed(Message):
        """Others are selected now."""

    def __init__(self, selected: Iterable[EventType]) -> None:
        super().__init__((Column("EVENT"),), show_header=False)
        self._selected = set(selected)

    @property
    def selected(self) -> tuple[EventType, ...]:
        """In the order of the product's page."""
        return tuple(event for event in SELECTABLE if event in self._selected)

    def on_mount(self) -> None:
        self._draw()

    def _draw(self) -> None:
        self.show([self._row(at, event) for at, event in enumerate(SELECTABLE, start=1)])
        self.post_message(self.Changed())

    def _row(self, number: int, event: EventType) -> Row:
        mark = "[x]" if event in self._selected else "[ ]"
        meaning = _(MEANINGS[event])
        return Row(event, (cell(f"{mark} {number} {event:<{_NAME_WIDTH}}{meaning}"),))

    def action_mark(self) -> None:
        self.action_mark_number(self.cursor_row)

    def action_mark_number(self, index: int) -> None:
        self._selected ^= {SELECTABLE[index]}
        self._draw()

    def action_all(self) -> None:
        self._selected = set(SELECTABLE)
        self._draw()

    def action_invert(self) -> None:
        self._selected ^= set(SELECTABLE)
        self._draw()

    def action_what(self) -> None:
        self.app.push_screen(Catalogue(SELECTABLE[self.cursor_row]))

    @on(Table.RowSelected)
    def _clicked(self) -> None:
        self.action_mark()


class _Form(Page):
    BINDINGS = [
        Binding("ctrl+s", "save", "save", key_display="^s"),
        Binding("tab", "app.focus_next", "next"),
        Binding("q,escape", "back", "back", key_display="esc"),
    ]

    def __init__(self, url: str, events: Iterable[EventType], choices: Choices) -> None:
        super().__init__()
        self._url = url
        self._events = tuple(events)
        self._typed = typed_of(choices)
        self._trial: Timer | None = None

    def body(self) -> Iterable[Widget]:
        with Horizontal(classes="field"):
            yield Static(_("URL"), classes="label")
            yield Entry(
                self._url,
                placeholder="https://example.com/webhooks",
                max_length=URL_LIMIT,
                id="url",
            )
            yield Static(id="tick")
        yield Static(id="verdict")
        with Horizontal(classes="field gap"):
            yield Static(_("Events"), classes="label")
            yield Static(id="count", classes="line")
        yield Events(self._events)
        yield More(self._typed)

    def on_mount(self) -> None:
        self.query_one("#url").focus()
        self._judge()

    @on(More.Changed)
    def _chosen_anew(self) -> None:
        self._judge()
        self._try_conditions_soon()

    def _try_conditions_soon(self) -> None:
        """Once nothing was typed for a moment, since many payloads are read for it."""
        if self._trial is not None:
            self._trial.stop()
        self._trial = self.set_timer(_MOMENT, self._try_conditions)

    def _try_conditions(self) -> None:
        more, events = self.query_one(More), self.query_one(Events).selected
        only = more.typed.conditions
        try:
            parse_conditions(only)
        except BadInput as error:
            more.tell_of_conditions(f"! {in_words(error)}", BAD)
            return
        if not only:
            more.tell_of_conditions("")
            return

        def tell(told: str) -> None:
            if more.typed.conditions == only:
                more.tell_of_conditions(told)

        self.ask(lambda: self.conditions_told(events, only), tell)

    def conditions_told(self, events: Sequence[EventType], only: Sequence[str]) -> str:
        """What these conditions would have done, asked of the database."""
        trial = try_conditions(self.desk.actor, self._app.business_id, events, only)
        are_tickets = all(each.startswith("ticket.") for each in events)
        if not trial.events and are_tickets:
            return _("There are no tickets yet to try this on.")
        if not trial.events:
            return _("There are no events yet to try this on.")
        told = _("Of your last {of} events, {count} would have gone")
        if are_tickets:
            told = _("Of your last {of} tickets, {count} would have gone")
        return told.format(of=trial.events, count=trial.would_have_gone)

    @on(Input.Changed, "#url")
    def _judge(self) -> None:
        """Say at every key what the URL would be as it stands."""
        self.something_changed()
        text = self.query_one("#url", Entry).value
        if not text:
            self._tell("", _("The address AuraPOS should call. It must be https and public."), "")
            return
        try:
            target = self.desk.policy.check_url(self._address())
        except BlockedUrl as error:
            self._tell("!", f"! {in_words(error)}", BAD)
            return
        self.suggest_format(target.url)
        verdict = self._verdict(text, target)
        if known := advice_before(target.url, self.query_one(More).typed.format, _):
            verdict = f"{verdict}. {known}"
        self._tell("✓", verdict, GOOD)

    def _verdict(self, text: str, target: Target) -> str:
        """What a URL is that may be called, and what becomes of it."""
        if self._address() != text:
            told = _("ok: with {scheme} in front, which enter or ^s puts there")
            return told.format(scheme=_SCHEME)
        verdict = _("ok: https, public")
        if self.desk.development:
            verdict = _("ok: {scheme}, with development settings").format(scheme=target.scheme)
        if target.url == text:
            return verdict
        return _("{verdict}, stored as {url}").format(verdict=verdict, url=target.url)

    def suggest_format(self, url: str) -> None:
        """Of one that is there already, the format is its owner's affair."""

    def _address(self) -> str:
        """What was typed, with `https://` before it where nothing else is missing."""
        text = self.query_one("#url", Entry).value
        completed = f"{_SCHEME}{text}"
        return completed if text and self.desk.policy.accepts(completed) else text

    def _tell(self, tick: str, verdict: str, style: str) -> None:
        self.query_one("#tick", Static).update(untrusted(tick, style))
        self.query_one("#verdict", Static).update(untrusted(verdict, style))

    @on(Events.Changed)
    def _count(self) -> None:
        self.something_changed()
        self.query_one(More).offer(paths(self.query_one(Events).selected))
        self._try_conditions_soon()
        count = len(self.query_one(Events).selected)
        keys = _("space or 1-7 toggles   a all   i invert   w what is in it")
        told = _("{count} of {of}").format(count=count, of=len(SELECTABLE))
        self.query_one("#count", Static).update(Content(f"{told}    {keys}"))

    @on(Input.Submitted, "#url")
    def _next(self) -> None:
        self._complete()
        self.query_one(Events).focus()

    def _complete(self) -> str:
        """Put into the field what it was said to become, and return it."""
        address = self.query_one("#url", Entry).value = self._address()
        return address

    def at_stake(self) -> AtStake | None:
        if not self._is_changed():
            return None
        name = self.crumbs[1]
        return AtStake(
            _("Unsaved changes: ^s saves them."),
            _(
                "The connection ended before your changes were saved ({name}): make them again."
            ).format(name=name),
        )

    def _is_changed(self) -> bool:
        now = self.query_one("#url", Entry).value, self.query_one(Events).selected
        return (*now, self.query_one(More).typed) != (self._url, self._events, self._typed)


class NewWebhook(_Form):
    """Asks for a URL and events; the secret is shown on the screen that follows."""

    def __init__(self) -> None:
        super().__init__("", SELECTABLE, AS_IT_COMES)

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), _("New")

    def suggest_format(self, url: str) -> None:
        receiver = known_receiver(url)
        is_chat = receiver is not None and receiver.takes_chat
        self.query_one(More).suggest(Format.CHAT if is_chat else Format.JSON)

    def action_save(self) -> None:
        desk, business_id = self.desk, self._app.business_id
        url, events = self._complete(), self.query_one(Events).selected
        typed, before = self.query_one(More).typed, self._typed
        now = desk.clock()
        self.act(
            "save",
            lambda: services.create_webhook(
                desk.actor,
                business_id,
                url,
                events,
                now,
                policy=desk.policy,
                vault=desk.open_vault(),
                at_most=desk.most_webhooks,
                chosen=typed.chosen(before),
            ),
            self._created,
        )

    def _created(self, new: Created) -> None:
        self.app.switch_screen(ShownSecret(new.id, new.url, new.secret, is_new=True))


class EditWebhook(_Form):
    def __init__(self, webhook: WebhookRow) -> None:
        super().__init__(webhook.url, webhook.events, webhook.choices)
        self._webhook = webhook
        self._seen: datetime | None = webhook.updated_at

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), name_of(self._webhook), _("Edit")

    def action_save(self) -> None:
        desk, webhook_id, seen = self.desk, self._webhook.id, self._seen
        url, events = self._complete(), self.query_one(Events).selected
        typed, before = self.query_one(More).typed, self._typed
        now = desk.clock()
        self.act(
            "save",
            lambda: services.edit_webhook(
                *(desk.actor, webhook_id, now),
                url=url,
                events=events,
                policy=desk.policy,
                seen=seen,
                chosen=typed.chosen(before),
                open_vault=desk.open_vault,
            ),
            lambda __: self._saved(url, events, typed),
        )

    def conditions_told(self, events: Sequence[EventType], only: Sequence[str]) -> str:
        told = super().conditions_told(events, only)
        if tuple(only) != self._webhook.choices.only:
            return told
        since = self.desk.clock() - _A_DAY
        count = kept_back(self.desk.actor, self._webhook.id, since)
        kept = ngettext("{count} kept back in 24 hours", "{count} kept back in 24 hours", count)
        return f"{told} · {kept.format(count=count)}"

    def refused(self, error: WebhooksError) -> None:
        """Of two who edit one webhook the second is told, and chooses."""
        if not isinstance(error, Changed):
            super().refused(error)
            return
        self._seen = None
        told = _("! {error} ^s once more saves yours over it, esc leaves it as it is.")
        self.flash(told.format(error=in_words(error)), BAD)

    def _saved(self, url: str, events: tuple[EventType, ...], typed: Typed) -> None:
        self._url, self._events, self._typed = url, events, typed
        self._app.back_saying(_("✓ {host} is saved.").format(host=host_of(url)), GOOD)
