"""A key waits for the one before, however long that takes."""

import asyncio
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.screen import Screen

from tests.support.showcase import send_key
from tests.support.waiting import PATIENCE
from tui import type_ahead
from tui.type_ahead import TypeAhead, Typed

LOOKS = 3


class Slow(Screen[None]):
    """Its first key is handled when the test says so, and goes to another page."""

    def __init__(self) -> None:
        super().__init__()
        self.is_going, self.may_go, self.has_heard = (asyncio.Event() for _ in range(3))
        self.heard_at = ""
        self.place = "list"

    async def on_key(self, event: events.Key) -> None:
        if event.key == "n":
            self.is_going.set()
            await self.may_go.wait()
            self.place = "page"
        else:
            self.heard_at = self.place
            self.has_heard.set()


class Typing(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.ahead = TypeAhead(self, super().on_event, lambda: True)

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, Typed) and not event.is_forwarded:
            await self.ahead.typed(event)
        else:
            await super().on_event(event)


def test_the_next_one_waits_longer_than_a_machine_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Semaphore(0)
    look_again = TypeAhead._look_again

    async def look(self: Any) -> None:
        await look_again(self)
        looked.release()

    monkeypatch.setattr(TypeAhead, "_look_again", look)
    monkeypatch.setattr(type_ahead, "_LOOKS", 0.01)

    async def run() -> None:
        app, page = Typing(), Slow()
        async with app.run_test():
            await app.push_screen(page)
            send_key(app, "n")
            send_key(app, "h")
            async with asyncio.timeout(PATIENCE):
                await page.is_going.wait()
                for _ in range(LOOKS):
                    await looked.acquire()
                assert page.heard_at == ""
                page.may_go.set()
                await page.has_heard.wait()
            assert page.heard_at == "page"

    asyncio.run(run())
