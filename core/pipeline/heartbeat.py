"""That a consumer lives, and when jobs last ran."""

import json
import os
import socket
from collections.abc import Mapping
from datetime import datetime, timedelta

from core.storage.database import transaction
from core.storage.models import LastRun

TICK = "tick "
"""How the row of a consumer in LastRun begins; the consumer's name follows."""
TICK_WITHIN = timedelta(minutes=2)
"""A consumer that lives has ticked within this time."""
ENDED = "ended"
"""The row that says when a consumer last ended in order."""


def own_name() -> str:
    """What this process is called as a consumer: its machine, and its number there."""
    return f"{socket.gethostname()} {os.getpid()}"


def is_missing(consumer: str) -> bool:
    """Whether it was called after this machine, and there is no such process here.

    It was killed then; or it lives in a container that has this machine's name, so that this is
    told and nothing is decided by it.
    """
    machine, _, number = consumer.rpartition(" ")
    if machine != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another account's
        return False
    return False


def record_tick(consumer: str, now: datetime, settings: Mapping[str, str] | None = None) -> None:
    """Write down that a consumer is alive, and with which settings."""
    record_run(TICK + consumer, now, json.dumps(settings) if settings else "")


def record_end(consumer: str, now: datetime) -> None:
    """A consumer ended in order: nobody is to look for it any more."""
    with transaction():
        LastRun.delete().where(LastRun.job == TICK + consumer).execute()
        record_run(ENDED, now)


def record_run(job: str, now: datetime, settings: str = "", event_id: int = 0) -> None:
    """Write down when a job last ran and, where that counts, how far it went."""
    with transaction():
        LastRun.insert(job=job, at=now, settings=settings, event_id=event_id).on_conflict(
            conflict_target=[LastRun.job],
            preserve=[LastRun.at, LastRun.settings, LastRun.event_id],
        ).execute()
