"""A pace: how often a webhook is sent to at the most, evenly spread. Pure."""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from core.errors import BadInput

AHEAD = timedelta(seconds=2)
"""How long before its start a delivery is claimed at the earliest, so that a crash delays few."""

CHAT_PACE = "1/s"
"""What a new webhook for a chat starts with: most chats take no more."""

_FORM = re.compile(r"([1-9][0-9]{0,5})/(s|min|h)")
_UNITS = {"s": timedelta(seconds=1), "min": timedelta(minutes=1), "h": timedelta(hours=1)}
_CLOSEST = timedelta(milliseconds=50)
_GRACE = timedelta(milliseconds=50)  # how late the last of a window may be, at the least


def check_pace(text: str) -> str:
    """A pace as it is stored: `2/s`, `30/min`, `100/h`; raises BadInput for anything else."""
    pace = text.strip().lower()
    if not _FORM.fullmatch(pace):
        raise BadInput(f'There is no pace "{text}": write it as 2/s, 30/min or 100/h.')
    if interval(pace) < _CLOSEST:
        raise BadInput(
            "A pace is 20/s at most: without one a webhook is sent to as fast as it can."
        )
    return pace


def interval(pace: str) -> timedelta:
    """From one start to the next, at the least."""
    count, unit = pace.split("/")
    return _UNITS[unit] / int(count)


class Start(NamedTuple):
    """When one delivery may start: at the earliest, at the latest, and how long after the one
    before it has really started.
    """

    at: datetime
    by: datetime
    after: timedelta


class Window(NamedTuple):
    """A time that is one worker's own: so many deliveries are spread over it."""

    starts: tuple[Start, ...]
    until: datetime  # another one's may begin then


def room(pace: str, free_from: datetime | None, now: datetime, most: int) -> int:
    """How many starts can be reserved now, up to `most`; those before `free_from` are taken."""
    ahead = now + AHEAD - _first(free_from, now)
    return max(0, min(most, 1 + ahead // _apart(pace))) if ahead >= timedelta() else 0


def window(pace: str, free_from: datetime | None, now: datetime, count: int) -> Window:
    """So many starts, from the first that is free.

    Each is planned five percent further apart than the pace says. One that is late leaves less of
    that to those after it, and none starts so late that the next window's first would come too
    close.
    """
    first, least = _first(free_from, now), interval(pace)
    last = first + (count - 1) * _apart(pace) + max(_apart(pace) - least, _GRACE)
    planned = (first + number * _apart(pace) for number in range(count))
    left = range(count - 1, -1, -1)
    starts = tuple(
        Start(at, last - more * least, least) for at, more in zip(planned, left, strict=True)
    )
    return Window(starts, last + least)


def _first(free_from: datetime | None, now: datetime) -> datetime:
    return max(now, free_from) if free_from is not None else now


def _apart(pace: str) -> timedelta:
    """From one planned start to the next."""
    return interval(pace) * 21 / 20
