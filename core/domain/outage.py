"""When an address is down: from an attempt that failed to one that was accepted. Pure.

An outage is a time in which every attempt failed. A receiver that rejects one event, and accepts
others between the attempts at it, has no outage that lasts.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Outage:
    """The latest outage of a webhook's address."""

    since: datetime  # when its first failed attempt ended
    until: datetime | None  # when an accepted attempt ended it; None while it lasts


def outage_after(
    outage: Outage | None, started_at: datetime, ended_at: datetime, *, accepted: bool
) -> Outage | None:
    """The latest outage, once one more attempt has ended; None when there has been none yet."""
    if accepted:
        if outage is None or outage.until is not None:
            return outage
        return Outage(outage.since, ended_at)
    if outage is None or (outage.until is not None and started_at > outage.until):
        return Outage(ended_at, None)
    if outage.until is None and ended_at < outage.since:
        return Outage(ended_at, None)
    return outage
