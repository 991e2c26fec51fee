"""How the whole installation is: what waits, what moves, who ticks, which webhooks fail."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from peewee import Expression, fn

from core.domain.delivery import Status
from core.pipeline.heartbeat import TICK
from core.storage.bisection import first_id_since
from core.storage.database import connection
from core.storage.literals import FALSE, has_error, has_value
from core.storage.models import (
    Attempt,
    Business,
    Delivery,
    Event,
    LastRun,
    Mail,
    Webhook,
    accepted,
    counts_for_health,
    entitled,
    of_no_check,
)
from core.storage.parked import NOTHING_PARKED, parked_deliveries
from core.use_cases.workers import set_aside, waiting_since

MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
_WORST = 10
_LIVES_WITHIN = 5 * MINUTE  # a consumer whose last tick was so recent


@dataclass(frozen=True, slots=True)
class FailingWebhook:
    webhook_id: int
    url: str
    waiting: int  # deliveries that failed and will be attempted again


@dataclass(frozen=True, slots=True)
class PausedWebhook:
    webhook_id: int
    url: str
    paused_at: datetime
    parked: int  # deliveries that wait for the end of the pause
    parked_since: datetime | None  # when the oldest of them was made


@dataclass(frozen=True, slots=True)
class MailVitals:
    waiting: int  # to be handed in
    failed: int  # of those, at least once
    given_up: int  # of what was made within a day
    why: str  # how the latest of those failed


@dataclass(frozen=True, slots=True)
class Vitals:
    outbox: int  # events that are not fanned out yet
    due: int
    late: int  # of those, more than a minute overdue
    oldest_due: datetime | None
    in_flight: int
    scheduled: int  # that wait for a later attempt
    delivered_last_minute: int  # attempts, by when they started, like the next number
    failed_last_minute: int
    failing_webhooks: int
    worst: tuple[FailingWebhook, ...]  # the one with the most waiting deliveries first
    paused: tuple[PausedWebhook, ...]  # the longest paused first; no number counts what is parked
    mail: MailVitals
    set_aside: int  # events of other programs that cannot be sent to anybody
    consumers: tuple[tuple[str, datetime], ...]  # name and last tick, the latest tick first


def vitals(now: datetime) -> Vitals:
    """For the operator. Its cost grows with what is waiting, not with the history."""
    with connection():
        outbox = Event.select().where(Event.fanned_out_at.is_null()).count()
        due, late, in_flight, scheduled = _waiting(
            now
        )  # counted after it: what is fanned out in between is in both numbers
        delivered, failed = _last_minute(now)
        failing = _failing()
        refused = set_aside()
        return Vitals(
            outbox=outbox,
            due=due,
            late=late,
            oldest_due=waiting_since(now),
            in_flight=in_flight,
            scheduled=scheduled,
            delivered_last_minute=delivered,
            failed_last_minute=failed,
            failing_webhooks=len(failing),
            worst=tuple(failing[:_WORST]),
            paused=tuple(paused_webhooks()),
            mail=mail_vitals(now),
            set_aside=refused.count if refused is not None else 0,
            consumers=_consumers(now),
        )


def _waiting(now: datetime) -> tuple[int, int, int, int]:
    """How many deliveries are due and not leased, how many of those are late, how many are leased,
    and how many are due later. Webhooks that are not sent to are left out, and so is what waits
    because its receiver asked for it.
    """
    is_leased = Delivery.lease.is_null(is_null=False) & (Delivery.due_at > now)
    is_held = Delivery.lease.is_null() & fn.COALESCE(Webhook.held_until > now, FALSE)
    is_later = Delivery.lease.is_null() & (Delivery.due_at > now)
    due, late, leased, later = (
        Delivery.select(
            fn.COUNT(Delivery.id).filter(Delivery.due_at <= now),
            fn.COUNT(Delivery.id).filter(
                (Delivery.due_at <= now - MINUTE) & Webhook.pace.is_null()
            ),
            fn.COUNT(Delivery.id).filter(is_leased),
            fn.COUNT(Delivery.id).filter(is_later),
        )
        .join(Webhook)
        .join(Business)
        .where(Delivery.due_at.is_null(is_null=False) & _is_sent_to() & ~is_held)
        .tuples()
        .get()
    )
    return due, late, leased, later


def _is_sent_to() -> Expression:
    return Webhook.deleted_at.is_null() & Webhook.paused_at.is_null() & entitled()


def paused_webhooks() -> list[PausedWebhook]:
    """All webhooks that are paused, the longest paused first."""
    is_paused = Webhook.deleted_at.is_null() & ~Webhook.paused_at.is_null()
    with connection():
        rows = (
            Webhook.select(Webhook.id, Webhook.url, Webhook.paused_at)
            .where(is_paused)
            .order_by(Webhook.paused_at, Webhook.id)
        )
        found = list(rows.tuples())
        parked = parked_deliveries([webhook_id for webhook_id, *_ in found])
    return [
        PausedWebhook(webhook_id, url, paused_at, *parked.get(webhook_id, NOTHING_PARKED))
        for webhook_id, url, paused_at in found
    ]


def held_webhooks(now: datetime) -> list[tuple[int, datetime]]:
    """All webhooks whose receivers asked to be sent nothing, and until when."""
    with connection():
        rows = Webhook.select(Webhook.id, Webhook.held_until).where(
            Webhook.deleted_at.is_null() & (Webhook.held_until > now)
        )
        return list(rows.order_by(Webhook.id).tuples())


def mail_vitals(now: datetime) -> MailVitals:
    """What is to be mailed and could not be; what nobody wanted any more is no trouble."""
    waits = has_value(Mail.due_at)
    has_failed = has_error() & (Mail.created_at > now - _DAY)
    with connection():
        waiting = Mail.select().where(waits).count()
        failed, given_up = (
            Mail.select(fn.COUNT(Mail.id).filter(waits), fn.COUNT(Mail.id).filter(~waits))
            .where(has_failed)
            .tuples()
            .get()
        )
        latest = Mail.select(Mail.error).where(has_failed).order_by(Mail.created_at.desc())
        return MailVitals(waiting, failed, given_up, latest.limit(1).scalar() or "")


def _last_minute(now: datetime) -> tuple[int, int]:
    """How many attempts that started in the last minute were delivered, and how many were not,
    without those of checks.
    """
    since = now - MINUTE
    # Attempts get their ids when they end, so the first of these began within the minute before.
    first = first_id_since(Attempt.started_at, since - MINUTE)
    is_delivered = accepted(Attempt)
    total, delivered = (
        Attempt.select(fn.COUNT(Attempt.id), fn.COUNT(Attempt.id).filter(is_delivered))
        .where((Attempt.id >= first) & (Attempt.started_at >= since) & of_no_check(Attempt))
        .tuples()
        .get()
    )
    return delivered, total - delivered


def _failing() -> list[FailingWebhook]:
    count = fn.COUNT(Delivery.id)
    rows = (
        Delivery.select(Webhook.id, Webhook.url, count)
        .join(Webhook)
        .join(Business)
        .where(
            Delivery.due_at.is_null(is_null=False)
            & (Delivery.status == Status.FAILED)
            & counts_for_health()
            & (Delivery.attempts > 0)  # it has none yet where it was queued again
            & _is_sent_to()
        )
        .group_by(Webhook.id, Webhook.url)
        .order_by(count.desc(), Webhook.id)
        .tuples()
    )
    return [FailingWebhook(*row) for row in rows]


def _consumers(now: datetime) -> tuple[tuple[str, datetime], ...]:
    """The consumers that live; where none does, the one that was the last to tick."""
    rows = LastRun.select().where(LastRun.job.startswith(TICK)).order_by(LastRun.at.desc())
    return tuple(
        (row.job.removeprefix(TICK), row.at)
        for number, row in enumerate(rows)
        if number == 0 or now - row.at < _LIVES_WITHIN
    )
