"""One of a few: the next with space, the one before with the left arrow."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from textual.binding import Binding
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.widgets import Static

T = TypeVar("T")


class Choice(Static, Generic[T], can_focus=True):
    BINDINGS = [
        Binding("space,enter,right", "step(1)", "The next one"),
        Binding("left", "step(-1)", "The one before"),
    ]

    class Changed(Message):
        """Another is chosen now."""

    def __init__(self, options: Sequence[tuple[T, str]], chosen: T, *, name: str) -> None:
        super().__init__(id=name)
        self._options = tuple(options)
        self._at = [value for value, _ in options].index(chosen)

    @property
    def chosen(self) -> T:
        return self._options[self._at][0]

    def choose(self, value: T) -> None:
        """Have that chosen, by nobody's key."""
        self._at = [each for each, _ in self._options].index(value)
        self._draw()

    def on_mount(self) -> None:
        self._draw()

    def action_step(self, steps: int) -> None:
        self._at = (self._at + steps) % len(self._options)
        self._draw()
        self.post_message(self.Changed())

    def on_click(self, event: Click) -> None:
        event.stop()
        self.action_step(1)

    def _draw(self) -> None:
        shown = (
            Content.styled(f"({'x' if at == self._at else ' '}) {label}")
            for at, (_, label) in enumerate(self._options)
        )
        self.update(Content("   ").join(shown))
