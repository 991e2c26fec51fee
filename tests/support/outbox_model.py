"""What must become of events, webhooks and deliveries, told without the code that does it.

Plain records in dicts. Nothing here depends on which of several due deliveries a claim takes: the
machine tells the model what was taken, and the model says whether it might be.
"""

import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

LEASE = timedelta(seconds=30)
WAITS = tuple(timedelta(minutes=wait) for wait in (1, 5, 30, 120))
MICROSECOND = timedelta(microseconds=1)
LOCKED_WAIT = timedelta(minutes=1)
ATTEMPTS_LIMIT = 5
INTERRUPTIONS_LIMIT = 10
PING = "ping"

LogLine = tuple[int, int | None, str | None, bool]  # number, HTTP status, error, recovery

AHEAD = timedelta(seconds=2)  # of its start, at the most, a paced delivery is claimed
LOOK_AHEAD = timedelta(seconds=1)  # of the first free start a paced webhook is looked at
APART = {  # starts, at the least
    "4/s": timedelta(seconds=0.25),
    "1/s": timedelta(seconds=1),
    "30/min": timedelta(seconds=2),
}
ALONE = {"1/s", "30/min"}  # paces at which one at a time is sent
ASKED_FOR = timedelta(minutes=2)  # of nothing, by an answer

ACCEPTED, REFUSED, REDIRECTED, UNREACHABLE = "accepted", "refused", "redirected", "unreachable"
ASKED = "asked to wait"
LOCKED, UNSENDABLE, WITHDRAWN = "locked", "unsendable", "withdrawn"
ANSWERS = (ACCEPTED, REFUSED, REDIRECTED, UNREACHABLE)
_LOGGED: dict[str, tuple[int | None, str | None]] = {
    ACCEPTED: (200, None),
    REFUSED: (500, "status"),
    REDIRECTED: (302, "redirect"),
    ASKED: (429, "status"),
    UNREACHABLE: (None, "timeout"),
    UNSENDABLE: (None, "corrupt"),
    "too old": (None, "parked"),
    "interrupted": (None, "interrupted"),
}


@dataclass(eq=False)
class Shop:
    id: int
    owner: str
    always: bool  # its edition includes webhooks
    option: bool

    @property
    def included(self) -> bool:
        return self.always or self.option


@dataclass(eq=False)
class Hook:
    id: int
    shop: Shop
    url: str
    events: frozenset[str]
    secret: str
    born: int  # on the same count as the events
    deleted: bool = False
    paused: bool = False
    down_since: datetime | None = None  # its latest outage
    up_since: datetime | None = None
    held: datetime | None = None  # its receiver asked for nothing until then, and took none since
    pace: str | None = None
    starts_to: datetime | None = None  # its starts up to then are taken
    not_before: datetime | None = None  # nothing of it is looked at before

    @property
    def is_restrained(self) -> bool:
        return self.paused or self.held is not None or self.pace is not None

    def most(self, room: int, now: datetime) -> int:
        """How many may be claimed of it now, but for its pace."""
        if self.held is None and self.pace not in ALONE:
            return room
        is_over = self.not_before is None or self.not_before <= now
        return min(room, int(is_over))

    def least(self, most: int, now: datetime) -> int:
        """How many of these must be claimed: with a pace one, where a start is near."""
        if self.pace is None:
            return most
        return min(most, int(self.starts_to is None or self.starts_to <= now + AHEAD))

    def start_at(self, starts: list[tuple[datetime, datetime]], starts_to: datetime) -> None:
        """Its next starts, each with the latest it may be at, and from when on others are free."""
        assert self.pace is not None
        apart = APART[self.pace]
        if starts and self.starts_to is not None:
            assert starts[0][0] >= self.starts_to, "a start that another had taken"
        for (at, by), (next_at, next_by) in pairwise(starts):
            assert at <= by
            assert next_at - at >= apart, "two starts are planned too close"
            assert next_by - by >= apart, "one that is late would come too close"
        assert not starts or starts[-1][1] + apart <= starts_to, "others would come too close"
        self.starts_to, self.not_before = starts_to, starts_to - LOOK_AHEAD

    def next_starts(self, reserved: datetime, at: datetime, now: datetime) -> None:
        """The one start that was taken has been used, or not: the next may be at that moment."""
        if self.starts_to == reserved:
            self.starts_to = at
            self.not_before = max(now, at - LOOK_AHEAD, self.held or now)

    def asked(self, until: datetime) -> None:
        self.held = self.not_before = max(until, self.held or until)

    def probed(self, held: datetime, now: datetime, *, accepted: bool) -> None:
        """One that was claimed in or after that hold has ended."""
        if self.held == held:
            self.held = None if accepted else held
            free = self.starts_to and self.starts_to - LOOK_AHEAD
            self.not_before = max(now, free or now)

    @property
    def may_be_sent_to(self) -> bool:
        return self.shop.included and not self.deleted

    @property
    def is_down(self) -> bool:
        return self.down_since is not None and self.up_since is None

    def heard(self, started: datetime, ended: datetime, *, accepted: bool) -> None:
        """One more attempt has ended: an outage begins, ends, or was there earlier than known."""
        if accepted:
            self.up_since = ended if self.is_down else self.up_since
        elif self.is_down and self.down_since is not None:
            self.down_since = min(self.down_since, ended)
        elif self.up_since is None or started > self.up_since:
            self.down_since, self.up_since = ended, None


@dataclass(eq=False)
class Happening:
    """An event; `born` says which came first."""

    id: int
    shop: Shop
    type: str
    payload: bytes
    key: str | None
    target: Hook | None
    born: int
    created: datetime
    fanned_out: bool = False


@dataclass(frozen=True)
class Post:
    """One request as the receiver saw it."""

    body: bytes
    lease: int
    turn: int
    accepted: bool


@dataclass(eq=False)
class Parcel:
    """A delivery."""

    uuid: UUID
    event: Happening
    hook: Hook
    created: datetime
    due: datetime | None
    status: str = "pending"
    attempts: int = 0
    interruptions: int = 0
    lease: int | None = None
    settled: datetime | None = None
    resume: datetime | None = None  # when its schedule goes on, after the attempt beside it
    turn: int = 0  # counts redeliveries, each of which has a whole schedule
    recovery: str | None = None  # due, then made, once a turn
    ends: list[datetime] = field(default_factory=list)  # of this turn's attempts
    log: list[LogLine] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    lost: set[int] = field(default_factory=set)  # leases that ended without being settled

    @property
    def waiting(self) -> bool:
        return self.status in {"pending", "failed"}

    def is_due(self, now: datetime) -> bool:
        return self.due is not None and self.due <= now

    @property
    def is_parked(self) -> bool:
        """Its webhook is paused, and it is no test of that."""
        return self.hook.paused and self.event.target is None

    def is_doomed(self) -> bool:
        """Whether the next claim ends it: it has cost too many workers their lives."""
        return self.lease is not None and self.interruptions == INTERRUPTIONS_LIMIT

    def claimed(self, lease: int, now: datetime) -> None:
        if self.lease is not None:
            self._interrupted()
        self.lease, self.due = lease, now + LEASE

    def doomed(self, now: datetime) -> None:
        self._interrupted()
        self._end("abandoned", now)

    def grow_too_old(self, now: datetime) -> None:
        self.log.append((self.attempts + 1, *_LOGGED["too old"], self.recovery == "made"))
        self._end("abandoned", now)

    def settle(self, how: str, now: datetime) -> None:
        self.lease = None
        if how == WITHDRAWN:
            self.due = now
        elif how == LOCKED:
            self.due = now + LOCKED_WAIT
        else:
            self._note(how)
            self._decide(how, now)

    def ended(self, how: str, started: datetime, ended: datetime) -> None:
        """What an attempt, settled already, says of its address."""
        if self.log and self.log[-1][0] and how in {*ANSWERS, ASKED}:
            self.ends.append(ended)
        if how not in ANSWERS:
            return
        self.hook.heard(started, ended, accepted=how == ACCEPTED)
        since = self.hook.down_since
        begun = self.ends[len(self.ends) > 2]  # a single failure before it says nothing
        fell = self.status == "abandoned" and since is not None and begun >= since
        if fell and self.recovery is None:
            self.recovery = "due"

    def is_shown_as_given_up(self, since: datetime) -> bool:
        """Abandoned no longer ago, and given up for its age at some time."""
        was_parked = any(line[2] == "parked" for line in self.log)
        ended = self.settled is not None and self.settled >= since
        return self.status == "abandoned" and was_parked and ended

    def may_recover(self, since: datetime) -> bool:
        return (
            self.recovery == "due"
            and self.status == "abandoned"
            and self.settled is not None
            and self.settled >= since
            and self.hook.up_since is not None
            and self.hook.shop.included
        )

    def start_again(self, status: str, now: datetime, *, recovery: str | None = None) -> None:
        self.turn += 1
        self.status, self.attempts, self.interruptions = status, 0, 0
        self.due, self.settled, self.recovery, self.ends = now, None, recovery, []

    def redeliver(self, now: datetime) -> None:
        if not self.waiting:
            self.start_again("pending", now)
        elif self.lease is None and self.due is not None and self.due > now:
            if self.attempts:
                self.resume = self.resume or self.due
            self.due = now

    def may_be_posted(self, lease: int, until: datetime, now: datetime) -> bool:
        """Whether another POST is allowed: what was accepted is repeated only after a crash, an
        expired lease or a redelivery."""
        stale = lease != self.lease or until <= now
        return stale or all(
            post.turn < self.turn or post.lease in self.lost for post in self.posts if post.accepted
        )

    @property
    def wire_time(self) -> str:
        at = self.event.created
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"

    @property
    def body(self) -> bytes:
        head = f'"event":"{self.event.type}","delivery_id":"{self.uuid}"'
        head = f'{{{head},"created_at":"{self.wire_time}"'
        return head.encode() + b',"payload":' + self.event.payload + b"}"

    @property
    def signature(self) -> str:
        return "sha256=" + hmac.new(self.hook.secret.encode(), self.body, "sha256").hexdigest()

    def _decide(self, how: str, now: datetime) -> None:
        if how == UNSENDABLE:
            self._end("abandoned", now)
            return
        resume, self.resume = self.resume, None
        if resume is None:
            self.attempts += 1
        if how == ACCEPTED:
            self._end("delivered", now)
        elif resume is not None:
            self.status, self.due = "failed", max(resume, now)
        elif self.attempts == ATTEMPTS_LIMIT:
            self._end("abandoned", now)
        else:
            self.status, self.due = "failed", now + WAITS[self.attempts - 1]

    def _interrupted(self) -> None:
        assert self.lease is not None
        self.lost.add(self.lease)
        self.interruptions += 1
        self._note("interrupted")

    def _note(self, how: str) -> None:
        beside = self.resume is not None and how != "interrupted"
        number = 0 if beside else self.attempts + 1
        self.log.append((number, *_LOGGED[how], self.recovery == "made"))

    def _end(self, status: str, now: datetime) -> None:
        self.status, self.due, self.lease, self.settled = status, None, None, now
        self.resume = None


class Model:
    """Everything that stands, by its id in the database; what was pruned has left."""

    def __init__(self) -> None:
        self.shops: dict[int, Shop] = {}
        self.hooks: dict[int, Hook] = {}  # the deleted ones too, until they are pruned
        self.events: dict[int, Happening] = {}
        self.parcels: dict[UUID, Parcel] = {}
        self.gone: set[UUID] = set()  # went with their webhook; their rows may linger
        self.mark = 0  # the latest event that was there before some webhook: its id must not return
        self._born = 0

    def hooks_of(self, shop: Shop) -> list[Hook]:
        return [hook for hook in self.standing() if hook.shop is shop]

    def standing(self) -> list[Hook]:
        return [hook for hook in self.hooks.values() if not hook.deleted]

    def parcels_of(self, hook: Hook) -> list[Parcel]:
        return [parcel for parcel in self.parcels.values() if parcel.hook is hook]

    def with_status(self, *statuses: str) -> list[Parcel]:
        return [parcel for parcel in self.parcels.values() if parcel.status in statuses]

    def outbox(self) -> list[Happening]:
        return [event for event in self.events.values() if not event.fanned_out]

    def seen(self, shop: Shop, key: str | None) -> Happening | None:
        of_that_key = (
            event for event in self.events.values() if event.shop is shop and event.key == key
        )
        return next(of_that_key, None) if key is not None else None

    def next_born(self) -> int:
        self._born += 1
        return self._born

    def publish(
        self,
        event_id: int,
        shop: Shop,
        what: tuple[str, bytes],
        at: datetime,
        *,
        key: str | None = None,
        target: Hook | None = None,
    ) -> None:
        assert event_id not in self.events, "an event's id was given away twice"
        self.events[event_id] = Happening(event_id, shop, *what, key, target, self.next_born(), at)

    def owed(self, event: Happening) -> set[int]:
        """The ids of the webhooks that an event fanned out at this moment must reach."""
        if event.target is not None:
            return set() if event.target.deleted else {event.target.id}
        return {
            hook.id
            for hook in self.hooks_of(event.shop)
            if event.type in hook.events and hook.born < event.born
        }

    def delete(self, hook: Hook) -> None:
        hook.deleted = True
        for parcel in self.parcels_of(hook):
            self.gone.add(parcel.uuid)
            del self.parcels[parcel.uuid]

    def recover(self, hooks: list[Hook], since: datetime, now: datetime) -> int:
        abandoned = [
            parcel
            for parcel in self.with_status("abandoned")
            if parcel.hook in hooks and parcel.settled is not None and parcel.settled >= since
        ]
        for parcel in abandoned:
            parcel.start_again("failed", now)
        return len(abandoned)

    def prune(self, before: datetime, now: datetime) -> int:
        """Give up what is as old and waits for a paused webhook; forget what is old and settled,
        and all of deleted webhooks; how many deliveries.
        """
        old_ones = [each for each in self.parcels.values() if each.created < before]
        for parcel in old_ones:
            is_in_flight = parcel.lease is not None and not parcel.is_due(now - MICROSECOND)
            if parcel.waiting and parcel.hook.paused and not is_in_flight:
                parcel.grow_too_old(now)
        old = [
            parcel.uuid
            for parcel in old_ones
            if not parcel.waiting and not parcel.is_shown_as_given_up(before)
        ]
        removed = len(old) + len(self.gone)
        for uuid in old:
            del self.parcels[uuid]
        self.gone.clear()
        self.hooks = {hook.id: hook for hook in self.standing()}
        needed = {parcel.event.id for parcel in self.parcels.values()}
        needed.add(self.mark)

        def wanted(event: Happening) -> bool:
            return not event.fanned_out and event.shop.included

        self.events = {
            event.id: event
            for event in self.events.values()
            if event.id in needed
            or (
                not (event.target is not None and event.target.deleted)
                and (wanted(event) or event.created >= before)
            )
        }
        return removed
