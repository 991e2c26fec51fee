"""An event that another program wrote into the outbox: may it be sent? Pure.

Nobody has looked at it before, and SQLite keeps in any column whatever it is given.
"""

from typing import NamedTuple

from core.domain.events import SELECTABLE
from core.domain.payload import PAYLOAD_LIMIT, check_key, check_payload
from core.errors import BadPayload

MOST_READ = PAYLOAD_LIMIT + 4096
"""How many bytes of a payload are read: the largest, and some white space around it."""

_EARLIEST = 946_684_800_000_000  # microseconds: the year 2000; one in milliseconds is in 1970
_AHEAD = 86_400_000_000  # a day, in microseconds


class ForeignRow(NamedTuple):
    """What the columns of such an event hold, of whatever type it is."""

    id: int
    type: object
    payload: object  # None where it is longer than MOST_READ
    key: object
    webhook_id: object
    created_us: object  # microseconds since 1970; 0 where we are to fill it in


class Admitted(NamedTuple):
    """The same event as `publish` would have written it."""

    payload: bytes
    subject: str
    created_us: int


def admit(row: ForeignRow, now_us: int) -> Admitted:
    """The event as it is sent. Raises BadPayload, which says why it cannot be sent and quotes
    nothing of it.
    """
    if row.type not in SELECTABLE:
        raise BadPayload(f"Its type is none of {', '.join(SELECTABLE)}.")
    if row.webhook_id is not None:
        raise BadPayload("Its webhook_id is set: an event is for every webhook that selected it.")
    if row.key is not None:
        check_key(row.key)
    checked = check_payload(_as_bytes(row.payload))
    return Admitted(*checked, _moment(row.created_us, now_us))


def _as_bytes(payload: object) -> bytes:
    if isinstance(payload, str):  # SQLite's drivers write text where nobody says that it is bytes
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
