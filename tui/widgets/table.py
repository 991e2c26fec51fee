"""A table that costs few bytes: it draws what has changed and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text
from textual.binding import Binding
from textual.widgets import DataTable

_PADDING = 1


@dataclass(frozen=True)
class Column:
    """A column with its width in cells; the one with none takes what is left.

    In a window with less room than `from_width` it is not shown.
    """

    label: str
    width: int | None = None
    from_width: int = 0


@dataclass(frozen=True)
class Row:
    key: str
    cells: tuple[Text, ...]


class Table(DataTable[Text], inherit_bindings=False):
    """Rows with keys; the cursor stays on its row's key, whatever comes above it."""

    BINDINGS = [
        Binding("enter", "select_cursor", "Open", show=False),
        Binding("down,j", "cursor_down", "Down", show=False),
        Binding("up,k", "cursor_up", "Up", show=False),
        Binding("pagedown", "page_down", "Page down", show=False),
        Binding("pageup", "page_up", "Page up", show=False),
        Binding("g,home", "scroll_top", "First row", show=False),
        Binding("G,end", "scroll_bottom", "Last row", show=False),
    ]

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        id: str | None = None,  # noqa: A002 - Textual's name
        show_header: bool = True,
    ) -> None:
        super().__init__(id=id, cursor_type="row", cell_padding=_PADDING, show_header=show_header)
        self._plan = tuple(columns)
        self._places: list[int] = []  # of the columns that are shown, in the plan
        self._shown: list[Row] = []

    def on_mount(self) -> None:
        self._lay_out()

    def on_resize(self) -> None:
        self._lay_out()

    def show(self, rows: Sequence[Row]) -> None:
        """Make the table say this, touching only what differs."""
        rows = list(rows)
        if not self._places:
            self._shown = rows  # until there is a width to lay them out in
            return
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

    def _update(self, rows: list[Row]) -> None:
        for number, (row, before) in enumerate(zip(rows, self._shown, strict=True)):
            if row == before:
                continue
            data = self._data[self.ordered_rows[number].key]
            for column, place in zip(self.ordered_columns, self._places, strict=True):
                data[column.key] = row.cells[place]
            self._update_count += 1  # update_cell would repaint the whole table, 5 KB a cell
            self.refresh_row(number)

    def _refill(self, rows: list[Row]) -> None:
        at, number = self.at_key, self.cursor_row
        with self.prevent(DataTable.RowHighlighted):
            self.clear()
            for row in rows:
                self.add_row(*(row.cells[place] for place in self._places), key=row.key)
        keys = [row.key for row in rows]
        if at in keys:
            number = keys.index(at)
        self.move_cursor(row=min(number, len(rows) - 1), animate=False, scroll=True)

    def _lay_out(self) -> None:
        """Columns anew where the width has changed."""
        room = self.size.width
        places = [at for at, column in enumerate(self._plan) if room >= column.from_width]
        widths = self._widths(places)
        if places == self._places and [each.width for each in self.ordered_columns] == widths:
            return
        shown, at = self._shown, self.at_key
        self.clear(columns=True)
        self._places = places
        for place, width in zip(places, widths, strict=True):
            self.add_column(Text(self._plan[place].label, style="bold"), width=width)
        self._shown = []
        self.show(shown)
        if at is not None:
            self.move_cursor(row=[row.key for row in shown].index(at), animate=False)

    def _widths(self, places: Sequence[int]) -> list[int]:
        """The flexible column takes what is left; where none is shown, the widest gives way."""
        widths = [self._plan[place].width or 0 for place in places]
        room = self.size.width - sum(widths) - 2 * _PADDING * len(places)
        if 0 in widths:
            widths[widths.index(0)] = max(8, room)
        elif room < 0:
            widths[widths.index(max(widths))] += room
        return widths

    # A row lit up under the mouse costs 9 KB a movement and says nothing.

    def watch_hover_style(self, *_: object) -> None:
        return

    def _set_hover_cursor(self, active: bool) -> None:  # noqa: ARG002, FBT001 - Textual's own
        return
