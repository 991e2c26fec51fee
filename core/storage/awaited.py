"""What a pass has to do beside deliveries, found out at once: each of its parts is rarely there."""

from datetime import datetime
from typing import NamedTuple

from core.storage.database import connection, proxy
from core.storage.models import TimeField

_time = TimeField()
# Counted, since for a first one PostgreSQL may look through the table instead of its index.
_AWAITED = """
    SELECT (SELECT look_at FROM webhook WHERE look_at IS NOT NULL ORDER BY look_at LIMIT 1),
           (SELECT due_at FROM mail WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1),
           (SELECT count(*) FROM webhook WHERE is_recovering = TRUE) > 0
"""


class Awaited(NamedTuple):
    """What waits."""

    look_at: datetime | None  # when a webhook is to be looked at next, for its owner to be told
    mail_at: datetime | None  # when a mail is due next
    is_recovering: bool  # something that was abandoned may have to be queued again


def awaited() -> Awaited:
    with connection():
        look_at, mail_at, is_recovering = proxy.execute_sql(_AWAITED).fetchone()
    moments = _time.python_value(look_at), _time.python_value(mail_at)
    return Awaited(*moments, bool(is_recovering))
