"""What a terminal sends is read no faster than it is handled."""

import asyncio
import os
import pty
import signal
import tty
from collections.abc import Iterator

import pytest
from textual.app import App

from tests.support.waiting import PATIENCE
from tui.driver import MOST_BEHIND, READ_AT_ONCE, Terminal

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


class Counting(App[None]):
    """Counts the keys that it handles, and those that wait for that at the most."""

    def __init__(self) -> None:
        super().__init__()
        self.handled = self.most_behind = 0
        self.is_done = asyncio.Event()

    def on_key(self) -> None:
        behind = self.message_queue_size + self.screen.message_queue_size
        self.most_behind = max(self.most_behind, behind)
        self.handled += 1
        if self.handled == KEYS:
            self.is_done.set()


def test_keys_wait_in_the_terminal_until_others_are_handled(ends: tuple[int, int]) -> None:
    ours, programs = ends

    async def most_behind() -> int:
        app = Counting()
        async with app.run_test(), asyncio.timeout(PATIENCE):
            driver = Terminal(app)
            driver.fileno = programs
            os.write(ours, b"j" * KEYS)
            reading = asyncio.create_task(asyncio.to_thread(driver.run_input_thread))
            await app.is_done.wait()
            driver.exit_event.set()
            await reading
        return app.most_behind

    assert asyncio.run(most_behind()) <= 2 * MOST_BEHIND + READ_AT_ONCE  # two queues
