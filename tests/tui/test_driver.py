"""What a terminal sends is read no faster than it is handled."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import termios
import tty
from collections.abc import Iterator
from time import sleep

import pytest
from textual.app import App
from textual.pilot import Pilot

from tests.support.showcase import play, quiet, send_key
from tests.support.waiting import PATIENCE, until
from tui import driver
from tui.app import WebhooksApp
from tui.page import Page

KEYS = 4000  # a terminal keeps a few more for whoever reads slowly


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """A terminal's two ends, ours and the program's; how the program takes signals is undone."""
    suspending = signal.SIGTSTP, signal.SIGCONT
    handlers = {each: signal.getsignal(each) for each in suspending}
    ours, programs = pty.openpty()
    tty.setraw(programs)
    yield ours, programs
    for end in (ours, programs):
        os.close(end)
    for each, handler in handlers.items():
        signal.signal(each, handler)


class Slow(App[None]):
    """Handles its first key when it may, and counts them all."""

    def __init__(self) -> None:
        super().__init__()
        self.handled = 0
        self.may_go_on, self.is_done = asyncio.Event(), asyncio.Event()

    async def on_key(self) -> None:
        await self.may_go_on.wait()
        self.handled += 1
        if self.handled == KEYS:
            self.is_done.set()


def test_keys_wait_in_the_terminal_until_others_are_handled(
    ends: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, programs = ends
    behind: list[int] = []  # how many keys were, each time that the driver waited

    async def flood() -> None:
        app = Slow()

        def pause(seconds: float) -> None:
            behind.append(app.message_queue_size)
            sleep(seconds)

        monkeypatch.setattr(driver, "sleep", pause)
        async with app.run_test(), asyncio.timeout(PATIENCE):
            terminal = driver.Terminal(app)
            terminal.fileno = programs
            os.write(ours, b"j" * KEYS)
            await until(lambda: unread(programs) == KEYS)  # the kernel hands it on in its own time
            reading = asyncio.create_task(asyncio.to_thread(terminal.run_input_thread))
            try:
                await until(lambda: stands_still(behind) or not unread(programs))
                assert unread(programs) >= KEYS - driver.MOST_BEHIND - driver.READ_AT_ONCE
                app.may_go_on.set()
                await app.is_done.wait()
            finally:
                app.may_go_on.set()
                terminal.exit_event.set()
                await reading

    asyncio.run(flood())


def stands_still(counts: list[int]) -> bool:
    return len(counts) >= 3 and len(set(counts[-3:])) == 1


def unread(terminal: int) -> int:
    """How many bytes of it the program has not taken yet."""
    [count] = struct.unpack("i", fcntl.ioctl(terminal, termios.FIONREAD, bytes(4)))
    return int(count)


@pytest.mark.files_only("is about keys")
def test_those_typed_ahead_of_a_page_count_as_waiting(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await quiet(pilot)
        page = app.screen
        assert isinstance(page, Page)
        page.is_opening = True  # another one is being read
        for _ in range(3):
            send_key(app, "j")
        await quiet(pilot)
        assert app.message_queue_size == 3

    play(app, script)
