"""What a pass has the database do, in a thread of its own that is the only one to write."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple

from core.domain.delivery import Schedule, Verdict
from core.pipeline import leases
from core.pipeline.alerts import next_look, tell_some
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE, Claim
from core.pipeline.mail import next_mail
from core.pipeline.recording import settle_all
from core.pipeline.recovery import recover_some
from core.pipeline.settling import Settlement
from core.storage.due import Waiting, next_due, waiting_webhooks
from tasks.database_thread import DatabaseThread

_FAN_OUT_BATCH = 500
_RECOVER_BATCH = 500


@dataclass(frozen=True, slots=True)
class Rules:
    """How deliveries are treated, as the configuration says."""

    schedule: Schedule
    recovery_window: timedelta = timedelta()  # how long ago something was abandoned at the most
    keep: timedelta = timedelta(days=90)  # how long what is parked is kept
    lease_for: timedelta = LEASE


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be claimed."""

    wanted: Mapping[int, int]  # of each webhook so many
    until: datetime  # what is due by then
    held: Collection[int]  # deliveries that are in flight here
    restrained: Collection[int]  # webhooks


class Found(NamedTuple):
    """What a look around came to."""

    events: int  # that were fanned out, alerts among them
    has_more: bool  # there may be more to do at once
    waiting: list[Waiting]
    has_mail: bool  # something is to be mailed now


class Written(NamedTuple):
    """What one call came to."""

    settled: list[tuple[Settlement, Verdict]]
    claims: list[Claim]
    at: float  # by the monotonic clock, before the claim: the leases last from then at the least


class Writer:
    """Each call runs alone, and the next one after it.

    It raises what the database raises; what had been written by then stays written.
    """

    def __init__(self, rules: Rules, clock: Callable[[], datetime]) -> None:
        self._rules = rules
        self._clock = clock
        self._thread = DatabaseThread("writer", synced=False)
        self._fanned_out_last = 0  # the business whose turn it was

    async def look_around(self, until: datetime) -> Found:
        """Tell owners what they have to be told, have the outbox give up its next events, recover,
        and see which webhooks have something due by `until`.
        """
        return await self._thread.run(self._look_around, until)

    async def write(self, ended: list[Settlement], back: list[Claim], wish: Wish | None) -> Written:
        """Settle what has ended, give back what is not to be started, and claim what is wanted.

        All in one call: each crossing between the threads costs as much as a few deliveries.
        """
        return await self._thread.run(self._write, ended, back, wish)

    async def next_due(self) -> datetime | None:
        """When the earliest waiting delivery is due, or a webhook is to be looked at; in the past
        if there is work now, None if there is none at all.
        """
        return await self._thread.run(self._next_due)

    async def close(self) -> None:
        await self._thread.close()

    def _look_around(self, until: datetime) -> Found:
        more_to_tell = tell_some(self._rules.keep, self._clock())
        fanned_out = fan_out(_FAN_OUT_BATCH, until, self._clock, after=self._fanned_out_last)
        self._fanned_out_last = fanned_out.last_business
        has_more = more_to_tell or not fanned_out.is_all or self._recover()
        return Found(fanned_out.events, has_more, waiting_webhooks(until), self._has_mail())

    def _has_mail(self) -> bool:
        due = next_mail()
        return due is not None and due <= self._clock()

    def _recover(self) -> bool:
        window = self._rules.recovery_window
        return bool(window) and recover_some(_RECOVER_BATCH, window, self._clock())

    def _write(self, ended: list[Settlement], back: list[Claim], wish: Wish | None) -> Written:
        """Where claiming fails and the same outcomes come once more, settling changes nothing."""
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
        return min(filter(None, (next_due(self._clock()), next_look())), default=None)
