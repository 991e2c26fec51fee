"""A bell that rings workers without the key to the secrets: NOTIFY on PostgreSQL, a file on SQLite.

The queue's own messages are pickles, so they must be signed. This bell only says that there may be
something to do, so anybody who may write to the outbox may ring it.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from select import select
from socket import socket
from typing import Any

from peewee import PeeweeException

from core.storage.database import connection, explain, is_postgres, proxy, sqlite_path

CHANNEL = "aurapos_webhooks"
SUFFIX = ".wake"
"""The ending of the file, beside an SQLite database, whose time is the bell."""

_LOOK_EVERY = 0.1  # seconds between two looks at that file: SQLite tells nobody of a commit
log = logging.getLogger(__name__)


def ring() -> None:
    """Ring whoever listens to the bound database. It never fails.

    Call it after the commit. A ring that nobody hears costs at most a minute, until the next tick.
    """
    try:
        if is_postgres():
            with connection():
                proxy.execute_sql(f"NOTIFY {CHANNEL}")
        else:
            Path(f"{proxy.obj.database}{SUFFIX}").touch()
    except (PeeweeException, OSError) as error:
        told = explain(error) if isinstance(error, PeeweeException) else error.strerror
        log.warning("no worker could be woken, so delivery waits for its tick: %s", told)


def listen(url: str, on_ring: Callable[[], None], ended: socket) -> None:
    """Call `on_ring` whenever somebody rings at this database, until `ended` can be read.

    Returns at once behind a pooler, through which no ring comes. Raises psycopg.Error when
    PostgreSQL is away.
    """
    path = sqlite_path(url)
    if path is not None:
        _watch(Path(f"{path}{SUFFIX}"), on_ring, ended)
    else:
        _listen(url, on_ring, ended)


def _watch(file: Path, on_ring: Callable[[], None], ended: socket) -> None:
    seen, has_changed = _touched(file), False
    on_ring()  # somebody may have rung before we listened
    while not _can_be_read([ended], _LOOK_EVERY):
        had_changed, has_changed = has_changed, (now := _touched(file)) != seen
        seen = now
        if has_changed or had_changed:  # two touches may leave the same time, so it is called twice
            on_ring()


def _touched(file: Path) -> int:
    with suppress(FileNotFoundError):
        return file.stat().st_mtime_ns
    return 0


def _listen(url: str, on_ring: Callable[[], None], ended: socket) -> None:
    from core.storage.postgres import connect  # noqa: PLC0415 - its driver is an extra

    listener, session = connect(url)
    with listener:
        if session.is_pooled:
            log.info("a pooler lets no NOTIFY through: what rings by it waits for the tick")
            return
        listener.execute(f"LISTEN {CHANNEL}")
        on_ring()  # the same here
        while ended not in _can_be_read([listener, ended]):
            if list(listener.notifies(timeout=0)):
                on_ring()


def _can_be_read(what: list[Any], seconds: float | None = None) -> list[Any]:
    return select(what, [], [], seconds)[0]
