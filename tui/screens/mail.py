"""The address at which whoever sits here is told of alerts: it counts once its code was typed."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.language import Language
from core.domain.mail import CODE_DIGITS
from core.use_cases.mail import MailTo, confirm_address, forget_address, give_address, mail_to
from tui.page import BAD, GOOD, Page
from tui.untrusted import untrusted
from tui.widgets.entry import Entry

_NO_SERVER = "No mail is sent here: whoever runs AuraPOS Webhooks has named no server for it."


class MailPage(Page):
    crumbs = ("Webhooks", "Settings", "Alerts by mail")
    BINDINGS = [
        Binding("tab", "app.focus_next", "next"),
        Binding("q,escape", "back", "back", key_display="esc"),
    ]

    def __init__(self, found: MailTo) -> None:
        super().__init__()
        self._known = found

    def body(self) -> Iterable[Widget]:
        yield Static(id="told", classes="said gap")
        with Horizontal(classes="field gap", id="address-row"):
            yield Static("Address", classes="label")
            yield Entry(self._known.asked or self._known.address, id="address")
        with Horizontal(classes="field", id="code-row"):
            yield Static("Code", classes="label")
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
            address = untrusted(self._known.address, "bold")
            return Content.assemble("Alerts are mailed to ", address, ".")
        return Content("No alerts are mailed to you.")

    def _how(self) -> Content:
        if self._known.asked:
            return Content(
                "A code was mailed to that address: type it within ten minutes. Enter on the "
                "address mails another one."
            )
        if not self.desk.sends_mail:
            return Content(_NO_SERVER)
        take_back = " Leave it empty to be mailed nothing." if self._known.address else ""
        return Content(f"Enter mails a code to the address, which you then type here.{take_back}")

    @on(Input.Submitted, "#address")
    def _given(self) -> None:
        address = self.query_one("#address", Entry).value.strip()
        desk, business_id, now = self.desk, self._app.business_id, self.desk.clock()
        if not address:
            self._take_back()
        elif address == self._known.address and not self._known.asked:
            self.flash("It counts already.", GOOD)
        elif not desk.sends_mail:
            self.flash(f"! {_NO_SERVER}", BAD)
        else:
            self.act(
                ("ask", address),
                lambda: give_address(
                    *(desk.actor, business_id, address, Language.ENGLISH, now), wake=desk.wake
                ),
                lambda given: self._read_again_saying(f"✓ A code is on its way to {given}."),
            )

    def _take_back(self) -> None:
        desk, business_id, now = self.desk, self._app.business_id, self.desk.clock()
        if self._known.address or self._known.asked:
            self.act(
                "forget",
                lambda: forget_address(desk.actor, business_id, now),
                lambda _: self._read_again_saying("✓ Nothing is mailed to you any more."),
            )

    @on(Input.Submitted, "#code")
    def _confirmed(self) -> None:
        code = self.query_one("#code", Entry).value
        desk, business_id, now = self.desk, self._app.business_id, self.desk.clock()
        self.act(
            ("confirm", code),
            lambda: confirm_address(desk.actor, business_id, code, now, vault=desk.open_vault()),
            lambda address: self._read_again_saying(f"✓ Alerts are mailed to {address}."),
        )

    def _read_again_saying(self, told: str) -> None:
        def arrived(found: MailTo) -> None:
            self._known = found
            self.query_one("#code", Entry).value = ""
            self._draw()
            self._focus()
            self.flash(told, GOOD)

        self.ask(lambda: mail_to(self.desk.actor, self._app.business_id), arrived)
