"""The Huey behind a queue URL."""

from typing import Any

from huey import Huey, PostgresHuey, RedisHuey, SqliteHuey
from huey.serializer import SignedSerializer

from core.database import sqlite_path
from core.errors import BadConfig

_NAME = "aurapos-webhooks"
_CONNECT_TIMEOUT = 2  # seconds, the least that PostgreSQL's driver takes
_RING_TIMEOUT = 0.5  # seconds; a consumer's own must outlast its wait for a message


def open_queue(
    url: str, signing_key: bytes, *, create: bool = False, to_ring: bool = False
) -> Huey:
    """The queue at `url`: `sqlite:///FILE`, `redis://…`, `unix:///SOCKET` (Redis) or
    `postgresql://…`.

    Huey pickles its messages, so they are signed; they carry nothing, and results are off.
    `create` makes PostgreSQL's tables, which several consumers must not do at once. `to_ring` is
    for who only puts wakes on it, and soon gives up an engine that does not answer. Raises
    BadConfig when the engine's driver is missing, and whatever the engine does when it is away.
    """
    serializer = SignedSerializer(secret=signing_key, salt=_NAME)
    options: dict[str, Any] = {"results": False, "utc": True, "serializer": serializer}
    path = sqlite_path(url)
    if path is not None:
        return SqliteHuey(_NAME, filename=str(path), **options)
    if url.startswith(("redis", "unix")):
        return RedisHuey(_NAME, connection_pool=_redis_pool(url, to_ring=to_ring), **options)
    try:
        import psycopg  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise _missing_driver("postgres") from None
    if to_ring:
        milliseconds = round(_RING_TIMEOUT * 1000)
        options |= {"connect_timeout": _CONNECT_TIMEOUT, "tcp_user_timeout": milliseconds}
    dsn = url.replace("postgres://", "postgresql://", 1)
    return PostgresHuey(_NAME, dsn=dsn, create_tables=create, **options)


def _redis_pool(url: str, *, to_ring: bool) -> Any:
    try:
        import redis  # noqa: PLC0415 - an extra
    except ImportError:
        raise _missing_driver("redis") from None
    if to_ring:
        timeouts = {"socket_connect_timeout": _RING_TIMEOUT, "socket_timeout": _RING_TIMEOUT}
    else:
        timeouts = {"socket_connect_timeout": _CONNECT_TIMEOUT}
    return redis.ConnectionPool.from_url(url, **timeouts)


def _missing_driver(extra: str) -> BadConfig:
    return BadConfig(
        f"The queue's driver is not installed: install the program with its extra, "
        f"`aurapos-webhooks[{extra}]`."
    )
