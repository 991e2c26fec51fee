"""A day in cells, told apart without colour."""

from datetime import UTC, datetime

import pytest
from textual.pilot import Pilot

from core.use_cases.webhook_health import Hour
from tests.support.showcase import play, press, says
from tests.support.waiting import until
from tui.app import WebhooksApp
from tui.widgets.chart import chart, strip

BEGIN = datetime(2026, 5, 17, 13, 0, tzinfo=UTC)
DAY = (Hour(),) * 20 + (Hour(1), Hour(40), Hour(39, 1), Hour(0, 12))


def drawn(width: int, height: int = 8) -> list[str]:
    return [line.plain for line in chart(DAY, BEGIN, width, height)]


def test_a_strip_has_bars_where_all_arrived_and_marks_where_not() -> None:
    assert strip(DAY, 24).plain == " " * 20 + "▁▇!×"
    assert strip(DAY, 12).plain == " " * 10 + "▇!"
    assert strip((Hour(),) * 24, 12).plain == " " * 12


def test_a_chart_of_two_cells_an_hour_counts_what_failed() -> None:
    top, *_, axis, failed, times = drawn(64)
    assert top == "40 ┤" + " " * 42 + "▇▇▆▆"
    assert axis == " 0 ┼" + ("┼" + "─" * 11) * 4
    assert failed == " ×  " + " " * 44 + " 112"
    assert times == "    13:00       19:00       01:00       07:00    now"


def test_one_of_one_cell_tells_that_some_failed_or_that_nothing_arrived() -> None:
    *_, lowest, _, failed, times = drawn(40)
    assert lowest == "   ┤" + " " * 20 + "▁██"
    assert failed == " ×  " + " " * 22 + "!×"
    assert times.endswith("07:00 now")


def test_the_least_that_arrived_is_seen() -> None:
    day = (Hour(),) * 22 + (Hour(1), Hour(10_000))
    *_, lowest, _, _, _ = (line.plain for line in chart(day, BEGIN, 40, 8))
    assert lowest.endswith("▁█")


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, "1"), (1, "1"), (7, "8"), (9, "10"), (11, "20"), (83, "100"), (350, "400")],
)
def test_the_axis_ends_at_a_round_number(most: int, top: str) -> None:
    day = (Hour(),) * 23 + (Hour(most),)
    assert chart(day, BEGIN, 64, 8)[0].plain.split()[0] == top


@pytest.mark.files_only("is about the screen")
def test_what_its_rows_are_is_said_above_it(app: WebhooksApp) -> None:
    async def script(pilot: Pilot[None]) -> None:
        await press(pilot, "down")
        await until(lambda: says(app, "24 HOURS ▇ 3 arrived · × 3 failed"))

    play(app, script, (120, 40))


@pytest.mark.parametrize("count", [99, 100, 12_345])
def test_more_failures_than_two_cells_hold_are_a_mark(count: int) -> None:
    day = (Hour(),) * 23 + (Hour(0, count),)
    failed = chart(day, BEGIN, 64, 8)[-2].plain
    assert failed.endswith("99" if count == 99 else " ×")
    assert len(failed) == 4 + 48
