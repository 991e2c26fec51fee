"""Clocks that are set back, leap ahead or change for summer, under a running worker."""

import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from core.storage.models import Delivery
from core.use_cases import workers
from tests.support.crowd import Crowd
from tests.support.installation import FAST, SHORT_MINUTES, Installation
from tests.support.notes import notes
from tests.support.scene import in_flight
from tests.support.scripted import Request, after, answer, hang, receiving
from tests.support.waiting import wait_until

STARTED = "worker started"
MINUTE, HOUR, THREE_DAYS = 60, 3600, 3 * 86_400
HALF_AN_HOUR = timedelta(minutes=30)  # of what the clocks change by


by_the_machine = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
"""On PostgreSQL it is the database's clock that counts."""


class Clock:
    """What every process of an installation takes for the time."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "offset"
        self._seconds = 0
        self.is_off_by(0)
        self.command = [sys.executable, "-m", "tests.support.shifted", str(self._file)]

    def is_off_by(self, seconds: int) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self._file)  # never seen half written
        notes().set_back += timedelta(seconds=max(0, self._seconds - seconds))
        self._seconds = seconds


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def shifted(tmp_path: Path, database: str, clock: Clock) -> Installation:
    """The installation whose clock that is, with retries after a minute."""
    config = FAST.replace("0.2s", "1m")
    config += f'per_webhook = 3\nconcurrency = 4\n[database]\nurl = "{database}"\n'
    installation = Installation(tmp_path, config, command=clock.command)
    installation.init()
    return installation


@by_the_machine
@pytest.mark.fault(10, "clock back 1 h")
def test_with_the_clock_set_back_nothing_is_sent_early_or_twice(
    shifted: Installation, clock: Clock
) -> None:
    """One that failed waits; one in flight ends after its five seconds; a new one goes at once."""
    shifted.config.write_text(shifted.config.read_text().replace('"20s"', '"5s"'))
    with (
        receiving(answer(500), answer(200)) as failing,
        receiving(hang) as hanging,
        receiving() as healthy,
        shifted.worker() as worker,
    ):
        worker.wait_for(STARTED)
        shifted.add_webhook(failing.url)
        shifted.emit()
        worker.wait_for("info failed")
        shifted.add_webhook(hanging.url)
        shifted.add_webhook(healthy.url)
        shifted.emit()
        wait_until(lambda: len(hanging.requests) == len(healthy.requests) == 1)
        wait_until(lambda: len(failing.requests) == 2)
        clock.is_off_by(-HOUR)
        worker.wait_for("no answer in 5 s")
        shifted.emit()
        wait_until(lambda: len(healthy.requests) == 2)
        wait_until(lambda: len(failing.requests) == 3)
        wait_until(lambda: in_flight() == 0)
        assert each_once(failing.requests), "the one that failed was not tried again"
        assert each_once(hanging.requests)
        hung = [shifted.attempts(row) for row in shifted.deliveries(2)]
        clock.is_off_by(2 * MINUTE)
        shifted.emit()
        wait_until(lambda: len(failing.requests) == 5)
        assert failing.requests[0].body in [request.body for request in failing.requests[3:]]
        assert worker.stop() == 0
    assert all(4900 <= attempt["duration_ms"] < 60_000 for [attempt] in hung)
    assert {row["status"] for row in shifted.deliveries(1)} == {"delivered"}


def each_once(requests: list[Request]) -> bool:
    return len({request.headers["X-AuraPOS-Delivery"] for request in requests}) == len(requests)


@by_the_machine
@pytest.mark.fault(11, "clock forward 3 d")
def test_a_backlog_that_is_due_at_once_drains_under_its_caps(
    shifted: Installation, clock: Clock
) -> None:
    crowd = Crowd()
    with receiving(*[answer(500)] * 30, crowd.expecting(3)) as receiver, shifted.worker() as worker:
        worker.wait_for(STARTED)
        shifted.add_webhook(receiver.url)
        shifted.push(30)
        wait_until(lambda: Delivery.select().where(Delivery.status == "failed").count() == 30)
        clock.is_off_by(THREE_DAYS)
        shifted.emit()
        wait_until(lambda: len(receiver.requests) == 61)
        wait_until(lambda: in_flight() == 0)
        assert worker.stop() == 0
    assert crowd.most == 3, "per_webhook"
    rows = shifted.deliveries()
    assert {row["status"] for row in rows} == {"delivered"}
    assert sorted(row["attempts"] for row in rows) == [1] + [2] * 30


@pytest.mark.fault(40, "clock ahead by 40 s, or by a year")
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_on_postgresql_a_machine_s_clock_that_leaps_changes_nothing(
    shifted: Installation, clock: Clock
) -> None:
    """One that failed waits, one in flight is not sent again, a new one goes at once."""
    landed = threading.Event()
    with (
        receiving(answer(500)) as failing,
        receiving(after(landed, answer(200)), answer(200)) as slow,
        shifted.worker() as worker,
    ):
        worker.wait_for(STARTED)
        shifted.add_webhook(failing.url)
        shifted.emit()
        worker.wait_for("info failed")
        shifted.add_webhook(slow.url)
        shifted.emit()
        wait_until(lambda: len(slow.requests) == 1)
        clock.is_off_by(THREE_DAYS)
        shifted.emit()
        wait_until(lambda: len(slow.requests) == 2)
        landed.set()
        wait_until(lambda: in_flight() == 0)
        assert worker.stop() == 0
    assert each_once(slow.requests)
    assert each_once(failing.requests)


def changing(at: datetime, *, to_summer: bool) -> str:
    """A time zone, in POSIX's words, whose hour changes then."""
    clock = at if to_summer else at + timedelta(hours=1)
    moment = f"{clock.timetuple().tm_yday - 1}/{clock:%H:%M:%S}"
    far = f"{(clock.timetuple().tm_yday + 150) % 365}/02:00:00"
    return f"WIN0SUM,{moment},{far}" if to_summer else f"WIN0SUM,{far},{moment}"


def is_summer(zone: str, at: datetime) -> bool:
    ask = f"import time; print(time.localtime({at.timestamp()}).tm_isdst)"
    done = subprocess.run(
        [sys.executable, "-c", ask], env={"TZ": zone}, capture_output=True, check=True, text=True
    )
    return done.stdout == "1\n"


@pytest.mark.slow
@pytest.mark.fault(12, "summer time")
@pytest.mark.parametrize("to_summer", [True, False], ids=["spring", "autumn"])
def test_ticks_and_retries_go_on_over_the_change_to_and_from_summer_time(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, to_summer: bool
) -> None:
    installation.command = SHORT_MINUTES
    change = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
    zone = changing(change, to_summer=to_summer)
    second = timedelta(seconds=1)
    assert is_summer(zone, change + second) is to_summer
    assert is_summer(zone, change - second) is not to_summer
    monkeypatch.setenv("TZ", zone)
    with receiving(answer(500), answer(200)) as receiver, installation.worker() as worker:
        worker.wait_for(STARTED)
        installation.add_webhook(receiver.url)
        installation.emit()
        wait_until(lambda: (workers.last_tick() or change) > change + second)
        installation.emit()
        wait_until(lambda: len(receiver.requests) >= 3)
        assert worker.stop() == 0
    now = datetime.now(UTC)
    rows = installation.deliveries()
    assert {row["status"] for row in rows} == {"delivered"}
    assert all(now - datetime.fromisoformat(row["created_at"]) < HALF_AN_HOUR for row in rows)


@by_the_machine
@pytest.mark.fault(40, "clock ahead by 40 s, or by a year")
def test_after_a_clock_that_was_an_hour_ahead_what_has_a_pace_goes_on(
    shifted: Installation, clock: Clock
) -> None:
    """As of a machine that boots with its clock in local time, before it hears the right one."""
    with receiving() as receiver:
        shifted.add_webhook(receiver.url)
        shifted.ok("webhook", "edit", "1", "--pace", "1/s")
        clock.is_off_by(HOUR)
        shifted.emit()
        shifted.ok("tick")
        clock.is_off_by(0)
        with shifted.worker() as worker:
            worker.wait_for(STARTED)
            shifted.emit()
            wait_until(lambda: len(receiver.requests) == 2)
            wait_until(lambda: in_flight() == 0)
            assert worker.stop() == 0
