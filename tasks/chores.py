"""What every worker does once a minute, or more often, besides delivering."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from peewee import PeeweeException

from core.storage.database import explain
from tasks.database_thread import DatabaseThread

log = logging.getLogger(__name__)

_MINUTE = 60.0  # seconds
_SHORTEST = 0.05  # another worker is doing it, and has not written it yet


Work = Callable[[], float | None]


class Chore:
    """Work on the database that is done at each tick, and after a minute without one, since a queue
    gives each tick to any one of its consumers. It has a thread of its own, so nothing waits for
    it.

    Work that returns a number is wanted again in so many seconds. A chore must be used inside one
    event loop.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self._called = asyncio.Event()
        self._stopping = False
        self._thread = DatabaseThread("chore")

    def call(self) -> None:
        """Do the work now."""
        self._called.set()

    def stop(self) -> None:
        self._stopping = True
        self._called.set()

    async def run(self) -> None:
        """Do the work again and again, until it is stopped."""
        seconds = _MINUTE
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._called.wait(), seconds)
            self._called.clear()
            if self._stopping:
                break
            seconds = _MINUTE
            try:
                wanted = await self._thread.run(self.work)
                if wanted is not None:
                    seconds = min(_MINUTE, max(_SHORTEST, wanted))
            except PeeweeException as error:
                log.error("a chore waits for the next minute: %s", explain(error))
            except Exception:  # a fault in one chore ends neither the chore nor the deliveries
                log.exception("a chore broke off; it is tried again in a minute")
        await self._thread.close()
