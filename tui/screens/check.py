"""A check of a receiver: pings that it should take or refuse, and what its reactions say of it."""

from collections.abc import Iterable
from datetime import datetime

from textual.binding import Binding
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from core.domain.checking import Grade, Report
from core.domain.language import N_
from core.errors import WebhooksError
from core.use_cases.checking import Check, begin_check, go_on, longest
from core.use_cases.queries import WebhookRow
from tui.failures import name_of
from tui.language import _, in_words, widest
from tui.page import BAD, GOOD, Page
from tui.screens.help import KeyList
from tui.untrusted import untrusted

_LOOK = 0.25  # seconds
_WIDTH = 32  # of what is said of a ping
_ABOUT = N_(
    "Does your server verify the signature, and take a delivery that it knows?\n\n"
    "Enter sends it some pings: one that is signed rightly, which it should accept, also when it "
    "comes twice; and others that are not, which it should refuse. They are marked in the history "
    "and count for nothing."
)


class CheckPage(Page):
    BINDINGS = [Binding("enter", "check", "check it", key_display="enter")]

    def __init__(self, webhook: WebhookRow) -> None:
        super().__init__()
        self._webhook = webhook
        self._until: datetime | None = None  # when a check that is under way should have ended

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), name_of(self._webhook), _("Check")

    def body(self) -> Iterable[Widget]:
        with KeyList(classes="pane gap"):
            yield Static(_(_ABOUT), id="report")

    def on_mount(self) -> None:
        self.query_one(KeyList).focus()

    def action_check(self) -> None:
        if self._until is not None:
            return
        desk, now = self.desk, self.desk.clock()
        webhook_id = self._webhook.id
        is_begun = self.act(
            ("check", webhook_id),
            lambda: begin_check(desk.actor, webhook_id, now, wake=desk.wake),
            self._wait,
        )
        if is_begun:
            self._until = now + longest(desk.timeout)
            self.flash(_("Sending the pings …"))

    def _wait(self, under_way: Check) -> None:
        desk, now = self.desk, self.desk.clock()
        self.ask(
            lambda: go_on(desk.actor, under_way, now, wake=desk.wake),
            lambda found: self._read(under_way, found),
        )

    def _read(self, under_way: Check, found: Report | None) -> None:
        if found is not None:
            self._until = None
            self.flash(_("✓ The check is done."), GOOD)
            self.query_one("#report", Static).update(_told(found))
        elif self._until is not None and self.desk.clock() < self._until:
            self.set_timer(_LOOK, lambda: self._wait(under_way))
        else:
            self._until = None
            told = _("The pings are still waiting: is the worker running? They stay queued.")
            self.flash(told, BAD)

    def refused(self, error: WebhooksError) -> None:
        self._until = None
        self.flash(f"! {in_words(error)}", BAD)


def _told(found: Report) -> Content:
    told = {_(ping): reaction.told(_) for ping, reaction in found.reactions.items()}
    width = widest(_WIDTH, told)
    lines = [untrusted(f"{ping:<{width}}  {reaction}") for ping, reaction in told.items()]
    style = GOOD if found.grade is Grade.SOUND else BAD
    for sentence in found.told(_):
        lines += [Content(), untrusted(sentence, style)]
    return Content("\n").join(lines)
