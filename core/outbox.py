"""The delivery engine's side of the tables: fan out, claim with a lease, settle.

Every write states its condition, and losing is normal: another worker was there first.
"""

import secrets
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from peewee import JOIN, SQL, NodeList, fn

from core.attempts import attempt_row, log_attempts, prepare_log
from core.database import Prepared, connection, insert_rows, one_of, proxy, transaction
from core.delivery import (
    BESIDE,
    Answered,
    Interrupted,
    Locked,
    Outcome,
    Recovery,
    Schedule,
    Starved,
    Status,
    Unreachable,
    Verdict,
    Withdrawn,
    after_attempt,
)
from core.due import Due, due_deliveries
from core.identity import delivery_id
from core.models import (
    EPOCH,
    MICROSECOND,
    Business,
    Delivery,
    Event,
    SelectedEvent,
    Webhook,
    entitled,
    row_lock,
)
from core.payload import digest_if_json, is_intact
from core.plans import includes_webhooks
from core.recovery import Ended, note_outages
from core.steps import Step, passed

LEASE = timedelta(seconds=30)
"""How long a claim is good for: an attempt's whole time and its settling, with room to spare."""

# The + keeps SQLite from looking through all that a business ever published, by another index,
# for what is in the outbox.
_OF_BUSINESS = NodeList((SQL("+"), Event.business))


@dataclass(frozen=True, slots=True)
class FannedOut:
    events: int
    deliveries: int


def fan_out(limit: int, due_at: datetime, clock: Callable[[], datetime] | None = None) -> FannedOut:
    """Turn up to `limit` events of the outbox into deliveries due at `due_at`, which is when the
    pass began; they are made at what `clock` says once it is our turn to write, by default the
    same.

    Events of a business without webhooks stay in the outbox until it has them again.
    """
    with transaction():
        event_ids = _lock_outbox(
            _OF_BUSINESS.in_(Business.select(Business.id).where(entitled())), limit
        )
        fanned_out = _fan_out(event_ids, due_at, clock() if clock is not None else due_at)
        passed(Step.FANNING_OUT)
    passed(Step.FANNED_OUT)
    return fanned_out


def fan_out_business(business_id: int, limit: int, now: datetime) -> FannedOut:
    """The same for one business, waiting for whoever else is at its events.

    A new webhook gets the events committed after it was created and none before: whoever creates
    one empties its business's outbox first, in the same transaction at the end.
    """
    with transaction():
        return _fan_out(_lock_outbox(business_id == _OF_BUSINESS, limit, wait=True), now, now)


def _lock_outbox(condition: object, limit: int, *, wait: bool = False) -> list[int]:
    pending = (
        Event.select(Event.id)
        .where(Event.fanned_out_at.is_null() & condition)
        .order_by(Event.id)
        .limit(limit)
    )
    return [row[0] for row in row_lock(pending, skip_locked=not wait).tuples()]


def _fan_out(event_ids: list[int], due_at: datetime, now: datetime) -> FannedOut:
    if not event_ids:
        return FannedOut(0, 0)
    _admit(event_ids)
    rows = [
        (
            delivery_id((created_at - EPOCH) // MICROSECOND, event_id, webhook_id),
            event_id,
            webhook_id,
            Status.PENDING,
            due_at,
            now,
            0,
            0,
        )
        for event_id, created_at, webhook_id in _receivers(event_ids)
    ]
    columns = [
        Delivery.uuid,
        Delivery.event,
        Delivery.webhook,
        Delivery.status,
        Delivery.due_at,
        Delivery.created_at,
        Delivery.attempts,
        Delivery.interruptions,
    ]
    insert_rows(Delivery, columns, rows)
    Event.update(fanned_out_at=now).where(
        one_of(Event.id, event_ids) & Event.fanned_out_at.is_null()
    ).execute()
    return FannedOut(len(event_ids), len(rows))


def _admit(event_ids: list[int]) -> None:
    """Look once at the payloads that came without a digest, straight from another program."""
    unseen = Event.select(Event.id, Event.payload).where(
        one_of(Event.id, event_ids) & Event.digest.is_null()
    )
    for event_id, payload in list(unseen.tuples()):
        found = digest_if_json(bytes(payload))
        Event.update(digest=found).where(Event.id == event_id).execute()


def _receivers(event_ids: list[int]) -> Iterable[tuple[int, datetime, int]]:
    """Event × webhook: those that selected the event, or the one that a ping is meant for."""
    selected = (SelectedEvent.webhook == Webhook.id) & (SelectedEvent.event_type == Event.type)
    return (
        Event.select(Event.id, Event.created_at, Webhook.id)
        .join(Webhook, on=(Webhook.business == Event.business))
        .join(SelectedEvent, JOIN.LEFT_OUTER, on=selected)
        .where(
            one_of(Event.id, event_ids)
            & Webhook.deleted_at.is_null()
            & (
                (Event.webhook.is_null() & ~SelectedEvent.event_type.is_null())
                | (Event.webhook == Webhook.id)
            )
        )
        .order_by(Event.id)
        .tuples()
    )


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


def claim(
    wanted: Mapping[int, int],
    schedule: Schedule,
    due_by: datetime,
    clock: Callable[[], datetime] | None = None,
    lease_for: timedelta = LEASE,
) -> list[Claim]:
    """Lease what is due at `due_by`, up to `wanted[webhook_id]` of each webhook.

    The lease runs from what `clock` says once it is our turn to write, by default `due_by`: a wait
    for others, or a pass that began long ago, must not shorten it.

    A delivery whose lease ran out was interrupted: that is written into its attempt log, uses up
    none of its attempts, and after too many interruptions it is abandoned instead.
    """
    lease = secrets.randbits(63)
    with connection():
        with transaction():
            now = clock() if clock is not None else due_by
            rows = due_deliveries(wanted, due_by)
            if not rows:
                return []
            interrupted = [row for row in rows if row.lease is not None]
            doomed = _note_interruptions(interrupted, schedule, now)
            ids = [row.id for row in rows if row.id not in doomed]
            Delivery.update(lease=lease, leased_at=now, due_at=now + lease_for).where(
                one_of(Delivery.id, ids) & (Delivery.due_at <= due_by)
            ).execute()
            passed(Step.CLAIMING)
        passed(Step.CLAIMED)
        return _claims(ids, lease)  # leased, they are ours to read; and nobody has to wait for it


def _note_interruptions(interrupted: Sequence[Due], schedule: Schedule, now: datetime) -> set[int]:
    """Log attempts whose lease ran out; returns the deliveries that were abandoned for it."""
    outcome = Interrupted()
    doomed = set()
    for row in interrupted:
        verdict = after_attempt(outcome, row.attempts + 1, row.interruptions, schedule, now)
        changes: dict[str, object] = {"interruptions": row.interruptions + 1}
        if verdict.status is Status.ABANDONED:
            doomed.add(row.id)
            changes |= {
                "status": verdict.status,
                "due_at": None,
                "resume_at": None,
                "lease": None,
                "settled_at": now,
            }
        Delivery.update(changes).where(
            (Delivery.id == row.id) & (Delivery.lease == row.lease)
        ).execute()
        recovery = row.recovery == Recovery.MADE
        leased_at = EPOCH + timedelta(microseconds=row.leased_us)
        lasted, number = now - leased_at, row.attempts + 1
        log_attempts([attempt_row(row.id, number, leased_at, lasted, outcome, recovery=recovery)])
    return doomed


def _claims(ids: Sequence[int], lease: int) -> list[Claim]:
    query = (
        Delivery.select(
            Delivery.id,
            Delivery.uuid,
            Delivery.lease,
            Delivery.attempts + 1,
            Delivery.interruptions,
            Event.type,
            Event.payload,
            Event.digest,
            Event.created_at,
            Webhook.id,
            Webhook.business,
            Webhook.url,
            Webhook.secret,
            Delivery.recovery,
            Delivery.resume_at,
        )
        .join(Event)
        .switch(Delivery)
        .join(Webhook)
        .where(one_of(Delivery.id, ids) & (Delivery.lease == lease) & Webhook.deleted_at.is_null())
        .order_by(Delivery.id)
    )
    # In Claim's order. peewee would look at each column of each row for what is stored otherwise,
    # which costs more than the rest of the claim.
    to_uuid, to_time = Delivery.uuid.python_value, Event.created_at.python_value
    found = (
        (
            *(row[0], to_uuid(row[1]), *row[2:7], is_intact(*row[6:8]), to_time(row[8])),
            *(*row[9:-1], to_time(row[-1])),
        )
        for row in proxy.execute(query)
    )
    return [Claim._make(row) for row in found]


def still_sendable(claims: Sequence[Claim]) -> list[bool]:
    """Whether each claim's webhook still stands as it was when it was claimed.

    Deleted, edited, given a new secret, or its business switched off: then nothing more is sent
    on the old terms.
    """
    standing = (
        Webhook.select(Webhook.id, Webhook.url, Webhook.secret, Business.edition, Business.option)
        .join(Business)
        .where(one_of(Webhook.id, {claim.webhook_id for claim in claims}))
        .where(Webhook.deleted_at.is_null())
    )
    with connection():
        now = {
            webhook_id: (url, bytes(secret))
            for webhook_id, url, secret, edition, option in proxy.execute(standing)
            if includes_webhooks(edition, option=bool(option))
        }
    return [now.get(claim.webhook_id) == (claim.url, claim.sealed_secret) for claim in claims]


class Settlement(NamedTuple):
    """How one claimed attempt ended."""

    claim: Claim
    outcome: Outcome
    started_at: datetime
    duration: timedelta


def settle(
    settlements: Iterable[Settlement], schedule: Schedule, now: datetime
) -> list[tuple[Settlement, Verdict]]:
    """Record outcomes and give the leases up; returns those that were still ours to settle.

    A lease that ran out, or a delivery deleted meanwhile, changes nothing: whoever claimed it
    since decides.
    """
    by_verdict = defaultdict(list)
    for settlement in settlements:
        claimed = settlement.claim
        verdict = after_attempt(
            settlement.outcome,
            claimed.attempt,
            claimed.interruptions,
            schedule,
            now,
            resume_at=claimed.resume_at,
        )
        interrupted = isinstance(settlement.outcome, Interrupted)
        by_verdict[verdict, claimed.lease, interrupted].append((settlement, verdict))
    judged = [pair for group in by_verdict.values() for pair in group]
    # As if all were still ours, which is nearly always so: others wait while a transaction lasts.
    log, ended = _attempt_log(judged), _ended(judged)
    with transaction():
        settled = []
        for (verdict, lease, interrupted), group in by_verdict.items():
            ids = [each.claim.id for each, _ in group]
            ours = _apply(verdict, lease, ids, now, interruptions=int(interrupted))
            settled += [pair for pair in group if pair[0].claim.id in ours]
        if len(settled) < len(judged):
            log, ended = _attempt_log(settled), _ended(settled)
        for statement in log:
            statement.run()
        note_outages(ended)
        passed(Step.SETTLING)
    passed(Step.SETTLED)
    return settled


def _attempt_log(settled: Iterable[tuple[Settlement, Verdict]]) -> list[Prepared]:
    return prepare_log(
        attempt_row(
            each.claim.id,
            _number(each),
            each.started_at,
            each.duration,
            each.outcome,
            recovery=each.claim.recovery == Recovery.MADE,
        )
        for each, _ in settled
        if not isinstance(each.outcome, Withdrawn | Locked | Starved)
    )


def _number(ended: Settlement) -> int:
    """What the log calls this attempt; one that was cut short is made again, and is none yet."""
    is_beside = ended.claim.resume_at is not None and not isinstance(ended.outcome, Interrupted)
    return BESIDE if is_beside else ended.claim.attempt


def _ended(settled: Iterable[tuple[Settlement, Verdict]]) -> list[Ended]:
    """What these attempts say of their addresses, in the order in which they ended."""
    return [
        Ended(
            each.claim.webhook_id,
            each.claim.id,
            each.started_at,
            each.started_at + each.duration,
            accepted=verdict.status is Status.DELIVERED,
            abandoned=verdict.status is Status.ABANDONED,
        )
        for each, verdict in sorted(settled, key=lambda pair: pair[0].started_at + pair[0].duration)
        if isinstance(each.outcome, Answered | Unreachable)
    ]


def _apply(
    verdict: Verdict, lease: int, ids: Sequence[int], now: datetime, *, interruptions: int
) -> set[int]:
    changes: dict[str, object] = {"lease": None, "leased_at": None, "due_at": verdict.due_at}
    if verdict.status is not None:
        changes["status"] = verdict.status
        changes["settled_at"] = now if verdict.due_at is None else None
        changes["resume_at"] = None
    if verdict.counts:
        changes["attempts"] = Delivery.attempts + 1
    if interruptions:
        changes["interruptions"] = Delivery.interruptions + interruptions
    gone = Webhook.select(Webhook.id).where(
        (Webhook.id == Delivery.webhook) & ~Webhook.deleted_at.is_null()
    )
    update = Delivery.update(changes).where(
        one_of(Delivery.id, ids) & (Delivery.lease == lease) & ~fn.EXISTS(gone)
    )
    if not proxy.for_update:  # SQLite's driver gives up the GIL for each row: a count spares them
        with proxy.atomic() as savepoint:
            if update.execute() == len(ids):
                return set(ids)
            savepoint.rollback(begin=False)
    return {row[0] for row in update.returning(Delivery.id).tuples().execute()}
