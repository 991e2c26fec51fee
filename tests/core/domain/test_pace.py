"""How often a webhook is sent to at the most."""

from datetime import timedelta
from itertools import pairwise

import pytest

from core.domain.choices import NOTHING, Chosen, Format, for_a_new_one
from core.domain.pace import AHEAD, Start, check_pace, goes_alone, interval, room, window
from core.errors import BadInput
from tests.support.scene import NOON, SECOND

MILLISECOND = timedelta(milliseconds=1)
LEASED = NOON + 30 * SECOND


@pytest.mark.parametrize(
    ("text", "pace", "apart"),
    [
        ("2/s", "2/s", 0.5),
        (" 30/MIN ", "30/min", 2),
        ("100/h", "100/h", 36),
        ("1/h", "1/h", 3600),
        ("20/s", "20/s", 0.05),
        ("1200/min", "1200/min", 0.05),
    ],
)
def test_a_pace_is_so_many_in_a_time(text: str, pace: str, apart: float) -> None:
    assert check_pace(text) == pace
    assert interval(pace) == timedelta(seconds=apart)


@pytest.mark.parametrize(
    "text",
    ["", "2", "0/s", "-1/s", "1.5/s", "2/d", "2 / s", "21/s", "1201/min", "9999999/h"],
)
def test_anything_else_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(BadInput, match="pace"):
        check_pace(text)


def test_starts_are_planned_five_percent_further_apart() -> None:
    starts, until = window("2/s", None, NOON, 3, LEASED)
    assert [each.at - NOON for each in starts] == [525 * n * MILLISECOND for n in range(3)]
    assert until - starts[-1].at == 550 * MILLISECOND


@pytest.mark.parametrize("pace", ["20/s", "2/s", "61/min", "3601/h"])
def test_as_late_as_may_be_they_are_as_far_apart_as_the_pace_says(pace: str) -> None:
    starts, until = window(pace, None, NOON, 4, LEASED)
    assert all(each.by > each.at for each in starts)
    assert {after.by - before.by for before, after in pairwise(starts)} == {interval(pace)}
    assert until - starts[-1].by == interval(pace)


def test_what_is_taken_already_comes_first() -> None:
    starts, until = window("2/s", NOON + SECOND, NOON, 1, LEASED)
    assert starts[0].at == NOON + SECOND
    assert window("2/s", until, NOON, 1, LEASED).starts[0].at == until
    assert window("2/s", NOON - SECOND, NOON, 1, LEASED).starts[0].at == NOON


@pytest.mark.parametrize(("pace", "alone"), [("2/s", False), ("61/min", False), ("1/s", True)])
def test_one_a_second_or_more_slowly_one_goes_at_a_time(pace: str, alone: bool) -> None:
    assert goes_alone(pace) is alone
    [start], until = window(pace, None, NOON, 1, LEASED)
    assert start.is_alone is alone
    assert start.until == until
    assert (start.by == LEASED) is alone, "others wait for its end"


@pytest.mark.parametrize(
    ("sent", "ended", "after"),
    [
        (0.0, 0.01, 1.06),
        (0.3, 0.4, 1.45),
        (0.0, 0.2, 1.25),
        pytest.param(0.0, 3.0, 1.3, id="a slow receiver is not waited for any longer"),
        pytest.param(None, 3.0, 0.0, id="nothing was sent"),
    ],
)
def test_the_next_one_counts_from_when_the_one_before_has_surely_arrived(
    sent: float | None, ended: float, after: float
) -> None:
    start = Start(NOON, LEASED, SECOND)
    sent_at = None if sent is None else NOON + sent * SECOND
    assert start.next_at(sent_at, NOON + ended * SECOND) == NOON + after * SECOND


def test_no_start_is_reserved_further_ahead_than_two_seconds() -> None:
    assert room("2/s", None, NOON, 100) == 4
    assert room("2/s", None, NOON, 3) == 3
    assert room("1/h", NOON + AHEAD, NOON, 9) == 1
    assert room("1/h", NOON + AHEAD + MILLISECOND, NOON, 9) == 0


def test_a_new_webhook_for_a_chat_starts_at_one_a_second() -> None:
    chat = Chosen(format=Format.CHAT)
    assert for_a_new_one(chat).get("pace") == "1/s"
    assert for_a_new_one({**chat, "pace": None})["pace"] is None
    assert for_a_new_one(NOTHING) == NOTHING
