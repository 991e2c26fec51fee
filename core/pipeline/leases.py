"""Leasing what is due, and giving back what was not started.

`fan_out` comes before, `settling` after.

Every write states its condition, and losing is normal: another worker was there first.
"""

import logging
import secrets
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from core.domain.delivery import (
    Interrupted,
    Outcome,
    Recovery,
    Schedule,
    Status,
    Unsendable,
    after_attempt,
)
from core.domain.events import Purpose
from core.domain.pace import Start
from core.domain.payload import is_intact
from core.pipeline.attempt_log import AttemptRow, attempt_row, log_attempts
from core.pipeline.restraint import Heard, Restraint, heed, reserve, restraints
from core.pipeline.steps import Step, passed
from core.storage import leased
from core.storage.database import connection, transaction
from core.storage.due import Due, due_deliveries, sent_on_purpose
from core.storage.leased import Row
from core.storage.models import EPOCH, MICROSECOND, Delivery, Event
from core.storage.ready import LAG, lower, pin, raise_up
from core.storage.standing import Terms

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
"""How long a claim is good for: an attempt's whole time and its settling, with room to spare."""

_LAG_US = LAG // MICROSECOND


class Claim(NamedTuple):
    """The right to make one attempt of one delivery, until its lease ends."""

    id: int
    uuid: uuid.UUID
    lease: int
    attempt: int  # counted from 1
    interruptions: int
    event_type: str
    payload: bytes
    is_intact: bool  # the payload is what came in
    created_at: datetime  # of the event
    webhook_id: int
    business_id: int
    url: str
    sealed_secret: bytes
    recovery: str | None  # a delivery.Recovery
    resume_at: datetime | None = None  # of an attempt beside the schedule: when that goes on
    rendered: bytes | None = None  # the body, where it is not the event in JSON
    standard_webhooks: bool = False
    headers: str | None = None  # the webhook's own, as its row holds them
    purpose: str | None = None  # an events.Purpose, of the event
    is_on_purpose: bool = False  # its owner had the event made, as a test is
    held_until: datetime | None = None  # the webhook, when this was claimed
    pace: str | None = None  # the webhook's
    start: Start | None = None  # that was reserved for it, where there is a pace

    @property
    def terms(self) -> Terms:
        """What must not have changed when it is sent."""
        chosen = self.url, self.sealed_secret, self.standard_webhooks, self.headers
        return Terms(*chosen, self.held_until, self.pace)


def claim(
    wanted: Mapping[int, int],
    schedule: Schedule,
    due_by: datetime,
    clock: Callable[[], datetime] | None = None,
    lease_for: timedelta = LEASE,
    held: Collection[int] = (),
    restrained: Collection[int] = (),
) -> list[Claim]:
    """Lease what is due at `due_by`, up to `wanted[webhook_id]` of each webhook; of those that are
    `restrained`, what that allows, and of others that have become so, nothing.

    The lease runs from what `clock` says once it is our turn to write, by default `due_by`: a wait
    for others, or a pass that began long ago, must not shorten it.

    A delivery whose lease ran out was interrupted: that is written into its attempt log, uses up
    none of its attempts, and after too many interruptions it is abandoned instead. Not one that is
    `held`, by its id: it is in flight here, and only the clock has leapt.
    """
    lease = secrets.randbits(63)
    with connection():
        with transaction():
            now = clock() if clock is not None else due_by
            due_by = min(due_by, now)  # if the clock was set back since, less is due
            known = restraints({each: wanted[each] for each in wanted.keys() & restrained}, now)
            free = {each: room for each, room in wanted.items() if each not in restrained}
            rows = due_deliveries(free, due_by) + _due_of_restrained(known, due_by)
            rows = [row for row in rows if row.id not in held]
            ids = _lease(rows, lease, schedule, now, lease_for)
            starts = reserve(known, rows, now, now + lease_for)
            raise_up(_emptied(wanted, rows, due_by), due_by)
            passed(Step.CLAIMING)
        passed(Step.CLAIMED)
        claims = _claims(ids, lease, now)  # leased, they are ours to read, and nobody has to wait
    return _restrained(claims, known, starts) if known else claims


def _restrained(
    claims: Sequence[Claim],
    known: Mapping[int, Restraint],
    reserved: Mapping[int, Sequence[Start]],
) -> list[Claim]:
    """The claims, with what restrains each of them and the start that was reserved for it."""
    starts = {webhook_id: iter(reserved.get(webhook_id, ())) for webhook_id in known}
    return [
        claim._replace(
            held_until=known[claim.webhook_id].held_until,
            pace=known[claim.webhook_id].pace,
            start=next(starts[claim.webhook_id], None),
        )
        if claim.webhook_id in known
        else claim
        for claim in claims
    ]


def _due_of_restrained(known: Mapping[int, Restraint], due_by: datetime) -> list[Due]:
    rooms = {each: known[each].room for each in known if known[each].room}
    going = {each: room for each, room in rooms.items() if not known[each].is_paused}
    rows = due_deliveries(going, due_by, restrained=True)
    for webhook_id in rooms.keys() - going.keys():
        rows += sent_on_purpose(webhook_id, rooms[webhook_id], due_by)
    return rows


def _lease(
    rows: Sequence[Due], lease: int, schedule: Schedule, now: datetime, lease_for: timedelta
) -> list[int]:
    """Lease those that may be attempted; returns their ids."""
    doomed = _note_interruptions([row for row in rows if row.lease is not None], schedule, now)
    ids = [row.id for row in rows if row.id not in doomed]
    if ids:
        leased.lease(ids, lease, now, now + lease_for)
    return ids


def _emptied(wanted: Mapping[int, int], rows: Sequence[Due], due_by: datetime) -> list[int]:
    """The webhooks of which nothing more is due, or of which nothing was for a while, but for those
    whose rows are known not to lag behind.
    """
    lags_before_us = (due_by - LAG - EPOCH) // MICROSECOND
    found, nothing_for = Counter[int](), dict[int, int]()
    for row in rows:
        found[row.webhook_id] += 1
        known = nothing_for.get(row.webhook_id, row.due_us)
        nothing_for[row.webhook_id] = min(known, row.due_us - row.ready_us)
    in_time = {row.webhook_id for row in rows if row.ready_us >= lags_before_us}
    return [
        webhook_id
        for webhook_id, room in wanted.items()
        if (found[webhook_id] < room and webhook_id not in in_time)
        or nothing_for.get(webhook_id, 0) > _LAG_US
    ]


def _note_interruptions(interrupted: Sequence[Due], schedule: Schedule, now: datetime) -> set[int]:
    """Log the attempts whose leases ran out; returns the deliveries abandoned for that."""
    if not interrupted:
        return set()
    outcome = Interrupted()
    doomed = {
        row.id
        for row in interrupted
        if after_attempt(outcome, row.attempts + 1, row.interruptions, schedule, now).status
        is Status.ABANDONED
    }
    ids = {row.id for row in interrupted}
    for some, changes in ((ids - doomed, {}), (doomed, leased.abandoned(now))):
        if some:
            leased.interrupted(some, changes)
    log_attempts(_cut_short(row, outcome, now, abandoned=row.id in doomed) for row in interrupted)
    return doomed


def _cut_short(row: Due, outcome: Outcome, now: datetime, *, abandoned: bool) -> AttemptRow:
    leased_at = EPOCH + timedelta(microseconds=row.leased_us)
    return attempt_row(
        *(row.id, row.attempts + 1, leased_at, now - leased_at, outcome),
        recovery=row.recovery == Recovery.MADE,
        abandoned=abandoned,
    )


def _claims(ids: Sequence[int], lease: int, now: datetime) -> list[Claim]:
    to_uuid, to_time = Delivery.uuid.python_value, Event.created_at.python_value

    def read(row: Row) -> Claim:
        return Claim._make(
            (
                *(row[0], to_uuid(row[1]), *row[2:7], is_intact(*row[6:8]), to_time(row[8])),
                *(*row[9:14], to_time(row[14]), row[15], bool(row[16]), *row[17:19]),
                *(row[19] is not None and row[18] != Purpose.ALERT, None, None, None),
            )
        )

    rows = leased.leased_rows(ids, lease)
    try:
        return [read(row) for row in rows]
    except (ValueError, OverflowError, TypeError):
        return [each for row in rows if (each := _read_or_abandon(read, row, now)) is not None]


def _read_or_abandon(read: Callable[[Row], Claim], row: Row, now: datetime) -> Claim | None:
    """A value that cannot be read ends its own delivery, and not every pass."""
    try:
        return read(row)
    except (ValueError, OverflowError, TypeError) as error:
        delivery_id, _, lease, attempt, *_ = row
        told = {"delivery": delivery_id, "exception": type(error).__name__}
        log.error("what is stored cannot be read: it is abandoned", extra=told)
        outcome = Unsendable("the stored event cannot be read")
        with transaction():
            if leased.abandon(delivery_id, lease, now):
                log_attempts([attempt_row(delivery_id, attempt, now, timedelta(), outcome)])
        return None


def give_back(claims: Sequence[Claim], now: datetime) -> int:
    """Have what was claimed and not started be due again at `now`, as if it had not been claimed;
    returns of how many the lease was still ours.
    """
    by_lease = defaultdict(list)
    for each in claims:
        by_lease[each.lease].append(each.id)
    heard = [
        Heard(
            *(each.webhook_id, each.held_until, None),
            accepted=False,
            start=each.start,
            sent_at=None,
            ended_at=now,
        )
        for each in claims
        if each.held_until or each.start
    ]
    webhook_ids = {each.webhook_id for each in claims}
    with transaction():
        pin(webhook_ids)
        given = sum(leased.give_back(ids, lease, now) for lease, ids in by_lease.items())
        lower(webhook_ids, now)
        heed(heard, now)
    return given
