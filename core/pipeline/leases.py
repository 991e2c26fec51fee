"""Leasing what is due, and giving back what was not started.

`fan_out` comes before, `settling` after.

Every write states its condition, and losing is normal: another worker was there first.
"""

import logging
import re
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

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
from core.domain.signing import wire_time_of
from core.pipeline.attempt_log import AttemptRow, attempt_row, log_attempts
from core.pipeline.restraint import Heard, Restraint, heed, reserve, restraints
from core.pipeline.steps import Step, passed
from core.storage import leased
from core.storage.database import connection, transaction
from core.storage.due import Due, due_deliveries, sent_on_purpose
from core.storage.leased import Row
from core.storage.models import EPOCH, MICROSECOND, Delivery
from core.storage.ready import LAG, lower, pin, raise_up
from core.storage.standing import Terms

log = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
"""How long a claim is good for: an attempt's whole time and its settling, with room to spare."""

_LAG_US = LAG // MICROSECOND
_UNREADABLE = ValueError, OverflowError, TypeError
_to_uuid, _to_time = Delivery.uuid.python_value, Delivery.resume_at.python_value
_HEX = re.compile("([0-9a-f]{8})" + 3 * "([0-9a-f]{4})" + "([0-9a-f]{12})")


class Claim(NamedTuple):
    """The right to make one attempt of one delivery, until its lease ends."""

    id: int
    uuid: str
    lease: int
    attempt: int  # counted from 1
    interruptions: int
    event_type: str
    payload: bytes
    is_intact: bool  # the payload is what came in
    created_at: str  # of the event, as it is told
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
    rows = leased.leased_rows(ids, lease)
    try:
        return [_claim_of(row) for row in rows]
    except _UNREADABLE:
        return [each for row in rows if (each := _read_or_abandon(row, now)) is not None]


def _claim_of(row: Row) -> Claim:
    """Raises one of `_UNREADABLE` where a value is damaged."""
    delivery_id, uuid, lease, attempt, interruptions = row[:5]
    event_type, payload, digest, created_us = row[5:9]
    webhook_id, business_id, url, sealed_secret = row[9:13]
    recovery, resume_us, body, standard_webhooks, headers, purpose, receiver_id = row[13:]
    is_on_purpose = receiver_id is not None and purpose != Purpose.ALERT
    return Claim._make(
        (
            *(delivery_id, _told_id(uuid), lease, attempt, interruptions),
            *(event_type, payload, is_intact(payload, digest), wire_time_of(created_us)),
            *(webhook_id, business_id, url, sealed_secret),
            *(recovery, _to_time(resume_us), body, bool(standard_webhooks), headers),
            *(purpose, is_on_purpose, None, None, None),
        )
    )


def _told_id(stored: str | UUID) -> str:
    """A delivery's id as it is told. By way of a UUID it would take three times as long."""
    hex_digits = _HEX.fullmatch(stored) if isinstance(stored, str) else None
    return "-".join(hex_digits.groups()) if hex_digits is not None else str(_to_uuid(stored))


def _read_or_abandon(row: Row, now: datetime) -> Claim | None:
    """A value that cannot be read ends its own delivery, and not every pass."""
    try:
        return _claim_of(row)
    except _UNREADABLE as error:
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
