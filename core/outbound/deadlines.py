"""One time limit for many tasks of one event loop.

asyncio's own limit makes a timer for each task, and nearly always cancels it. That is a twentieth
of what an attempt costs, and leaves tens of thousands of dead timers in the loop.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, cast

T = TypeVar("T")

STANDSTILL = 1.0
"""Seconds by which the loop is late when it stood still: it was stopped, or got no processor.
"""

_TURNS = 4  # of the loop: in these what has arrived is read, and reaches whoever waits for it


class StoodStill(TimeoutError):
    """The time ran out while nothing ran here: nobody knows what would have been in time."""


class Deadlines:
    """Raises TimeoutError in what takes longer than this many seconds.

    All tasks have equally long, so the first to begin is the first to be due, and one timer is
    enough. What has arrived by the time that it goes off is read before anybody is stopped.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due: dict[asyncio.Task[Any], float] = {}  # by the loop's time, the earliest first
        self._handle: asyncio.Handle | None = None
        self._error: type[TimeoutError] = TimeoutError  # for those that are being cancelled

    async def hold(self, work: Awaitable[T]) -> T:
        """What `work` returns. Its task can have only one deadline at a time."""
        loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[Any]", asyncio.current_task(loop))
        cancelled_before = task.cancelling()
        self._due[task] = loop.time() + self.seconds
        if self._handle is None:
            self._handle = loop.call_at(self._due[task], self._look)
        try:
            return await work
        except asyncio.CancelledError:
            by_another = task in self._due or task.cancelling() > cancelled_before + 1
            if by_another:
                raise
            raise self._error from None
        finally:
            if self._due.pop(task, None) is None:
                task.uncancel()

    def _look(self) -> None:
        """Set the timer for the earliest deadline, or see whose is over once the loop has caught
        up.
        """
        loop, self._handle = asyncio.get_running_loop(), None
        if not self._due:
            return
        now, first = loop.time(), next(iter(self._due.values()))
        if first > now:
            self._handle = loop.call_at(first, self._look)
        else:
            self._handle = loop.call_soon(self._catch_up, now, now - first, _TURNS)

    def _catch_up(self, over_at: float, late: float, turns: int) -> None:
        loop = asyncio.get_running_loop()
        if turns:
            self._handle = loop.call_soon(self._catch_up, over_at, late, turns - 1)
            return
        self._error = StoodStill if late >= STANDSTILL else TimeoutError
        for task in [task for task, due in self._due.items() if due <= over_at]:
            del self._due[task]
            task.cancel()
        self._look()
