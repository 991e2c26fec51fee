"""A line to type in, without the blinking that costs 2 KB a second."""

from textual.widgets import Input


class Entry(Input):
    def __init__(
        self,
        value: str = "",
        *,
        placeholder: str = "",
        max_length: int = 0,
        id: str | None = None,  # noqa: A002 - Textual's name
    ) -> None:
        super().__init__(
            value,
            placeholder=placeholder,
            max_length=max_length,
            select_on_focus=False,
            compact=True,
            id=id,
        )
        self.cursor_blink = False
