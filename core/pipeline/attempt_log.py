"""The attempt log: every request of a delivery, and how it ended."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from core.domain.delivery import (
    Answered,
    ErrorKind,
    Expired,
    Interrupted,
    Lapsed,
    Outcome,
    Unreachable,
    Unsendable,
)
from core.storage.inserts import Prepared, insert_rows, prepare_inserts
from core.storage.models import MICROSECOND, Attempt

_FIELDS = (
    Attempt.delivery,
    Attempt.number,
    Attempt.started_at,
    Attempt.duration_us,
    Attempt.http_status,
    Attempt.error,
    Attempt.detail,
    Attempt.response,
    Attempt.recovery,
    Attempt.abandoned,
)
_LONGEST = 2**31 - 1  # microseconds, the most that the column holds: 35 minutes
AttemptRow = tuple[int, int, datetime, int, int | None, ErrorKind | None, str, str, bool, bool]


def attempt_row(
    delivery_id: int,
    number: int,
    started_at: datetime,
    duration: timedelta,
    outcome: Outcome,
    *,
    recovery: bool = False,
    abandoned: bool = False,
) -> AttemptRow:
    duration_us = min(max(duration // MICROSECOND, 0), _LONGEST)  # a clock may have been ahead
    return delivery_id, number, started_at, duration_us, *_told(outcome), recovery, abandoned


def _told(outcome: Outcome) -> tuple[int | None, ErrorKind | None, str, str]:
    match outcome:
        case Answered():
            return outcome.http_status, outcome.error, outcome.detail, outcome.response
        case Unreachable():
            return None, outcome.error, outcome.detail, ""
        case Lapsed():
            return None, ErrorKind.PROTOCOL, "its connection was closed without an answer", ""
        case Unsendable():
            return None, ErrorKind.CORRUPT, outcome.detail, ""
        case Expired():
            return None, ErrorKind.PARKED, "its webhook was paused for too long", ""
        case Interrupted():
            return None, ErrorKind.INTERRUPTED, "our worker stopped during it", ""
        case _:
            raise ValueError(f"{type(outcome).__name__} is no attempt")


def prepare_log(rows: Iterable[AttemptRow]) -> list[Prepared]:
    """The statements that write these rows into the log."""
    return prepare_inserts(Attempt, _FIELDS, list(rows))


def log_attempts(rows: Iterable[AttemptRow]) -> None:
    insert_rows(Attempt, _FIELDS, list(rows))
