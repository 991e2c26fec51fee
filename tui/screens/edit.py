"""Create and edit: a URL that is checked as it is typed, and the seven events."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, SelectionList, Static
from textual.widgets.selection_list import Selection

from core import services
from core.errors import BlockedUrl
from core.events import MEANINGS, SELECTABLE, EventType
from core.queries import WebhookRow
from core.services import NewWebhook as Created
from core.url_policy import URL_LIMIT
from tui.page import BAD, GOOD, Page
from tui.screens.secret import ShownSecret
from tui.untrusted import untrusted
from tui.words import host_of

_NAME_WIDTH = max(map(len, SELECTABLE)) + 2


class Events(SelectionList[EventType]):
    """The seven events, toggled with space or by their number."""

    BINDINGS = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("a", "all", "All events", show=False),
        Binding("i", "invert", "Invert the selection", show=False),
        *[
            Binding(str(number), f"number({number - 1})", "Toggle by number", show=False)
            for number in range(1, len(SELECTABLE) + 1)
        ],
    ]

    def __init__(self, selected: Iterable[EventType]) -> None:
        chosen = set(selected)
        super().__init__(
            *[
                Selection(
                    Content(f"{number} {event:<{_NAME_WIDTH}}{MEANINGS[event]}"),
                    event,
                    event in chosen,
                )
                for number, event in enumerate(SELECTABLE, start=1)
            ]
        )

    def action_all(self) -> None:
        self.select_all()

    def action_invert(self) -> None:
        self.toggle_all()

    def action_number(self, index: int) -> None:
        self.toggle(SELECTABLE[index])


class _Form(Page):
    BINDINGS = [
        Binding("ctrl+s", "save", "save", key_display="^s", priority=True),
        Binding("tab", "app.focus_next", "next", show=True),
        Binding("escape", "back", "back (asks, keeps edits)", key_display="esc"),
    ]

    def __init__(self, url: str, events: Iterable[EventType]) -> None:
        super().__init__()
        self._url = url
        self._events = tuple(events)
        self._asked = False

    def body(self) -> Iterable[Widget]:
        with Horizontal(classes="field"):
            yield Static("URL", classes="label")
            entry = Input(
                self._url,
                placeholder="https://example.com/webhooks",
                max_length=URL_LIMIT,
                select_on_focus=False,
                compact=True,
                id="url",
            )
            entry.cursor_blink = False
            yield entry
        with Horizontal(classes="field"):
            yield Static("", classes="label")
            yield Static(id="verdict")
        with Horizontal(classes="field gap"):
            yield Static("Events", classes="label")
            yield Static(id="count")
        yield Events(self._events)

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._judge()
        self._count()

    @on(Input.Changed)
    def _judge(self) -> None:
        """Say at every key what the URL would be as it stands."""
        self._asked = False
        text = self.query_one(Input).value
        verdict = self.query_one("#verdict", Static)
        if not text:
            verdict.update("Where AuraPOS shall call you: https, and public.")
            return
        try:
            target = self.desk.policy.check_url(text)
        except BlockedUrl as error:
            verdict.update(untrusted(f"! {error}", BAD))
            return
        shown = f"ok: {target.scheme}, public"
        if target.url != text:
            shown += f", stored as {target.url}"
        verdict.update(untrusted(shown, GOOD))

    @on(SelectionList.SelectedChanged)
    def _count(self) -> None:
        self._asked = False
        count = len(self._selected())
        told = f"{count} of {len(SELECTABLE)}    space or 1-7 toggles   a all   i invert"
        self.query_one("#count", Static).update(Content(told))

    @on(Input.Submitted)
    def _next(self) -> None:
        self.query_one(Events).focus()

    def action_back(self) -> None:
        """Out, but never throwing edits away without asking."""
        if self._is_changed() and not self._asked:
            self._asked = True
            self.flash("Unsaved changes: ^s saves them, esc once more leaves without.", BAD)
        else:
            super().action_back()

    def _selected(self) -> tuple[EventType, ...]:
        chosen = set(self.query_one(Events).selected)
        return tuple(event for event in SELECTABLE if event in chosen)

    def _is_changed(self) -> bool:
        now = (self.query_one(Input).value, self._selected())
        return now != (self._url, self._events)


class NewWebhook(_Form):
    """Asks for a URL and events; the secret is shown on the screen that follows."""

    crumbs = ("Webhooks", "New")

    def __init__(self) -> None:
        super().__init__("", SELECTABLE)

    def action_save(self) -> None:
        desk, business_id = self.desk, self._app.business_id
        url, events, now = self.query_one(Input).value, self._selected(), desk.clock()
        self.act(
            lambda: services.create_webhook(
                desk.actor,
                business_id,
                url,
                events,
                now,
                policy=desk.policy,
                vault=desk.open_vault(),
            ),
            self._created,
        )

    def _created(self, new: Created) -> None:
        self.app.switch_screen(ShownSecret(new.id, new.url, new.secret, is_new=True))


class EditWebhook(_Form):
    def __init__(self, webhook: WebhookRow) -> None:
        super().__init__(webhook.url, webhook.events)
        self._webhook = webhook
        self.crumbs = ("Webhooks", host_of(webhook.url), "Edit")

    def action_save(self) -> None:
        desk, webhook_id = self.desk, self._webhook.id
        url, events, now = self.query_one(Input).value, self._selected(), desk.clock()
        self.act(
            lambda: services.edit_webhook(
                desk.actor, webhook_id, now, url=url, events=events, policy=desk.policy
            ),
            lambda _: self._saved(url, events),
        )

    def _saved(self, url: str, events: tuple[EventType, ...]) -> None:
        self._url, self._events = url, events
        self._app.back_saying(f"✓ {host_of(url)} is saved.", GOOD)
