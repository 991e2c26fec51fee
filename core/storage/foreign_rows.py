"""The events in the outbox that another program wrote: read as they are, mended, or set aside."""

from collections.abc import Sequence
from datetime import datetime

from peewee import fn

from core.domain.events import EventType
from core.domain.foreign import MOST_READ, Admitted, ForeignRow
from core.domain.payload import digest
from core.storage.database import is_one_of, proxy, transaction
from core.storage.models import EPOCH, MICROSECOND, Event

_AT_ONCE = 50  # rows, each of which may have the largest payload
_TYPES = ", ".join(f"'{each}'" for each in EventType)
IS_FOREIGN = f"digest IS NULL OR type NOT IN ({_TYPES})"
"""SQL for whether nobody has looked at an event yet, or its type is none. Other programs than ours
write no digest.
"""
_FOREIGN = f"""
    SELECT id, type, CASE WHEN length(payload) <= {MOST_READ} THEN payload END, key, webhook_id,
           created_at
    FROM event
    WHERE id {{one_of_these}} AND ({IS_FOREIGN})
    ORDER BY id LIMIT {{most}}
"""


def foreign_rows(event_ids: Sequence[int]) -> list[ForeignRow]:
    """The first of these events, in order, that nobody has looked at yet, or whose type is none."""
    condition, value = is_one_of(event_ids)
    statement = _FOREIGN.format(one_of_these=condition, most=_AT_ONCE)
    return [ForeignRow(*row) for row in proxy.execute_sql(statement, [value]).fetchall()]


def keep(event_id: int, admitted: Admitted) -> None:
    """Write the event as `publish` would have written it."""
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
    """Take an event out of the outbox for good: it would be refused again, and hold up the others.
    It gets the time of now, since its own may be what is wrong with it, and an empty subject.
    """
    subject = fn.COALESCE(Event.subject, "")
    with transaction():
        Event.update(fanned_out_at=now, created_at=now, refused=why, subject=subject).where(
            (Event.id == event_id) & Event.fanned_out_at.is_null()
        ).execute()
