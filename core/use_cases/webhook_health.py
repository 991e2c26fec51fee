"""Health at a glance: what the latest deliveries of a webhook say, and its last 24 hours."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from typing import Any, NamedTuple

from peewee import fn

from core.domain.actors import Actor
from core.domain.delivery import ErrorKind, Recovery, Status, is_success
from core.domain.editions import includes_webhooks
from core.storage.bisection import first_id_since
from core.storage.database import connection, one_of
from core.storage.literals import ONE, columns, has_status, off_index
from core.storage.models import (
    Attempt,
    AuditEntry,
    Delivery,
    Event,
    TimeField,
    Webhook,
    counts_for_health,
    was_admitted,
)
from core.use_cases.access import authorize
from core.use_cases.audit import CREATED, SECRET_REGENERATED, SECRET_STORED
from core.use_cases.deliveries import SHORT_PAYLOAD, DeliveryRow, Headline, delivery_rows, headline
from core.use_cases.first_steps import FirstSteps, first_steps
from core.use_cases.queries import HISTORY_LENGTH, WebhookRow, deliveries, webhook, webhooks
from core.use_cases.workers import last_tick, waiting_since

HOURS = 24
JUST_NOW = 12  # events
COUNTED_TO = 1_000
"""Deliveries are counted up to this number: of more it is enough to know that there are more."""

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_HOUR_US = 3_600_000_000

# The + keeps PostgreSQL from reading the whole log backwards to find a delivery's last attempt.
_NOT_BY_INDEX = off_index(Attempt.id)


class State(StrEnum):
    """How a webhook is, judging by its latest deliveries."""

    OK = "ok"
    FAILING = "FAILING"  # the latest one that counts has failed
    NEVER = "never"  # nothing has been attempted yet
    PAUSED = "paused"  # nothing is sent, whatever the latest deliveries say


@dataclass(frozen=True, slots=True)
class Hour:
    """The deliveries that were created within one hour."""

    delivered: int = 0
    not_delivered: int = 0

    @property
    def total(self) -> int:
        return self.delivered + self.not_delivered


@dataclass(frozen=True, slots=True)
class Health:
    webhook: WebhookRow
    state: State
    failed_in_a_row: int
    latest: DeliveryRow | None  # the latest one that was attempted
    next_attempt_at: datetime | None
    waiting: int  # deliveries to be attempted, counted up to one more than `COUNTED_TO`
    given_up: int  # deliveries abandoned in the last day that count, counted in the same way
    failing_since: datetime | None  # when the outage began that still lasts
    hours: tuple[Hour, ...]  # 24 of them by the clock; the last one is the present hour
    hours_begin: datetime


@dataclass(frozen=True, slots=True)
class Details:
    """What is known about one webhook besides its health."""

    webhook_id: int
    latest: tuple[DeliveryRow, ...]  # as many as its history shows first
    made_by: str  # "" where the trail does not say it
    secret_renewed_at: datetime | None
    first_steps: FirstSteps | None  # until they are over


@dataclass(frozen=True, slots=True)
class Happened:
    """One of the latest events of a business, and where it went."""

    event_id: int
    headline: Headline
    created_at: datetime
    is_fanned_out: bool
    became: tuple[tuple[int, Status], ...]  # at each webhook that it went to


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first screen shows about a business."""

    is_included: bool  # whether anything is sent for it
    webhooks: tuple[Health, ...]
    just_now: tuple[Happened, ...]  # the latest event first
    last_tick: datetime | None
    due_since: datetime | None  # the earliest due time of what waits to be attempted

    @property
    def longest_paused(self) -> Health | None:
        paused = [each for each in self.webhooks if each.webhook.paused_at is not None]
        return min(paused, key=_paused_at, default=None)

    @property
    def worst(self) -> Health | None:
        """The webhook that has failed most often in a row."""
        failing = [each for each in self.webhooks if each.state is State.FAILING]
        return max(failing, key=lambda each: each.failed_in_a_row, default=None)


def _paused_at(health: Health) -> datetime:
    return health.webhook.paused_at or health.webhook.created_at


def overview(actor: Actor, business_id: int, now: datetime) -> Overview:
    """Every webhook of a business, and how it is. Raises what `authorize` raises."""
    with connection():
        business = authorize(actor, business_id)
        is_included = includes_webhooks(business.edition, option=business.option)
        rows = webhooks(actor, business_id)
        return Overview(
            is_included,
            _healths(rows, now),
            _just_now(business_id, [row.id for row in rows]),
            last_tick(),
            waiting_since(now),
        )


def details(actor: Actor, webhook_id: int) -> Details:
    """What is known about a webhook besides its health. Raises what `authorize` raises."""
    with connection():
        row = webhook(actor, webhook_id)
        latest = tuple(deliveries(actor, webhook_id))
        done = {
            action: (at, login)
            for action, at, login in AuditEntry.select(
                AuditEntry.action, AuditEntry.at, AuditEntry.actor
            )
            .where(
                (AuditEntry.webhook_id == webhook_id)
                & (AuditEntry.business_id == row.business_id)
                & AuditEntry.action.in_((CREATED, SECRET_REGENERATED, SECRET_STORED))
            )
            .order_by(AuditEntry.id)
            .tuples()
        }
    _, made_by = done.get(CREATED, (None, ""))
    renewed_at, _ = done.get(SECRET_REGENERATED, (None, ""))
    stored_at, _ = done.get(SECRET_STORED, (None, ""))
    steps = first_steps(row, latest, stored_at, renewed_at)
    return Details(webhook_id, latest, made_by, renewed_at, steps)


def _just_now(business_id: int, webhook_ids: list[int]) -> tuple[Happened, ...]:
    """The latest events of a business, and what became of them at these webhooks."""
    rows = list(
        Event.select(
            Event.id,
            Event.type,
            Event.subject,
            SHORT_PAYLOAD,
            Event.created_at,
            Event.fanned_out_at.is_null(is_null=False),
        )
        .where((Event.business == business_id) & Event.webhook.is_null() & was_admitted())
        .order_by(Event.id.desc())
        .limit(JUST_NOW)
        .tuples()
    )
    became = defaultdict[int, list[tuple[int, Status]]](list)
    for event_id, webhook_id, status in (
        Delivery.select(Delivery.event, Delivery.webhook, Delivery.status)
        .where(one_of(Delivery.event, [row[0] for row in rows]))
        .order_by(Delivery.webhook)
        .tuples()
    ):
        if webhook_id in webhook_ids:
            became[event_id].append((webhook_id, Status(status)))
    return tuple(
        Happened(
            event_id,
            headline(event, subject, payload),
            created_at,
            bool(is_fanned_out),
            tuple(became[event_id]),
        )
        for event_id, event, subject, payload, created_at, is_fanned_out in rows
    )


def pulse() -> tuple[int | None, ...]:
    """Something that differs once anything was attempted, queued or changed; asked often."""
    with connection():
        return tuple(
            table.select(fn.MAX(table.id)).scalar()
            for table in (Attempt, Delivery, AuditEntry, Event)
        )


class _Glance(NamedTuple):
    """What the health of a webhook is read from: one of its deliveries."""

    id: int
    due_at: datetime | None
    is_attempted: bool
    is_judged: bool
    was_accepted: bool  # by its last attempt


def _healths(rows: list[WebhookRow], now: datetime) -> tuple[Health, ...]:
    ids = [row.id for row in rows]
    strips, since = _strips(ids, now), _failing_since(ids)
    glances = {row.id: _glances(row.id) for row in rows}
    latest = {row.webhook_id: row for row in delivery_rows(_latest_attempted(glances.values()))}
    return tuple(
        Health(
            row,
            *_judged(row, glances[row.id], latest.get(row.id)),
            *_waiting(row, glances[row.id]),
            _given_up(row.id, now - _DAY),
            since.get(row.id),
            strips[row.id],
            _first_hour(now),
        )
        for row in rows
    )


def _latest_attempted(glances: Iterable[list[_Glance]]) -> list[int]:
    """The ids of the first delivery of each list that was attempted."""
    return [
        each.id
        for seen in glances
        for each in islice((each for each in seen if each.is_attempted), 1)
    ]


def _judged(
    row: WebhookRow, seen: list[_Glance], latest: DeliveryRow | None
) -> tuple[State, int, DeliveryRow | None]:
    """How a webhook is, how many deliveries failed in a row, and the latest that was attempted."""
    judged = (each for each in seen if each.is_judged)
    in_a_row = sum(1 for _ in takewhile(lambda each: not each.was_accepted, judged))
    if row.paused_at is not None:
        return State.PAUSED, in_a_row, latest
    state = State.NEVER if latest is None else State.FAILING if in_a_row else State.OK
    return state, in_a_row, latest


def _waiting(row: WebhookRow, seen: list[_Glance]) -> tuple[datetime | None, int]:
    """When the next attempt is, of the latest deliveries, and how many deliveries wait in all."""
    if row.paused_at is not None:
        return None, row.parked
    due = [each.due_at for each in seen if each.due_at is not None]
    return min(due, default=None), _count(row.id, Delivery.due_at.is_null(is_null=False))


def _given_up(webhook_id: int, since: datetime) -> int:
    """How many deliveries were abandoned since then: those that can be recovered."""
    lost = has_status(Status.ABANDONED) & (Delivery.settled_at >= since)
    return _count(webhook_id, lost & counts_for_health(Event.webhook == webhook_id))


def _count(webhook_id: int, which: Any) -> int:
    """How many deliveries there are, by an index that holds few; a long backlog is not counted to
    its end.
    """
    some = Delivery.select(ONE).where((Delivery.webhook == webhook_id) & which)
    return int(some.limit(COUNTED_TO + 1).count())


def _failing_since(webhook_ids: list[int]) -> dict[int, datetime]:
    """Since when the outages of these webhooks' addresses have lasted, where one does."""
    rows = Webhook.select(Webhook.id, Webhook.down_since).where(
        Webhook.id.in_(webhook_ids)
        & Webhook.down_since.is_null(is_null=False)
        & Webhook.up_since.is_null()
    )
    return dict(rows.tuples())


def _glances(webhook_id: int) -> list[_Glance]:
    """The latest deliveries of a webhook, the newest first.

    Each is judged by its last attempt, so sending it again changes nothing until that has ended.
    What was queued again after an outage does not count, since its address was seen to be back.
    """
    last_status = (
        Attempt.select(fn.COALESCE(Attempt.http_status, 0))
        .where(
            (Attempt.delivery == Delivery.id)
            & (Attempt.error.is_null() | (Attempt.error != ErrorKind.INTERRUPTED))
        )
        .order_by(_NOT_BY_INDEX.desc())
        .limit(1)
    )
    rows = (
        Delivery.select(
            Delivery.id,
            Delivery.due_at,
            Delivery.attempts,
            Delivery.recovery,
            last_status.alias("last_status"),
        )
        .where((Delivery.webhook == webhook_id) & counts_for_health(Event.webhook == webhook_id))
        .order_by(Delivery.id.desc())
        .limit(HISTORY_LENGTH)
    )
    return [
        _Glance(
            delivery_id,
            due_at,
            is_attempted=status is not None,
            is_judged=status is not None and (attempts > 0 or recovery != Recovery.MADE),
            was_accepted=is_success(status),
        )
        for delivery_id, due_at, attempts, recovery, status in rows.tuples()
    ]


def _first_hour(now: datetime) -> datetime:
    """When the first of these hours begins, by the clock."""
    return now.replace(minute=0, second=0, microsecond=0) - (HOURS - 1) * _HOUR


def _strips(webhook_ids: list[int], now: datetime) -> dict[int, tuple[Hour, ...]]:
    """The deliveries of each webhook by hour, the oldest hour first, without those that were not
    attempted yet.
    """
    since = _first_hour(now)
    hour = (Delivery.created_at.cast("BIGINT") - TimeField().db_value(since)) / _HOUR_US
    rows = (
        Delivery.select(Delivery.webhook, hour, Delivery.status, fn.COUNT(Delivery.id))
        .where(
            Delivery.webhook.in_(webhook_ids)
            & counts_for_health(Event.webhook.in_(webhook_ids))
            & (Delivery.id >= first_id_since(Delivery.created_at, since))
            & (Delivery.created_at >= since)
            & (Delivery.created_at <= now)
            & (Delivery.status != Status.PENDING)
        )
        .group_by(*columns(3))
        .tuples()
    )
    counts: Counter[tuple[int, int, bool]] = Counter()
    for webhook_id, at, status, count in rows:
        counts[webhook_id, at, status == Status.DELIVERED] += count
    return {
        webhook_id: tuple(
            Hour(counts[webhook_id, at, True], counts[webhook_id, at, False]) for at in range(HOURS)
        )
        for webhook_id in webhook_ids
    }
