"""The last look, taken once we are connected and before the first byte leaves: may this be sent?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping
from math import inf
from time import monotonic
from typing import TypeVar

from peewee import PeeweeException

from core.pipeline import last_look
from core.pipeline.leases import Claim
from core.pipeline.steps import Step, passed
from core.storage.database import explain, hold_connection, is_postgres, proxy, release_connection
from core.storage.standing import Memory, Standing, Standings
from tasks.ahead import Held
from tasks.holds import Holds

log = logging.getLogger(__name__)

_PAUSE_AFTER_ERROR = 1.0  # seconds
_SLOW = 0.005  # seconds: a look of the event loop that takes longer is slow
_SLOW_SHARE = 0.01  # of the loop's time that slow looks may take: on a busy machine there are some
_DISTRUSTED_FOR = 10.0  # seconds for which a thread looks: after one that failed; else at the most

T = TypeVar("T")
_Asked = tuple[Claim, asyncio.Future[bool]]
Ask = Callable[[list[Claim]], Awaitable[list[bool]]]


class LastLooks:
    """Decides for each attempt whether its first byte may leave.

    Three things count: what the tables say about it (`core/pipeline/last_look.py`), whether its
    lease is still ours, and whether its receiver has meanwhile asked this worker for less.

    One query at a time asks the tables about many attempts, those among them that ask about the
    same webhooks while it is under way, if that is not for long. The event loop looks itself, since
    going to a thread and back takes longer than the query: on SQLite by an indexed read, which with
    write-ahead logging waits neither for writers nor for checkpoints, and is remembered until
    somebody commits; on PostgreSQL over a connection that holds nothing up. Where that fails all
    the same, where it was slow, and behind a pooler, a thread is asked, which may wait. It must be
    used and closed inside one event loop.
    """

    def __init__(self, ask: Ask, holds: Holds) -> None:
        self._ask = ask
        self._holds = holds
        self._looks_itself_from = 0.0
        self._holds_connection = False  # SQLite's
        self._memory = Memory()  # of what SQLite said
        self._recalled: Mapping[int, Standing | None] | None = None  # in this turn of the loop
        self._standings: Standings | None = None  # PostgreSQL's
        self._asked: list[_Asked] = []
        self._answering: asyncio.Task[None] | None = None

    async def may_send(self, held: Held) -> bool:
        """Whether it may be sent. The lease is compared after the tables were asked, which may have
        taken long: after a standstill of this process another worker may have sent it.
        """
        is_wanted = self._remembered(held.claim)
        if is_wanted is None:
            is_wanted = await self._is_wanted(held.claim)
        now = monotonic()
        is_ours = now < held.leased_until
        if not (is_wanted and is_ours) or self._holds.lasts(held.claim.webhook_id, now):
            return False
        passed(Step.SENDING)
        return True

    def _remembered(self, claim: Claim) -> bool | None:
        """What SQLite's tables say, where nobody had written by this turn of the loop since it read
        them; else None.
        """
        if self._recalled is None:
            self._recalled = self._recall()
            asyncio.get_running_loop().call_soon(self._end_turn)
        if claim.webhook_id not in self._recalled:
            return None
        [may_send] = last_look.judge([claim], self._recalled)
        return may_send

    def _recall(self) -> Mapping[int, Standing | None]:
        if is_postgres() or monotonic() < self._looks_itself_from:
            return {}
        try:
            return self._on_sqlite(self._memory.known)
        except Exception:  # noqa: BLE001 - whoever asks the tables will tell
            return {}

    def _end_turn(self) -> None:
        self._recalled = None

    async def _is_wanted(self, claim: Claim) -> bool:
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked.append((claim, answer))
        if self._answering is None:
            self._answering = asyncio.create_task(self._answer())
        return await answer

    def close(self) -> None:
        if self._holds_connection:
            release_connection()
            self._holds_connection = False
        self._hang_up()

    def _hang_up(self) -> None:
        if self._standings is not None:
            self._standings.close()
            self._standings = None

    async def _answer(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, []
                sendable = await self._look_here(asked)
                if sendable is None:
                    sendable = await self._look([claim for claim, _ in asked])
                for (_, answer), may_send in zip(asked, sendable, strict=True):
                    if not answer.done():
                        answer.set_result(may_send)
        finally:
            self._answering = None

    async def _look_here(self, asked: list[_Asked]) -> list[bool] | None:
        """What the tables say, as the event loop finds out; None where a thread must look. Those
        that asked about the same webhooks meanwhile are added.
        """
        begin = monotonic()
        if begin < self._looks_itself_from:
            return None
        webhook_ids = {claim.webhook_id for claim, _ in asked}
        try:
            known = await self._read(webhook_ids)
            if known is None:
                return None
            if self._asked and monotonic() - begin < _SLOW:
                asked += [each for each in self._asked if each[0].webhook_id in webhook_ids]
                self._asked = [
                    each for each in self._asked if each[0].webhook_id not in webhook_ids
                ]
            return last_look.judge([claim for claim, _ in asked], known)
        except Exception:  # noqa: BLE001 - the thread will tell, if it is still so there
            self._hang_up()
            self._looks_itself_from = begin + _DISTRUSTED_FOR
            return None

    async def _read(self, webhook_ids: Collection[int]) -> Mapping[int, Standing | None] | None:
        if is_postgres():
            return await self._ask_postgres(webhook_ids)
        return self._on_sqlite(lambda: self._memory.standing(webhook_ids))

    def _on_sqlite(self, read: Callable[[], T]) -> T:
        """What `read` reads over a connection that stays open."""
        begin = monotonic()
        try:
            self._holds_connection |= proxy.is_closed()
            hold_connection()
            return read()
        finally:
            took = monotonic() - begin
            if took > _SLOW:
                self._looks_itself_from = begin + min(took / _SLOW_SHARE, _DISTRUSTED_FOR)

    async def _ask_postgres(
        self, webhook_ids: Collection[int]
    ) -> Mapping[int, Standing | None] | None:
        if self._standings is None:
            self._standings = await Standings.open()
        if self._standings is None:  # a pooler stands between
            self._looks_itself_from = inf
            return None
        return await self._standings.of(webhook_ids)

    async def _look(self, claims: list[Claim]) -> list[bool]:
        """What the tables say, as a thread reads it. Where they cannot be asked nothing is sent: it
        could not be recorded either.
        """
        try:
            return await self._ask(claims)
        except PeeweeException as error:
            log.error("nothing is sent: %s", explain(error))
        except Exception:  # whoever asked must not wait for ever
            log.exception("nothing is sent")
        await asyncio.sleep(_PAUSE_AFTER_ERROR)  # they are due again at once
        return [False] * len(claims)
