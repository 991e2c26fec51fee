"""Another program that writes into the outbox by itself, and writes rubbish."""

import sqlite3
import time
from contextlib import closing
from typing import Any

import psycopg
import pytest

from tests.support.installation import Installation, Storage
from tests.support.scripted import Scripted
from tests.support.waiting import PATIENCE, wait_until

_INSERT = "INSERT INTO event (business_id, type, payload, key, created_at) VALUES ({})"
_GOOD = (1, "ticket.created", b'{"numero": 4711}', None, 0)
_RUBBISH: tuple[tuple[Any, ...], ...] = (
    (1, "ticket.created\r\nX-Evil: 1", b"{}", None, 0),
    (1, "ping", b"{}", None, 0),
    (1, "ticket.created", b"{", None, 0),
    (1, "ticket.created", b"[" * 200, None, 0),
    (1, "ticket.created", b'"' + b"x" * 300_000 + b'"', None, 0),
    (1, "ticket.created", b"{}", "k" * 300, 0),
    (1, "ticket.created", b"{}", None, time.time_ns() // 1_000_000),  # milliseconds
)
_ONLY_SQLITE_KEEPS: tuple[tuple[Any, ...], ...] = (
    (1, "ticket.created", 12, None, 0),
    (1, 7, b"{}", None, 0),
    (1, "ticket.created", b"{}", None, "now"),
    (999, "ticket.created", b"{}", None, 0),
    ("nobody", "ticket.created", b"{}", None, 0),
)


def write(installed: Installation, storage: Storage) -> int:
    """Rubbish and, in the middle of it, one that is none; returns how much rubbish."""
    rubbish = _RUBBISH if storage.database else _RUBBISH + _ONLY_SQLITE_KEEPS
    rows = [*rubbish[:4], _GOOD, *rubbish[4:]]
    if storage.database:
        with psycopg.connect(storage.database) as shop, shop.cursor() as cursor:
            cursor.executemany(_INSERT.format("%s, %s, %s, %s, %s"), rows)
    else:
        file = installed.folder / "aurapos-webhooks.db"
        with closing(sqlite3.connect(file, timeout=PATIENCE)) as shop, shop:
            shop.executemany(_INSERT.format("?, ?, ?, ?, ?"), rows)
    return len(rubbish)


@pytest.mark.fault(65, "another program writes rubbish into the outbox")
def test_rubbish_is_set_aside_in_plain_sight_and_holds_up_nothing(
    installed: Installation, storage: Storage, receiver: Scripted
) -> None:
    installed.add_webhook(receiver.url)
    count = write(installed, storage)
    installed.emit()
    with installed.worker() as worker:
        worker.wait_for("worker started")
        wait_until(lambda: len(receiver.requests) == 2)
        wait_until(lambda: installed.json("status")["set_aside"] == count)
        assert worker.stop() == 0
    bodies = b"".join(request.body for request in receiver.requests)
    assert b'{"numero": 4711}' in bodies
    assert installed.json("status")["outbox"] == 0
    assert f"set aside   {count} events that cannot be sent" in installed.ok("status", "--once")
    told = installed.run("doctor").stdout
    assert f"Set aside because it cannot be sent: {count} of the events" in told
    assert "see docs/integrating.md" in told
    assert "Evil" not in told + "".join(worker.log)
