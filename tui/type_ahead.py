"""Keys one at a time: each once the one before has been handled, and only by a page that is there.

Textual hands every key to what has the focus in the moment it comes. Of a line that is typed or
pasted at once the rest would go to the page that its first key is about to leave.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from textual import events
from textual.app import App
from textual.message_pump import MessagePump

_AT_MOST = 10.0  # seconds that a key is waited for, however busy the machine is
_LOOKS = 0.25  # seconds between two looks whether what handles it has closed, and never will

Typed = events.Key | events.Paste


class TypeAhead:
    def __init__(
        self,
        app: App[Any],
        press: Callable[[Typed], Awaitable[None]],
        takes_keys: Callable[[], bool],
    ) -> None:
        self._app = app
        self._press = press
        self._takes_keys = takes_keys
        self._waiting: deque[Typed] = deque()
        self._busy_until = 0.0  # with the last one
        self._handler: MessagePump = app  # whom that waits for now
        self._looks_again = False

    def __len__(self) -> int:
        return len(self._waiting)

    async def typed(self, typed: Typed) -> None:
        self._waiting.append(typed)
        await self.go_on()

    def forget(self) -> None:
        """What was typed ahead."""
        self._waiting.clear()

    async def go_on(self) -> None:
        """Press the next key, if there is one and it is its turn."""
        if not self._waiting or not self._takes_keys():
            return
        if self._is_busy:
            if not self._looks_again:
                self._looks_again = True
                self._app.set_timer(_LOOKS, self._look_again)
            return
        self._busy_until = monotonic() + _AT_MOST
        handler = self._app.focused or self._app.screen
        await self._press(self._waiting.popleft())
        self._follow(handler)

    @property
    def _is_busy(self) -> bool:
        has_gone = self._handler._closing or self._handler._closed  # noqa: SLF001 - no other way
        return monotonic() < self._busy_until and not has_gone

    def _follow(self, handler: MessagePump) -> None:
        """Behind the key through the queues of all whom it climbs to, up to the app."""
        self._handler = handler
        above = handler._parent  # noqa: SLF001 - the way that messages take
        if above is None:
            handler.call_later(handler.call_later, self._handled)  # behind a focus that moves
        else:
            handler.call_later(self._follow, above)

    async def _look_again(self) -> None:
        self._looks_again = False
        await self.go_on()

    async def _handled(self) -> None:
        self._busy_until = 0.0
        await self.go_on()
