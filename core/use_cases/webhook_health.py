"""Health at a glance: what a webhook's latest deliveries say, and its last 24 hours."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice, takewhile
from typing import NamedTuple

from peewee import SQL, NodeList, fn

from core.domain.actors import Actor
from core.domain.delivery import ErrorKind, Recovery, Status, is_success
from core.domain.editions import includes_webhooks
from core.storage.bisection import first_id_since
from core.storage.database import connection
from core.storage.models import Attempt, AuditEntry, Delivery, Event, TimeField, counts_for_health
from core.use_cases.access import authorize
from core.use_cases.queries import (
    HISTORY_LENGTH,
    DeliveryRow,
    WebhookRow,
    delivery_rows,
    last_tick,
    waiting_since,
    webhooks,
)

HOURS = 24
_HOUR = timedelta(hours=1)
_HOUR_US = 3_600_000_000

# The + keeps PostgreSQL from reading the whole log backwards for the last attempt of a delivery.
_NOT_BY_INDEX = NodeList((SQL("+"), Attempt.id))


class State(StrEnum):
    """How a webhook is, by its latest deliveries."""

    OK = "ok"
    FAILING = "FAILING"  # the latest that is judged failed
    NEVER = "never"  # nothing was attempted yet
    PAUSED = "paused"  # nothing is sent, whatever its latest deliveries say


@dataclass(frozen=True, slots=True)
class Hour:
    """Deliveries created within one hour."""

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
    latest: DeliveryRow | None  # that was attempted
    next_attempt_at: datetime | None
    hours: tuple[Hour, ...]  # 24 of them, the last one now


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first screen shows of a business."""

    is_included: bool  # whether anything is sent for this business
    webhooks: tuple[Health, ...]
    last_tick: datetime | None
    due_since: datetime | None  # the earliest due time of what is waiting to be attempted

    @property
    def longest_paused(self) -> WebhookRow | None:
        paused = [each.webhook for each in self.webhooks if each.state is State.PAUSED]
        return min(paused, key=lambda each: each.paused_at or each.created_at, default=None)

    @property
    def worst(self) -> Health | None:
        """The webhook that has failed most often in a row."""
        failing = [each for each in self.webhooks if each.state is State.FAILING]
        return max(failing, key=lambda each: each.failed_in_a_row, default=None)


def overview(actor: Actor, business_id: int, now: datetime) -> Overview:
    """Every webhook of a business and how it is; raises as `authorize` does."""
    with connection():
        business = authorize(actor, business_id)
        is_included = includes_webhooks(business.edition, option=business.option)
        rows = webhooks(actor, business_id)
        return Overview(is_included, _healths(rows, now), last_tick(), waiting_since(now))


def pulse() -> tuple[int | None, ...]:
    """What differs once anything was attempted, queued or changed: cheap enough to ask often."""
    with connection():
        return tuple(
            table.select(fn.MAX(table.id)).scalar() for table in (Attempt, Delivery, AuditEntry)
        )


class _Glance(NamedTuple):
    """Of a delivery what its webhook's health is read from."""

    id: int
    due_at: datetime | None
    is_attempted: bool
    is_judged: bool
    was_accepted: bool  # by its last attempt


def _healths(rows: list[WebhookRow], now: datetime) -> tuple[Health, ...]:
    strips = _strips([row.id for row in rows], now)
    glances = {row.id: _glances(row.id) for row in rows}
    latest = {row.webhook_id: row for row in delivery_rows(_latest_attempted(glances.values()))}
    return tuple(_health(row, glances[row.id], latest.get(row.id), strips[row.id]) for row in rows)


def _latest_attempted(glances: Iterable[list[_Glance]]) -> list[int]:
    """The id of the first of each list that was attempted."""
    return [
        each.id
        for seen in glances
        for each in islice((each for each in seen if each.is_attempted), 1)
    ]


def _health(
    row: WebhookRow, seen: list[_Glance], latest: DeliveryRow | None, hours: tuple[Hour, ...]
) -> Health:
    judged = (each for each in seen if each.is_judged)
    in_a_row = sum(1 for _ in takewhile(lambda each: not each.was_accepted, judged))
    if row.paused_at is not None:
        return Health(row, State.PAUSED, in_a_row, latest, None, hours)
    state = State.NEVER if latest is None else State.FAILING if in_a_row else State.OK
    waiting = [each.due_at for each in seen if each.due_at is not None]
    return Health(row, state, in_a_row, latest, min(waiting, default=None), hours)


def _glances(webhook_id: int) -> list[_Glance]:
    """At a webhook's latest deliveries, the newest first.

    Each is judged by its last attempt, so that sending it again changes nothing until that ends;
    what was queued again after an outage is not, since its address has been seen to be back.
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


def _strips(webhook_ids: list[int], now: datetime) -> dict[int, tuple[Hour, ...]]:
    """For each webhook its deliveries by hour, the oldest hour first."""
    since = now - HOURS * _HOUR
    hour = (Delivery.created_at.cast("BIGINT") - TimeField().db_value(since)) / _HOUR_US
    rows = (
        Delivery.select(Delivery.webhook, hour, Delivery.status, fn.COUNT(Delivery.id))
        .where(
            Delivery.webhook.in_(webhook_ids)
            & counts_for_health(Event.webhook.in_(webhook_ids))
            & (Delivery.id >= first_id_since(Delivery.created_at, since))
            & (Delivery.created_at >= since)
            & (Delivery.created_at < now)
        )
        .group_by(SQL("1"), SQL("2"), SQL("3"))  # PostgreSQL knows an expression by its place
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
