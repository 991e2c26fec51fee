"""What the screens and listings read: frozen rows, no models.

Every call checks who asks, as `services` does. Only the owners of a business and the operator see
what it has, whether or not it has the option.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest
from itertools import chain
from typing import Any, NamedTuple

from peewee import fn

from core.domain.actors import Actor
from core.domain.choices import Choices
from core.domain.delivery import WAITING, Status
from core.domain.events import SELECTABLE, EventType
from core.domain.signing import build_body, wire_time
from core.storage.choosing import choices_of
from core.storage.database import connection, one_of
from core.storage.literals import has_status, off_index
from core.storage.models import (
    Attempt,
    AuditEntry,
    Delivery,
    Event,
    SelectedEvent,
    Webhook,
    counts_for_health,
)
from core.storage.parked import NOTHING_PARKED, parked_deliveries
from core.storage.rows import grouped
from core.use_cases.access import authorize, find_delivery, find_webhook
from core.use_cases.deliveries import (
    AttemptRow,
    DeliveryRow,
    Redelivered,
    attempts_of,
    delivery_rows,
    last_attempt_ids,
)

HISTORY_LENGTH = 50
"""How many deliveries of a webhook are shown, the newest first (the product's page)."""

LOOKED_THROUGH = 20_000
"""The number of deliveries that a search through a history looks at for one page."""

ABANDONED_SHOWN = 1000
TRAIL_LENGTH = 200
_EVENTS_AMONG = 1000  # deliveries of a webhook


@dataclass(frozen=True, slots=True)
class WebhookRow:
    id: int
    business_id: int
    url: str
    events: tuple[EventType, ...]
    created_at: datetime
    updated_at: datetime  # when it was last edited or given a new secret
    choices: Choices
    paused_at: datetime | None  # since when only what its owner sends on purpose is sent
    parked: int  # deliveries that wait for the end of the pause
    parked_since: datetime | None  # when the oldest of them was made
    held_until: datetime | None  # the receiver asked for nothing until then, which may be over


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries of a history are wanted; by default all of them."""

    statuses: frozenset[Status] = frozenset()  # when empty, those with any status
    event: EventType | None = None
    text: str = ""  # a part of the event, of the status, or of what the last attempt brought
    since: datetime | None = None

    @property
    def is_searched_for(self) -> bool:
        """Whether no index finds them, so that each row of the history is looked at."""
        return self.event is not None or bool(self.text)


ALL = Wanted()
UNDELIVERED = frozenset(Status) - {Status.DELIVERED}


class WentTo(NamedTuple):
    """A delivery, and the webhook it is for."""

    webhook: WebhookRow
    delivery: DeliveryRow


@dataclass(frozen=True, slots=True)
class TrailRow:
    at: datetime
    actor: str
    origin: str
    action: str
    subject: str
    detail: str  # what was changed


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    delivery: DeliveryRow
    attempts: tuple[AttemptRow, ...]  # all of them, in order
    body: bytes  # as it was signed and sent


def webhooks(actor: Actor, business_id: int) -> list[WebhookRow]:
    """The webhooks of a business, in the order in which they were made."""
    with connection():
        authorize(actor, business_id)
        return _webhook_rows(Webhook.business == business_id)


def webhook(actor: Actor, webhook_id: int) -> WebhookRow:
    with connection():
        find_webhook(actor, webhook_id)
        return _webhook_rows(Webhook.id == webhook_id)[0]


def _webhook_rows(which: Any) -> list[WebhookRow]:
    rows = list(Webhook.select().where(which & Webhook.deleted_at.is_null()).order_by(Webhook.id))
    selected = grouped(
        SelectedEvent.select(SelectedEvent.webhook, SelectedEvent.event_type)
        .where(SelectedEvent.webhook.in_([row.id for row in rows]))
        .tuples()
    )
    parked = parked_deliveries([row.id for row in rows if row.paused_at is not None])
    return [
        WebhookRow(
            row.id,
            row.business_id,
            row.url,
            tuple(event for event in SELECTABLE if event in selected[row.id]),
            row.created_at,
            row.updated_at,
            choices_of(row),
            row.paused_at,
            parked.get(row.id, NOTHING_PARKED).number,
            parked.get(row.id, NOTHING_PARKED).since,
            row.held_until,
        )
        for row in rows
    ]


def deliveries(
    actor: Actor,
    webhook_id: int,
    limit: int = HISTORY_LENGTH,
    *,
    wanted: Wanted = ALL,
    before: int | None = None,
    after: int | None = None,
) -> list[DeliveryRow]:
    """The latest deliveries of a webhook that are wanted, the newest first; where they are given,
    only those between the rows with the ids `before` and `after`.
    """
    with connection():
        find_webhook(actor, webhook_id)
        return delivery_rows(_wanted_ids(webhook_id, wanted, limit, _Span(before, after)))


def deliveries_of_business(
    actor: Actor,
    business_id: int,
    limit: int = HISTORY_LENGTH,
    *,
    wanted: Wanted = ALL,
    before: int | None = None,
    after: int | None = None,
) -> list[DeliveryRow]:
    """The same over all webhooks of a business."""
    with connection():
        authorize(actor, business_id)
        latest: list[int] = []
        # One webhook at a time: asked for all at once, the engine would sort their whole histories.
        # Once a page is full, only what is newer than its last row is asked of the others.
        for webhook_id in _standing_ids(business_id):
            after = latest[-1] if len(latest) == limit else after
            found = _wanted_ids(webhook_id, wanted, limit, _Span(before, after))
            latest = nlargest(limit, chain(latest, found))
        return delivery_rows(latest)


def _standing_ids(business_id: int) -> list[int]:
    rows = Webhook.select(Webhook.id).where(
        (Webhook.business == business_id) & Webhook.deleted_at.is_null()
    )
    return [row[0] for row in rows.tuples()]


class Horizon(NamedTuple):
    """How far back a search looks: this delivery and older ones are not looked at."""

    id: int
    at: datetime


def horizon(actor: Actor, webhook_id: int, before: int | None = None) -> Horizon | None:
    """The end of what is searched for a page of a webhook's history, which begins before the row
    with the id `before`. None where it goes to the history's end.
    """
    with connection():
        find_webhook(actor, webhook_id)
        return _horizon([webhook_id], before)


def horizon_of_business(
    actor: Actor, business_id: int, before: int | None = None
) -> Horizon | None:
    """The same over all webhooks of a business, none of which is searched further than another."""
    with connection():
        authorize(actor, business_id)
        return _horizon(_standing_ids(business_id), before)


def _horizon(webhook_ids: Sequence[int], before: int | None) -> Horizon | None:
    each = LOOKED_THROUGH // max(1, len(webhook_ids))
    ends = [end for webhook_id in webhook_ids for end in _one_past(webhook_id, before, each)]
    if not ends:
        return None
    at = Delivery.select(Delivery.created_at).where(Delivery.id == max(ends)).scalar()
    return Horizon(max(ends), at) if at is not None else None


def _one_past(webhook_id: int, before: int | None, number: int) -> Iterator[int]:
    """The id that comes after so many of a webhook's, if there is one; read off an index alone."""
    which = Delivery.webhook == webhook_id
    if before is not None:
        which &= Delivery.id < before
    rows = Delivery.select(Delivery.id).where(which).order_by(Delivery.id.desc())
    return (row[0] for row in rows.offset(number).limit(1).tuples())


class _Span(NamedTuple):
    """Only the deliveries between these two ids, both of which are left out."""

    before: int | None = None
    after: int | None = None


def _wanted_ids(webhook_id: int, wanted: Wanted, limit: int, span: _Span) -> list[int]:
    which = Delivery.webhook == webhook_id
    if wanted.since is not None:
        which &= Delivery.created_at >= wanted.since
    if wanted.event is not None:
        of_it = Event.select(Event.id).where(
            (Event.id == Delivery.event) & (Event.type == wanted.event)
        )
        which &= fn.EXISTS(of_it)
    if wanted.text:
        which &= _says(wanted.text)
    if not wanted.statuses or Status.DELIVERED in wanted.statuses:
        if wanted.statuses:
            which &= Delivery.status.in_(wanted.statuses)
        return _latest_ids(which, limit, span)
    return nlargest(limit, chain.from_iterable(_undelivered(which, wanted.statuses, limit, span)))


def _undelivered(
    which: Any, statuses: Collection[Status], limit: int, span: _Span
) -> Iterator[list[int]]:
    """The ids by the indexes that hold few rows: looking through the history would pass everything
    that was delivered. The predicates are literals, since with bound values these indexes are not
    used.
    """
    if Status.ABANDONED in statuses:
        yield _latest_ids(which & has_status(Status.ABANDONED), limit, span)
    waiting = [status for status in WAITING if status in statuses]
    if waiting:
        is_waiting = Delivery.due_at.is_null(is_null=False) & Delivery.status.in_(waiting)
        yield _latest_ids(which & is_waiting, limit, span, _NOT_BY_INDEX)


def _says(text: str) -> Any:
    """Whether the row of a delivery contains this text, in upper or lower case."""
    last = Attempt.alias()
    # As in webhook_health: without the +, PostgreSQL may read the whole log backwards for this.
    last_id = (
        last.select(last.id)
        .where(last.delivery == Delivery.id)
        .order_by(off_index(last.id).desc())
        .limit(1)
    )
    said = Attempt.select(Attempt.id).where(
        (Attempt.id == last_id)
        & (
            Attempt.response.contains(text)
            | Attempt.detail.contains(text)
            | Attempt.error.contains(text)
            | Attempt.http_status.cast("TEXT").contains(text)
        )
    )
    of_it = Event.select(Event.id).where((Event.id == Delivery.event) & Event.type.contains(text))
    return fn.EXISTS(said) | fn.EXISTS(of_it) | Delivery.status.contains(text)


def _latest(which: Any, limit: int) -> list[DeliveryRow]:
    return delivery_rows(_latest_ids(which, limit))


_NOT_BY_INDEX = off_index(Delivery.id)


_ANYWHERE = _Span()


def _latest_ids(
    which: Any, limit: int, span: _Span = _ANYWHERE, by: Any = Delivery.id
) -> list[int]:
    if span.before is not None:
        which &= by < span.before
    if span.after is not None:
        which &= by > span.after
    latest = Delivery.select(Delivery.id).where(which).order_by(by.desc()).limit(limit)
    return [row[0] for row in latest.tuples()]


def delivery_of_event(actor: Actor, webhook_id: int, event_id: int) -> DeliveryRow | None:
    """What became of one event at one webhook; None until it is fanned out."""
    with connection():
        find_webhook(actor, webhook_id)
        rows = _latest((Delivery.event == event_id) & (Delivery.webhook == webhook_id), 1)
        return rows[0] if rows else None


class Again(NamedTuple):
    """Of deliveries that were redelivered, those that have been attempted since, and the others."""

    attempted: Sequence[DeliveryRow]
    waiting: Sequence[Redelivered]


def attempted_again(actor: Actor, business_id: int, which: Collection[Redelivered]) -> Again:
    """What was deleted meanwhile, or is another business's, is in neither."""
    with connection():
        authorize(actor, business_id)
        standing = (
            Delivery.select(Delivery.id)
            .join(Webhook)
            .where(
                one_of(Delivery.id, [each.delivery_id for each in which])
                & (Webhook.business == business_id)
                & Webhook.deleted_at.is_null()
            )
        )
        ids = {row[0] for row in standing.tuples()}
        last = last_attempt_ids(ids)
        there = [each for each in which if each.delivery_id in ids]
        waiting = [each for each in there if last.get(each.delivery_id, 0) <= each.last_attempt_id]
        attempted = ids - {each.delivery_id for each in waiting}
        return Again(delivery_rows(list(attempted)), waiting)


def recent_events(actor: Actor, business_id: int, webhook_ids: Collection[int]) -> list[EventType]:
    """Which events the latest thousand deliveries of each of these webhooks are of."""
    with connection():
        authorize(actor, business_id)
        theirs = Webhook.select(Webhook.id).where(
            (Webhook.business == business_id) & Webhook.id.in_(list(webhook_ids))
        )
        found: set[str] = set()
        for webhook_id in [row[0] for row in theirs.tuples()]:
            latest = (
                Delivery.select(Delivery.event)
                .where(Delivery.webhook == webhook_id)
                .order_by(Delivery.id.desc())
                .limit(_EVENTS_AMONG)
            )
            events = Event.select(Event.type).where(Event.id.in_(latest)).distinct()
            found.update(row[0] for row in events.tuples())
        return [event for event in EventType if event in found]


def abandoned(
    actor: Actor, webhook_id: int, since: datetime, limit: int = ABANDONED_SHOWN
) -> list[DeliveryRow]:
    """The deliveries of a webhook that were abandoned since then, the newest first."""
    with connection():
        find_webhook(actor, webhook_id)
        which = (
            (Delivery.webhook == webhook_id)
            & has_status(Status.ABANDONED)
            & (Delivery.settled_at >= since)
            & counts_for_health(Event.webhook == webhook_id)
        )
        return _latest(which, limit)


def trail(actor: Actor, business_id: int, limit: int = TRAIL_LENGTH) -> list[TrailRow]:
    """Who did what in a business, the latest action first."""
    with connection():
        authorize(actor, business_id)
        rows = (
            AuditEntry.select()
            .where(AuditEntry.business_id == business_id)
            .order_by(AuditEntry.id.desc())
            .limit(limit)
        )
        return [
            TrailRow(row.at, row.actor, row.origin, row.action, row.subject, row.detail)
            for row in rows
        ]


def delivery(actor: Actor, delivery_uuid: str) -> DeliveryDetail:
    with connection():
        found = find_delivery(actor, delivery_uuid)
        event, payload = found.event, bytes(found.event.payload)
        body = found.body or build_body(
            event.type, str(found.uuid), wire_time(event.created_at), payload
        )
        return DeliveryDetail(
            delivery_rows([found.id])[0],
            attempts_of(found.id),
            bytes(body),
        )
