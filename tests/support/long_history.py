"""A long history, written straight into the tables: a million deliveries in half a minute."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.storage.database import connection, is_postgres, proxy, transaction
from core.storage.models import TimeField, Webhook


@dataclass(frozen=True)
class LongHistory:
    """What has been: an event a delivery, dealt out to the webhooks in turn.

    In a thousand settled ones 25 are abandoned and 50 delivered at the second attempt. Those that
    wait come on top, and are new.
    """

    settled: int
    webhooks: int
    over: timedelta  # from the oldest to the youngest
    lately: int = 0  # of the settled ones, spread over the last day, the others before it
    due: int = 0
    scheduled: int = 0  # failed once, to be tried again long after

    def fill(self, now: datetime) -> None:
        """Write it into the bound database, which must have the webhooks and nothing else."""
        with transaction(), _without_indexes():
            if is_postgres():  # what refers to what is right by construction
                proxy.execute_sql("SET LOCAL session_replication_role = replica")
            for statement in _FILL:
                proxy.execute_sql(
                    self._spelled(statement, now), (_TICKET,) * statement.count("{body}")
                )
            if self.due or self.scheduled:
                Webhook.update(ready_at=now).execute()
            if is_postgres():
                for table in _FILLED:
                    proxy.execute_sql(
                        f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id))"
                        f" FROM {table}"
                    )

    def _spelled(self, statement: str, now: datetime) -> str:
        older, day = self.settled - self.lately, _DAY if self.lately else timedelta()
        names = {
            "count": self.settled + self.scheduled + self.due,
            "settled": self.settled,
            "tried": self.settled + self.scheduled,
            "older": older,
            "webhooks": self.webhooks,
            "now": TimeField().db_value(now),
            "day": _microseconds(day),
            "late_step": _microseconds(day / max(1, self.lately)),
            "step": _microseconds((self.over - day) / max(1, older)),
            "body": proxy.param,
        } | (_POSTGRES if is_postgres() else _SQLITE)
        return statement.format(dealt=_DEALT.format(**names), **names)


def keep_house() -> None:
    """What PostgreSQL does by itself in time; SQLite plans without statistics."""
    with connection():
        for statement in ("VACUUM ANALYZE", "CHECKPOINT") if is_postgres() else (_CHECKPOINT,):
            proxy.execute_sql(statement)


def _microseconds(span: timedelta) -> int:
    return span // timedelta(microseconds=1)


@contextmanager
def _without_indexes() -> Iterator[None]:
    """Indexes made at the end take a third of the time."""
    indexes = [
        index
        for table in _FILLED
        for index in proxy.get_indexes(table)
        if index.sql and not index.name.endswith("_pkey")
    ]
    for index in indexes:
        proxy.execute_sql(f"DROP INDEX {index.name}")
    yield
    for index in indexes:
        proxy.execute_sql(index.sql)


_CHECKPOINT = "PRAGMA wal_checkpoint(TRUNCATE)"
_DAY = timedelta(days=1)
_FILLED = ("event", "delivery", "attempt")
_TICKET = b'{"total_tvac": 55.10}'
# Like the program's: they go with time, and their rest is random.
_SQLITE = {
    "mod": "%",
    "uuid": "printf('%012x7', created_at / 1000) || substr(noise, 1, 3) || '8' || substr(noise, 4)",
    "noise": "lower(hex(randomblob(9)))",
}
_POSTGRES = {
    "mod": "%%",
    "uuid": "(lpad(to_hex(created_at / 1000), 12, '0') || '7' || substr(noise, 1, 3) || '8'"
    " || substr(noise, 4, 15))::uuid",
    "noise": "md5(n::text)",
}
_DEALT = """
    WITH RECURSIVE number(n) AS (
        SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM number WHERE n < {count}
    ), dealt AS (
        SELECT n, 1 + n {mod} {webhooks} AS webhook_id,
        n * 7919 {mod} 1000 AS luck, {noise} AS noise,
        {now} - CASE WHEN n > {settled} THEN 0 WHEN n > {older} THEN ({settled} - n) * {late_step}
                     ELSE {day} + ({older} - n) * {step} END AS created_at
        FROM number
    )
"""
_FILL = (
    """INSERT INTO event (id, business_id, type, payload, subject, created_at, fanned_out_at)
    {dealt}
    SELECT n, (SELECT business_id FROM webhook WHERE id = webhook_id), 'ticket.created', {body},
    'T-' || n, created_at, created_at FROM dealt""",
    """INSERT INTO delivery (id, uuid, event_id, webhook_id, status, attempts, interruptions,
    due_at, created_at, settled_at) {dealt}
    SELECT n, {uuid}, n, webhook_id,
    CASE WHEN n > {tried} THEN 'pending' WHEN n > {settled} THEN 'failed'
         WHEN luck < 25 THEN 'abandoned' ELSE 'delivered' END,
    CASE WHEN n > {tried} THEN 0 WHEN n > {settled} THEN 1
         WHEN luck < 25 THEN 5 WHEN luck < 75 THEN 2 ELSE 1 END,
    0,
    CASE WHEN n > {tried} THEN created_at WHEN n > {settled} THEN created_at * 2 END,
    created_at, CASE WHEN n <= {settled} THEN created_at END FROM dealt""",
    """INSERT INTO attempt (delivery_id, number, recovery, started_at, duration_us, http_status,
    error, detail, response)
    SELECT id, number, FALSE, created_at + (number - 1) * 60000000, 250000,
    CASE WHEN status = 'delivered' AND number = attempts THEN 200 ELSE 503 END,
    CASE WHEN status = 'delivered' AND number = attempts THEN NULL ELSE 'status' END,
    '', 'received'
    FROM delivery JOIN (SELECT 1 AS number UNION SELECT 2 UNION SELECT 3 UNION SELECT 4
                        UNION SELECT 5) AS log ON number <= attempts
    ORDER BY 4""",
)
