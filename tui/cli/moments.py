"""Times as people write them."""

from datetime import UTC, datetime

from core.config import parse_duration
from core.errors import BadInput

TIME_HELP = 'A UTC time such as 2026-05-17T14:30, or how long ago: "2h", "3d".'


def parse_moment(text: str, now: datetime) -> datetime:
    """A time, or how long before `now`; raises BadInput."""
    try:
        return now - parse_duration(text)
    except (ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(
            f'{text!r} is not a time: write 2026-05-17T14:30, or how long ago, such as "2h".'
        ) from None
