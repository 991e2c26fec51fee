"""The switcher, for those who own more than one business."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.widget import Widget

from core.use_cases.membership import BusinessRow
from tui.list_page import ListPage
from tui.untrusted import cell
from tui.widgets.table import Column, Row, Table

_COLUMNS = (
    Column("ID", 5),
    Column("BUSINESS"),
    Column("EDITION", 16, from_width=60),
    Column("WEBHOOKS", 8),
)


class Businesses(ListPage):
    crumbs = ("Businesses",)
    BINDINGS = [
        Binding("enter", "choose", "open", key_display="enter"),
        Binding("q", "leave", "quit"),
    ]

    def __init__(self, rows: list[BusinessRow]) -> None:
        super().__init__()
        self._rows = rows

    def body(self) -> Iterable[Widget]:
        yield Table(_COLUMNS)
        yield from self.filter_row("part of a name; esc ends")

    def on_mount(self) -> None:
        self.draw()
        self.query_one(Table).focus()

    def draw(self) -> None:
        shown = [row for row in self._rows if self.wanted in row.name.lower()]
        self.query_one(Table).show([_row(row) for row in shown])
        self.tell_found(len(shown), len(self._rows))

    @on(Table.RowSelected)
    def action_choose(self) -> None:
        key = self.query_one(Table).at_key
        for row in self._rows:
            if str(row.id) == key:
                self._app.open_business(row)


def _row(row: BusinessRow) -> Row:
    included = "on" if row.included else "off"
    cells = (cell(str(row.id)), cell(row.name), cell(row.edition.label), cell(included))
    return Row(str(row.id), cells)
