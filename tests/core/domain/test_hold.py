"""What `Retry-After` asks for, and what is none of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.delivery import Answered, ErrorKind, Unreachable
from core.domain.hold import HOLD_LIMIT, held_until
from tests.support.scene import MINUTE, NOON, SECOND


def asked(retry_after: str, status: int = 429, now: datetime = NOON) -> datetime | None:
    return held_until(Answered(status, "", retry_after=retry_after), now)


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("120", 120 * SECOND),
        (" 1 ", SECOND),
        ("0007", 7 * SECOND),
        ("7200", HOLD_LIMIT),
        ("1000000000", HOLD_LIMIT),
        ("9" * 300, HOLD_LIMIT),
        ("Sun, 17 May 2026 12:02:00 GMT", 2 * MINUTE),
        ("Sunday, 17-May-26 12:02:00 GMT", 2 * MINUTE),
        ("Sun May 17 12:02:00 2026", 2 * MINUTE),
        ("Sun, 17 May 2026 14:02:00 +0200", 2 * MINUTE),
        ("Mon, 17 May 2027 12:00:00 GMT", HOLD_LIMIT),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_seconds_and_dates_hold_for_two_hours_at_most(
    text: str, wait: timedelta, status: int
) -> None:
    assert asked(text, status) == NOON + wait


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "-5", "+5", "1.5", "soon", "1, 2", "٣", "1e3", "120 s", "NaN"),
        *("Sun, 17 May 2026 11:59:59 GMT", "Sun, 99 May 2026 12:00:00 GMT", "GMT", "Sun,"),
        *("Sun, 17 May 99999 12:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -2359"),
    ],
)
def test_what_cannot_be_read_or_is_in_the_past_is_as_if_it_were_not_there(text: str) -> None:
    until = asked(text)
    assert until is None or until == NOON + HOLD_LIMIT


@pytest.mark.parametrize("status", [200, 202, 301, 400, 500, 502, 504])
def test_no_other_answer_asks(status: int) -> None:
    assert asked("120", status) is None


def test_what_was_no_answer_does_not_ask() -> None:
    assert held_until(Unreachable(ErrorKind.TIMEOUT, "120"), NOON) is None


@given(st.text(max_size=120))
def test_whatever_it_says_never_fails_and_never_holds_for_longer(text: str) -> None:
    until = asked(text)
    assert until is None or NOON < until <= NOON + HOLD_LIMIT
    assert until is None or until.tzinfo is UTC
