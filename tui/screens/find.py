"""Find: a ticket's number, and what became of it at each webhook it went to."""

from collections.abc import Iterable, Sequence

from rich.text import Text
from textual import on
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.language import N_
from core.use_cases.finding import FoundEvent, find
from core.use_cases.queries import WentTo
from tui.failures import name_of
from tui.language import _, moment_width, spoken, widest
from tui.page import Page
from tui.redelivering import redeliver
from tui.screens.delivery import open_delivery
from tui.states import longest_results, of_delivery
from tui.untrusted import cell, untrusted_lines, whole_parts
from tui.widgets.entry import Entry
from tui.widgets.table import Column, Row, Table

_BECAME = 19  # cells
_HOW = N_(
    "Type a ticket's number and press enter.\n\n"
    "A customer's, product's or promotion's number does as well, and so does a delivery's id,\n"
    "of which the first 13 characters suffice."
)


class Find(Page):
    is_of_many = True
    BINDINGS = [
        Binding("enter", "detail", "open", key_display="enter"),
        Binding("slash,F", "again", "find another", key_display="/"),
        Binding("R", "redeliver", "redeliver"),
        Binding("q,escape", "back", "back", key_display="q"),
    ]

    def __init__(self, text: str = "") -> None:
        super().__init__()
        self._text = text  # what is looked for; empty until something is
        self._events: list[FoundEvent] = []

    @property
    def crumbs(self) -> tuple[str, ...]:
        return _("Webhooks"), _("Find")

    def body(self) -> Iterable[Widget]:
        with Horizontal(classes="field"):
            yield Static(_("Find"), classes="label")
            yield Entry(self._text, id="text")
        yield Table(_columns())
        yield Static(_(_HOW), id="none", classes="empty")

    def on_mount(self) -> None:
        self._draw()
        if self._text:
            self._read()
        else:
            self.query_one(Entry).focus()
        self.watch_database(self._read)

    @on(Input.Submitted, "#text")
    def _asked(self) -> None:
        self._text = self.query_one(Entry).value
        if self._text.strip():
            self._read()

    def _read(self) -> None:
        if not self._text.strip():
            return
        actor, business_id, text = self.desk.actor, self._app.business_id, self._text
        self.ask_anew(
            lambda: find(actor, business_id, text), lambda found: self._arrived(text, found)
        )

    def _arrived(self, text: str, found: list[FoundEvent]) -> None:
        if text == self._text:
            self._events = found
            self._draw()
            if found and self.focused is not None:
                self.query_one(Table).focus()

    def _draw(self) -> None:
        self.query_one(Table).show([row for event in self._events for row in self._rows(event)])
        self.show_if(bool(self._events), Table)
        self.show_if(not self._events, "#none")
        if self._text and not self._events:
            self.query_one("#none", Static).update(untrusted_lines(self._why_none()))

    def _why_none(self) -> list[str]:
        return [
            _("Nothing was found for “{text}”.").format(text=self._text.strip()),
            "",
            _("It is looked for exactly as it stands, not by a part of it."),
        ]

    def _rows(self, event: FoundEvent) -> Iterable[Row]:
        """The event, and under it a line for each webhook it went to."""
        became = "" if event.deliveries else self._why_nowhere(event)
        heading = (cell(""), cell(event.headline.said_in(spoken()), "bold"), cell(became))
        yield Row(f"event {event.id}", (*heading, cell(self.desk.moment(event.created_at))))
        for to in event.deliveries:
            yield Row(str(to.delivery.uuid), self._line(to))

    def _why_nowhere(self, event: FoundEvent) -> str:
        return _("went to no webhook") if event.is_fanned_out else _("goes out now")

    def _line(self, to: WentTo) -> tuple[Text, ...]:
        told = of_delivery(to.delivery, self.desk.max_attempts)
        at = to.delivery.settled_at or to.delivery.next_attempt_at
        return (
            cell(told.glyph, told.style),
            cell(f"  {name_of(to.webhook)}"),
            cell(told.words),
            cell(self.desk.moment(at) if at is not None else ""),
        )

    def action_again(self) -> None:
        self.query_one(Entry).focus()

    @on(Table.RowSelected)
    def action_detail(self) -> None:
        """The delivery under the cursor; on an event's own line the first of its deliveries."""
        if chosen := self._chosen():
            open_delivery(self, chosen[:1], chosen[0].delivery)

    def action_redeliver(self) -> None:
        """The delivery under the cursor; on an event's own line the only one that it has."""
        match self._chosen():
            case [to]:
                redeliver(self, to.delivery)
            case [_, *_]:
                self.flash(_("Choose a webhook first: it went to more than one."))

    def _chosen(self) -> Sequence[WentTo]:
        """The delivery under the cursor; on an event's own line all that it has."""
        key = self.query_one(Table).at_key
        return [
            to
            for event in self._events
            for to in event.deliveries
            if key in {str(to.delivery.uuid), f"event {event.id}"}
        ]


def _columns() -> tuple[Column, ...]:
    return (
        Column("", 1),
        Column(_("WHAT"), cut=whole_parts),
        Column(_("BECAME"), widest(_BECAME, longest_results())),
        Column(_("DATE"), moment_width(), from_width=60),
    )
