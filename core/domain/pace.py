"""A pace: the most that a webhook is sent to in a time, evenly spread. Pure."""

import re
from datetime import datetime, timedelta
from typing import NamedTuple

from core.domain.language import N_
from core.errors import BadInput

AHEAD = timedelta(seconds=2)
"""The earliest time before its start that a delivery is claimed: so a crash delays only a few."""

CHAT_PACE = "1/s"
"""The pace that a new webhook for a chat begins with: most chats take no more."""

_FORM = re.compile(r"([1-9][0-9]{0,5})/(s|min|h)")
_UNITS = {"s": timedelta(seconds=1), "min": timedelta(minutes=1), "h": timedelta(hours=1)}
_CLOSEST = timedelta(milliseconds=50)
_GRACE = timedelta(milliseconds=50)  # how late the last start of a window may be, at the least
_ALONE = timedelta(seconds=1)  # further apart than that, one is sent at a time


def check_pace(text: str) -> str:
    """A pace as it is stored: `2/s`, `30/min`, `100/h`. Raises BadInput for anything else."""
    pace = text.strip().lower()
    if not _FORM.fullmatch(pace):
        raise BadInput(
            N_('There is no pace "{text}": write it as 2/s, 30/min or 100/h.'), text=text
        )
    if interval(pace) < _CLOSEST:
        raise BadInput(
            N_("A pace is 20/s at most: without one a webhook is sent to as fast as it can.")
        )
    return pace


def interval(pace: str) -> timedelta:
    """The shortest time from one start to the next."""
    count, unit = pace.split("/")
    return _UNITS[unit] / int(count)


def goes_alone(pace: str) -> bool:
    """Whether one delivery is sent at a time: one a second, or more slowly. Then the next start
    depends on when the last one has really been sent, which nobody knows when it is reserved.
    """
    return interval(pace) >= _ALONE


class Start(NamedTuple):
    """When one delivery may start: at the earliest, at the latest, and how long after the one
    before it has really started.
    """

    at: datetime
    by: datetime
    after: timedelta

    @property
    def is_alone(self) -> bool:
        return self.after >= _ALONE

    @property
    def until(self) -> datetime:
        """When others may start, if this is the last one that is taken."""
        return self.by + self.after

    def next_at(self, sent_at: datetime | None, ended_at: datetime) -> datetime:
        """When the one after this may start, which was sent then if it was, and ended then.

        It came to its receiver some time before the answer came to us. A busy machine or a slow
        network may take longer over it than over the next one, so the answer is what counts. Where
        it takes longer than a quarter of the time between two starts, the receiver is slow.
        """
        if sent_at is None:
            return self.at
        return min(ended_at, sent_at + self.after / 4) + _further(self.after)


class Window(NamedTuple):
    """A time in which only one worker sends, with the starts that are spread over it."""

    starts: tuple[Start, ...]
    until: datetime  # another window may begin then


def room(pace: str, free_from: datetime | None, now: datetime, most: int) -> int:
    """How many starts can be reserved now, up to `most`. Those before `free_from` are taken."""
    ahead = now + AHEAD - _first(free_from, now)
    return max(0, min(most, 1 + ahead // _apart(pace))) if ahead >= timedelta() else 0


def window(
    pace: str, free_from: datetime | None, now: datetime, count: int, leased_until: datetime
) -> Window:
    """A window with that many starts, from the first free time on.

    They are planned five percent further apart than the pace says. A start that is late uses up
    some of that time, and none may be so late that the first start of the next window would come
    too soon after it. One that goes alone may be as late as its lease allows, since others wait for
    its end.
    """
    first, least = _first(free_from, now), interval(pace)
    last = first + (count - 1) * _apart(pace) + max(_apart(pace) - least, _GRACE)
    if goes_alone(pace):
        last = leased_until
    planned = (first + number * _apart(pace) for number in range(count))
    left = range(count - 1, -1, -1)
    starts = tuple(
        Start(at, last - more * least, least) for at, more in zip(planned, left, strict=True)
    )
    return Window(starts, last + least)


def taken_ahead(pace: str, lease_for: timedelta) -> timedelta:
    """How far ahead starts can be taken at this pace, at the most."""
    return AHEAD + lease_for + _apart(pace)


def _first(free_from: datetime | None, now: datetime) -> datetime:
    return max(now, free_from) if free_from is not None else now


def _apart(pace: str) -> timedelta:
    """The time from one planned start to the next."""
    return _further(interval(pace))


def _further(least: timedelta) -> timedelta:
    return least * 21 / 20
