"""The subjects of events that were published before subjects existed."""

from peewee import Case

from core.domain.payload import subject_of
from core.pipeline.stopping import IsStopping, never
from core.storage.database import one_of, transaction
from core.storage.models import Event, was_admitted

_STEP = 200  # events in one transaction: their payloads are in memory meanwhile


def cut_subjects(limit: int, is_stopping: IsStopping = never) -> int:
    """Cut the subjects of up to `limit` events that have none yet, the newest first, since people
    look for those; returns how many events were looked at.

    It is done in small steps, so that nobody waits for long. Another worker that does it at the
    same time writes the same.
    """
    done = 0
    while done < limit and not is_stopping() and (step := _cut_some(min(_STEP, limit - done))):
        done += step
    return done


def _cut_some(limit: int) -> int:
    uncut = (
        Event.select(Event.id, Event.payload)
        .where(Event.subject.is_null() & was_admitted())
        .order_by(Event.id.desc())
        .limit(limit)
    )
    with transaction():
        rows = list(uncut.tuples())
    subjects = [(event_id, subject_of(bytes(payload))) for event_id, payload in rows]
    if subjects:
        which = one_of(Event.id, [event_id for event_id, _ in subjects]) & Event.subject.is_null()
        with transaction():
            Event.update(subject=Case(Event.id, subjects)).where(which).execute()
    return len(subjects)
