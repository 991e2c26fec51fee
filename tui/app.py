"""The terminal UI: which page is open, and which is next."""

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import cast

from textual import events

from core.domain.editions import why_not_included
from core.domain.language import N_, Language
from core.errors import WebhooksError
from core.use_cases import membership
from core.use_cases.deliveries import Redelivered
from core.use_cases.membership import BusinessRow
from core.use_cases.queries import WebhookRow
from tui.desk import Desk, Place, clocks_in
from tui.language import _, in_words
from tui.page import BAD, GONE, Page
from tui.redelivering import Outcomes
from tui.screens.businesses import Businesses
from tui.screens.find import Find
from tui.screens.first_business import SetUp
from tui.screens.help import Help
from tui.screens.notice import Notice, NotIncludedNotice
from tui.screens.settings import SettingsPage
from tui.screens.webhooks import Webhooks, look_at
from tui.session import AtStake, Session
from tui.type_ahead import TypeAhead, Typed

_WAYS_OUT = {"escape", "ctrl+c", "ctrl+q"}  # of waiting for a page that does not come
_LONG = 0.5  # seconds that somebody waits without a word
IDLE_LIMIT = 3600.0  # seconds without a key until a session left alone is closed


class Opening(Page):
    """Up while the businesses are read: an instant, or as long as the database takes."""

    @property
    def crumbs(self) -> tuple[str, ...]:
        return (_("Webhooks"),)

    def on_mount(self) -> None:
        self.set_timer(_LONG, self._say_loading)
        self.ask(lambda: membership.businesses(self.desk.actor), self._app.choose)

    def appear(self) -> None:
        """Not for the instant until the next page is there, which would cost a screen."""

    def _say_loading(self) -> None:
        super().appear()
        self.flash(_("Loading…"))

    def refused(self, error: WebhooksError) -> None:
        """Of a business that is chosen, its list says it, and goes on asking."""
        if self._app.business_name:
            self.app.switch_screen(Webhooks(None))
        else:
            super().appear()
            super().refused(error)


class WebhooksApp(Session):
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = False
    TITLE = "AuraPOS Webhooks"
    BINDINGS = []

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.businesses: list[BusinessRow] = []
        self._place: Place | None = desk.place  # where to go first; None once we went
        self._last_input = monotonic()
        self._type_ahead = TypeAhead(self, self._press, self._takes_keys)
        self._outcomes = Outcomes(self)

    def on_mount(self) -> None:
        self.set_interval(IDLE_LIMIT / 60, self._leave_if_idle)
        self.push_screen(self.first_page())

    def first_page(self) -> Page:
        return Opening() if self.desk.set_up is None else SetUp(self.desk.set_up)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, events.InputEvent):
            self._last_input = monotonic()
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
        elif not self._is_called_off_by(event):
            await self._type_ahead.typed(event)

    async def _press(self, typed: Typed) -> None:
        if isinstance(self.screen, Page):
            self.screen.end_old_flash()
        await super().on_event(typed)

    def _is_called_off_by(self, typed: Typed) -> bool:
        """Whether that key was for a page that is being read, and no more."""
        page, key = self.screen, getattr(typed, "key", "")
        if not isinstance(page, Page) or not page.is_opening or key not in _WAYS_OUT:
            return False
        self.stay_here()
        return key == "escape"

    @property
    def message_queue_size(self) -> int:
        """With the keys that wait for their turn: the driver reads no more than is handled."""
        return super().message_queue_size + len(self._type_ahead)

    def _takes_keys(self) -> bool:
        return not isinstance(self.screen, Page) or self.screen.takes_keys

    async def is_there(self) -> None:
        await self._type_ahead.go_on()

    def stay_here(self) -> None:
        self._type_ahead.forget()
        if isinstance(self.screen, Page):
            self.screen.is_opening = False

    def _leave_if_idle(self) -> None:
        if monotonic() - self._last_input > IDLE_LIMIT:
            self.left_behind = self.lost()
            self.exit(message=_("Left alone for an hour, so it was closed."))

    def start(self, desk: Desk) -> None:
        self.desk, self.settings = desk, desk.settings
        self._speak()
        self.switch_screen(Opening())

    def choose(self, rows: list[BusinessRow]) -> None:
        self.businesses = rows
        wanted = [row for row in rows if row.id == self.desk.business_id]
        if wanted or (len(rows) == 1 and self.desk.business_id is None):
            self.open_business((wanted or rows)[0])
        elif rows and self.desk.business_id is None:
            self.switch_screen(Businesses(rows))
        else:
            self.turn_away(_(_NOT_THAT_BUSINESS if rows else _NO_BUSINESS))

    def open_business(self, row: BusinessRow) -> None:
        self.business_id, self.business_name = row.id, row.name

        def go(page: Page) -> None:
            self._start_over(page)
            if not row.included:
                self.say_not_included(in_words(why_not_included(row.name, row.edition)))

        cast("Page", self.screen).open(lambda: look_at(self.desk, row.id), Webhooks, go)

    def speak(self, language: Language | None) -> None:
        """What is drawn already is in the other language, so all of it is made again."""
        self.settings = replace(self.settings, language=language)
        self._speak()

        def go(page: Page) -> None:
            self._start_over(page)
            self.push_screen(SettingsPage(at="language"))

        look = partial(look_at, self.desk, self.business_id)
        cast("Page", self.screen).open(look, Webhooks, go)

    def take_place(self) -> Place:
        place, self._place = self._place, None
        return place or Place()

    def switch_business(self) -> None:
        if len(self.businesses) > 1:
            self.business_name = ""
            self.switch_screen(Businesses(self.businesses))
        else:
            cast("Page", self.screen).flash(_("This is your only business."))

    def use_zone(self, zone: str) -> None:
        self.settings = replace(self.settings, zone=zone)
        self.desk = replace(self.desk, local=clocks_in(zone))
        for page in self.screen_stack:
            if isinstance(page, Page):
                page.read_when_next_seen()

    def turn_away(self, why: str) -> None:
        self._start_over(Notice(why))

    def say_gone(self) -> None:
        if self.is_at_the_start:
            self.turn_away(_(_NO_BUSINESS))
        else:
            self.back_saying(_(GONE), BAD)

    def say_not_included(self, why: str) -> None:
        if not isinstance(self.screen, Notice):
            self.push_screen(NotIncludedNotice(why))

    def _start_over(self, page: Page) -> None:
        while not self.is_at_the_start:
            self.pop_screen()
        self.switch_screen(page)

    def back(self) -> None:
        if self.is_at_the_start:
            self.exit()
        else:
            self.pop_screen()

    def back_to(self, crumb: str) -> None:
        below = [page for page in self.screen_stack[1:-1] if isinstance(page, Page)]
        if not below:
            return
        to = next((page for page in reversed(below) if page.crumbs[-1] == crumb), below[0])
        left = self.screen_stack[self.screen_stack.index(to) + 1 :]
        stakes = (page.at_stake() for page in reversed(left) if isinstance(page, Page))
        if not cast("Page", self.screen).warns_of(next(filter(None, stakes), None)):
            while self.screen is not to:
                self.pop_screen()

    def back_saying(self, text: str, style: str) -> None:
        self.pop_screen()
        cast("Page", self.screen).flash(text, style)

    def at_stake(self) -> AtStake | None:
        pages = (page for page in reversed(self.screen_stack) if isinstance(page, Page))
        return next(filter(None, (page.at_stake() for page in pages)), None)

    def lost(self) -> str:
        """The same in a sentence for the next session; empty where there is nothing."""
        stake = self.at_stake()
        return stake.lost if stake is not None else ""

    async def action_quit(self) -> None:
        cast("Page", self.screen).action_quit_program()

    def action_help_quit(self) -> None:
        cast("Page", self.screen).say_how_to_quit()

    def await_outcomes(self, webhook: WebhookRow, which: Collection[Redelivered]) -> None:
        self._outcomes.wait_for(webhook, which)

    def open_find(self) -> None:
        if self.business_name:
            self.push_screen(Find())

    def show_help(self) -> None:
        if not isinstance(self.screen, Help):
            page = cast("Page", self.screen)
            self.push_screen(Help(page, page.active_bindings.values()))


_NO_BUSINESS = N_(
    "You are not an owner of any business here. Webhooks are seen and changed by a business's "
    "owners only: ask whoever set up your account."
)
_NOT_THAT_BUSINESS = N_(
    "You are not an owner of that business. Webhooks are seen and changed by a business's owners "
    "only: leave out --business to choose one of yours."
)
