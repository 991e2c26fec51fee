"""An event that another program wrote into the outbox by itself: may it be sent? Pure.

Nothing of it has been looked at, and SQLite keeps in any column whatever it is given.
"""

from typing import NamedTuple

from core.domain.events import SELECTABLE
from core.domain.payload import PAYLOAD_LIMIT, check_key, check_payload, subject_of
from core.errors import BadPayload

MOST_READ = PAYLOAD_LIMIT + 4096
"""Bytes of a payload that are read: with some white space around it."""

_EARLIEST = 946_684_800_000_000  # microseconds: the year 2000; milliseconds are of the year 1970
_AHEAD = 86_400_000_000  # a day, in microseconds


class ForeignRow(NamedTuple):
    """What the columns hold, of whatever type."""

    id: int
    type: object
    payload: object  # None where it is longer than MOST_READ
    key: object
    webhook_id: object
    created_us: object  # microseconds since 1970; 0: to be filled in


class Admitted(NamedTuple):
    """The same as `publish` would have written it."""

    payload: bytes
    subject: str
    created_us: int


def admit(row: ForeignRow, now_us: int) -> Admitted:
    """The row as it is sent; raises BadPayload, saying why it cannot be, in words that quote
    nothing of it.
    """
    if row.type not in SELECTABLE:
        raise BadPayload(f"Its type is none of {', '.join(SELECTABLE)}.")
    if row.webhook_id is not None:
        raise BadPayload("Its webhook_id is set: an event is for every webhook that selected it.")
    if row.key is not None:
        check_key(row.key)
    payload = check_payload(_as_bytes(row.payload))
    return Admitted(payload, subject_of(payload), _moment(row.created_us, now_us))


def _as_bytes(payload: object) -> bytes:
    if isinstance(payload, str):  # as drivers of SQLite write what is not said to be bytes
        return payload.encode(errors="replace")
    if not isinstance(payload, bytes):
        raise BadPayload(f"Its payload is not JSON of at most {PAYLOAD_LIMIT} bytes.")
    return payload


def _moment(created_us: object, now_us: int) -> int:
    if created_us == 0:
        return now_us
    if not isinstance(created_us, int) or not _EARLIEST <= created_us <= now_us + _AHEAD:
        raise BadPayload("Its created_at is neither 0 nor a time in microseconds since 1970.")
    return created_us
