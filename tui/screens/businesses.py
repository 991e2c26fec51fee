"""The switcher, for those who own more than one business."""

from collections.abc import Iterable

from textual import on
from textual.binding import Binding
from textual.widget import Widget

from core.use_cases.membership import BusinessRow
from tui.language import _
from tui.list_page import ListPage
from tui.untrusted import cell
from tui.widgets.table import Column, Row, Table


class Businesses(ListPage):
    BINDINGS = [
        Binding("enter", "choose", "open", key_display="enter"),
        Binding("q", "leave", "quit"),
    ]

    def __init__(self, rows: list[BusinessRow]) -> None:
        super().__init__()
        self._rows = rows

    @property
    def crumbs(self) -> tuple[str, ...]:
        return (_("Businesses"),)

    def body(self) -> Iterable[Widget]:
        yield Table(_columns())
        yield from self.filter_row(_("part of a name; esc ends"))

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


def _columns() -> tuple[Column, ...]:
    return (
        Column(_("ID"), 5),
        Column(_("BUSINESS")),
        Column(_("EDITION"), 16, from_width=60),
        Column(_("WEBHOOKS"), 8),
    )


def _row(row: BusinessRow) -> Row:
    included = _("on") if row.included else _("off")
    cells = (cell(str(row.id)), cell(row.name), cell(row.edition.label), cell(included))
    return Row(str(row.id), cells)
