"""The time by which deliveries are due and leases run.

On PostgreSQL it is the database's: workers on several machines share it, and none takes what
another has in flight because its own clock leaps. On SQLite all run on one machine, whose it is.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from core.storage.database import connection, is_postgres, proxy
from core.storage.models import EPOCH, MICROSECOND

_ASK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


def utc_now() -> datetime:
    """The machine's time. For the roots alone: everybody else is handed it."""
    return datetime.now(UTC)


class DatabaseClock:
    """Tells the time without asking for it: since it was `set` it counts by itself.

    Until then, and on SQLite, it is the machine's clock.
    """

    def __init__(self, machine: Callable[[], datetime]) -> None:
        self._machine = machine
        self._set: tuple[datetime, float] | None = None  # the database's time, and when it said so

    def __call__(self) -> datetime:
        if self._set is None:
            return self._machine()
        told, at = self._set
        return told + timedelta(seconds=_since_boot() - at)

    def set(self) -> None:
        """Ask the database; raises what it does when it is away."""
        if not is_postgres():
            return
        with connection():
            asked = _since_boot()
            [told] = proxy.execute_sql(_ASK).fetchone()
            self._set = EPOCH + told * MICROSECOND, (asked + _since_boot()) / 2


def _since_boot() -> float:
    """Seconds that nobody can set; where the system tells, those of a machine asleep too."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
