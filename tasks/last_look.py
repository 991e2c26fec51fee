"""The question asked just before the first byte leaves: may this still be sent?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from peewee import PeeweeException

from core.database import explain
from core.outbox import Claim

log = logging.getLogger(__name__)

_PAUSE_AFTER_ERROR = 1.0  # seconds


class LastLooks:
    """Puts the questions of many attempts together into one query at a time."""

    def __init__(self, still_sendable: Callable[[list[Claim]], Awaitable[list[bool]]]) -> None:
        self._still_sendable = still_sendable
        self._asked: list[tuple[Claim, asyncio.Future[bool]]] = []
        self._answering: asyncio.Task[None] | None = None

    async def may_send(self, claim: Claim) -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append((claim, answer))
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer())
        return await answer

    async def _answer(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                sendable = await self._look([claim for claim, _ in asked])
                for (_, answer), may_send in zip(asked, sendable, strict=True):
                    if not answer.done():
                        answer.set_result(may_send)
        finally:
            self._answering = None

    async def _look(self, claims: list[Claim]) -> list[bool]:
        """What cannot be asked is not sent: it could not be recorded either."""
        try:
            return await self._still_sendable(claims)
        except PeeweeException as error:
            log.error("nothing is sent: %s", explain(error))
        except Exception:  # whoever asked must not wait for ever
            log.exception("nothing is sent")
        await asyncio.sleep(_PAUSE_AFTER_ERROR)  # they are due again at once
        return [False] * len(claims)
