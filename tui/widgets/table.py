"""A table that costs few bytes: it draws what has changed and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.binding import Binding
from textual.coordinate import Coordinate
from textual.widgets import DataTable

_PADDING = 1


@dataclass(frozen=True)
class Column:
    """A column with its width in cells; the one with none takes what is left."""

    label: str
    width: int | None = None


@dataclass(frozen=True)
class Row:
    key: str
    cells: tuple[Text, ...]


class Table(DataTable[Text]):
    """Rows with keys; the cursor stays on its row's key, whatever comes above it."""

    BINDINGS = [
        Binding("j", "cursor_down", "Down", show=False),
        Binding("k", "cursor_up", "Up", show=False),
        Binding("g,home", "scroll_top", "First row", show=False),
        Binding("G,end", "scroll_bottom", "Last row", show=False),
    ]

    def __init__(self, columns: Sequence[Column], *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, cursor_type="row", cell_padding=_PADDING, zebra_stripes=False)
        self._plan = tuple(columns)
        self._shown: list[Row] = []

    def on_mount(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def show(self, rows: Sequence[Row]) -> None:
        """Make the table say this, touching only what differs."""
        rows = list(rows)
        if [row.key for row in rows] == [row.key for row in self._shown]:
            self._update(rows)
        else:
            self._refill(rows)
        self._shown = rows

    @property
    def at_key(self) -> str | None:
        """The key of the row under the cursor."""
        if 0 <= self.cursor_row < len(self._shown):
            return self._shown[self.cursor_row].key
        return None

    def go_to(self, key: str) -> None:
        for number, row in enumerate(self._shown):
            if row.key == key:
                self.move_cursor(row=number, animate=False)

    def _update(self, rows: list[Row]) -> None:
        for number, (row, before) in enumerate(zip(rows, self._shown, strict=True)):
            for column, value in enumerate(row.cells):
                if value != before.cells[column]:
                    self.update_cell_at(Coordinate(number, column), value)

    def _refill(self, rows: list[Row]) -> None:
        at, number = self.at_key, self.cursor_row
        self.clear()
        for row in rows:
            self.add_row(*row.cells, key=row.key)
        keys = [row.key for row in rows]
        if at in keys:
            number = keys.index(at)
        self.move_cursor(row=min(number, len(rows) - 1), animate=False, scroll=True)

    def _lay_out(self) -> None:
        """Columns anew where the width has changed."""
        widths = self._widths()
        if [column.width for column in self.ordered_columns] == widths:
            return
        shown = self._shown
        self.clear(columns=True)
        for column, width in zip(self._plan, widths, strict=True):
            self.add_column(Text(column.label, style="bold"), width=width)
        self._shown = []
        self.show(shown)

    def _widths(self) -> list[int]:
        fixed = sum(column.width or 0 for column in self._plan)
        room = self.size.width - fixed - 2 * _PADDING * len(self._plan)
        return [column.width or max(8, room) for column in self._plan]

    # A row lit up under the mouse costs 9 KB a movement and says nothing.

    def watch_hover_style(self, *_: object) -> None:
        return

    def _set_hover_cursor(self, active: bool) -> None:  # noqa: ARG002, FBT001 - Textual's own
        return
