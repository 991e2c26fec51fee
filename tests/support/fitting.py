"""What a screen has no room for: words of our own that are cut off, in whichever language."""

from collections.abc import Iterator

from rich.cells import cell_len
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Static

from tui.app import WebhooksApp
from tui.widgets.bars import Crumbs, Keys
from tui.widgets.entry import Entry
from tui.widgets.lines import Lines
from tui.widgets.table import Table

_QUOTES = {"preview", "line", "just-now"}  # names and answers, as far as there is room for them


def cut_off(app: WebhooksApp) -> set[tuple[str, str]]:
    """Where something is cut on the screen on top, and what; the same in every language."""
    found = set[tuple[str, str]]()
    for widget in app.screen.walk_children():
        if widget.is_attached and widget.display and widget.size:
            found |= {(_place(widget), what) for what in _cut(widget)}
    return found


def _place(widget: Widget) -> str:
    return widget.id or type(widget).__name__


def _cut(widget: Widget) -> Iterator[str]:
    match widget:
        case Crumbs():
            return
        case Keys():
            shown, wanted = widget.render().plain, [*widget._own, *widget._common]
            yield from (each.action for each in wanted if each.description not in shown)
        case Static() if widget.id not in _QUOTES and isinstance(widget.visual, Content):
            if not _fits(widget, widget.visual):
                yield "text"
        case Table():
            yield from _cut_columns(widget)
        case Entry() if cell_len(widget.placeholder) > widget.size.width:
            yield "placeholder"
        case Lines() if widget.id not in _QUOTES:
            lines = enumerate(widget._lines)
            yield from (
                f"line {number}"
                for number, line in lines
                if "…" in line.plain or line.cell_length > widget.size.width
            )


def _fits(widget: Static, told: Content) -> bool:
    if any(isinstance(each, VerticalScroll) for each in widget.ancestors):
        return True
    if widget.styles.text_wrap == "nowrap":
        return told.cell_length <= widget.size.width
    return len(told.wrap(widget.size.width)) <= widget.size.height


def _cut_columns(table: Table) -> Iterator[str]:
    """The column that takes what is left has names and answers: only its heading is ours."""
    for place, column in zip(table._places, table.ordered_columns, strict=True):
        texts = [column.label]
        if table._plan[place].width is not None:
            texts += [row.cells[place] for row in table._shown]
        if any(text.cell_len > column.width for text in texts):
            yield f"column {place}"
