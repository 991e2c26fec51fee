"""Where there is nothing yet: the first business, and with it configuration, key and database."""

import getpass
from collections.abc import Callable, Iterable

from textual import on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.editions import INCLUDED_EDITIONS, OPTION_PRICE, Edition
from tui.desk import Desk
from tui.language import _
from tui.page import BAD, Page
from tui.untrusted import cell
from tui.widgets.entry import Entry
from tui.widgets.table import Column, Row, Table


class SetUp(Page):
    least = (60, 15)
    BINDINGS = [
        Binding("ctrl+s", "save", "set up", key_display="^s"),
        Binding("tab", "app.focus_next", "next"),
        Binding("q,escape", "back", "quit", key_display="esc"),
    ]

    def __init__(self, set_up: Callable[[str, Edition, str], Desk]) -> None:
        super().__init__()
        self._set_up = set_up

    @property
    def crumbs(self) -> tuple[str, ...]:
        return (_("Welcome to AuraPOS Webhooks"),)

    def body(self) -> Iterable[Widget]:
        yield Static(_("Nothing is set up here yet. Which business is it?"), classes="said gap")
        with Horizontal(classes="field gap"):
            yield Static(_("Business"), classes="label")
            yield Entry(placeholder=_("its name, such as Chez Marie"), id="name")
        with Horizontal(classes="field"):
            yield Static(_("Its owner"), classes="label")
            yield Entry(getpass.getuser(), id="owner")
        yield Static(id="edition", classes="said gap")
        yield Table((Column("", 18), Column("")), show_header=False)

    def on_mount(self) -> None:
        self.query_one(Table).show([_row(edition) for edition in Edition])
        self.query_one("#name").focus()
        self._chosen()

    @on(Input.Submitted)
    def _next(self) -> None:
        self.focus_next()

    @on(Table.RowHighlighted)
    def _chosen(self) -> None:
        self.query_one("#edition", Static).update(
            _("Edition   {edition}   (up and down choose)").format(edition=self._edition().label)
        )

    def _edition(self) -> Edition:
        return Edition(self.query_one(Table).at_key or Edition.GROUP)

    @on(Table.RowSelected)
    def action_save(self) -> None:
        fields = [self.query_one(f"#{each}", Entry) for each in ("name", "owner")]
        empty = next((field for field in fields if not field.value.strip()), None)
        if empty is not None:
            empty.focus()
            self.flash(_("! Type the business's name and its owner's login first."), BAD)
            return
        name, owner = (field.value for field in fields)
        edition = self._edition()
        self.act("set up", lambda: self._set_up(name, edition, owner), self._app.start)


def _row(edition: Edition) -> Row:
    included = edition in INCLUDED_EDITIONS
    told = _("included")
    if not included:
        told = _("as an option, {price}: switched on").format(price=_(OPTION_PRICE))
    return Row(edition, (cell(edition.label), cell(told)))
