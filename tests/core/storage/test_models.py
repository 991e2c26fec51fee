"""Times are integers, on both engines; writers of SQLite take their turns."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from peewee import OperationalError

from core.pipeline.heartbeat import record_tick
from core.storage.database import explain, open_database, release_connection, transaction
from core.storage.models import LastRun
from core.storage.schema import migrate
from tests.support.scene import NOON


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 5, 17, 14, 32, 8, 123456, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 10, 25, 2, 30, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_time_comes_back_to_the_microsecond(database: str, moment: datetime) -> None:
    record_tick("a", moment)
    with transaction():
        assert LastRun.get().at == moment


def test_a_time_without_its_zone_is_refused(database: str) -> None:
    with pytest.raises(ValueError, match="time zone"):
        record_tick("a", datetime(2026, 5, 17))  # noqa: DTZ001 - the mistake itself


def test_a_question_with_a_time_without_its_zone_is_refused(database: str) -> None:
    with pytest.raises(ValueError, match="time zone"), transaction():
        LastRun.get_or_none(LastRun.at > datetime(2026, 5, 17))  # noqa: DTZ001 - the mistake itself


def test_times_are_compared_as_moments_whatever_their_zone(database: str) -> None:
    record_tick("a", NOON)
    same = NOON.astimezone(timezone(timedelta(hours=-5)))
    with transaction():
        assert LastRun.select().where(LastRun.at == same).count() == 1
        assert LastRun.select().where(LastRun.at < same).count() == 0


def test_a_writer_waits_for_another_to_finish(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    open_database(f"sqlite:///{path}", create=True)
    migrate()
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    threading.Timer(0.3, lambda: other.execute("COMMIT")).start()
    record_tick("a", NOON)
    other.close()
    release_connection()


def test_a_failed_rollback_does_not_hide_a_full_disk() -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorname = "SQLITE_FULL"  # as SQLite itself sets it
    error = OperationalError("cannot rollback - no transaction is active")
    error.__context__ = OperationalError(full, *full.args)
    assert explain(error).startswith("The disk is full")
