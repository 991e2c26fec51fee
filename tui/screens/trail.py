"""The audit trail: who did what, when and from where."""

from collections.abc import Iterable

from textual.widget import Widget
from textual.widgets import Static

from core import queries
from core.queries import TrailRow
from tui.page import Page
from tui.untrusted import cell
from tui.widgets.table import Column, Row, Table

_COLUMNS = (
    Column("DATE", 12),
    Column("WHO", 12),
    Column("FROM", 12),
    Column("WHAT", 18),
    Column("ABOUT"),
)


class Trail(Page):
    crumbs = ("Webhooks", "Audit trail")

    def body(self) -> Iterable[Widget]:
        yield Table(_COLUMNS)
        yield Static("Nothing was done here yet.", classes="empty")

    def on_mount(self) -> None:
        self.query_one(Table).focus()
        business_id = self._app.business_id
        self.ask(lambda: queries.trail(self.desk.actor, business_id), self._draw)

    def _draw(self, rows: list[TrailRow]) -> None:
        self.query_one(Table).show([self._row(at, row) for at, row in enumerate(rows)])
        self.query_one(".empty").display = not rows

    def _row(self, at: int, row: TrailRow) -> Row:
        told = (self.desk.moment(row.at), row.actor, row.origin, row.action, row.subject)
        return Row(str(at), tuple(cell(text) for text in told))
