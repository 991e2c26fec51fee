"""Whose clock it is that deliveries are due by."""

from datetime import UTC, datetime, timedelta

from core.storage.clock import DatabaseClock
from core.storage.database import is_postgres
from tests.support.scene import NOON, SECOND
from tests.support.waiting import wait_until

YEAR = timedelta(days=365)


def test_on_postgresql_the_database_s_and_on_sqlite_the_machine_s(database: str) -> None:
    clock = DatabaseClock(lambda: NOON)
    assert clock() == NOON
    clock.set()
    if is_postgres():
        assert abs(clock() - datetime.now(UTC)) < 10 * SECOND
    else:
        assert clock() == NOON


def test_the_machine_s_clock_may_leap_once_the_database_has_told(database: str) -> None:
    moment = [NOON]
    clock = DatabaseClock(lambda: moment[0])
    clock.set()
    before = clock()
    moment[0] += YEAR
    assert (clock() - before < YEAR) is bool(is_postgres())


def test_it_goes_on_between_two_settings(database: str) -> None:
    clock = DatabaseClock(lambda: datetime.now(UTC))
    clock.set()
    before = clock()
    wait_until(lambda: clock() - before >= timedelta(milliseconds=50))
