"""The address at which whoever sits here is told of alerts: it counts once its code was typed."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.language import N_
from core.domain.mail import CODE_DIGITS
from core.use_cases.mail import MailTo, confirm_address, forget_address, give_address, mail_to
from tui.language import _, spoken
from tui.page import BAD, GOOD, Page
from tui.untrusted import untrusted
from tui.widgets.entry import Entry

_NO_SERVER = N_("No mail is sent here: whoever runs AuraPOS Webhooks has named no server for it.")


class MailPage(Page):
    BINDINGS = [
        Binding("tab", "app.focus_next", "next"),
        Binding("q,escape", "back", "back", key_display="esc"),
    ]

    def __init__(self, found: MailTo) -> None:
        super().__init__()
        self._known = found

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), _("Settings"), _("Alerts by mail")

    def body(self) -> Iterable[Widget]:
        yield Static(id="told", classes="said gap")
        with Horizontal(classes="field gap", id="address-row"):
            yield Static(_("Address"), classes="label")
            yield Entry(self._known.asked or self._known.address, id="address")
        with Horizontal(classes="field", id="code-row"):
            yield Static(_("Code"), classes="label")
            yield Entry(id="code", max_length=CODE_DIGITS + 1)
        yield Static(id="how", classes="said")

    def on_mount(self) -> None:
        self._draw()
        self._focus()

    def _focus(self) -> None:
        self.query_one("#code" if self._known.asked else "#address", Entry).focus()

    def _draw(self) -> None:
        self.query_one("#told", Static).update(self._told())
        self.query_one("#how", Static).update(self._how())
        self.show_if(self.desk.sends_mail or bool(self._known.address), "#address-row")
        self.show_if(bool(self._known.asked), "#code-row")

    def _told(self) -> Content:
        if self._known.address:
            before, _place, after = _("Alerts are mailed to {address}.").partition("{address}")
            return Content.assemble(before, untrusted(self._known.address, "bold"), after)
        return Content(_("No alerts are mailed to you."))

    def _how(self) -> Content:
        if self._known.asked:
            return Content(
                _(
                    "A code was mailed to that address: type it within ten minutes. Enter on the "
                    "address mails another one."
                )
            )
        if not self.desk.sends_mail:
            return Content(_(_NO_SERVER))
        how = _("Enter mails a code to the address, which you then type here.")
        take_back = _("Leave it empty to be mailed nothing.") if self._known.address else ""
        return Content(f"{how} {take_back}".rstrip())

    @on(Input.Submitted, "#address")
    def _given(self) -> None:
        address = self.query_one("#address", Entry).value.strip()
        desk, business_id, now = self.desk, self._app.business_id, self.desk.clock()
        if not address:
            self._take_back()
        elif address == self._known.address and not self._known.asked:
            self.flash(_("It counts already."), GOOD)
        elif not desk.sends_mail:
            why = _(_NO_SERVER)
            self.flash(f"! {why}", BAD)
        else:
            self.act(
                ("ask", address),
                lambda: give_address(
                    *(desk.actor, business_id, address, spoken(), now), wake=desk.wake
                ),
                lambda given: self._read_again_saying(
                    _("✓ A code is on its way to {address}.").format(address=given)
                ),
            )

    def _take_back(self) -> None:
        desk, business_id, now = self.desk, self._app.business_id, self.desk.clock()
        if self._known.address or self._known.asked:
            self.act(
                "forget",
                lambda: forget_address(desk.actor, business_id, now),
                lambda __: self._read_again_saying(_("✓ Nothing is mailed to you any more.")),
            )

    @on(Input.Submitted, "#code")
    def _confirmed(self) -> None:
        code = self.query_one("#code", Entry).value
        desk, business_id, now = self.desk, self._app.business_id, self.desk.clock()
        self.act(
            ("confirm", code),
            lambda: confirm_address(desk.actor, business_id, code, now, vault=desk.open_vault()),
            lambda address: self._read_again_saying(
                _("✓ Alerts are mailed to {address}.").format(address=address)
            ),
        )

    def _read_again_saying(self, told: str) -> None:
        def arrived(found: MailTo) -> None:
            self._known = found
            self.query_one("#code", Entry).value = ""
            self._draw()
            self._focus()
            self.flash(told, GOOD)

        self.ask(lambda: mail_to(self.desk.actor, self._app.business_id), arrived)
