"""The secret, shown once: copy it, learn to verify with it, and check that it was stored."""

import hmac
from collections.abc import Iterable

from textual import events, on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.hosts import host_of
from core.domain.language import N_
from core.domain.signing import Secret
from core.use_cases.first_steps import note_secret_stored
from tui.failures import label_of
from tui.language import _
from tui.page import BAD, GOOD, Page
from tui.ping import send_test
from tui.session import AtStake
from tui.snippets import SNIPPETS
from tui.widgets.bars import BELGIAN
from tui.widgets.entry import Entry

_CHECKED = 6  # characters pasted back
_LANGUAGES = tuple(SNIPPETS)
_VERIFY = (
    N_("Verify with Node"),
    N_("Verify with PHP"),
    N_("Verify with Python"),
    N_("Verify with shell"),
)


class ShownSecret(Page):
    """What is shown here can never be shown again, so it does not close at one careless key."""

    BINDINGS = [
        Binding("y", "copy_secret", "to clipboard"),
        Binding("p", "print_secret", "plain print"),
        Binding("c", "copy_snippet", "copy snippet"),
        Binding("t", "test", "test"),
        Binding("tab", "app.focus_next", "check"),
        Binding("q,escape", "back", "done", key_display="q"),
        *[
            Binding(str(number), f"language({number - 1})", what, show=False)
            for number, what in enumerate(_VERIFY, start=1)
        ],
        *[
            Binding(key, f"language({at})", show=False)
            for at, key in enumerate(BELGIAN[: len(_VERIFY)])
        ],
    ]

    def __init__(self, webhook_id: int, url: str, secret: Secret, *, is_new: bool) -> None:
        super().__init__()
        self.webhook_id = webhook_id
        self._url = url
        self._secret: Secret | None = secret
        self._is_new = is_new
        self._language = 0
        self._is_confirmed = False

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), label_of(self._url), _("Secret, shown once: copy it now")

    def body(self) -> Iterable[Widget]:
        yield Static(self._revealed(), classes="said gap", id="secret")
        if not self._is_new:
            yield Static(_("The old secret stopped working just now."), classes="said")
        yield Static(id="languages", classes="said gap")
        yield Static(id="snippet", classes="said")
        with Horizontal(classes="field gap"):
            asked = _("Paste its last 6 characters from your server to check:")
            yield Static(f"{asked} ", id="ask")
            yield Entry(placeholder=_("paste its end here"), max_length=200, id="check")

    def on_mount(self) -> None:
        self.query_one("#ask").styles.width = "auto"
        self.action_language(0)

    def on_unmount(self) -> None:
        self._secret = None

    def _revealed(self) -> str:
        return self._secret.reveal() if self._secret is not None else ""

    def action_language(self, index: int) -> None:
        self._language = index
        names = [
            f"[b reverse] {number} {name} [/]" if number == index + 1 else f" {number} {name} "
            for number, name in enumerate(_LANGUAGES, start=1)
        ]
        told = Content.from_markup(_("Verify with") + " " + " ".join(names))
        self.query_one("#languages", Static).update(told)
        self.query_one("#snippet", Static).update(Content(self._snippet()))

    def _snippet(self) -> str:
        return SNIPPETS[_LANGUAGES[self._language]]

    @on(events.Paste)
    def _pasted(self, event: events.Paste) -> None:
        """Into the field, wherever the focus is: letter by letter it would press keys."""
        self.query_one("#check", Entry).value = event.text.strip()

    @on(Input.Changed, "#check")
    def _check(self, event: Input.Changed) -> None:
        pasted = event.value.strip()
        if len(pasted) < _CHECKED:
            return
        ending = self._revealed()[-_CHECKED:]
        given = pasted[-_CHECKED:].encode("utf-8", "replace")
        if hmac.compare_digest(given, ending.encode()):
            self._confirm()
        else:
            self.something_changed()
            self.flash(_("! That is not how it ends: copy it again."), BAD)

    def _confirm(self) -> None:
        self.flash(_("✓ That is the secret: it is stored."), GOOD)
        if not self._is_confirmed:
            self._is_confirmed = True
            actor, webhook_id, now = self.desk.actor, self.webhook_id, self.desk.clock()
            self.act("stored", lambda: note_secret_stored(actor, webhook_id, now), lambda __: None)

    @on(Input.Submitted, "#check")
    def _checked(self, event: Input.Submitted) -> None:
        """What is wrong is typed again: outside of the field its letters would be keys."""
        if self._is_confirmed or not event.value:
            self.set_focus(None)
        else:
            self.query_one("#check", Entry).action_select_all()

    def action_copy_secret(self) -> None:
        self._app.send_to_clipboard(self._revealed())
        self.flash(_("Sent to your terminal's clipboard; if it is not there, p prints it plainly."))

    def action_test(self) -> None:
        send_test(self, self.webhook_id, self._url, self.flash)

    def action_copy_snippet(self) -> None:
        self._app.send_to_clipboard(self._snippet())
        told = _("The {language} snippet was sent to your terminal.")
        self.flash(told.format(language=_LANGUAGES[self._language]))

    def action_print_secret(self) -> None:
        self._app.print_plainly(self._revealed())

    def at_stake(self) -> AtStake | None:
        if self._is_confirmed:
            return None
        host = host_of(self._url)
        return AtStake(
            _("It is never shown again. Stored it?"),
            _(
                "The connection ended while the secret of {host} was shown, and it was not "
                "checked: if your server does not have it, s makes a new one."
            ).format(host=host),
        )
