"""What every screen is: crumbs, a body, a flash line and the keys; and how it asks and acts.

The database is only called in threads, which post what they found; only the handlers here draw.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

from core.database import explained
from core.errors import NotAllowed, NotIncluded, WebhooksError
from tui.desk import Desk
from tui.widgets.bars import Crumbs, Flash, Keys

if TYPE_CHECKING:
    from tui.app import WebhooksApp

T = TypeVar("T")

GOOD, BAD, QUIET = "green", "bold red", "dim"
LEAST_WIDTH, LEAST_HEIGHT = 40, 10


@dataclass
class Found(Message):
    """A thread's answer, and who is waiting for it."""

    answer: Any
    then: Callable[[Any], None]


@dataclass
class Refused(Message):
    """A thread's error, in one sentence for the person."""

    error: WebhooksError


class Page(Screen[None]):
    """A whole screen; a modal one would cost five times the bytes."""

    BINDINGS = [
        Binding("question_mark", "help", "help", key_display="?"),
        Binding("q,left,escape", "back", "back", key_display="q"),
        Binding("Q", "quit_program", "Quit", show=False),
    ]
    crumbs: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._acting = False

    @property
    def desk(self) -> Desk:
        return self._app.desk

    @property
    def _app(self) -> "WebhooksApp":
        return cast("WebhooksApp", self.app)

    def compose(self) -> ComposeResult:
        right = " · ".join(filter(None, (self._app.business_name, self.desk.actor.name)))
        yield Crumbs(self.crumbs, right)
        yield from self.body()
        yield Flash(id="flash")
        yield Keys(self._keys())

    def body(self) -> Iterable[Widget]:
        """What is between the crumbs and the flash line."""
        return ()

    def flash(self, text: str, style: str = "") -> None:
        self.query_one(Flash).say(text, style)

    def ask(self, question: Callable[[], T], then: Callable[[T], None]) -> None:
        """Call the database in a thread, and `then` with its answer when it is there."""
        self._in_thread(question, then)

    def act(self, action: Callable[[], T], then: Callable[[T], None]) -> None:
        """The same for what changes something: pressed twice, it is done once."""
        if self._acting:
            return
        self._acting = True
        self._in_thread(action, then)

    @work(thread=True, exit_on_error=False)
    def _in_thread(self, call: Callable[[], T], then: Callable[[T], None]) -> None:
        try:
            with explained():
                answer = call()
        except WebhooksError as error:
            self.post_message(Refused(error))
        else:
            self.post_message(Found(answer, then))

    @on(Found)
    def _found(self, message: Found) -> None:
        self._acting = False
        if self.is_attached:
            message.then(message.answer)

    @on(Refused)
    def _refused(self, message: Refused) -> None:
        self._acting = False
        if isinstance(message.error, NotAllowed | NotIncluded):
            self._app.turn_away(str(message.error))
        else:
            self.flash(f"! {message.error}", BAD)

    def action_back(self) -> None:
        self._app.back()

    def action_help(self) -> None:
        self._app.show_help()

    def action_quit_program(self) -> None:
        self.app.exit()

    def _keys(self) -> list[Binding]:
        """The bindings to show, the screen's own first."""
        own: list[Binding] = []
        for cls in type(self).__mro__:
            for binding in cls.__dict__.get("BINDINGS", ()):
                if isinstance(binding, Binding) and issubclass(cls, Page):
                    own.append(binding)  # noqa: PERF401 - a nested comprehension says less
        return own
