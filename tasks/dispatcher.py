"""One pass: fan out → claim ahead → send together → settle in batches.

The event loop does nothing but send. Calls to the database run in threads of their own, one that
writes (`tasks/writer.py`) and one for the last looks, so that a slow commit never delays an answer.
What starts next is claimed already, so that a place is taken again as soon as it is free.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime, timedelta
from time import monotonic
from typing import NamedTuple

from peewee import PeeweeException

from core.domain.delivery import Answered, Interrupted, Lapsed, Outcome, Withdrawn
from core.domain.hold import held_until
from core.domain.pace import Start
from core.outbound.sender import Sender
from core.pipeline import last_look
from core.pipeline.leases import Claim
from core.pipeline.settling import Settlement
from core.pipeline.steps import Step, passed
from core.storage.database import explain
from core.storage.vault import Vault
from tasks.ahead import Ahead, Held
from tasks.attempt import Attempts, Made, OpenedOnce
from tasks.database_thread import DatabaseThread
from tasks.gates import Recipient
from tasks.holds import Holds
from tasks.last_looks import LastLooks
from tasks.roster import Roster, recipient_of
from tasks.shares import Limits, Load
from tasks.tally import Tally
from tasks.timetable import Timetable
from tasks.writer import Rules, Wish, Writer, Written

log = logging.getLogger(__name__)

_ROSTER_FOR = 1.0  # seconds until webhooks that have become due are looked for again
_SETTLED_WITHIN = 0.05  # seconds in which what has ended is gathered, while more is in flight
_PLACES_AT_A_TIME = 2  # a claim is for so many times those there are: while it takes, they are used
_DUE_AT_ONCE = Withdrawn | Lapsed | Interrupted
_START_WITHIN = 1 / 6  # of a lease: what is claimed is started by then, or given back


class Dispatcher:
    """Runs passes, one at a time, in the one event loop that it is used in.

    `on_backlog` is called, and must return at once, when there is more than can be started here;
    `on_mail` as well, when something is to be mailed.
    """

    def __init__(
        self,
        sender: Sender,
        open_vault: Callable[[], Vault],
        rules: Rules,
        limits: Limits,
        clock: Callable[[], datetime],
        *,
        on_backlog: Callable[[], None] = lambda: None,
        on_mail: Callable[[], None] = lambda: None,
    ) -> None:
        self._sender = sender
        self._open_vault = open_vault
        self._clock = clock
        self._lease = rules.lease_for.total_seconds()
        self._on_backlog = on_backlog
        self._on_mail = on_mail
        self._limits = limits
        self._load = Load(limits)
        self._roster = Roster()
        self._roster_at = 0.0  # when it is called next
        self._roster_from = 0.0  # not before, however often somebody asks
        self._attend_from = 0.0
        self._ring_from = 0.0
        self._restrained = frozenset[int]()  # webhooks of the roster
        self._holds = Holds()
        self._timetable = Timetable()
        self._bell: asyncio.TimerHandle | None = None  # rings for what is next on it
        self._ahead = Ahead()
        self._unwanted: list[Claim] = []  # to be given back
        self._held: set[int] = set()  # deliveries that are leased to us, until that is recorded
        self._in_flight: set[asyncio.Task[None]] = set()
        self._unsettled: list[Settlement] = []
        self._news = asyncio.Event()
        self._gathering: asyncio.TimerHandle | None = None
        self._vault: OpenedOnce | None = None  # while a pass lasts: only then anything starts
        self._stopping = False
        self._writer = Writer(rules, clock)
        self._reader = DatabaseThread("reader")
        self._last_looks = LastLooks(
            lambda claims: self._reader.run(last_look.still_sendable, claims), self._holds
        )
        self._attempts = Attempts(sender, self._last_looks)

    def look(self) -> None:
        """Look for new work at once, also in the middle of a pass."""
        self._roster_at = 0.0
        self._news.set()

    @property
    def can_help(self) -> bool:
        """Whether it has room: all that it knows of could start at once."""
        return not self._roster

    def _looks_again(self) -> bool:
        return self._roster_at == 0.0 and not self._stopping

    def stop(self) -> None:
        """Start nothing more: the pass ends once what is in flight has been settled.

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
        self._vault = OpenedOnce(self._open_vault())
        self._attend_from = monotonic() + _ROSTER_FOR
        self.look()
        try:
            while True:
                self._news.clear()
                await self._take_turn(until(), tally)
                if monotonic() >= self._attend_from or not self._has_work():
                    await self._attend()
                if not self._has_work():
                    return tally
                if on_progress is not None:
                    on_progress(tally)
                if self._in_flight or self._timetable:
                    await self._wait_for_news()
        finally:
            self._vault = None

    def _has_work(self) -> bool:
        if self._in_flight or self._unsettled or self._unwanted or self._ahead or self._timetable:
            return True
        return not self._stopping and (bool(self._roster) or self._looks_again())

    async def next_due(self) -> datetime | None:
        """When the earliest waiting delivery is due, or a webhook is to be looked at; in the past
        if there is work now, None if there is none at all.
        """
        return await self._writer.next_due()

    async def close(self) -> None:
        """Wait for what is in flight, then settle it and give back what is ahead, if that can be
        done.
        """
        self._stopping = True
        if self._in_flight:
            await asyncio.wait(self._in_flight)
        try:
            await self._take_turn(self._clock(), Tally())
        except PeeweeException as error:
            log.error("outcomes could not be recorded, so attempts will repeat: %s", explain(error))
        finally:
            await self._sender.close()
            self._last_looks.close()
            await self._writer.close()
            await self._reader.close()

    async def _wait_for_news(self) -> None:
        """Until an attempt has ended, somebody asks for a look, or it is time for one, which it
        never is after a stop.
        """
        seconds = None if self._stopping else self._look_from() - monotonic()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), seconds)

    def _look_from(self) -> float:
        """When the roster is called next. With a backlog, whoever asks at every moment gets a third
        of the writer's time at the most.
        """
        return max(self._roster_at, self._roster_from) if self._roster else self._roster_at

    async def _take_turn(self, until: datetime, tally: Tally) -> None:
        """Settle all that has ended, and claim what can start now and soon."""
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        if not self._stopping and monotonic() >= self._look_from():
            await self._call_the_roster(until, tally)
        wanted = {} if self._stopping else self._wanted()
        self._give_back_what_is_late()
        batch, back = list(self._unsettled), list(self._unwanted)
        if not (batch or back or wanted):
            return
        written = await self._writer.write(batch, back, self._wish(wanted, until))
        del self._unwanted[: len(back)]
        self._held.difference_update(claim.id for claim in back)
        self._settled(batch, written, tally)
        self._claimed(written, wanted)

    def _wanted(self) -> dict[int, int]:
        most = min(_PLACES_AT_A_TIME * self._limits.concurrency, self._ahead.room())
        return self._load.wanted(self._roster.first(), monotonic(), most)

    def _wish(self, wanted: dict[int, int], until: datetime) -> Wish | None:
        return Wish(wanted, until, frozenset(self._held), self._restrained) if wanted else None

    def _give_back_what_is_late(self) -> None:
        if self._stopping:
            self._unwanted += [held.claim for held in self._timetable.all()]
        self._take_back(self._ahead.all() if self._stopping else self._ahead.overdue(monotonic()))

    def _take_back(self, ahead: list[Held]) -> None:
        """Have these given back, which were claimed ahead and are so no more."""
        for held in ahead:
            self._load.given_back(held.recipient)
            if not self._ahead.has(held.recipient.webhook_id):
                self._load.leave(held.recipient.webhook_id)
        self._unwanted += [held.claim for held in ahead]

    def _settled(self, batch: list[Settlement], written: Written, tally: Tally) -> None:
        del self._unsettled[: len(batch)]
        self._held.difference_update(each.claim.id for each in batch)
        if any(isinstance(each.outcome, _DUE_AT_ONCE) for each in batch):
            self.look()  # it is due again: what was withdrawn on the new terms
        tally.count(written.settled)

    def _claimed(self, written: Written, wanted: dict[int, int]) -> None:
        """What was claimed for whom; where it is less than was wanted, nothing more is due."""
        start_by, leased_until = written.at + self._lease * _START_WITHIN, written.at + self._lease
        self._held.update(claim.id for claim in written.claims)
        ready = []
        for claim in written.claims:
            recipient = recipient_of(claim.webhook_id, claim.business_id, claim.url)
            held = Held(claim, recipient, start_by, leased_until)
            if claim.start is None:
                ready.append(held)
            else:
                self._appoint(held, claim.start)
        self._get_ready(ready)
        claimed = Counter(claim.webhook_id for claim in written.claims)
        for webhook_id, number in wanted.items():
            self._roster.took_turn(webhook_id)
            if claimed[webhook_id] < number:
                self._roster.emptied(webhook_id)
        self._start_what_can()
        self._sender.keep_for(self._roster.ids() | self._ahead.ids() | self._timetable.ids())

    def _get_ready(self, ready: Collection[Held]) -> None:
        """These start as soon as there are places."""
        for held in ready:
            self._ahead.put(held)
        for recipient, number in Counter(held.recipient for held in ready).items():
            self._load.claimed(recipient, number)
            self._load.wait(recipient)

    def _appoint(self, held: Held, start: Start) -> None:
        """It starts at its time or a little later, else not at all: it would come too close to the
        next one.
        """
        offset = monotonic() - self._clock().timestamp()
        start_by = min(held.start_by, offset + start.by.timestamp())
        self._timetable.put(held._replace(start_by=start_by), offset + start.at.timestamp())
        self._set_the_bell()

    def _put_off(self, held: Held) -> None:
        """It leaves its place to others. If it is too late for its time, it is given back."""
        self._load.ended(held.recipient, Withdrawn(), monotonic())
        if self._timetable.has(held):
            self._set_the_bell()
        else:
            self._unwanted.append(held.claim)

    def _set_the_bell(self) -> None:
        if self._bell is not None:
            self._bell.cancel()
        next_at = self._timetable.next_at
        if next_at is not None:
            loop = asyncio.get_running_loop()
            self._bell = loop.call_later(next_at - monotonic(), self._start_the_appointed)

    def _start_the_appointed(self) -> None:
        self._get_ready(self._timetable.take(monotonic()))
        self._start_what_can()
        self._set_the_bell()
        self._news.set()

    async def _call_the_roster(self, until: datetime, tally: Tally) -> None:
        """Ask which webhooks have something due, after the next events were fanned out."""
        begin = monotonic()
        if self._roster and begin >= self._ring_from:  # more than can be started here
            self._ring_from = begin + _ROSTER_FOR
            self._on_backlog()
        self._roster_at = begin + _ROSTER_FOR
        found = await self._writer.look_around(until)
        tally.events += found.events
        self._load.assume_silent(each.webhook_id for each in found.waiting if each.is_down)
        self._restrained = frozenset(
            each.webhook_id for each in found.waiting if each.is_restrained
        )
        self._load.assume_held(each.webhook_id for each in found.waiting if each.is_held)
        self._roster.call(found.waiting)
        if found.has_more:
            self.look()
        else:
            self._roster_from = monotonic() + 2 * (monotonic() - begin)

    async def _attend(self) -> None:
        """See to what waits beside deliveries: when these are done, or once in a while."""
        if self._stopping:
            return
        attended = await self._writer.attend()
        self._attend_from = monotonic() + _ROSTER_FOR * (not attended.has_more)
        if attended.has_mail:
            self._on_mail()
        if attended.has_more:
            self.look()

    def _start_what_can(self) -> None:
        """Start what is claimed, as far as there are places."""
        while (start := self._next_start()) is not None:
            task = asyncio.create_task(self._use_place(start))
            self._in_flight.add(task)
            task.add_done_callback(self._in_flight.discard)

    def _next_start(self) -> "_Start | None":
        """Take a place for whoever's turn it is; None where nobody's is, or none is free."""
        if self._vault is None or self._stopping:
            return None
        while (recipient := self._load.next()) is not None:
            held = self._ahead.take(recipient.webhook_id)
            if self._ahead.has(recipient.webhook_id):
                self._load.wait(recipient)
            start = _Start(held, self._vault, self._clock(), monotonic())
            if self._timetable.may_start(held, start.begin):
                return start
            self._put_off(held)
        return None

    async def _use_place(self, first: "_Start") -> None:
        """Make this attempt, and in its place those that start next: a task for each of them would
        cost more than signing it.
        """
        following: _Start | None = first
        while following is not None:
            start, following = following, None
            try:
                if not await self._attempt(start):
                    await asyncio.sleep(0)  # perhaps it has waited for nothing: others have a turn
                following = self._next_start()
            finally:
                self._start_what_can()
                self._has_ended(start.held.recipient)

    async def _attempt(self, start: "_Start") -> bool:
        """Make it and leave its place; returns whether it was answered."""
        held = start.held
        outcome: Outcome = Interrupted()  # by a fault of ours: the lease runs out, as after a crash
        try:
            made = await self._attempts.make(held, start.vault, start.at)
            outcome = made.outcome
            passed(Step.ANSWERED)
            self._unsettled.append(self._settlement(start, made))
        except BaseException:
            self._held.discard(held.claim.id)
            raise
        finally:
            self._load.ended(held.recipient, outcome, monotonic())
        return isinstance(outcome, Answered)

    def _settlement(self, start: "_Start", made: Made) -> Settlement:
        duration = timedelta(seconds=monotonic() - start.begin)
        heard = self._asked_until(start.held.recipient, made.outcome), made.certificate_until
        claim, sent_at = start.held.claim, None
        if made.sent_at is not None and claim.start is not None:  # a pace counts from it
            sent_at = start.at + timedelta(seconds=made.sent_at - start.begin)
        return Settlement(claim, made.outcome, start.at, duration, *heard, sent_at)

    def _asked_until(self, recipient: Recipient, outcome: Outcome) -> datetime | None:
        """Until when the answer asked for nothing more, which is heeded from now on."""
        if not (isinstance(outcome, Answered) and outcome.retry_after):
            return None
        now = self._clock()
        until = held_until(outcome, now)
        if until is not None:
            self._holds.begin(recipient.webhook_id, monotonic() + (until - now).total_seconds())
            self._load.assume_held([recipient.webhook_id], anew=True)
            self._take_back(self._ahead.all_of(recipient.webhook_id))
            later = self._timetable.all_of(recipient.webhook_id)
            self._unwanted += [held.claim for held in later]
        return until

    def _has_ended(self, recipient: Recipient) -> None:
        """Have the outcome of an attempt settled, with what else ends soon, and more claimed."""
        is_short = recipient.webhook_id in self._roster and not self._ahead.has(
            recipient.webhook_id
        )
        if is_short or not self._load.in_flight:
            self._news.set()
        elif self._gathering is None:
            loop = asyncio.get_running_loop()
            self._gathering = loop.call_later(_SETTLED_WITHIN, self._news.set)


class _Start(NamedTuple):
    """An attempt that has a place."""

    held: Held
    vault: OpenedOnce
    at: datetime
    begin: float  # the same, by the monotonic clock
