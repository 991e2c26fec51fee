"""What cannot be undone: it is typed to be confirmed, and Cancel is what Enter means before."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from core.domain.hosts import host_of
from core.domain.language import N_
from core.domain.signing import Secret
from core.use_cases import services
from core.use_cases.queries import WebhookRow
from tui.failures import name_of, titled
from tui.language import _, ngettext
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

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), name_of(self.webhook), _(self.title_word)

    def body(self) -> Iterable[Widget]:
        yield Static(untrusted(titled(self.webhook)), classes="said gap")
        for warning in self.warnings:
            yield Static(_(warning), classes="said")
        asked = _("Type the host name to confirm:")
        yield Static(
            Content.assemble(f"{asked}  ", untrusted(self._host, "bold")), classes="said gap"
        )
        with Horizontal(classes="field"):
            yield Entry(id="typed")
        yield Static(id="left", classes="said")
        with Horizontal(id="buttons"):
            yield _button(_("Cancel"), "cancel")
            yield _button(_(self.deed), "deed", disabled=True)

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
            told = _("Enter, or [ {deed} ], does it.").format(deed=_(self.deed))
        elif self._host.startswith(typed):
            told = ngettext("{count} more characters", "{count} more characters", left)
            told = told.format(count=left)
        else:
            told = _("That is not its host name.")
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


def _button(word: str, name: str, *, disabled: bool = False) -> Button:
    return Button(Content(f"[ {word} ]"), id=name, compact=True, disabled=disabled)


class DeleteWebhook(_Typed):
    title_word = N_("Delete: danger zone")
    deed = N_("Delete")
    warnings = (
        N_("Deletes the webhook, its secret and its history. What is waiting stops."),
        N_("This is final."),
    )

    def carry_out(self) -> None:
        desk, webhook_id, now = self.desk, self.webhook.id, self.desk.clock()
        told = _("✓ {host} is deleted.")
        self.act(
            self.deed,
            lambda: services.delete_webhook(desk.actor, webhook_id, now),
            lambda __: self._app.back_saying(told.format(host=self._host), GOOD),
        )


class RegenerateSecret(_Typed):
    title_word = N_("Secret")
    deed = N_("Regenerate")
    warnings = (
        N_(
            "The secret was shown once and never will be again. Lost or leaked? "
            "Make a new one here."
        ),
        N_("The old one stops working at once: deliveries fail until your server has the new one."),
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
