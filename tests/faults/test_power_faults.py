"""Power that is cut after somebody was told "done": what they were told stays true."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from tests.support.installation import COMMAND, FAST, Installation, Storage
from tests.support.notes import notes
from tests.support.power import Power, Survives, nothing
from tests.support.scripted import Scripted
from tests.support.servers import Postgres, restartable_postgres
from tests.support.waiting import wait_until

STARTED = "worker started"
DATABASE = "aurapos-webhooks.db"

PUBLISH = """
from datetime import UTC, datetime
from core.storage.database import open_database
from core.intake import publish

open_database({url!r})
payload, now = b'{{"statut": "valide"}}', datetime.now(UTC)
publish(1, "ticket.created", payload, now, key="from Python", wake=lambda: None)
"""


@pytest.fixture
def power(
    installed: Installation,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Power:
    """Of the installation, from its set-up on."""
    recorded = Power(installed.folder, tmp_path_factory.mktemp("power"))
    if not recorded.can_be_recorded():
        pytest.skip("this Python has an SQLite of its own inside, whose writes cannot be recorded")
    monkeypatch.setenv("PYTHONPATH", str(recorded.path))
    return recorded


def count(what: str) -> str:
    return f"SELECT count(*) FROM {what}"


class Told:
    """What people were told is done, and when: of each, SQL that says so, and what it says then."""

    def __init__(self, power: Power) -> None:
        self._power = power
        self.true: list[tuple[str, object, int]] = []

    def done(self, sql: str, outcome: object = 1) -> None:
        self.true.append((sql, outcome, self._power.now()))


def publish_from_python(installed: Installation) -> None:
    url = f"sqlite:///{installed.folder / DATABASE}"
    subprocess.run([sys.executable, "-c", PUBLISH.format(url=url)], check=True)
    notes().published.append("from Python")


def act(installed: Installation, receiver: Scripted, told: Told) -> None:
    """What producers, owners and operators do, each told that it is done."""
    event_id = installed.emit()
    told.done(count(f"event WHERE id = {event_id}"))
    installed.push(3)
    told.done(count("event"), 4)
    publish_from_python(installed)
    told.done(count("event WHERE key = 'from Python'"))
    installed.add_webhook(f"{receiver.url}/second")
    told.done(count("webhook"), 2)
    installed.ok("webhook", "edit", "2", "--event", "client.updated")
    told.done(count("selected_event WHERE webhook_id = 2 AND event_type = 'client.updated'"))
    installed.ok("webhook", "test", "2")
    told.done(count("event WHERE webhook_id = 2"))
    installed.ok("business", "set", "1", "--edition", "boutique", "--option", "on")
    told.done("SELECT edition FROM business", "boutique")
    installed.ok("member", "add", "paul", "--role", "manager")
    told.done(count("member WHERE login = 'paul'"))
    installed.delete_webhook(2)
    told.done(count("webhook WHERE deleted_at IS NOT NULL"))


@pytest.mark.fault(35, "power cut after an acknowledgement")
@pytest.mark.files_only("its files are what is cut")
@pytest.mark.parametrize("survives", [nothing, lambda number: number % 2 == 0])
def test_what_was_acknowledged_survives_a_cut_of_the_power(
    installed: Installation,
    receiver: Scripted,
    power: Power,
    survives: Survives,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    told = Told(power)
    with installed.worker() as worker:
        worker.wait_for(STARTED)
        installed.add_webhook(receiver.url)
        told.done(count("webhook"))
        act(installed, receiver, told)
        wait_until(lambda: len(receiver.requests) >= 5)
        assert worker.stop() == 0
    places = tmp_path_factory.mktemp("cut")
    for number, (sql, outcome, moment) in enumerate(told.true):
        left = power.cut(moment, places / str(number), survives)
        with closing(sqlite3.connect(left / DATABASE)) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert (sql, database.execute(sql).fetchone()[0]) == (sql, outcome)


def let_leases_run_out(database: Path) -> None:
    with closing(sqlite3.connect(database)) as left, left:
        left.execute("UPDATE delivery SET due_at = 0 WHERE due_at IS NOT NULL")
        left.execute("UPDATE webhook SET ready_at = 0")


@pytest.mark.files_only("its files are what is cut")
def test_what_a_worker_did_before_a_cut_of_the_power_it_does_again(
    installed: Installation,
    receiver: Scripted,
    power: Power,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    installed.add_webhook(receiver.url)
    with installed.worker() as worker:
        worker.wait_for("history pruned")  # the last for a while that a worker syncs
        installed.emit()
        worker.wait_for("debug delivered")
        moment = power.now()
        worker.process.kill()
    left = power.cut(moment, tmp_path_factory.mktemp("cut") / "left")
    let_leases_run_out(left / DATABASE)
    again = [*COMMAND, "--config", str(left / installed.config.name), "tick", "--json"]
    done = subprocess.run(again, capture_output=True, check=True, cwd=left)
    assert json.loads(done.stdout)["delivered"] == 1
    first, second = receiver.requests
    assert (first.body, first.headers) == (second.body, second.headers), "with the same id"


@pytest.fixture
def forgetful() -> Iterator[Postgres]:
    """One that writes what nobody asked it to sync ten seconds later."""
    with restartable_postgres("wal_writer_delay=10000ms") as server:
        yield server


@pytest.mark.fault(35, "power cut after an acknowledgement")
def test_what_was_acknowledged_survives_a_crash_of_postgresql(
    tmp_path: Path, forgetful: Postgres, receiver: Scripted
) -> None:
    installed = Installation(tmp_path, FAST, Storage(forgetful.url))
    installed.init()
    installed.add_webhook(receiver.url)
    event_id = installed.emit()
    forgetful.kill()
    forgetful.start()
    with psycopg.connect(forgetful.url) as database:
        sql = "SELECT count(*) FROM event WHERE id = %s"
        kept = database.execute(sql, [event_id]).fetchone()
    with installed.worker() as worker:
        worker.wait_for("debug delivered")
        assert worker.stop() == 0
    assert kept == (1,)
