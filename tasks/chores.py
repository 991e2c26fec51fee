"""What every worker does once a minute besides delivering."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from peewee import PeeweeException

from core.storage.database import explain
from tasks.database_thread import DatabaseThread

log = logging.getLogger(__name__)

_MINUTE = 60.0  # seconds


class Chore:
    """Work on the database, done at each tick and after a minute without one: a queue gives its
    ticks to any one of its consumers. Its thread is its own, so nothing waits for it.

    It must be used inside one event loop.
    """

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._called = asyncio.Event()
        self._stopping = False
        self._thread = DatabaseThread("chore")

    def call(self) -> None:
        """Do it now."""
        self._called.set()

    def stop(self) -> None:
        self._stopping = True
        self._called.set()

    async def run(self) -> None:
        """Until it is stopped."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), _MINUTE)
            self._called.clear()
            if self._stopping:
                break
            try:
                await self._thread.run(self._work)
            except PeeweeException as error:
                log.error("a chore waits for the next minute: %s", explain(error))
            except Exception:  # a fault of ours in one chore ends neither it nor deliveries
                log.exception("a chore broke off; it is tried again in a minute")
        await self._thread.close()
