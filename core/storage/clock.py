"""The time by which deliveries are due and leases end.

On PostgreSQL it is the database's time, which workers on several machines share: so no worker takes
what another one has in flight because its own clock has leapt. On SQLite all workers run on one
machine, and it is that machine's time.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from core.storage.database import connection, is_postgres, proxy
from core.storage.models import EPOCH, MICROSECOND

_ASK = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


def utc_now() -> datetime:
    """The machine's time. Only the roots call this: everybody else is handed the time."""
    return datetime.now(UTC)


class DatabaseClock:
    """Tells the time without asking the database: since it was last `set`, it counts by itself.

    Before that, and on SQLite, it tells the machine's time.
    """

    def __init__(self, machine: Callable[[], datetime]) -> None:
        self._machine = machine
        self._set: tuple[datetime, float] | None = None  # the database's time, and when it told it

    def __call__(self) -> datetime:
        if self._set is None:
            return self._machine()
        told, at = self._set
        return told + timedelta(seconds=_since_boot() - at)

    def set(self) -> None:
        """Ask the database for its time. Raises what the database raises when it is away."""
        if not is_postgres():
            return
        with connection():
            asked = _since_boot()
            [told] = proxy.execute_sql(_ASK).fetchone()
            self._set = EPOCH + told * MICROSECOND, (asked + _since_boot()) / 2


def _since_boot() -> float:
    """Seconds on a clock that nobody can set, and that goes on during sleep if the system can."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
