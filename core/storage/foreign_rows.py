"""The outbox's rows that another program wrote, as they are: read, mended and set aside."""

from collections.abc import Sequence
from datetime import datetime

from peewee import Case, fn

from core.domain.events import EventType
from core.domain.foreign import MOST_READ, Admitted, ForeignRow
from core.domain.payload import digest
from core.storage.database import one_of, proxy, transaction
from core.storage.models import EPOCH, MICROSECOND, Event

_AT_ONCE = 50  # of which each may have the largest payload


def foreign_rows(event_ids: Sequence[int]) -> list[ForeignRow]:
    """Of these events the first that nobody has looked at yet, or whose type is none, in order.

    `publish` writes a digest, and other programs none.
    """
    is_foreign = Event.digest.is_null() | Event.type.not_in(list(EventType))
    query = (
        Event.select(
            Event.id,
            Event.type,
            Case(None, [(fn.LENGTH(Event.payload) <= MOST_READ, Event.payload)]),
            Event.key,
            Event.webhook,
            Event.created_at,
        )
        .where(one_of(Event.id, event_ids) & is_foreign)
        .order_by(Event.id)
        .limit(_AT_ONCE)
    )
    return [ForeignRow(*row) for row in proxy.execute(query).fetchall()]


def keep(event_id: int, admitted: Admitted) -> None:
    """Write it as `publish` would have."""
    as_published = {
        "payload": admitted.payload,
        "digest": digest(admitted.payload),
        "subject": admitted.subject,
        "created_at": EPOCH + admitted.created_us * MICROSECOND,
    }
    with transaction():
        Event.update(as_published).where(
            (Event.id == event_id) & Event.digest.is_null() & Event.fanned_out_at.is_null()
        ).execute()


def set_aside(event_id: int, why: str, now: datetime) -> None:
    """Leave it out of the outbox for good: it would be refused again, and hold up the others. When
    it happened may be what is wrong with it, and is now.
    """
    with transaction():
        Event.update(fanned_out_at=now, created_at=now, refused=why).where(
            (Event.id == event_id) & Event.fanned_out_at.is_null()
        ).execute()
