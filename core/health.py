"""Health at a glance: what a webhook's latest deliveries say, and its last 24 hours."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from peewee import SQL, fn

from core.access import authorize
from core.by_time import first_id_since
from core.database import connection
from core.delivery import Status
from core.models import Attempt, AuditEntry, Delivery, TimeField
from core.plans import Actor, includes_webhooks
from core.queries import (
    DeliveryRow,
    WebhookRow,
    deliveries,
    last_tick,
    waiting_since,
    webhooks,
)

HOURS = 24
_HOUR = timedelta(hours=1)
_HOUR_US = 3_600_000_000


class State(StrEnum):
    """How a webhook is, by its latest deliveries."""

    OK = "ok"
    FAILING = "FAILING"  # the latest that was attempted failed
    NEVER = "never"  # nothing was attempted yet


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
        strips = _strips([row.id for row in rows], now)
        healths = tuple(_health(row, deliveries(actor, row.id), strips[row.id]) for row in rows)
        return Overview(is_included, healths, last_tick(), waiting_since(now))


def pulse() -> tuple[int | None, ...]:
    """What differs once anything was attempted, queued or changed: cheap enough to ask often."""
    with connection():
        return tuple(
            table.select(fn.MAX(table.id)).scalar() for table in (Attempt, Delivery, AuditEntry)
        )


def _health(row: WebhookRow, latest: list[DeliveryRow], hours: tuple[Hour, ...]) -> Health:
    attempted = [each for each in latest if each.is_attempted]
    in_a_row = 0
    for each in attempted:
        if each.status is Status.DELIVERED:
            break
        in_a_row += 1
    state = State.NEVER if not attempted else State.FAILING if in_a_row else State.OK
    waiting = [each.next_attempt_at for each in latest if each.next_attempt_at is not None]
    return Health(
        row, state, in_a_row, attempted[0] if attempted else None, min(waiting, default=None), hours
    )


def _strips(webhook_ids: list[int], now: datetime) -> dict[int, tuple[Hour, ...]]:
    """For each webhook its deliveries by hour, the oldest hour first."""
    since = now - HOURS * _HOUR
    hour = (Delivery.created_at.cast("BIGINT") - TimeField().db_value(since)) / _HOUR_US
    rows = (
        Delivery.select(Delivery.webhook, hour, Delivery.status, fn.COUNT(Delivery.id))
        .where(
            Delivery.webhook.in_(webhook_ids)
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
