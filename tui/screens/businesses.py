"""The switcher, for those who own more than one business."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.widget import Widget
from textual.widgets import DataTable

from core.queries import BusinessRow
from tui.page import Page
from tui.untrusted import cell
from tui.widgets.table import Column, Row, Table

_COLUMNS = (Column("ID", 5), Column("BUSINESS"), Column("EDITION", 18), Column("WEBHOOKS", 9))


class Businesses(Page):
    crumbs = ("Businesses",)
    BINDINGS = [Binding("enter", "choose", "open", key_display="⏎")]

    def __init__(self, rows: list[BusinessRow]) -> None:
        super().__init__()
        self._rows = rows

    def body(self) -> Iterable[Widget]:
        yield Table(_COLUMNS)

    def on_mount(self) -> None:
        table = self.query_one(Table)
        table.show([_row(row) for row in self._rows])
        table.focus()

    @on(DataTable.RowSelected)
    def _selected(self) -> None:
        self.action_choose()

    def action_choose(self) -> None:
        key = self.query_one(Table).at_key
        for row in self._rows:
            if str(row.id) == key:
                self._app.open_business(row)


def _row(row: BusinessRow) -> Row:
    included = "on" if row.included else "off"
    cells = (cell(str(row.id)), cell(row.name), cell(row.edition.label), cell(included))
    return Row(str(row.id), cells)
