"""One pass: fan out → claim → send together → settle in batches.

The event loop does nothing but send. Calls to the database run in threads of their own, one that
writes and one for the last looks, so that a slow commit never delays an answer.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

from peewee import PeeweeException

from core import outbox
from core.database import explain
from core.delivery import (
    Interrupted,
    Lapsed,
    Locked,
    Outcome,
    Schedule,
    Status,
    Unreachable,
    Unsendable,
    Verdict,
    Withdrawn,
)
from core.due import next_due, waiting_webhooks
from core.errors import BadKeyFile
from core.outbox import LEASE, Claim, Settlement
from core.recording import settle_all
from core.recovery import recover_some
from core.sender import Sender
from core.signing import Secret, build_body, build_headers
from core.steps import Step, passed
from core.transport import Errand
from core.vault import Vault
from tasks.database_thread import DatabaseThread
from tasks.last_look import LastLooks
from tasks.load import Limits, Load

log = logging.getLogger(__name__)

_FAN_OUT_BATCH = 500
_RECOVER_BATCH = 500
_ROSTER_FOR = 1.0  # seconds until webhooks that have become due are looked for again


@dataclass(slots=True)
class Tally:
    """What a pass did."""

    events: int = 0  # fanned out
    attempts: int = 0
    delivered: int = 0
    failed: int = 0  # and will be tried again
    abandoned: int = 0

    def count(self, verdict: Verdict) -> None:
        self.attempts += verdict.counts
        self.delivered += verdict.status is Status.DELIVERED
        self.failed += verdict.status is Status.FAILED
        self.abandoned += verdict.status is Status.ABANDONED


class OpenedOnce:
    """A vault that opens each webhook's secret once, for as long as a pass lasts."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._opened: dict[tuple[int, bytes], Secret] = {}

    def open(self, claim: Claim) -> Secret:
        """Raises BadKeyFile when no key here opens it."""
        which = claim.webhook_id, claim.sealed_secret
        secret = self._opened.get(which)
        if secret is None:
            secret = self._vault.open(claim.sealed_secret, claim.business_id, claim.webhook_id)
            self._opened[which] = secret
        return secret


class Dispatcher:
    """Runs passes, one at a time, in the one event loop that it is used in.

    `on_backlog` is called, and must return at once, when there is more than can be started here.
    """

    def __init__(
        self,
        sender: Sender,
        open_vault: Callable[[], Vault],
        schedule: Schedule,
        limits: Limits,
        clock: Callable[[], datetime],
        *,
        recovery_window: timedelta = timedelta(),
        lease_for: timedelta = LEASE,
        on_backlog: Callable[[], None] = lambda: None,
    ) -> None:
        self._sender = sender
        self._open_vault = open_vault
        self._schedule = schedule
        self._clock = clock
        self._recovery_window = recovery_window
        self._lease_for = lease_for
        self._on_backlog = on_backlog
        self._load = Load(limits)
        self._roster: list[int] = []
        self._roster_until = 0.0
        self._fanned_out_last = 0  # the business whose turn it was
        self._in_flight: set[asyncio.Task[None]] = set()
        self._unsettled: list[Settlement] = []
        self._news = asyncio.Event()
        self._stopping = False
        self._writer = DatabaseThread("writer", synced=False)
        self._reader = DatabaseThread("reader")
        self._last_looks = LastLooks(lambda claims: self._reader.run(outbox.still_sendable, claims))

    def look(self) -> None:
        """Look for new work at once, also in the middle of a pass."""
        self._roster_until = 0.0
        self._news.set()

    def _looks_again(self) -> bool:
        return self._roster_until == 0.0 and not self._stopping

    def stop(self) -> None:
        """Claim nothing more: the pass ends once what is in flight has been settled.

        Said again it is no news: from Python 3.12 on waiting for news that is there already lets
        nothing else run, so a pass that is told at every turn would never hear of what has ended.
        """
        if not self._stopping:
            self._stopping = True
            self._news.set()

    async def drain(
        self, until: Callable[[], datetime], on_progress: Callable[[Tally], None] | None = None
    ) -> Tally:
        """Attempt everything that is due at `until()`, asked again and again; says what was done.

        Raises BadKeyFile, before anything is claimed, when secrets cannot be opened; and whatever
        the database raises, with outcomes kept until they can be settled.
        """
        tally = Tally()
        vault = OpenedOnce(self._open_vault())
        self.look()
        while True:
            self._news.clear()
            started = await self._take_turn(vault, until(), tally)
            if not (started or self._in_flight or self._unsettled or self._looks_again()):
                return tally
            if on_progress is not None:
                on_progress(tally)
            if self._in_flight:
                await self._wait_for_news()

    async def next_due(self) -> datetime | None:
        """When the earliest waiting delivery is due; in the past if there is work now."""
        return await self._writer.run(next_due, self._clock())

    async def close(self) -> None:
        """Wait for what is in flight and settle it if that can be done."""
        self._stopping = True
        if self._in_flight:
            await asyncio.wait(self._in_flight)
        try:
            batch = self._unsettled
            settled = await self._writer.run(settle_all, batch, self._schedule, self._clock())
            self._settled(batch, settled, Tally())
        except PeeweeException as error:
            log.error("outcomes could not be recorded, so attempts will repeat: %s", explain(error))
        finally:
            await self._sender.close()
            for thread in (self._writer, self._reader):
                await thread.close()

    async def _wait_for_news(self) -> None:
        try:
            await asyncio.wait_for(self._news.wait(), _ROSTER_FOR)
        except TimeoutError:
            return

    def _settled(
        self, batch: list[Settlement], settled: list[tuple[Settlement, Verdict]], tally: Tally
    ) -> None:
        del self._unsettled[: len(batch)]
        if any(isinstance(each.outcome, Withdrawn | Lapsed | Interrupted) for each in batch):
            self.look()  # it is due again: what was withdrawn on the new terms
        for settlement, verdict in settled:
            tally.count(verdict)
            _log(settlement, verdict)

    async def _take_turn(self, vault: OpenedOnce, until: datetime, tally: Tally) -> int:
        """Settle all that has ended and start as much as there is room for; says how much that is.

        Both in one call of the writer: each crossing between the threads costs as much as a few
        deliveries.
        """
        wanted: dict[int, int] = {}
        if not self._stopping and self._load.room() > 0:
            if monotonic() >= self._roster_until:
                await self._call_the_roster(until, tally)
            wanted = self._load.share_out(self._roster)
        batch = list(self._unsettled)  # a part would let it grow, until leases end unsettled
        if not (batch or wanted):
            return 0
        settled, claims, leased_until = await self._writer.run(
            self._settle_and_claim, batch, wanted, until
        )
        self._settled(batch, settled, tally)
        for claim in claims:
            self._start(claim, vault, leased_until)
        claimed = Counter(claim.webhook_id for claim in claims)
        emptied = {each for each, share in wanted.items() if claimed[each] < share}
        if emptied:
            self._call([each for each in self._roster if each not in emptied])
        return len(claims)

    def _settle_and_claim(
        self, batch: list[Settlement], wanted: dict[int, int], until: datetime
    ) -> tuple[list[tuple[Settlement, Verdict]], list[Claim], float]:
        """In the writer. Settled once more because claiming failed, outcomes change nothing."""
        settled = settle_all(batch, self._schedule, self._clock()) if batch else []
        leased_until = monotonic() + self._lease_for.total_seconds()  # at the least
        claims = (
            outbox.claim(wanted, self._schedule, until, self._clock, self._lease_for)
            if wanted
            else []
        )
        return settled, claims, leased_until

    async def _call_the_roster(self, until: datetime, tally: Tally) -> None:
        """Which webhooks have something due, once the outbox has given up its next events."""
        self._roster_until = monotonic() + _ROSTER_FOR
        if self._roster:  # more than can be started here
            self._on_backlog()
        fanned_out = await self._writer.run(
            partial(outbox.fan_out, after=self._fanned_out_last), _FAN_OUT_BATCH, until, self._clock
        )
        tally.events += fanned_out.events
        self._fanned_out_last = fanned_out.last_business
        if not fanned_out.is_all or await self._recover():
            self.look()
        waiting = await self._writer.run(waiting_webhooks, until)
        self._load.assume_silent(each.webhook_id for each in waiting if each.is_down)
        self._call([each.webhook_id for each in waiting])

    def _call(self, webhook_ids: list[int]) -> None:
        """These have more due, as far as is known; connections are kept for no others."""
        self._roster = webhook_ids
        self._sender.keep_for(frozenset(webhook_ids))

    async def _recover(self) -> bool:
        """Whether there was something to queue again after an outage: then there may be more."""
        return bool(self._recovery_window) and await self._writer.run(
            recover_some, _RECOVER_BATCH, self._recovery_window, self._clock()
        )

    def _start(self, claim: Claim, vault: OpenedOnce, leased_until: float) -> None:
        self._load.started(claim.webhook_id)
        task = asyncio.create_task(self._attempt(claim, vault, leased_until))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _attempt(self, claim: Claim, vault: OpenedOnce, leased_until: float) -> None:
        started_at, begin = self._clock(), monotonic()
        outcome: Outcome = Interrupted()  # by a fault of ours: the lease runs out, as after a crash
        try:
            outcome = await self._outcome(claim, vault, leased_until)
            passed(Step.ANSWERED)
            duration = timedelta(seconds=monotonic() - begin)
            self._unsettled.append(Settlement(claim, outcome, started_at, duration))
        finally:
            self._load.ended(claim.webhook_id, outcome)
            self._news.set()

    async def _outcome(self, claim: Claim, vault: OpenedOnce, leased_until: float) -> Outcome:
        if not claim.is_intact:
            return Unsendable("the stored event was damaged")
        try:
            secret = vault.open(claim)
        except BadKeyFile as error:
            log.error(
                "a secret cannot be opened", extra={"webhook": claim.webhook_id, "why": error}
            )
            return Locked()
        body = build_body(claim.event_type, claim.uuid, claim.created_at, claim.payload)
        return await self._sender.post(
            Errand(claim.webhook_id, claim.url, partial(self._may_send, claim, leased_until)),
            build_headers(claim.event_type, claim.uuid, secret.sign(body)),
            body,
        )

    async def _may_send(self, claim: Claim, leased_until: float) -> bool:
        """Still wanted, and still ours: after a process stood still another may have sent it."""
        wanted = await self._last_looks.may_send(claim) and monotonic() < leased_until
        if wanted:
            passed(Step.SENDING)
        return wanted


def _log(settlement: Settlement, verdict: Verdict) -> None:
    level = logging.DEBUG if verdict.status is Status.DELIVERED else logging.INFO
    if not log.isEnabledFor(level):
        return
    outcome = settlement.outcome
    log.log(
        level,
        verdict.status or type(outcome).__name__.lower(),
        extra={
            "delivery": settlement.claim.uuid,
            "webhook": settlement.claim.webhook_id,
            "event": settlement.claim.event_type,
            "attempt": settlement.claim.attempt,
            "http_status": getattr(outcome, "http_status", None),
            "error": getattr(outcome, "error", None),
            # In words of ours; what an answer says, a Location too, is in its delivery alone.
            "detail": outcome.detail if isinstance(outcome, Unreachable) else "",
            "ms": round(settlement.duration / timedelta(milliseconds=1)),
        },
    )
