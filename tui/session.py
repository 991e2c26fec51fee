"""One person's session: their terminal, what they have chosen, and where they are.

Pages know this much of the app. Which page opens when is the app's own, which knows the pages.
"""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from textual.app import App
from textual.driver import Driver
from textual.filter import LineFilter
from textual.screen import Screen
from textual.worker import WorkerFailed

from core.domain.language import Language
from core.use_cases.deliveries import Redelivered
from core.use_cases.membership import BusinessRow
from core.use_cases.queries import WebhookRow
from core.use_cases.settings import Glyphs, Theme
from tui.clipboard import osc52, terminal
from tui.desk import Desk, Place
from tui.driver import Terminal
from tui.glyphs import InAscii, are_drawn_by
from tui.language import Speech, begin
from tui.plain import NoColours
from tui.printing import print_until_enter
from tui.themes import COLOURS, colours_of
from tui.untrusted import NothingHidden


@dataclass(frozen=True)
class AtStake:
    """What leaving a screen now would lose."""

    warning: str  # told before it is left by a key
    lost: str  # told in the next session, where the connection ended first


class Session(App[None]):
    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self.desk = desk
        self.business_id = desk.business_id or 0
        self.business_name = ""
        self.settings = desk.settings
        self.speech = Speech()
        self._speak()
        self.left_behind = ""  # what was lost with a session that ended by itself
        self.crash = ""  # what to tell of one: a number, its kind and its place, never a value
        for colours in COLOURS.values():
            self.register_theme(colours)
        self.theme = colours_of(self._theme_in_use).name

    def on_load(self) -> None:
        begin(self.speech)  # here, since all that is begun later inherits from this task

    def get_driver_class(self) -> type[Driver]:
        return Terminal

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(self._driver, Terminal):
            renderable = self._driver.shown.without_known(renderable)
        super()._display(screen, renderable)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """In place of Textual's, which would make the terminal's own colours black."""
        filters: list[LineFilter] = [NothingHidden()]
        if self._theme_in_use is Theme.NONE:
            filters.insert(0, NoColours())
        if self._glyphs_in_use is Glyphs.ASCII:
            filters.append(InAscii())
        return filters

    @property
    def _theme_in_use(self) -> Theme:
        by_itself = Theme.NONE if self.no_color else Theme.TERMINAL
        return self.settings.theme or by_itself

    def use_theme(self, theme: Theme | None) -> None:
        """As the person chose just now; None leaves it to the terminal's environment."""
        self.settings = replace(self.settings, theme=theme)
        self.theme = colours_of(self._theme_in_use).name
        self._draw_all_again()

    @property
    def _glyphs_in_use(self) -> Glyphs:
        by_itself = Glyphs.DRAWN if are_drawn_by(terminal()) else Glyphs.ASCII
        return self.settings.glyphs or by_itself

    def use_glyphs(self, glyphs: Glyphs | None) -> None:
        """As the person chose just now; None leaves it to the terminal's name."""
        self.settings = replace(self.settings, glyphs=glyphs)
        self._draw_all_again()

    def _draw_all_again(self) -> None:
        for screen in self.screen_stack:
            for widget in screen.walk_children(with_self=True):
                widget.refresh()

    def _speak(self) -> None:
        """In the language that the person chose; else in the one that is configured."""
        self.speech.language = self.settings.language or self.desk.language

    def speak(self, language: Language | None) -> None:
        """From now on, as the person chose just now; None leaves it to the configuration."""
        raise NotImplementedError

    def send_to_clipboard(self, text: str) -> None:
        """Ask the person's terminal to take it; whether it did, nobody can tell."""
        if self._driver is not None:
            self._driver.write(osc52(text, terminal()))

    def print_plainly(self, text: str) -> None:
        """Leave the UI for a moment and print the text bare, so that it can be selected."""
        with self.suspend():
            print_until_enter(text, self.size.width)

    def take_lost(self) -> str:
        """What the last session lost, to be told once."""
        lost, self.settings = self.settings.lost, replace(self.settings, lost="")
        return lost

    def _handle_exception(self, error: Exception) -> None:
        """End with an error number: a traceback would print locals, and secrets with them."""
        if isinstance(error, WorkerFailed) and isinstance(error.error, Exception):
            error = error.error
        self.crash = f"{uuid.uuid4().hex[:8]}, {type(error).__name__} at {_place(error)}"
        self._return_code = 1
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._close_messages_no_wait()

    def use_zone(self, zone: str) -> None:
        """Show the time as the clocks there do, from now on and on every page."""
        raise NotImplementedError

    @property
    def is_at_the_start(self) -> bool:
        """Whether no screen is below this one."""
        return len(self.screen_stack) <= 2

    def start(self, desk: Desk) -> None:
        """Go on at a desk that has just been set up."""
        raise NotImplementedError

    def choose(self, rows: list[BusinessRow]) -> None:
        """Open the one business there is, or let the person choose."""
        raise NotImplementedError

    def open_business(self, row: BusinessRow) -> None:
        """Open its list of webhooks."""
        raise NotImplementedError

    def switch_business(self) -> None:
        """Let the person choose another of their businesses."""
        raise NotImplementedError

    def take_place(self) -> Place:
        """Where the person asked to begin: asked for once, by the list that opens first."""
        raise NotImplementedError

    def turn_away(self, why: str) -> None:
        """One screen that says why there is nothing to be had here."""
        raise NotImplementedError

    def say_gone(self) -> None:
        """What the screen was about is there no more, or was never this person's."""
        raise NotImplementedError

    def say_not_included(self, why: str) -> None:
        """The same for a business without the option; behind it is what it has."""
        raise NotImplementedError

    def back(self) -> None:
        """To the screen before; from the first one out."""
        raise NotImplementedError

    def back_to(self, crumb: str) -> None:
        """To the nearest page below that has this as its own; to the first one where none has."""
        raise NotImplementedError

    def back_saying(self, text: str, style: str) -> None:
        """To the screen before, with what was done on its flash line."""
        raise NotImplementedError

    def at_stake(self) -> AtStake | None:
        """What would be lost if the program ended now: of the screen on top, or of one below."""
        raise NotImplementedError

    async def is_there(self) -> None:
        """The page on top is: what was typed for it is pressed now."""
        raise NotImplementedError

    def stay_here(self) -> None:
        """The page that was asked for does not come, and what was typed was not for this one."""
        raise NotImplementedError

    def await_outcomes(self, webhook: WebhookRow, which: Collection[Redelivered]) -> None:
        """Tell, on whatever is open by then, how these deliveries of that webhook went."""
        raise NotImplementedError

    def open_find(self) -> None:
        """Over whatever is open; nothing where no business is chosen yet."""
        raise NotImplementedError

    def show_help(self) -> None:
        """The keys of the page on top."""
        raise NotImplementedError


def _place(error: Exception) -> str:
    """Where it was raised: file and line of each frame, without a value of any."""
    places = []
    frame = error.__traceback__
    while frame is not None:
        code = frame.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{frame.tb_lineno}")
        frame = frame.tb_next
    return " ".join(places[-6:])
