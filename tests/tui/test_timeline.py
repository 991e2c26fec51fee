"""The attempts of a delivery as a line of time."""

from datetime import UTC, timedelta

from core.domain.delivery import ErrorKind
from core.use_cases.deliveries import AttemptRow
from tests.support.scene import MINUTE, NOON
from tests.support.showcase import make_desk
from tui.timeline import timeline

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)


def attempt(number: int, after: timedelta, status: int | None = 503) -> AttemptRow:
    error = None if status == 200 else ErrorKind.STATUS if status else ErrorKind.TIMEOUT
    took = 143_000 if status else 10_000_000
    return AttemptRow(number, NOON - DAY + after, took, status, error, "", "", recovery=False)


FOUR = [
    attempt(1, timedelta()),
    attempt(2, MINUTE),
    attempt(3, 6 * MINUTE, None),
    attempt(4, 36 * MINUTE),
]


def drawn(attempts: list[AttemptRow], next_after: timedelta | None, width: int) -> list[str]:
    desk = make_desk(None, now=NOON - DAY + 36 * MINUTE)  # type: ignore[arg-type]
    at = None if next_after is None else NOON - DAY + next_after
    return [line.plain for line in timeline(attempts, at, desk, width)]


def test_five_fit_into_71_cells() -> None:
    assert NOON.tzinfo is UTC
    assert drawn(FOUR, 156 * MINUTE, 71) == [
        "× ─ 1 min ──── × ─ 5 min ──── × ─ 30 min ─── × ─ 2 h ────── ○",
        "12:00          12:01          12:06          12:36          14:36",
        "503            503            timeout        503            next",
        "143 ms         143 ms         10.0 s         143 ms",
    ]


def test_where_there_is_less_room_the_last_ones_are_shown() -> None:
    first, *_ = drawn(FOUR, 156 * MINUTE, 41)
    assert first == "× ─ 30 min ─── × ─ 2 h ────── ○"
    assert drawn(FOUR, None, 5)[0] == "×"


def test_what_arrived_ends_it() -> None:
    assert drawn([attempt(1, timedelta(), 200)], None, 78) == ["●", "12:00", "200", "143 ms"]


def test_before_the_first_one_there_is_the_next() -> None:
    assert drawn([], 37 * MINUTE, 78)[:3] == ["○", "12:37", "next"]
    assert drawn([], None, 78) == []
