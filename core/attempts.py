"""The attempt log: every request of a delivery, and how it ended."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from core.delivery import Answered, ErrorKind, Interrupted, Outcome, Unreachable, Unsendable
from core.models import Attempt


def attempt_row(
    delivery_id: int, number: int, started_at: datetime, duration: timedelta, outcome: Outcome
) -> dict[str, object]:
    row: dict[str, object] = {
        "delivery": delivery_id,
        "number": number,
        "started_at": started_at,
        "duration_us": duration // timedelta(microseconds=1),
        "http_status": None,
        "error": None,
        "detail": "",
        "response": "",
    }
    match outcome:
        case Answered():
            row |= {
                "http_status": outcome.http_status,
                "error": outcome.error,
                "detail": outcome.detail,
                "response": outcome.response,
            }
        case Unreachable():
            row |= {"error": outcome.error, "detail": outcome.detail}
        case Unsendable():
            row |= {"error": ErrorKind.CORRUPT, "detail": outcome.detail}
        case Interrupted():
            row |= {"error": ErrorKind.INTERRUPTED, "detail": "our worker stopped during it"}
    return row


def log_attempts(rows: Iterable[dict[str, object]]) -> None:
    logged = list(rows)
    if logged:
        Attempt.insert_many(logged).execute()
