"""Who listens hears what another program rings, on both engines, and ends when told to."""

import threading
from collections.abc import Iterator
from itertools import count
from typing import Any

import psycopg
import pytest

from core.storage import bell
from core.storage.bell import ring
from core.storage.database import sqlite_path, transaction
from tasks import listener as module
from tasks.listener import Listener
from tests.support import pgbouncer
from tests.support.scene import publish_ticket
from tests.support.servers import restartable_postgres
from tests.support.waiting import PATIENCE, wait_until


class Heard:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def listening(database: str, heard: Heard) -> Iterator[Listener]:
    listener = Listener(database, heard)
    listener.start()
    wait_until(lambda: heard.count == 1)  # it looks once as it begins to listen
    yield listener
    listener.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "listener"]


def rings_again(heard: Heard) -> None:
    before = heard.count
    ring()
    wait_until(lambda: heard.count > before)


@pytest.mark.usefixtures("listening")
def test_a_ring_is_heard_and_the_next_one_too(heard: Heard) -> None:
    rings_again(heard)
    rings_again(heard)


@pytest.mark.usefixtures("listening")
def test_another_program_rings_as_the_docs_say(database: str, heard: Heard) -> None:
    path = sqlite_path(database)
    before = heard.count
    if path is None:
        with psycopg.connect(database) as connection:
            connection.execute("NOTIFY aurapos_webhooks")
    else:
        path.with_name(f"{path.name}.wake").touch()
    wait_until(lambda: heard.count > before)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.usefixtures("listening")
def test_a_file_that_was_touched_is_looked_at_twice(heard: Heard) -> None:
    """A second touch soon after the first may not change its time, which has a coarse clock."""
    ring()
    wait_until(lambda: heard.count == 3)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
@pytest.mark.usefixtures("listening")
def test_what_is_rung_in_a_transaction_is_heard_once_it_commits(
    database: str, heard: Heard
) -> None:
    before = heard.count
    with psycopg.connect(database) as connection:
        connection.execute("NOTIFY aurapos_webhooks")
        ring()
        wait_until(lambda: heard.count == before + 1)
        connection.rollback()
    ring()
    wait_until(lambda: heard.count == before + 2)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_it_listens_again_once_the_database_is_back(
    database: str, heard: Heard, listening: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And soon, although it waits for long where the database stays away."""
    monkeypatch.setattr(module, "_PAUSES", (module._PAUSES[0], 2 * PATIENCE))
    before = heard.count
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
    wait_until(lambda: heard.count > before)
    rings_again(heard)


def test_where_it_cannot_connect_it_waits_longer_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long each try takes: a server that says nothing is waited for."""
    pauses: list[float] = []

    def away(*_: object) -> None:
        raise psycopg.OperationalError("no answer")

    def pause(*what: Any) -> tuple[list[Any], list[Any], list[Any]]:
        reading, writing, failing, seconds = what
        pauses.append(seconds)
        return (reading if len(pauses) == 9 else [], writing, failing)

    monkeypatch.setattr(module, "listen", away)
    monkeypatch.setattr(module, "select", pause)
    monkeypatch.setattr(module, "monotonic", count(step=10.0).__next__)
    listener = Listener("postgresql://127.0.0.1/none", Heard())
    listener.start()
    wait_until(lambda: len(pauses) == 9)
    listener.stop()
    assert pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_a_ring_that_nobody_can_hear_is_no_error(
    business: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bell, "CHANNEL", "not a name")
    monkeypatch.setattr(bell, "SUFFIX", "/nowhere/wake")
    with transaction():
        publish_ticket(business)
    ring()
    assert "no worker could be woken" in caplog.text


@pgbouncer.needed
def test_behind_a_pooler_it_says_that_it_hears_nothing_and_ends(
    heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    with restartable_postgres() as postgres, pgbouncer.pgbouncer(postgres) as before_it:
        listener = Listener(before_it.url, heard)
        with caplog.at_level("INFO"):
            listener.start()
            wait_until(lambda: "lets no NOTIFY through" in caplog.text)
        listener.stop()
    assert heard.count == 0
