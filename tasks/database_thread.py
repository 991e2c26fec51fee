"""A thread for the database, so that a slow commit never delays the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from core.storage.database import hold_connection, release_connection

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseThread:
    """A thread that makes calls to the database, one after the other, over a connection that stays
    open.

    Where it is not `synced`, what they commit survives a crash, but perhaps not a loss of power.
    That is for a worker's claims and outcomes: losing those only repeats a POST.
    """

    def __init__(self, name: str, *, synced: bool = True) -> None:
        self._synced = synced
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `call` returns or raises. Where opening the connection fails, that error is raised,
        and opening is tried again at the next call.
        """

        def connected() -> T:
            hold_connection(synced=self._synced)
            return call(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._pool, connected)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._pool, release_connection)
        self._pool.shutdown()
