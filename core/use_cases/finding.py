"""What a person looks for, by whatever they call it: an event, and where it went."""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from peewee import fn

from core.domain.actors import Actor
from core.domain.events import EventType
from core.domain.language import N_
from core.domain.payload import as_subject
from core.errors import BadInput
from core.storage.database import connection, one_of
from core.storage.models import Delivery, Event, Webhook, was_admitted
from core.use_cases.access import authorize
from core.use_cases.deliveries import SHORT_PAYLOAD, Headline, delivery_rows, headline
from core.use_cases.queries import WentTo, webhooks

FOUND_AT_MOST = 20
"""How many events are found; each change of a customer has the customer's number as its subject."""

_START_OF_UUID = re.compile(r"[0-9a-f]{12,32}")
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class FoundEvent:
    id: int
    event: EventType
    subject: str
    headline: Headline
    created_at: datetime
    is_fanned_out: bool  # otherwise it is still to be fanned out
    deliveries: tuple[WentTo, ...]  # in the order of their webhooks


def find(actor: Actor, business_id: int, text: str, limit: int = FOUND_AT_MOST) -> list[FoundEvent]:
    """The events of a business that `text` can mean: by their subject, their key, their id, or the
    id of one of their deliveries, whose first 13 characters suffice. Those with that subject come
    first, and of each kind the newest.

    Raises BadInput for an empty text, and what `authorize` raises.
    """
    wanted = as_subject(text)
    if not wanted:
        raise BadInput(
            N_("Say what to look for: a ticket's number, an event's key or id, or a delivery's id.")
        )
    with connection():
        authorize(actor, business_id)
        found = _ids(business_id, wanted, limit)
        deliveries = _deliveries(actor, business_id, found)
        rows = {row[0]: row[1:] for row in _told(found)}
    return [_found(event_id, deliveries[event_id], *rows[event_id]) for event_id in found]


def _told(event_ids: list[int]) -> Iterable[tuple[Any, ...]]:
    columns = (Event.id, Event.type, Event.subject, Event.created_at, Event.fanned_out_at)
    told: Iterable[tuple[Any, ...]] = (
        Event.select(*columns, SHORT_PAYLOAD).where(one_of(Event.id, event_ids)).tuples()
    )
    return told


def _found(
    event_id: int,
    deliveries: list[WentTo],
    event: str,
    subject: str | None,
    created_at: datetime,
    fanned_out_at: datetime | None,
    payload: bytes | None,
) -> FoundEvent:
    return FoundEvent(
        id=event_id,
        event=EventType(event),
        subject=subject or "",
        headline=headline(event, subject, payload),
        created_at=created_at,
        is_fanned_out=fanned_out_at is not None,
        deliveries=tuple(deliveries),
    )


def _ids(business_id: int, wanted: str, limit: int) -> list[int]:
    """Each kind by its own index: a single statement with OR would read the whole history."""
    asked = [Event.subject == wanted, Event.key == wanted]
    if wanted.isascii() and wanted.isdecimal() and int(wanted) <= _LARGEST_ID:
        asked.append(Event.id == int(wanted))
    found = dict[int, None]()
    for which in asked:
        found |= dict.fromkeys(_latest(business_id, which, limit))
    found |= dict.fromkeys(_of_deliveries(business_id, wanted, limit))
    return list(found)[:limit]


def _latest(business_id: int, which: Any, limit: int) -> Iterable[int]:
    rows = (
        Event.select(Event.id)
        .where((Event.business == business_id) & which & was_admitted())
        .order_by(Event.id.desc())
        .limit(limit)
    )
    return [event_id for (event_id,) in rows.tuples()]


def _of_deliveries(business_id: int, wanted: str, limit: int) -> Iterable[int]:
    """The events that have a delivery whose id begins so; such ids lie side by side."""
    digits = wanted.lower().replace("-", "")
    if not _START_OF_UUID.fullmatch(digits):
        return []
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    standing = Webhook.select(Webhook.id).where(
        (Webhook.id == Delivery.webhook)
        & (Webhook.business == business_id)
        & Webhook.deleted_at.is_null()
    )
    rows = (
        Delivery.select(Delivery.event)
        .where(Delivery.uuid.between(first, last) & fn.EXISTS(standing))
        .order_by(Delivery.uuid.desc())
        .limit(limit)
    )
    return [event_id for (event_id,) in rows.tuples()]


def _deliveries(actor: Actor, business_id: int, event_ids: list[int]) -> dict[int, list[WentTo]]:
    """The deliveries of these events to webhooks that were not deleted."""
    standing = {row.id: row for row in webhooks(actor, business_id)}
    rows = (
        Delivery.select(Delivery.id, Delivery.event, Delivery.webhook)
        .where(one_of(Delivery.event, event_ids))
        .order_by(Delivery.webhook)
        .tuples()
    )
    made = [(row_id, event_id, to) for row_id, event_id, to in rows if to in standing]
    by_id = {row.id: row for row in delivery_rows([row_id for row_id, _, _ in made])}
    went = defaultdict[int, list[WentTo]](list)
    for row_id, event_id, webhook_id in made:
        if row_id in by_id:
            went[event_id].append(WentTo(standing[webhook_id], by_id[row_id]))
    return went
