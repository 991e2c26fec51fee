"""How often a webhook is sent to at the most."""

from datetime import timedelta
from itertools import pairwise

import pytest

from core.domain.choices import NOTHING, Chosen, Format, for_a_new_one
from core.domain.pace import AHEAD, check_pace, interval, room, window
from core.errors import BadInput
from tests.support.scene import NOON, SECOND

MILLISECOND = timedelta(milliseconds=1)


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
    starts, until = window("2/s", None, NOON, 3)
    assert [each.at - NOON for each in starts] == [525 * n * MILLISECOND for n in range(3)]
    assert until - starts[-1].at == 550 * MILLISECOND


@pytest.mark.parametrize("pace", ["20/s", "2/s", "30/min", "1/h"])
def test_as_late_as_may_be_they_are_as_far_apart_as_the_pace_says(pace: str) -> None:
    starts, until = window(pace, None, NOON, 4)
    assert all(each.by > each.at for each in starts)
    assert {after.by - before.by for before, after in pairwise(starts)} == {interval(pace)}
    assert until - starts[-1].by == interval(pace)


def test_what_is_taken_already_comes_first() -> None:
    starts, until = window("2/s", NOON + SECOND, NOON, 1)
    assert starts[0].at == NOON + SECOND
    assert window("2/s", until, NOON, 1).starts[0].at == until
    assert window("2/s", NOON - SECOND, NOON, 1).starts[0].at == NOON


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
