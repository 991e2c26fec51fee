"""What a pass has the database do, in a thread of its own: no other thread of a pass writes."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple, ParamSpec, TypeVar

from core.domain.delivery import Schedule
from core.pipeline import leases
from core.pipeline.alerts import tell_some
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE, Claim
from core.pipeline.recording import settle_all
from core.pipeline.recovery import recover_some
from core.pipeline.settling import Judged, Settlement
from core.storage.awaited import awaited
from core.storage.database import connection
from core.storage.due import Waiting, next_due, waiting_webhooks
from core.storage.outbox_memory import OutboxMemory
from tasks.database_thread import DatabaseThread

P = ParamSpec("P")
T = TypeVar("T")
_FAN_OUT_BATCH = 500
_RECOVER_BATCH = 500


@dataclass(frozen=True, slots=True)
class Rules:
    """How deliveries are treated, as the configuration says it."""

    schedule: Schedule
    recovery_window: timedelta = timedelta()  # of what was abandoned to be recovered
    keep: timedelta = timedelta(days=90)  # how long parked deliveries are kept
    lease_for: timedelta = LEASE


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be claimed."""

    wanted: Mapping[int, int]  # how many deliveries of each webhook
    until: datetime  # when they must be due
    held: Collection[int]  # deliveries that are in flight here
    restrained: Collection[int]  # by their ids


class Found(NamedTuple):
    """What a look around has found."""

    events: int  # events that were fanned out, alerts among them
    has_more: bool  # whether there may be more to do at once
    waiting: list[Waiting]


class Attended(NamedTuple):
    """What is to be done after what waits beside deliveries was seen to."""

    has_more: bool  # there is something to send now, or more to see to
    has_mail: bool  # something is to be mailed now


class Written(NamedTuple):
    """What one call has written."""

    settled: list[Judged]
    claims: list[Claim]
    at: float  # the monotonic clock before the claim: leases last from then at the least


class Writer:
    """Makes each call alone, one after the other.

    A call raises what the database raises; what was written by then stays written.
    """

    def __init__(self, rules: Rules, clock: Callable[[], datetime]) -> None:
        self._rules = rules
        self._clock = clock
        self._thread = DatabaseThread("writer", synced=False)
        self._fanned_out_last = 0  # the business that had its turn last
        self._outbox = OutboxMemory()

    async def look_around(self, until: datetime) -> Found:
        """Fan out the next events of the outbox, and find the webhooks that have something due by
        `until`.
        """
        return await self._run(self._look_around, until)

    async def attend(self) -> Attended:
        """Tell owners what they must be told, and recover. It is rarely needed, so it comes after
        a look around and what that finds, which nobody should wait for.
        """
        return await self._run(self._attend)

    async def write(self, ended: list[Settlement], back: list[Claim], wish: Wish | None) -> Written:
        """Settle what has ended, give back what will not be started, and claim what is wanted.

        All of it is one call: going from thread to thread costs as much as a few deliveries.
        """
        return await self._run(self._write, ended, back, wish)

    async def next_due(self) -> datetime | None:
        """When the earliest waiting delivery is due, or a webhook is to be looked at. In the past
        if there is work now, and None if there is none at all.
        """
        return await self._run(self._next_due)

    async def close(self) -> None:
        await self._thread.close()

    async def _run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def over_one_connection() -> T:  # PostgreSQL's pool looks at one each time it hands it out
            with connection():
                return call(*args, **kwargs)

        return await self._thread.run(over_one_connection)

    def _look_around(self, until: datetime) -> Found:
        fanned_out = fan_out(
            *(_FAN_OUT_BATCH, until, self._clock),
            after=self._fanned_out_last,
            memory=self._outbox,
        )
        self._fanned_out_last = fanned_out.last_business
        return Found(fanned_out.events, not fanned_out.is_all, waiting_webhooks(until))

    def _attend(self) -> Attended:
        waits, has_more = awaited(), False
        if self._is_due(waits.look_at):
            # Where there are mails now, the next call sees them: it comes at once.
            has_more = tell_some(self._rules.keep, self._clock())
        if waits.is_recovering:
            has_more |= self._recover()
        return Attended(has_more, self._is_due(waits.mail_at))

    def _is_due(self, at: datetime | None) -> bool:
        return at is not None and at <= self._clock()

    def _recover(self) -> bool:
        window = self._rules.recovery_window
        return bool(window) and recover_some(_RECOVER_BATCH, window, self._clock())

    def _write(self, ended: list[Settlement], back: list[Claim], wish: Wish | None) -> Written:
        """Where claiming fails, the same outcomes come again: settled twice they change nothing."""
        settled = settle_all(ended, self._rules.schedule, self._clock()) if ended else []
        if back:
            leases.give_back(back, self._clock())
        at = monotonic()
        return Written(settled, self._claim(wish) if wish is not None else [], at)

    def _claim(self, wish: Wish) -> list[Claim]:
        return leases.claim(
            wish.wanted,
            self._rules.schedule,
            wish.until,
            self._clock,
            self._rules.lease_for,
            held=wish.held,
            restrained=wish.restrained,
        )

    def _next_due(self) -> datetime | None:
        return min(filter(None, (next_due(self._clock()), awaited().look_at)), default=None)
