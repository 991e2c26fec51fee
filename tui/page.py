"""What every screen is: crumbs, a body, a flash line and the keys; and how it asks and acts.

The database is only called in threads, which post what they found; only the handlers here draw.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass
from enum import Enum, auto
from time import monotonic
from typing import Any, TypeVar, cast

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.geometry import Size
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from core.domain.language import N_
from core.errors import BadDatabase, NotAllowed, NotFound, NotIncluded, WebhooksError
from core.storage.database import explained
from core.use_cases.webhook_health import pulse
from tui.desk import Desk
from tui.language import _, in_words, who
from tui.session import AtStake, Session
from tui.widgets.bars import Crumbs, Flash, Keys
from tui.widgets.table import Table

T = TypeVar("T")

GOOD, BAD = "", "bold"  # of sentences, whose colour is the terminal's own: it suits its ground
GONE = N_("! It is no longer here.")
READ_ONLY = N_("! Read only: nothing is changed in this session. Leave out --read-only for that.")
TOKENS = {"good", "bad", "held", "chip", "here", "key", "number", "quiet", "press"}
"""What the stylesheet says of parts of a text: a style `.good` in a `Content` or a table's cell."""

_NARROW, WIDE = 60, 100  # columns below which and from which a screen is laid out otherwise
LOW = 16  # rows below which it leaves out what can be done without
_DOUBLE_PRESS = 0.7  # seconds within which the same deed is not done again
_SOON = 0.5  # seconds that a deed takes without a word
_POLL = 1.0  # seconds between two looks whether anything changed


class _Call(Enum):
    """What a thread is busy with."""

    ASK = auto()
    OPEN = auto()
    ACT = auto()
    LOOK = auto()


@dataclass
class _Found(Message):
    """A thread's answer, and who is waiting for it."""

    call: _Call
    answer: Any
    then: Callable[[Any], None]


@dataclass
class _Refused(Message):
    """A thread's error, in one sentence for the person."""

    call: _Call
    error: WebhooksError


class Page(Screen[None]):
    """A whole screen; a modal one would cost five times the bytes."""

    AUTO_FOCUS = ""
    COMPONENT_CLASSES = TOKENS
    BINDINGS = [
        Binding("question_mark,f1", "help", "help", key_display="?"),
        Binding("q", "leave", "back"),
        Binding("left,escape", "back", "Back", show=False),
        Binding("Q", "quit_program", "Quit", show=False),
        Binding("F", "find", "Find a ticket", show=False),
        Binding("tab", "app.focus_next", "Next field", show=False),
        Binding("shift+tab", "app.focus_previous", "Field before", show=False),
        Binding("ctrl+c,super+c", "screen.copy_text", "Copy selected text", show=False),
    ]
    least = (40, 10)  # columns and rows below which there is nothing to be seen
    is_of_many = False  # it stays where one of those that it lists is gone

    def __init__(self) -> None:
        super().__init__()
        self._busy: set[_Call] = set()
        self._deed: Hashable = None  # the last one, to know a double press by
        self._deed_at = 0.0
        self._is_watching = False
        self._pulse: object = None
        self._reads = self._reads_shown = 0  # what is read again and again, counted
        self._is_cut_off = False
        self._is_warned = False
        self._is_saving = False
        self._read_again: Callable[[], None] = lambda: None
        self._had_keys: Widget | None = None  # before there was too little room to show it
        self._is_there = False  # drawn, with its focus where it belongs
        self._held = ExitStack()
        self.is_opening = False  # a key has asked for the next page, which is being read

    @property
    def crumbs(self) -> Sequence[str]:
        """The way here."""
        return ()

    @property
    def takes_keys(self) -> bool:
        return self._is_there and not self.is_opening

    @property
    def desk(self) -> Desk:
        return self._app.desk

    @property
    def _app(self) -> Session:
        return cast("Session", self.app)

    def compose(self) -> ComposeResult:
        right = " · ".join(filter(None, (self._app.business_name, who(self.desk.actor.name))))
        yield Static(_("Make the window bigger. q goes back."), id="too-small")
        with Vertical(id="page"):
            yield Crumbs(self.crumbs, right, _("read only") if self.desk.read_only else "")
            yield from self.body()
            yield Flash(id="flash")
            yield Keys(*self.bindings_shown())

    def body(self) -> Iterable[Widget]:
        """What is between the crumbs and the flash line."""
        return ()

    @on(events.Resize)
    def _resized(self, event: events.Resize) -> None:
        self._fit(event.size)

    def _fit(self, size: Size) -> None:
        (columns, rows), (least_columns, least_rows) = size, self.least
        self._make_room(columns < least_columns or rows < least_rows)
        self.set_class(columns < _NARROW, "narrow")
        self.set_class(columns >= WIDE, "wide")
        self.set_class(rows < LOW, "low")

    def _make_room(self, is_too_small: bool) -> None:  # noqa: FBT001 - a state
        """Show nothing or, again, everything: what is hidden loses the keys, and has them back."""
        if is_too_small and self.focused is not None:
            self._had_keys = self.focused
        self.set_class(is_too_small, "too-small")
        if not is_too_small and self._had_keys is not None:
            self.call_after_refresh(self._give_back_keys, self._had_keys)
            self._had_keys = None

    def _give_back_keys(self, had_them: Widget) -> None:
        """Unless something else has them by now, or it has gone."""
        if self.focused is None and had_them.is_attached:
            self.set_focus(had_them)

    @on(events.DescendantFocus)
    @on(events.DescendantBlur)
    def _focus_moved(self) -> None:
        self.query_one(Keys).tell_typing(isinstance(self.focused, Input))

    @on(Table.RowHighlighted)
    @on(Table.Shown)
    def _moved(self) -> None:
        self.tell_place()

    def tell_place(self) -> None:
        """Where the cursor is in a list that scrolls."""
        self.query_one(Crumbs).tell_place(self.query_one(Table).place)

    def flash(self, text: str, style: str = "") -> None:
        self.query_one(Flash).say(text, style)

    def end_old_flash(self) -> None:
        if not self._is_warned:
            self.query_one(Flash).end_if_old()

    def show_if(self, wanted: bool, selector: str | type[Widget]) -> None:  # noqa: FBT001
        """Show a part or not; untouched if it is so already, since touching lays out anew."""
        part = self.query_one(selector)
        if part.display != wanted:
            part.display = wanted

    # Asking and acting

    def ask(self, question: Callable[[], T], then: Callable[[T], None]) -> None:
        """Call the database in a thread, and `then` with its answer when it is there."""
        self._in_thread(_Call.ASK, question, then)

    def ask_anew(self, question: Callable[[], T], then: Callable[[T], None]) -> None:
        """The same for what is read again and again: an answer that comes when a later question has
        been answered already is dropped, since what it says is older.
        """
        self._reads += 1
        number = self._reads

        def show(answer: T) -> None:
            if number > self._reads_shown:
                self._reads_shown = number
                then(answer)

        self.ask(question, show)

    def try_to_ask(self, question: Callable[[], T], then: Callable[[T | None], None]) -> None:
        """The same in passing: `then` with None where it cannot be had, which stays unsaid."""

        def attempt() -> T | None:
            try:
                with explained():
                    return question()
            except WebhooksError:
                return None

        self._in_thread(_Call.ASK, attempt, then)

    def open(
        self,
        question: Callable[[], T],
        make: Callable[[T], "Page"],
        go: "Callable[[Page], object] | None" = None,
    ) -> None:
        """Go to a page once what it shows has been read, so that it is drawn only once.

        `go` is how, where it does not come on top of this one.
        """
        self.is_opening = True
        self._in_thread(
            _Call.OPEN, question, lambda answer: self._go(go or self._app.push_screen, make, answer)
        )

    def _go(self, go: "Callable[[Page], object]", make: Callable[[T], "Page"], answer: T) -> None:
        if self._app.screen is self and self.is_opening:
            go(make(answer))
        self.is_opening = False

    def act(self, deed: Hashable, action: Callable[[], T], then: Callable[[T], None]) -> bool:
        """The same for what changes something; pressed twice, the same deed is done once.

        Says whether it is being done now.
        """
        if not self.may_change():
            return False
        now = monotonic()
        repeated = deed == self._deed and now - self._deed_at < _DOUBLE_PRESS
        if repeated or _Call.ACT in self._busy:
            return False
        self._deed, self._deed_at = deed, now
        self._in_thread(_Call.ACT, action, then)
        self.set_timer(_SOON, lambda: self._say_saving(is_saving=_Call.ACT in self._busy))
        return True

    def may_change(self) -> bool:
        """Whether this session may change anything; says so where it may not."""
        if self.desk.read_only:
            self.flash(_(READ_ONLY), BAD)
        return not self.desk.read_only

    def _say_saving(self, *, is_saving: bool) -> None:
        """While a deed takes longer than a moment, as it does when others hold the database up."""
        if is_saving != self._is_saving:
            self._is_saving = is_saving
            self.flash(_("Saving…") if is_saving else "")

    def watch_database(self, read: Callable[[], None], since: object = None) -> None:
        """Call `read` whenever something has changed while this is on top: since that pulse, if
        what is shown was read after it.
        """
        self._read_again, self._pulse = read, since
        self._is_watching = True
        self.set_interval(_POLL, self._look)

    def read_when_next_seen(self) -> None:
        """What it was read for is not as it was, though nothing in the database has changed."""
        self._pulse = None

    @on(events.Mount)
    def _hold_drawing(self) -> None:
        """Until all is where it belongs: else each step on the way there is a whole screen."""
        self._held.enter_context(self.app.batch_update())
        self._fit(self.app.size)  # before it is laid out, which would have to be done again

    @on(events.Unmount)
    def _let_draw(self) -> None:
        self._held.close()

    def appear(self) -> None:
        """Be drawn, now that everything is where it belongs."""
        self._let_draw()

    def _compositor_refresh(self) -> None:
        """Draw what has changed; not where all will be drawn in a moment, which would be twice."""
        if not self._repaint_required:
            super()._compositor_refresh()

    @on(events.ScreenResume)
    def _resumed(self) -> None:
        # By way of the app, which lays a page out anew once it has seen that it is mounted.
        self.call_after_refresh(self.app.call_later, self.appear)
        self.call_after_refresh(self._be_there)
        if self._is_watching:
            self._look()

    @on(events.ScreenSuspend)
    def _left(self) -> None:
        """What was told before may be true no longer when somebody comes back."""
        if self.is_attached and not self._is_warned:
            self.flash("")

    async def _be_there(self) -> None:
        self._is_there = True
        await self._app.is_there()

    def _look(self) -> None:
        if self._app.screen is self and self.is_live() and _Call.LOOK not in self._busy:
            self._in_thread(_Call.LOOK, pulse, self._changed_since)

    def is_live(self) -> bool:
        """Whether to look for changes now."""
        return True

    def _changed_since(self, seen: object) -> None:
        if self._is_cut_off:
            self._is_cut_off, self._pulse = False, None  # what failed is read again
            self.flash(_("✓ The database answers again."), GOOD)
        if seen != self._pulse:
            self._pulse = seen
            self._read_again()

    def _in_thread(self, kind: _Call, call: Callable[[], T], then: Callable[[T], None]) -> None:
        self._busy.add(kind)
        here = copy_context()  # a thread would begin without it, and with it without the language
        self._run(kind, lambda: here.run(call), then)

    @work(thread=True)
    def _run(self, kind: _Call, call: Callable[[], T], then: Callable[[T], None]) -> None:
        try:
            with explained():
                answer = call()
        except WebhooksError as error:
            self.post_message(_Refused(kind, error))
        else:
            self.post_message(_Found(kind, answer, then))

    @on(_Found)
    def _found(self, message: _Found) -> None:
        self._busy.discard(message.call)
        if self.is_attached:
            if message.call is _Call.ACT:
                self._say_saving(is_saving=False)
            message.then(message.answer)

    @on(_Refused)
    def _refused(self, message: _Refused) -> None:
        self._busy.discard(message.call)
        is_reading = message.call in {_Call.LOOK, _Call.ASK}
        self._is_cut_off |= is_reading and isinstance(message.error, BadDatabase)
        if not self.is_attached:
            return
        if message.call is _Call.OPEN:
            self._app.stay_here()
        if message.call is _Call.ACT:
            self._say_saving(is_saving=False)
        if isinstance(message.error, NotAllowed):
            self._app.turn_away(in_words(message.error))
        elif isinstance(message.error, NotIncluded):
            self._app.say_not_included(in_words(message.error))
        elif isinstance(message.error, NotFound):
            self._gone(message.call)
        else:
            self.refused(message.error)

    def _gone(self, call: _Call) -> None:
        """What was to be opened, or acted upon in a list of many; else what this page is about."""
        is_one_of_many = self.is_of_many or self._app.is_at_the_start
        if call is _Call.OPEN or (call is _Call.ACT and is_one_of_many):
            self.flash(_(GONE), BAD)
            self._read_again()
        else:
            self._app.say_gone()

    def refused(self, error: WebhooksError) -> None:
        """Something asked or done did not come about, and the page stays."""
        self.flash(f"! {in_words(error)}", BAD)

    # Keys

    def at_stake(self) -> AtStake | None:
        """What would be lost if this were left now; None where nothing would."""
        return None

    def warns_of(self, stake: AtStake | None) -> bool:
        """Whether that had to be told first: the same key once more leaves."""
        if stake is None or self._is_warned:
            return False
        self._is_warned = True
        self.flash(
            _("! {warning} The same key once more leaves.").format(warning=stake.warning), BAD
        )
        return True

    @property
    def is_warning(self) -> bool:
        """Whether the flash line says what would be lost, which no news may replace."""
        return self._is_warned

    def something_changed(self) -> None:
        """What a warning was about is not what it was, so that it is given again."""
        self._is_warned = False

    def action_back(self) -> None:
        if not self.warns_of(self.at_stake()):
            self._app.back()

    def action_leave(self) -> None:
        self.action_back()

    @on(Crumbs.Pressed)
    def _back_to_crumb(self, event: Crumbs.Pressed) -> None:
        if event.at < len(self.crumbs) - 1:
            self._app.back_to(self.crumbs[event.at])

    def action_help(self) -> None:
        self._app.show_help()

    def action_find(self) -> None:
        self._app.open_find()

    def action_quit_program(self) -> None:
        if not self.warns_of(self._app.at_stake()):
            self.app.exit()

    def say_how_to_quit(self) -> None:
        """For those whose fingers press ctrl+C, or esc once too often: that ends nothing."""
        stake = self._app.at_stake()
        if stake is None and self._app.is_at_the_start:
            self.flash(_("q, Q or ^q quits."))
        elif stake is None:
            self.flash(_("q goes back, Q or ^q quits."))
        else:
            told = _("! {warning} ^q twice leaves all the same.")
            self.flash(told.format(warning=stake.warning), BAD)

    def bindings_shown(self) -> tuple[list[Binding], list[Binding]]:
        """The bindings to show: the screen's own, and those of every screen."""
        taken: set[str] = set()
        own: list[Binding] = []
        common: list[Binding] = []
        for cls in type(self).__mro__:
            if not issubclass(cls, Page):
                continue
            for binding in cls.__dict__.get("BINDINGS", ()):
                keys = set(binding.key.split(","))
                if not keys & taken:
                    pinned = cls is Page or keys & _COMMON
                    (common if pinned else own).append(binding)
                taken |= keys
        return own, sorted(common, key=lambda binding: "question_mark" not in binding.key)


_COMMON = {"question_mark", "q"}


def unless_gone(read: Callable[[], T]) -> T | None:
    """What `read` says of one of those on a page; None where that has just been deleted, which is
    not what the page is about: it sees for itself when it looks again.
    """
    try:
        return read()
    except NotFound:
        return None
