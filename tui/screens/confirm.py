"""What cannot be undone: it is typed to be confirmed, and Cancel is what Enter means before."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from core.domain.hosts import host_of
from core.domain.signing import Secret
from core.use_cases import services
from core.use_cases.queries import WebhookRow
from tui.failures import name_of, titled
from tui.page import GOOD, Page
from tui.screens.secret import ShownSecret
from tui.untrusted import untrusted
from tui.widgets.entry import Entry


class _Typed(Page):
    """Says what will happen, and does it once the webhook's host name has been typed."""

    BINDINGS = [
        Binding("tab", "app.focus_next", "next"),
        Binding("q,escape", "back", "cancel", key_display="esc"),
    ]
    least = (60, 15)
    title_word = ""
    deed = ""
    warnings: tuple[str, ...] = ()

    def __init__(self, webhook: WebhookRow) -> None:
        super().__init__()
        self.webhook = webhook
        self._host = host_of(webhook.url)
        self.crumbs = ("Webhooks", name_of(webhook), self.title_word)

    def body(self) -> Iterable[Widget]:
        yield Static(untrusted(titled(self.webhook)), classes="said gap")
        for warning in self.warnings:
            yield Static(warning, classes="said")
        asked = Content.assemble("Type the host name to confirm:  ", untrusted(self._host, "bold"))
        yield Static(asked, classes="said gap")
        with Horizontal(classes="field"):
            yield Entry(id="typed")
        yield Static(id="left", classes="said")
        with Horizontal(id="buttons"):
            yield Button(Content("[ Cancel ]"), id="cancel", compact=True)
            yield Button(Content(f"[ {self.deed} ]"), id="deed", compact=True, disabled=True)

    def on_mount(self) -> None:
        self.query_one(Entry).focus()
        self._compare()

    @on(Input.Changed)
    def _compare(self) -> None:
        typed = self.query_one(Entry).value
        left = len(self._host) - len(typed)
        is_typed = typed == self._host
        self.query_one("#deed", Button).disabled = not is_typed
        if is_typed:
            told = f"Enter, or [ {self.deed} ], does it."
        elif self._host.startswith(typed):
            told = f"{left} more characters"
        else:
            told = "That is not its host name."
        self.query_one("#left", Static).update(Content(told))

    @on(Input.Submitted)
    @on(Button.Pressed, "#deed")
    def _confirmed(self) -> None:
        """Until something has been typed, Enter is Cancel."""
        typed = self.query_one(Entry).value
        if typed == self._host:
            self.carry_out()
        elif not typed:
            self._app.back()

    @on(Button.Pressed, "#cancel")
    def _cancelled(self) -> None:
        self._app.back()

    def carry_out(self) -> None:
        """Do it; called once the name has been typed."""


class DeleteWebhook(_Typed):
    title_word = "Delete: danger zone"
    deed = "Delete"
    warnings = (
        "Deletes the webhook, its secret and its history. What is waiting stops.",
        "This is final.",
    )

    def carry_out(self) -> None:
        desk, webhook_id, now = self.desk, self.webhook.id, self.desk.clock()
        self.act(
            self.deed,
            lambda: services.delete_webhook(desk.actor, webhook_id, now),
            lambda _: self._app.back_saying(f"✓ {self._host} is deleted.", GOOD),
        )


class RegenerateSecret(_Typed):
    title_word = "Secret"
    deed = "Regenerate"
    warnings = (
        "The secret was shown once and never will be again. Lost or leaked? Make a new one here.",
        "The old one stops working at once: deliveries fail until your server has the new one.",
    )

    def carry_out(self) -> None:
        desk, webhook_id, now = self.desk, self.webhook.id, self.desk.clock()
        self.act(
            self.deed,
            lambda: services.regenerate_secret(
                desk.actor, webhook_id, now, vault=desk.open_vault()
            ),
            self._regenerated,
        )

    def _regenerated(self, secret: Secret) -> None:
        shown = ShownSecret(self.webhook.id, self.webhook.url, secret, is_new=False)
        self.app.switch_screen(shown)
