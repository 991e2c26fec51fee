"""The outbox: the events that are not fanned out yet, and the webhooks that are to get them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from peewee import JOIN, SQL, Case, fn

from core.storage.built import built_once
from core.storage.database import one_of, proxy
from core.storage.foreign_rows import IS_FOREIGN
from core.storage.models import (
    ENTITLED,
    EPOCH,
    MICROSECOND,
    Event,
    SelectedEvent,
    Webhook,
    row_lock,
)

# In steps along the index of the outbox, from one business that has events to the next.
_PENDING = """
    WITH RECURSIVE pending(business_id) AS (
        SELECT * FROM (SELECT business_id FROM event
                       WHERE fanned_out_at IS NULL AND business_id > {after}
                       ORDER BY business_id LIMIT 1) AS first
        UNION ALL
        SELECT (SELECT business_id FROM event
                WHERE fanned_out_at IS NULL AND business_id > pending.business_id
                ORDER BY business_id LIMIT 1)
        FROM pending WHERE pending.business_id IS NOT NULL
    )
"""
_PENDING_BUSINESSES = f"""
    {_PENDING}
    SELECT business.id FROM pending JOIN business ON business.id = pending.business_id
    WHERE {ENTITLED}
    LIMIT {{limit}}
"""
_OF_NO_BUSINESS = f"""
    {_PENDING}
    SELECT event.id FROM pending
    JOIN event ON event.business_id = pending.business_id AND event.fanned_out_at IS NULL
    WHERE NOT EXISTS (SELECT 1 FROM business WHERE business.id = pending.business_id)
    LIMIT {{limit}}
"""
_ALL_PENDING = f"{_PENDING} SELECT business_id FROM pending WHERE business_id IS NOT NULL"
LEAST = -(2**63)
"""No id is lower."""


class Pending(NamedTuple):
    """An event of the outbox."""

    id: int
    business_id: int
    webhook_id: int | None  # the only receiver, of a test or sample
    fanned_out_to: int  # the last webhook that has its delivery of it; 0 before the first
    is_foreign: bool  # another program wrote it, and nobody has looked at it yet


class Receiver(NamedTuple):
    """A webhook that may get an event, and what it has chosen."""

    event_id: int
    created_at: datetime  # the event's
    webhook_id: int
    format: str  # a choices.Format
    language: str
    only: str | None  # its conditions, as its row has them; None for an event meant for it alone


def pending_businesses(after: int, limit: int) -> list[int]:
    """Up to `limit` businesses that have events in the outbox and may have webhooks. Those after
    the business `after` come first, then the others from the first one on.
    """
    query = _PENDING_BUSINESSES.format(after=proxy.param, limit=proxy.param)
    found = dict[int, None]()
    for begin in dict.fromkeys((after, 0)):
        rows = proxy.execute_sql(query, (begin, limit - len(found))).fetchall()
        found |= {business_id: None for (business_id,) in rows}
    return list(found)


def all_pending_businesses() -> list[int]:
    """All that have events in the outbox, whether they may have webhooks or not."""
    rows = proxy.execute_sql(_ALL_PENDING.format(after=proxy.param), (LEAST,)).fetchall()
    return [business_id for (business_id,) in rows]


def events_of_no_business(limit: int) -> list[int]:
    """Up to `limit` events of the outbox whose business does not exist. SQLite lets programs write
    those that do not switch its foreign keys on, and no fan-out finds them.
    """
    query = _OF_NO_BUSINESS.format(after=proxy.param, limit=proxy.param)
    return [event_id for (event_id,) in proxy.execute_sql(query, (LEAST, limit)).fetchall()]


def first_events(business_id: int, limit: int, first: int, latest: int) -> list[Pending]:
    """The first events of a business from the id `first` on, none after the event `latest`. They
    are locked, and those that another worker is fanning out are left out.
    """
    return [Pending(*row) for row in _first_events(business_id, first, latest, limit)]


@built_once
def _first_events(business_id: int, first: int, latest: int, limit: int) -> Any:
    pending = (
        Event.select(
            Event.id, Event.business, Event.webhook, Event.fanned_out_to, SQL(f"({IS_FOREIGN})")
        )
        .where(
            (Event.business == business_id)
            & Event.fanned_out_at.is_null()
            & Event.id.between(first, latest)
        )
        .order_by(Event.id)
        .limit(limit)
    )
    return row_lock(pending, skip_locked=True)


def webhooks_of(businesses: Collection[int]) -> dict[int, int]:
    """How many webhooks each of these businesses has; those without any are left out."""
    return dict(_webhooks_of(businesses).fetchall())


@built_once
def _webhooks_of(businesses: Collection[int]) -> Any:
    return (
        Webhook.select(Webhook.business, fn.COUNT(Webhook.id))
        .where(one_of(Webhook.business, businesses) & Webhook.deleted_at.is_null())
        .group_by(Webhook.business)
    )


def receivers(event_ids: Collection[int], limit: int) -> list[Receiver]:
    """Up to `limit` pairs of one of these events and a webhook that is to get it: it selected the
    event and was there before it, or is the one webhook that the event is meant for.
    """
    return [
        Receiver(event_id, EPOCH + created_us * MICROSECOND, *chosen)
        for event_id, created_us, *chosen in _receivers(event_ids, limit)
    ]


@built_once
def _receivers(event_ids: Collection[int], limit: int) -> Any:
    selected = (SelectedEvent.webhook == Webhook.id) & (SelectedEvent.event_type == Event.type)
    return (
        Event.select(
            *(Event.id, Event.created_at, Webhook.id, Webhook.format, Webhook.language),
            Case(None, [(Event.webhook.is_null(), Webhook.only)]),
        )
        .join(Webhook, on=(Webhook.business == Event.business))
        .join(SelectedEvent, JOIN.LEFT_OUTER, on=selected)
        .where(
            one_of(Event.id, event_ids)
            & (Webhook.id > Event.fanned_out_to)
            & (Webhook.after_event < Event.id)
            & Webhook.deleted_at.is_null()
            & (
                (Event.webhook.is_null() & ~SelectedEvent.event_type.is_null())
                | (Event.webhook == Webhook.id)
            )
        )
        .order_by(Webhook.id, Event.id)  # inserting locks webhooks, in the order of `ready`
        .limit(limit)
    )


def keep_place(event_id: int, webhook_id: int) -> None:
    """Note that the webhooks up to this one have their deliveries of this event, which stays in the
    outbox.
    """
    Event.update(fanned_out_to=webhook_id).where(Event.id == event_id).execute()


def take_out(event_ids: Collection[int], now: datetime) -> None:
    """Note that these events have all their deliveries."""
    _take_out(event_ids, now)


@built_once
def _take_out(event_ids: Collection[int], now: datetime) -> Any:
    done = one_of(Event.id, event_ids)
    return Event.update(fanned_out_at=now).where(done & Event.fanned_out_at.is_null())
