"""A line to type in, without the blinking that costs 2 KB a second."""

from textual import events, on
from textual.geometry import Region
from textual.suggester import Suggester
from textual.widgets import Input


class Entry(Input):
    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        max_length: int = 0,
        suggester: Suggester | None = None,
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        super().__init__(
            value,
            placeholder=placeholder,
            max_length=max_length,
            suggester=suggester,
            select_on_focus=False,
            compact=True,
            id=id,
        )
        self.cursor_blink = False

    @on(events.Resize)
    @on(Input.Changed)
    def _keep_the_cursor_seen(self) -> None:
        """Textual scrolls to it neither for the first value nor when the window changes."""
        self.call_after_refresh(self._scroll_to_cursor)

    def _scroll_to_cursor(self) -> None:
        at = self.cursor_screen_offset.x - self.content_region.x + self.scroll_offset.x
        self.scroll_to_region(Region(at, 0, 1, 1), force=True, animate=False, immediate=True)

    def _on_paste(self, event: events.Paste) -> None:
        """In one line, without the spaces and breaks that copying from a page or a mail adds."""
        event.prevent_default()
        event.stop()
        pasted = "".join(line.strip() for line in event.text.splitlines())
        if pasted:
            self.replace(pasted, *self.selection)
