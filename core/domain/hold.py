"""A hold: until when a receiver has asked, by `Retry-After`, to be sent nothing. Pure."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from core.domain.delivery import Answered, Outcome

HOLD_LIMIT = timedelta(hours=2)
"""The longest hold that we heed."""

ASKING = frozenset({429, 503})
"""The statuses whose `Retry-After` we heed."""

_SECONDS = re.compile(r"[0-9]+")


def held_until(outcome: Outcome, now: datetime) -> datetime | None:
    """Until when this answer asks us to send nothing more; None where it does not ask.

    Only a 429 and a 503 ask, in seconds or with a date (RFC 9110 §10.2.3). A value that cannot be
    read, or that lies in the past, counts as none.
    """
    if not isinstance(outcome, Answered) or outcome.http_status not in ASKING:
        return None
    until = _moment(outcome.retry_after.strip(), now)
    return until if until is not None and until > now else None


def _moment(text: str, now: datetime) -> datetime | None:
    try:
        if _SECONDS.fullmatch(text):
            return now + timedelta(seconds=min(int(text), int(HOLD_LIMIT.total_seconds())))
        date = parsedate_to_datetime(text)
        aware = date.replace(tzinfo=UTC) if date.tzinfo is None else date
        return min(aware.astimezone(UTC), now + HOLD_LIMIT)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
