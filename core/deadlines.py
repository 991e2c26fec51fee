"""One time limit for many tasks of one event loop.

asyncio's own gives each task a timer, nearly always to cancel it: a twentieth of what an attempt
costs, and tens of thousands of dead timers in the loop.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Deadlines:
    """Raises TimeoutError in what takes longer than so many seconds.

    All have equally long, so whoever began first is due first: one timer is enough.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._due: dict[asyncio.Task[Any], float] = {}  # by the loop's time, the earliest first
        self._timer: asyncio.TimerHandle | None = None

    async def hold(self, work: Awaitable[T]) -> T:
        """What `work` returns; its task is held to one deadline at a time."""
        loop = asyncio.get_running_loop()
        task = cast("asyncio.Task[Any]", asyncio.current_task(loop))
        cancelled_before = task.cancelling()
        self._due[task] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_at(self._due[task], self._look)
        try:
            return await work
        except asyncio.CancelledError:
            by_another = task in self._due or task.cancelling() > cancelled_before + 1
            if by_another:
                raise
            raise TimeoutError from None
        finally:
            if self._due.pop(task, None) is None:
                task.uncancel()

    def _look(self) -> None:
        loop, self._timer = asyncio.get_running_loop(), None
        while self._due:
            task, due = next(iter(self._due.items()))
            if due > loop.time():
                self._timer = loop.call_at(due, self._look)
                return
            del self._due[task]
            task.cancel()
