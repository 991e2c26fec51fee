"""A hold: until when a receiver asked to be sent nothing, by `Retry-After`. Pure."""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from core.domain.delivery import Answered, Outcome

HOLD_LIMIT = timedelta(hours=2)
"""The longest that a receiver is left alone for its asking."""

ASKING = frozenset({429, 503})
"""The answers of which `Retry-After` is heeded."""

_SECONDS = re.compile(r"[0-9]+")


def held_until(outcome: Outcome, now: datetime) -> datetime | None:
    """Until when this answer asks for nothing more to be sent; None where it does not.

    Only 429 and 503 ask, in seconds or with a date (RFC 9110 §10.2.3). What cannot be read, or is
    in the past, is as if it were not there.
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
