"""The Huey behind a queue URL."""

from contextlib import suppress
from typing import Any

from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey
from huey.serializer import SignedSerializer
from huey.storage import SqliteStorage

from core.errors import BadConfig
from core.storage.database import sqlite_path
from core.storage.folders import make_private

_NAME = "aurapos-webhooks"
_CONNECT_TIMEOUT = 2  # seconds: the least that PostgreSQL's driver accepts
_RING_TIMEOUT = 0.5  # seconds; that of a consumer must outlast its wait for a message
_POSTGRES_RING = {
    "connect_timeout": _CONNECT_TIMEOUT,
    "tcp_user_timeout": round(_RING_TIMEOUT * 1000),  # milliseconds
}


class _UnsyncedFile(SqliteStorage):
    """SQLite without syncing, since a wake may be lost. SQLite's OFF, which Huey uses for that,
    would not sync checkpoints either: a loss of power could then break the whole file, and lose
    every wake with it.
    """

    def _create_connection(self) -> Any:
        connection = super()._create_connection()
        connection.execute("PRAGMA synchronous = normal")
        return connection


class _FileHuey(SqliteHuey):
    storage_class = _UnsyncedFile


def open_queue(
    url: str, signing_key: bytes, *, create: bool = False, to_ring: bool = False
) -> Huey:
    """The queue at `url`: `sqlite:///FILE`, `redis://…`, `unix:///SOCKET` (Redis) or
    `postgresql://…`.

    Huey pickles its messages, so they are signed; they carry nothing, and results are switched off.
    `create` makes PostgreSQL's tables, which several consumers must not do at once. `to_ring` is
    for whoever only puts wakes on the queue: it soon gives up on an engine that does not answer.

    Raises BadConfig when the driver of the engine is missing, and whatever the engine raises when
    it is away.
    """
    serializer = SignedSerializer(secret=signing_key, salt=_NAME)
    options: dict[str, Any] = {"results": False, "utc": True, "serializer": serializer}
    path = sqlite_path(url)
    if path is not None:
        with suppress(OSError):  # SQLite's error is explained elsewhere
            make_private(path)
        return _FileHuey(_NAME, filename=str(path), **options)
    if url.startswith(("redis", "unix")):
        return RedisHuey(_NAME, connection_pool=_redis_pool(url, to_ring=to_ring), **options)
    return _postgres_queue(url, options, create=create, to_ring=to_ring)


def _postgres_queue(url: str, options: dict[str, Any], *, create: bool, to_ring: bool) -> Huey:
    try:
        from core.storage.postgres import connect  # noqa: PLC0415 - its driver is an extra
    except ImportError:
        raise _missing_driver("postgres") from None
    timeouts = _POSTGRES_RING if to_ring else {}

    def connected() -> Any:
        connection, session = connect(url, **timeouts)
        if to_ring:
            connection.answer_timeout = _CONNECT_TIMEOUT
        huey.storage.blocking = not session.is_pooled  # behind a pooler nothing hears a NOTIFY
        if not session.is_pooled:
            connection.execute("SET synchronous_commit = off")  # a wake may be lost
        return connection

    huey = PostgresHuey(_NAME, connection=connected, create_tables=False, **options)
    if create:
        huey.storage.initialize_schema()
    return huey


def _redis_pool(url: str, *, to_ring: bool) -> Any:
    try:
        import redis  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing_driver("redis") from None
    if to_ring:
        timeouts = {"socket_connect_timeout": _RING_TIMEOUT, "socket_timeout": _RING_TIMEOUT}
    else:
        timeouts = {"socket_connect_timeout": _CONNECT_TIMEOUT}
    try:
        pool = redis.ConnectionPool.from_url(url, **timeouts)
        pool.connection_class(**pool.connection_kwargs)  # which does not connect yet
    except (TypeError, ValueError):  # their messages quote what was not understood
        raise BadConfig(
            "Redis's driver does not know what follows the question mark: check [queue] url."
        ) from None
    return pool


def _missing_driver(extra: str) -> BadConfig:
    return BadConfig(
        f"The queue's driver is not installed: install the program with its extra, "
        f"`aurapos-webhooks[{extra}]`."
    )
