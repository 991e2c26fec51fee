"""What is known about the workers: their ticks and settings, what waits, what was set aside."""

import json
from dataclasses import dataclass
from datetime import datetime

from peewee import fn

from core.pipeline.heartbeat import ENDED, TICK, TICK_WITHIN
from core.storage.database import connection
from core.storage.due import next_due
from core.storage.literals import is_refused
from core.storage.models import Event, LastRun


@dataclass(frozen=True, slots=True)
class SetAside:
    """Events that cannot be sent to anybody."""

    count: int
    latest: int  # the id of the latest of them, and what is wrong with it
    why: str


def set_aside() -> SetAside | None:
    """What fan-out has refused and is still kept; None where there is nothing."""
    with connection():
        rows = Event.select(fn.COUNT(Event.id), fn.MAX(Event.id)).where(is_refused()).tuples()
        [(count, latest)] = rows
        if not count:
            return None
        why = Event.select(Event.refused).where(Event.id == latest).scalar()
    return SetAside(count, latest, why)


def last_tick() -> datetime | None:
    """When a consumer last ticked or ended in order."""
    is_one = LastRun.job.startswith(TICK) | (LastRun.job == ENDED)
    with connection():
        return LastRun.select(fn.MAX(LastRun.at)).where(is_one).scalar()


def consumers(now: datetime) -> list[str]:
    """The names of those that have ticked within the last two minutes and not ended since."""
    return [row.job.removeprefix(TICK) for row in _ticked_lately(now)]


def settings_of_consumers(now: datetime) -> dict[str, dict[str, str]]:
    """The settings of each of them by its name, where it has told them."""
    rows = _ticked_lately(now)
    return {row.job.removeprefix(TICK): json.loads(row.settings) for row in rows if row.settings}


def _ticked_lately(now: datetime) -> list[LastRun]:
    is_one = LastRun.job.startswith(TICK) & (LastRun.at > now - TICK_WITHIN)
    with connection():
        return list(LastRun.select().where(is_one).order_by(LastRun.job))


def waiting_since(now: datetime) -> datetime | None:
    """The earliest due time of the deliveries that are due now; None when none is."""
    first_due = next_due(now)
    return first_due if first_due is not None and first_due <= now else None
