"""The delivery engine's side of the tables: claim with a lease, settle. `fan_out` comes before.

Every write states its condition, and losing is normal: another worker was there first.
"""

import json
import logging
import secrets
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from peewee import fn

from core.domain.delivery import (
    BESIDE,
    Answered,
    Interrupted,
    Lapsed,
    Locked,
    Outcome,
    Recovery,
    Schedule,
    Starved,
    Status,
    Unreachable,
    Unsendable,
    Verdict,
    Withdrawn,
    after_attempt,
)
from core.domain.editions import includes_webhooks
from core.domain.events import CHECKS, Purpose
from core.domain.pace import Start
from core.domain.payload import is_intact
from core.pipeline.alerts import ends_soon, note_certificates
from core.pipeline.attempt_log import AttemptRow, attempt_row, log_attempts, prepare_log
from core.pipeline.recovery import Ended, note_outages
from core.pipeline.restraint import Heard, Restraint, heed, reserve, restraints
from core.pipeline.steps import Step, passed
from core.storage.database import Prepared, connection, is_postgres, one_of, proxy, transaction
from core.storage.due import Due, due_deliveries, sent_on_purpose
from core.storage.models import (
    EPOCH,
    MICROSECOND,
    Delivery,
    Event,
    TimeField,
    Webhook,
)
from core.storage.ready import LAG, hold, lower, raise_up

log = logging.getLogger(__name__)

Row = tuple[Any, ...]

LEASE = timedelta(seconds=30)
"""How long a claim is good for: an attempt's whole time and its settling, with room to spare."""

_LAG_US = LAG // MICROSECOND
_time = TimeField()


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
    def terms(self) -> tuple[object, ...]:
        """What must not have changed when it is sent."""
        chosen = self.url, self.sealed_secret, self.standard_webhooks, self.headers
        return *chosen, self.held_until, self.pace


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
            raise_up(_emptied(wanted, rows), due_by)
            passed(Step.CLAIMING)
        passed(Step.CLAIMED)
        claims = _claims(ids, lease, now)  # leased, they are ours to read, and nobody has to wait
    return _restrained(claims, known, starts) if known else claims


def _restrained(
    claims: Sequence[Claim],
    known: Mapping[int, Restraint],
    reserved: Mapping[int, Sequence[Start]],
) -> list[Claim]:
    """These, with what restrains each, and the starts that were reserved in their order."""
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
    """Lease what may be attempted; returns which that is."""
    doomed = _note_interruptions([row for row in rows if row.lease is not None], schedule, now)
    ids = [row.id for row in rows if row.id not in doomed]
    if ids:
        Delivery.update(lease=lease, leased_at=now, due_at=now + lease_for).where(
            one_of(Delivery.id, ids)
        ).execute()
    return ids


def _emptied(wanted: Mapping[int, int], rows: Sequence[Due]) -> list[int]:
    """Of which webhooks no more is due, or nothing was for a while since they were ready."""
    found, nothing_for = Counter[int](), dict[int, int]()
    for row in rows:
        found[row.webhook_id] += 1
        known = nothing_for.get(row.webhook_id, row.due_us)
        nothing_for[row.webhook_id] = min(known, row.due_us - row.ready_us)
    return [
        webhook_id
        for webhook_id, room in wanted.items()
        if found[webhook_id] < room or nothing_for.get(webhook_id, 0) > _LAG_US
    ]


def _note_interruptions(interrupted: Sequence[Due], schedule: Schedule, now: datetime) -> set[int]:
    """Log attempts whose lease ran out; returns the deliveries that were abandoned for it."""
    if not interrupted:
        return set()
    outcome = Interrupted()
    doomed = {
        row.id
        for row in interrupted
        if after_attempt(outcome, row.attempts + 1, row.interruptions, schedule, now).status
        is Status.ABANDONED
    }
    once_more = {"interruptions": Delivery.interruptions + 1}
    ids = {row.id for row in interrupted}
    for some, changes in ((ids - doomed, once_more), (doomed, once_more | abandoned(now))):
        if some:
            Delivery.update(changes).where(one_of(Delivery.id, some)).execute()
    log_attempts(_cut_short(row, outcome, now, abandoned=row.id in doomed) for row in interrupted)
    return doomed


def abandoned(now: datetime) -> dict[str, object]:
    """What a delivery becomes that is never attempted again."""
    ended = dict.fromkeys(("due_at", "resume_at", "lease"))
    return {"status": Status.ABANDONED, "settled_at": now, **ended}


def _cut_short(row: Due, outcome: Outcome, now: datetime, *, abandoned: bool) -> AttemptRow:
    leased_at = EPOCH + timedelta(microseconds=row.leased_us)
    return attempt_row(
        *(row.id, row.attempts + 1, leased_at, now - leased_at, outcome),
        recovery=row.recovery == Recovery.MADE,
        abandoned=abandoned,
    )


def _claims(ids: Sequence[int], lease: int, now: datetime) -> list[Claim]:
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
            Delivery.body,
            Webhook.standard_webhooks,
            Webhook.headers,
            Event.purpose,
            Event.webhook,
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

    def read(row: Row) -> Claim:
        return Claim._make(
            (
                *(row[0], to_uuid(row[1]), *row[2:7], is_intact(*row[6:8]), to_time(row[8])),
                *(*row[9:14], to_time(row[14]), row[15], bool(row[16]), *row[17:19]),
                *(row[19] is not None and row[18] != Purpose.ALERT, None, None, None),
            )
        )

    rows = list(proxy.execute(query))
    try:
        return [read(row) for row in rows]
    except (ValueError, OverflowError, TypeError):
        return [each for row in rows if (each := _read_or_abandon(read, row, now)) is not None]


def _read_or_abandon(read: Callable[[Row], Claim], row: Row, now: datetime) -> Claim | None:
    """A value that cannot be read ends its own delivery, not the pass at each turn."""
    try:
        return read(row)
    except (ValueError, OverflowError, TypeError) as error:
        delivery_id, _, lease, attempt, *_ = row
        told = {"delivery": delivery_id, "exception": type(error).__name__}
        log.error("what is stored cannot be read: it is abandoned", extra=told)
        outcome = Unsendable("the stored event cannot be read")
        with transaction():
            ours = (Delivery.id == delivery_id) & (Delivery.lease == lease)
            if Delivery.update(abandoned(now)).where(ours).execute():
                log_attempts([attempt_row(delivery_id, attempt, now, timedelta(), outcome)])
        return None


def give_back(claims: Sequence[Claim], now: datetime) -> int:
    """Have what was claimed and not started be due again at `now`, as if it had not been claimed;
    returns of how many the lease was still ours.
    """
    by_lease = defaultdict(list)
    for each in claims:
        by_lease[each.lease].append(each.id)
    heard = [Heard(each.webhook_id, each.held_until, None, accepted=False) for each in claims]
    webhook_ids = {each.webhook_id for each in claims}
    with transaction():
        hold(webhook_ids)
        given = sum(
            Delivery.update(lease=None, leased_at=None, due_at=now)
            .where(one_of(Delivery.id, ids) & (Delivery.lease == lease))
            .execute()
            for lease, ids in by_lease.items()
        )
        lower(webhook_ids, now)
        heed(heard, now)
    return int(given)


def still_sendable(claims: Sequence[Claim]) -> list[bool]:
    """Whether each claim's webhook still stands as it was when it was claimed.

    Deleted, edited, given a new secret, or its business switched off: then nothing more is sent
    on the old terms. Paused: only what was sent on purpose.
    """
    asked = list({claim.webhook_id for claim in claims})
    with connection():
        if is_postgres():
            rows = proxy.execute_sql(f"{_STANDING} AND webhook.id = ANY(%s)", (asked,))
        else:
            which = "webhook.id IN (SELECT value FROM json_each(?))"
            rows = proxy.execute_sql(f"{_STANDING} AND {which}", (json.dumps(asked),))
        standing = {row[0]: _standing(row) for row in rows.fetchall()}
    return [_is_as_claimed(claim, standing.get(claim.webhook_id)) for claim in claims]


class _Standing(NamedTuple):
    """A webhook as it is when something is about to be sent to it."""

    terms: tuple[object, ...]
    is_paused: bool


def _standing(row: Row) -> _Standing | None:
    """What such a row says; None where nothing may be sent any more."""
    _, url, secret, standard, headers, held_until, pace, is_paused, edition, option = row
    if not includes_webhooks(edition, option=bool(option)):
        return None
    terms = url, bytes(secret), bool(standard), headers, _time.python_value(held_until), pace
    return _Standing(terms, bool(is_paused))


def _is_as_claimed(claim: Claim, now: _Standing | None) -> bool:
    if now is None or now.terms != claim.terms:
        return False
    return claim.is_on_purpose or not now.is_paused


# As text: on SQLite what builds a query takes ten times as long as the look itself.
_STANDING = """
    SELECT webhook.id, webhook.url, webhook.secret, webhook.standard_webhooks, webhook.headers,
        webhook.held_until, webhook.pace, webhook.paused_at IS NOT NULL,
        business.edition, business.option
    FROM webhook JOIN business ON business.id = webhook.business_id
    WHERE webhook.deleted_at IS NULL
"""


class Settlement(NamedTuple):
    """How one claimed attempt ended."""

    claim: Claim
    outcome: Outcome
    started_at: datetime
    duration: timedelta
    asked_until: datetime | None = None  # the answer asked for nothing more to be sent until then
    certificate_until: datetime | None = None  # the server's, where there was a handshake


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
            _schedule_of(settlement, schedule),
            now,
            resume_at=claimed.resume_at,
        )
        interrupted = isinstance(settlement.outcome, Interrupted)
        by_verdict[verdict, claimed.lease, interrupted].append((settlement, verdict))
    judged = [pair for group in by_verdict.values() for pair in group]
    # As if all were still ours, which is nearly always so: others wait while a transaction lasts.
    log, ended = _attempt_log(judged), _ended(judged)
    certificates = _ending_certificates(judged, now)
    with transaction():
        hold(_held_in_settling(judged) | certificates.keys())
        settled = []
        for (verdict, lease, interrupted), group in by_verdict.items():
            ids = [each.claim.id for each, _ in group]
            ours = _apply(verdict, lease, ids, now, interruptions=int(interrupted))
            still_ours = [pair for pair in group if pair[0].claim.id in ours]
            if verdict.due_at is not None:
                lower({each.claim.webhook_id for each, _ in still_ours}, verdict.due_at)
            settled += still_ours
        if len(settled) < len(judged):
            log, ended = _attempt_log(settled), _ended(settled)
        for statement in log:
            statement.run()
        note_outages(ended)
        note_certificates(certificates, now)
        heed(_heard(settled), now)
        passed(Step.SETTLING)
    passed(Step.SETTLED)
    return settled


_ONCE = Schedule((), 1)


def _schedule_of(settlement: Settlement, schedule: Schedule) -> Schedule:
    """A check asks what a receiver does, and not again. Where a kept connection ended, it was not
    asked yet.
    """
    is_answered = not isinstance(settlement.outcome, Lapsed)
    return _ONCE if settlement.claim.purpose in CHECKS and is_answered else schedule


def _held_in_settling(judged: Collection[tuple[Settlement, Verdict]]) -> set[int]:
    """The webhooks of what is due again, or of which a hold begins or ends."""
    return {
        each.claim.webhook_id
        for each, verdict in judged
        if verdict.due_at is not None or each.claim.held_until or each.asked_until
    }


def _ending_certificates(
    judged: Iterable[tuple[Settlement, Verdict]], now: datetime
) -> dict[int, datetime]:
    """Of which webhooks a certificate was seen that ends soon, and when."""
    return {
        each.claim.webhook_id: each.certificate_until
        for each, _ in judged
        if each.certificate_until is not None and ends_soon(each.certificate_until, now)
    }


def _heard(settled: Iterable[tuple[Settlement, Verdict]]) -> list[Heard]:
    return [
        Heard(
            *(each.claim.webhook_id, each.claim.held_until, each.asked_until),
            accepted=verdict.status is Status.DELIVERED,
        )
        for each, verdict in settled
        if each.claim.held_until or each.asked_until
    ]


def _attempt_log(settled: Iterable[tuple[Settlement, Verdict]]) -> list[Prepared]:
    return prepare_log(
        attempt_row(
            each.claim.id,
            _number(each),
            each.started_at,
            each.duration,
            each.outcome,
            recovery=each.claim.recovery == Recovery.MADE,
            abandoned=verdict.status is Status.ABANDONED,
        )
        for each, verdict in settled
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
            each.claim.attempt,
            accepted=verdict.status is Status.DELIVERED,
            abandoned=verdict.status is Status.ABANDONED,
            is_theirs=_is_theirs(each),
        )
        for each, verdict in sorted(settled, key=lambda pair: pair[0].started_at + pair[0].duration)
        if each.claim.purpose is None and (_is_theirs(each) or verdict.status is Status.ABANDONED)
    ]


def _is_theirs(ended: Settlement) -> bool:
    """Whether the outcome says how the address is."""
    return isinstance(ended.outcome, Answered | Unreachable) and ended.asked_until is None


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
    if not is_postgres():  # SQLite's driver gives up the GIL for each row: a count spares them
        with proxy.atomic() as savepoint:
            if update.execute() == len(ids):
                return set(ids)
            savepoint.rollback(begin=False)
    return {row[0] for row in update.returning(Delivery.id).tuples().execute()}
