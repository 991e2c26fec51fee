"""What is due: which webhooks wait, and which of their deliveries come next."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from core.database import connection, proxy
from core.delivery import WAITING, Status
from core.models import EPOCH, TimeField

_time = TimeField()

# Every webhook with a waiting delivery, in steps along the index: the cost goes with the number
# of webhooks, not of deliveries.
_WAITING_WEBHOOKS = """
    WITH RECURSIVE step(webhook_id) AS (
        SELECT * FROM (SELECT webhook_id FROM delivery WHERE due_at IS NOT NULL
                       ORDER BY webhook_id LIMIT 1) AS first
        UNION ALL
        SELECT (SELECT webhook_id FROM delivery
                WHERE due_at IS NOT NULL AND webhook_id > step.webhook_id
                ORDER BY webhook_id LIMIT 1)
        FROM step WHERE step.webhook_id IS NOT NULL
    )
    SELECT webhook.id, webhook.business_id, webhook.url, (SELECT due_at FROM delivery
                        WHERE due_at IS NOT NULL AND webhook_id = webhook.id AND status = 'pending'
                        ORDER BY due_at LIMIT 1),
                       (SELECT due_at FROM delivery
                        WHERE due_at IS NOT NULL AND webhook_id = webhook.id AND status = 'failed'
                        ORDER BY due_at LIMIT 1),
           webhook.down_since IS NOT NULL AND webhook.up_since IS NULL
    FROM step
    JOIN webhook ON webhook.id = step.webhook_id
    JOIN business ON business.id = webhook.business_id
    WHERE webhook.deleted_at IS NULL
    AND (business.option = TRUE OR business.edition IN ('group', 'restaurant_group'))
"""


class Waiting(NamedTuple):
    """A webhook that may be sent to and has deliveries waiting."""

    webhook_id: int
    business_id: int
    url: str
    ready_at: datetime
    is_down: bool  # its latest attempts all failed


def waiting_webhooks(until: datetime) -> list[Waiting]:
    """Every webhook that waits, the longest waiting first."""
    return [each for each in _all_waiting() if each.ready_at <= until]


def next_due(now: datetime) -> datetime | None:
    return next((each.ready_at for each in _all_waiting() if each.ready_at or now), None)


def _all_waiting() -> list[Waiting]:
    with connection():
        rows = proxy.execute_sql(_WAITING_WEBHOOKS).fetchall()
    waiting = [
        Waiting(webhook_id, business, url, EPOCH + timedelta(microseconds=min(due)), bool(is_down))
        for webhook_id, business, url, *dues, is_down in rows
        if (due := [each for each in dues if each is not None])
    ]
    return sorted(waiting, key=lambda each: each.ready_at)


class Due(NamedTuple):
    """A delivery that may be claimed."""

    webhook_id: int
    id: int
    lease: int | None  # of an attempt that was cut short
    leased_us: int  # since when, as it is stored; None without a lease
    attempts: int
    interruptions: int
    recovery: str | None  # a delivery.Recovery


def due_deliveries(wanted: Mapping[int, int], now: datetime) -> list[Due]:
    """Up to `wanted[webhook_id]` of each webhook: fresh ones before those that failed already, of
    each the longest due first. On PostgreSQL their rows are locked, and those that another worker
    has locked are passed over.
    """
    find = _find_locked if proxy.for_update else _find
    found: list[Due] = []
    for status in WAITING:
        new = find(wanted, status, now) if wanted else []
        wanted = _less(wanted, Counter(each.webhook_id for each in new))
        found += new
    return found


def _less(wanted: Mapping[int, int], found: Counter[int]) -> dict[int, int]:
    left = {webhook_id: room - found[webhook_id] for webhook_id, room in wanted.items()}
    return {webhook_id: room for webhook_id, room in left.items() if room > 0}


_COLUMNS = """due.webhook_id, due.id, due.lease, due.leased_at,
    due.attempts, due.interruptions, due.recovery"""
# One row of all: SQLite's driver gives up the GIL for each, and a busy loop is slow to return it.
_FIND = f"""
    SELECT json_group_array(json_array({_COLUMNS}))
    FROM json_each(?) AS wanted CROSS JOIN delivery AS due ON due.id IN (
        SELECT id FROM delivery WHERE webhook_id = wanted.value AND status = ? AND due_at <= ?
        ORDER BY due_at, id LIMIT ?
    )
"""


def _find(wanted: Mapping[int, int], status: Status, now: datetime) -> list[Due]:
    """On SQLite, where the transaction has the whole database to itself."""
    by_room = defaultdict(list)  # a LIMIT cannot depend on a row, and few differ
    for webhook_id, room in wanted.items():
        by_room[room].append(webhook_id)
    found: list[Due] = []
    for room, webhook_ids in by_room.items():
        parameters = json.dumps(webhook_ids), status, _time.db_value(now), room
        [rows] = proxy.execute_sql(_FIND, parameters).fetchone()
        found += [Due(*row) for row in json.loads(rows)]
    return found


_FIND_LOCKED = f"""
    SELECT found.* FROM unnest(%s::int[], %s::int[]) AS wanted(webhook_id, room)
    CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM delivery AS due
        WHERE webhook_id = wanted.webhook_id AND status = %s
        AND due_at <= %s AND due_at IS NOT NULL
        ORDER BY due_at, id LIMIT wanted.room FOR UPDATE SKIP LOCKED
    ) AS found
"""


def _find_locked(wanted: Mapping[int, int], status: Status, now: datetime) -> list[Due]:
    rows = proxy.execute_sql(
        _FIND_LOCKED, (list(wanted), list(wanted.values()), status.value, _time.db_value(now))
    )
    return [Due(*row) for row in rows.fetchall()]
