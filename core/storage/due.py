"""What is due: which webhooks are ready, and which of their deliveries come next."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from core.domain.delivery import WAITING, Status
from core.storage.database import as_table, connection, is_postgres, proxy
from core.storage.models import ENTITLED, EPOCH, MICROSECOND, TimeField
from core.storage.ready import DUE_FROM, ON_PURPOSE, next_start

_time = TimeField()

# A webhook that may not be sent to is not ready. Should its row say that it is, nothing happens.
_SENDABLE = f"""
    FROM webhook JOIN business ON business.id = webhook.business_id
    WHERE webhook.ready_at IS NOT NULL AND webhook.deleted_at IS NULL
    AND {ENTITLED}
"""
_READY = f"""
    SELECT webhook.id, webhook.business_id, webhook.url, webhook.ready_at,
           webhook.down_since IS NOT NULL AND webhook.up_since IS NULL,
           webhook.paused_at IS NOT NULL, webhook.held_until IS NOT NULL,
           webhook.pace IS NOT NULL
    {_SENDABLE} AND webhook.ready_at <= {{now}} ORDER BY webhook.ready_at, webhook.id
"""
_FIRST_READY = f"SELECT webhook.ready_at {_SENDABLE} ORDER BY webhook.ready_at LIMIT 1"
_NEXT_DUE = f"""
    SELECT MIN(due) FROM (
        SELECT {next_start(DUE_FROM)} AS due {_SENDABLE} AND webhook.ready_at <= {{now}}
        UNION ALL
        SELECT * FROM (
            SELECT webhook.ready_at {_SENDABLE} AND webhook.ready_at > {{now}}
            ORDER BY webhook.ready_at LIMIT 1
        ) AS later
    ) AS either
"""


class Waiting(NamedTuple):
    """A webhook that may be sent to and, as far as its row says, has something due."""

    webhook_id: int
    business_id: int
    url: str
    ready_at: datetime  # nothing of it was due before this
    is_down: bool  # its latest attempts all failed
    is_paused: bool = False  # then only what its owner sent on purpose may be sent
    is_held: bool = False  # its receiver asked for less, and has accepted nothing since

    is_paced: bool = False  # its starts must be reserved

    @property
    def is_restrained(self) -> bool:
        """Whether it is claimed for by the rules of `restraint`."""
        return self.is_paused or self.is_held or self.is_paced


def waiting_webhooks(until: datetime) -> list[Waiting]:
    """Every webhook that is ready by `until`, the one that has been ready for longest first.

    Rows may lag behind by a second, so a few have nothing due any more, as their claims will find
    out. The cost grows with the number of these webhooks, not with those that wait for later.
    """
    with connection():
        rows = proxy.execute_sql(_READY.format(now=proxy.param), (_time.db_value(until),))
        return [
            Waiting(hook, shop, url, EPOCH + ready_us * MICROSECOND, *map(bool, how_it_is))
            for hook, shop, url, ready_us, *how_it_is in rows.fetchall()
        ]


def next_due(now: datetime) -> datetime | None:
    """When to look again: when the earliest waiting delivery is due, or the earliest lease ends. It
    may be sooner, where the row of a webhook does not know better. None where nothing waits.
    """
    moment = _time.db_value(now)
    with connection():
        first = proxy.execute_sql(_FIRST_READY).fetchone()
        if first is None or first[0] > moment:  # to plan the other statement takes PostgreSQL 2 ms
            return first and _time.python_value(first[0])
        rows = proxy.execute_sql(_NEXT_DUE.format(now=proxy.param), (moment, moment))
        return _time.python_value(rows.fetchone()[0])


class Due(NamedTuple):
    """A delivery that may be claimed."""

    webhook_id: int
    id: int
    lease: int | None  # the lease of an attempt that was cut short
    leased_us: int  # since when it was leased, as it is stored; None without a lease
    attempts: int
    interruptions: int
    recovery: str | None  # a delivery.Recovery
    due_us: int  # as it is stored
    ready_us: int  # of its webhook, as it is stored


def due_deliveries(
    wanted: Mapping[int, int], now: datetime, *, restrained: bool = False
) -> list[Due]:
    """Up to `wanted[webhook_id]` deliveries of each webhook: fresh ones before those that failed
    already, and of both the longest due first. None are found for webhooks that are paused, and for
    those that are held or paced only where the caller says that they are `restrained`. On
    PostgreSQL the rows are locked, and those that another worker has locked are left out.
    """
    find = _find_locked if is_postgres() else _find
    found: list[Due] = []
    for status in WAITING:
        new = find(wanted, status, now, _NOT_PAUSED if restrained else _FREE) if wanted else []
        wanted = _less(wanted, Counter(each.webhook_id for each in new))
        found += new
    return found


def _less(wanted: Mapping[int, int], found: Counter[int]) -> dict[int, int]:
    left = {webhook_id: room - found[webhook_id] for webhook_id, room in wanted.items()}
    return {webhook_id: room for webhook_id, room in left.items() if room > 0}


_COLUMNS = """due.webhook_id, due.id, due.lease, due.leased_at,
    due.attempts, due.interruptions, due.recovery, due.due_at, webhook.ready_at"""
_NOT_PAUSED = "webhook.paused_at IS NULL"
_FREE = f"{_NOT_PAUSED} AND webhook.held_until IS NULL AND webhook.pace IS NULL"
_FIND = f"""
    SELECT {_COLUMNS}
    FROM json_each(?) AS wanted CROSS JOIN webhook
        ON webhook.id = wanted.value AND {{free}}
    CROSS JOIN delivery AS due ON due.id IN (
        SELECT id FROM delivery WHERE webhook_id = wanted.value AND status = ?
        AND due_at >= {DUE_FROM} AND due_at <= ?
        ORDER BY due_at, id LIMIT ?
    )
"""


def _find(wanted: Mapping[int, int], status: Status, now: datetime, free: str) -> list[Due]:
    """The same on SQLite, where the transaction has the whole database to itself."""
    by_room = defaultdict(list)  # a LIMIT cannot differ from row to row
    for webhook_id, room in wanted.items():
        by_room[room].append(webhook_id)
    found: list[Due] = []
    for room, webhook_ids in by_room.items():
        parameters = json.dumps(webhook_ids), status, _time.db_value(now), room
        rows = proxy.execute_sql(_FIND.format(free=free), parameters)
        found += [Due(*row) for row in rows.fetchall()]
    return found


_FIND_LOCKED = f"""
    SELECT found.* FROM {{wanted}} AS wanted(webhook_id, room)
    JOIN webhook ON webhook.id = wanted.webhook_id AND {{free}}
    CROSS JOIN LATERAL (
        SELECT {_COLUMNS} FROM delivery AS due
        WHERE webhook_id = webhook.id AND status = %s
        AND due_at >= {DUE_FROM} AND due_at <= %s AND due_at IS NOT NULL
        ORDER BY due_at, id LIMIT wanted.room FOR UPDATE OF due SKIP LOCKED
    ) AS found
"""


def _find_locked(wanted: Mapping[int, int], status: Status, now: datetime, free: str) -> list[Due]:
    table, values = as_table(("int", "int"), list(wanted.items()))
    parameters = *values, status.value, _time.db_value(now)
    rows = proxy.execute_sql(_FIND_LOCKED.format(free=free, wanted=table), parameters)
    return [Due(*row) for row in rows.fetchall()]


_FIND_SENT_ON_PURPOSE = f"""
    SELECT {_COLUMNS} FROM webhook CROSS JOIN {ON_PURPOSE}
    AND webhook.id = {{id}} AND webhook.paused_at IS NOT NULL AND due.due_at <= {{now}}
    AND webhook.ready_at IS NOT NULL
    ORDER BY due.due_at, due.id LIMIT {{room}} {{lock}}
"""


def sent_on_purpose(webhook_id: int, room: int, now: datetime) -> list[Due]:
    """Up to `room` deliveries that the owner of a paused webhook has sent on purpose, the longest
    due first.

    It finds those of one webhook at a time: few webhooks are paused, and few of those are tested.
    """
    lock = "FOR UPDATE OF due SKIP LOCKED" if is_postgres() else ""
    statement = _FIND_SENT_ON_PURPOSE.format(
        **dict.fromkeys(("id", "now", "room"), proxy.param), lock=lock
    )
    rows = proxy.execute_sql(statement, (webhook_id, _time.db_value(now), room))
    return [Due(*row) for row in rows.fetchall()]
