"""A table that costs few bytes: it draws what has changed and nothing else."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from rich.text import Span, Text
from textual.binding import Binding
from textual.message import Message
from textual.strip import Strip
from textual.widgets import DataTable

from tui.language import _

_PADDING = 1
_BAR = "▌"


@dataclass(frozen=True)
class Column:
    """A column with its width in cells; the one with none takes what is left.

    In a window with less room than `from_width`, or more than `to_width`, it is not shown. What is
    too long is cut at its end, but first as `cut` says, which is given the text and the cells.
    """

    label: str
    width: int | None = None
    from_width: int = 0
    to_width: int | None = None
    cut: Callable[[str, int], str] | None = None

    def fits(self, room: int) -> bool:
        return self.from_width <= room and (self.to_width is None or room <= self.to_width)


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

    class Shown(Message):
        """Other rows are in it now."""

    class PastEnd(Message):
        """A page further was asked for than there are rows: `steps` 1 down, -1 up."""

        def __init__(self, steps: int) -> None:
            super().__init__()
            self.steps = steps

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        id: str | None = None,  # noqa: A002 - Textual's name
        show_header: bool = True,
    ) -> None:
        super().__init__(
            id=id,
            cursor_type="row",
            cursor_foreground_priority="renderable",
            cell_padding=_PADDING,
            show_header=show_header,
        )
        self._plan = tuple(columns)
        self._places: list[int] = []  # of the columns that are shown, in the plan
        self._shown: list[Row] = []
        self._fitted = 0  # rows, 0 where the stylesheet says how high
        self.begin_at = ""  # the key of the row under the cursor, when rows are there at last

    def on_mount(self) -> None:
        self._lay_out()
        self.app.theme_changed_signal.subscribe(self, lambda _: self._repaint())

    def on_resize(self) -> None:
        self._lay_out()
        self.post_message(self.Shown())  # other rows can be seen, or all of them

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
        self.post_message(self.Shown())

    @property
    def at_key(self) -> str | None:
        """The key of the row under the cursor."""
        if 0 <= self.cursor_row < len(self._shown):
            return self._shown[self.cursor_row].key
        return None

    def fit(self, rows: int, most: int) -> None:
        """Be as high as so many rows need, and no higher than `most` with the header."""
        height = max(1, min(rows + self.show_header, most))
        if height != self._fitted:
            self.styles.height = self._fitted = height

    @property
    def place(self) -> str:
        """`3 of 65` where not all rows can be seen at once."""
        if self.row_count <= max(1, self.size.height - self.show_header):
            return ""
        return _("{count} of {of}").format(count=self.cursor_row + 1, of=self.row_count)

    def action_page_down(self) -> None:
        if self.cursor_row >= self.row_count - 1:
            self.post_message(self.PastEnd(1))
        else:
            super().action_page_down()

    def action_page_up(self) -> None:
        if self.cursor_row <= 0:
            self.post_message(self.PastEnd(-1))
        else:
            super().action_page_up()

    def _cells(self, row: Row) -> list[Text]:
        """Those that are shown, cut to their columns."""
        widths = (column.width for column in self.ordered_columns)
        return [
            self._painted(_cut(row.cells[place], width, self._plan[place].cut))
            for place, width in zip(self._places, widths, strict=True)
        ]

    def _painted(self, text: Text) -> Text:
        """With the stylesheet's tokens in place of their names."""
        painted = text.copy()
        painted.style = self._paint(text.style)
        painted.spans = [Span(start, end, self._paint(style)) for start, end, style in text.spans]
        return painted

    def _paint(self, style: Style | str) -> Style | str:
        if isinstance(style, str) and style.startswith("."):
            return self.screen.get_component_rich_style(style[1:], partial=True)
        return style

    def render_line(self, y: int) -> Strip:
        """The row under the cursor keeps its colours and has a bar before it."""
        strip = super().render_line(y)
        if y != self.cursor_row + self.show_header - self.scroll_offset.y or not self._shown:
            return strip
        here = Segment(_BAR, Style.combine([next(iter(strip)).style or Style(), self._here]))
        return Strip([here, *strip.crop(1)])

    @property
    def _here(self) -> Style:
        return self.screen.get_component_rich_style("here", partial=True)

    def _update(self, rows: list[Row]) -> None:
        for number, (row, before) in enumerate(zip(rows, self._shown, strict=True)):
            if row != before:
                self._tell(number, row)

    def _tell(self, number: int, row: Row) -> None:
        data = self._data[self.ordered_rows[number].key]
        for column, told in zip(self.ordered_columns, self._cells(row), strict=True):
            data[column.key] = told
        self._update_count += 1  # update_cell would repaint the whole table, 5 KB a cell
        self.refresh_row(number)

    def _repaint(self) -> None:
        """In the colours of another theme."""
        for number, row in enumerate(self._shown if self._places else ()):
            self._tell(number, row)

    def _refill(self, rows: list[Row]) -> None:
        at, number = self.at_key, self.cursor_row
        with self.prevent(DataTable.RowHighlighted):
            self.clear()
            for row in rows:
                self.add_row(*self._cells(row), key=row.key)
        keys = [row.key for row in rows]
        if at in keys:
            number = keys.index(at)
        self.move_cursor(row=min(number, len(rows) - 1), animate=False, scroll=True)

    def _lay_out(self) -> None:
        """Columns anew where the width has changed."""
        room = self.size.width
        places = [at for at, column in enumerate(self._plan) if column.fits(room)]
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
        keys = [row.key for row in shown]
        at, self.begin_at = self.begin_at or at, ""
        if at in keys:
            self.move_cursor(row=keys.index(at), animate=False)

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


def _cut(text: Text, width: int, cut: Callable[[str, int], str] | None) -> Text:
    if cut is None or text.cell_len <= width:
        return text
    return Text(cut(text.plain, width), style=text.style, no_wrap=True, overflow="ellipsis", end="")
