"""What becomes of a delivery once its attempt has ended."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.delivery import (
    INTERRUPTIONS_LIMIT,
    Answered,
    ErrorKind,
    Interrupted,
    Lapsed,
    Locked,
    Outcome,
    Schedule,
    Starved,
    Status,
    Unreachable,
    Unsendable,
    Verdict,
    Withdrawn,
    after_attempt,
)
from tests.support.scene import MINUTE, NOON, SCHEDULE

REFUSED = Answered(500, "")
SILENT = Unreachable(ErrorKind.TIMEOUT, "")


def decide(outcome: Outcome, attempt: int = 1, interruptions: int = 0) -> Verdict:
    return after_attempt(outcome, attempt, interruptions, SCHEDULE, NOON)


@pytest.mark.parametrize("status", [200, 204, 299])
@pytest.mark.parametrize("attempt", [1, 5])
def test_2xx_delivers_at_any_attempt(status: int, attempt: int) -> None:
    assert decide(Answered(status, ""), attempt) == Verdict(Status.DELIVERED, None)


@pytest.mark.parametrize("outcome", [REFUSED, SILENT, Answered(199, ""), Answered(300, "")])
@pytest.mark.parametrize(("attempt", "minutes"), [(1, 1), (2, 5), (3, 30), (4, 120)])
def test_a_failure_waits_as_the_products_page_says(
    outcome: Outcome, attempt: int, minutes: int
) -> None:
    due = NOON + timedelta(minutes=minutes)
    assert decide(outcome, attempt) == Verdict(Status.FAILED, due)


@pytest.mark.parametrize("outcome", [REFUSED, SILENT])
def test_the_fifth_failure_abandons(outcome: Outcome) -> None:
    assert decide(outcome, 5) == Verdict(Status.ABANDONED, None)


def test_the_fifth_wait_is_reached_only_with_a_sixth_attempt() -> None:
    assert SCHEDULE.wait_after(5) is None
    raised = Schedule(SCHEDULE.retry_after, 6)
    assert raised.wait_after(5) == timedelta(hours=12)
    assert raised.wait_after(6) is None


def test_with_fewer_waits_than_attempts_the_last_one_repeats() -> None:
    schedule = Schedule((MINUTE,), 5)
    assert [schedule.wait_after(attempt) for attempt in (1, 4, 5)] == [MINUTE, MINUTE, None]


def test_an_interrupted_attempt_is_made_again_and_uses_up_none() -> None:
    assert decide(Interrupted(), 5) == Verdict(None, NOON, counts=False)


def test_what_a_kept_connection_lost_is_sent_again_at_once_and_once_only() -> None:
    assert decide(Lapsed(), 1) == Verdict(Status.FAILED, NOON)
    assert decide(Lapsed(), 2) == Verdict(Status.FAILED, NOON + 5 * MINUTE)
    assert decide(Lapsed(), 5) == Verdict(Status.ABANDONED, None)


def test_interruptions_are_bounded() -> None:
    assert decide(Interrupted(), 1, INTERRUPTIONS_LIMIT - 1).status is None
    assert decide(Interrupted(), 1, INTERRUPTIONS_LIMIT).status is Status.ABANDONED


def test_what_can_never_be_sent_is_abandoned_without_an_attempt() -> None:
    assert decide(Unsendable("")) == Verdict(Status.ABANDONED, None, counts=False)


@pytest.mark.parametrize("outcome", [REFUSED, SILENT, Lapsed()])
@pytest.mark.parametrize("attempt", [1, 4, 5])
def test_beside_the_schedule_a_failure_uses_up_nothing_and_the_next_comes_when_it_was_due(
    outcome: Outcome, attempt: int
) -> None:
    def beside(resume_at: datetime) -> Verdict:
        return after_attempt(outcome, attempt, 0, SCHEDULE, NOON, resume_at=resume_at)

    assert beside(NOON + MINUTE) == Verdict(Status.FAILED, NOON + MINUTE, counts=False)
    assert beside(NOON - MINUTE) == Verdict(Status.FAILED, NOON, counts=False)


def test_beside_the_schedule_a_2xx_delivers() -> None:
    verdict = after_attempt(Answered(200, ""), 3, 0, SCHEDULE, NOON, resume_at=NOON + MINUTE)
    assert verdict == Verdict(Status.DELIVERED, None, counts=False)


@pytest.mark.parametrize("outcome", [Interrupted(), Withdrawn(), Locked(), Starved()])
def test_beside_the_schedule_what_was_not_attempted_is_made_again(outcome: Outcome) -> None:
    verdict = after_attempt(outcome, 3, 0, SCHEDULE, NOON, resume_at=NOON + MINUTE)
    assert verdict == after_attempt(outcome, 3, 0, SCHEDULE, NOON)


def test_what_was_not_sent_waits_and_uses_up_no_attempt() -> None:
    assert decide(Withdrawn()) == Verdict(None, NOON, counts=False)
    assert decide(Starved()) == Verdict(None, NOON + MINUTE, counts=False)
    assert decide(Locked()) == Verdict(None, NOON + MINUTE, counts=False)


@pytest.mark.parametrize(
    ("status", "error"), [(200, None), (302, ErrorKind.REDIRECT), (404, ErrorKind.STATUS)]
)
def test_an_answer_has_its_word(status: int, error: ErrorKind | None) -> None:
    assert Answered(status, "").error is error


OUTCOMES = st.one_of(
    st.integers(100, 999).map(lambda status: Answered(status, "")),
    st.sampled_from(ErrorKind).map(lambda error: Unreachable(error, "")),
    st.sampled_from([Interrupted(), Withdrawn(), Locked(), Starved(), Unsendable("")]),
)
SCHEDULES = st.builds(
    Schedule,
    st.lists(st.timedeltas(timedelta(seconds=0.1), timedelta(days=1)), min_size=1).map(tuple),
    st.integers(1, 10),
)


@given(st.lists(OUTCOMES, max_size=60), SCHEDULES)
def test_whatever_happens_the_attempts_stay_within_their_maximum(
    outcomes: list[Outcome], schedule: Schedule
) -> None:
    attempts, interruptions, now = 0, 0, NOON
    for outcome in outcomes:
        verdict = after_attempt(outcome, attempts + 1, interruptions, schedule, now)
        attempts += verdict.counts
        interruptions += isinstance(outcome, Interrupted)
        assert attempts <= schedule.max_attempts
        if verdict.due_at is None:
            assert verdict.status in {Status.DELIVERED, Status.ABANDONED}
            return
        assert verdict.due_at >= now
        now = verdict.due_at
    assert interruptions <= INTERRUPTIONS_LIMIT


@given(st.integers(1, 9), SCHEDULES)
def test_a_failure_is_scheduled_later_or_was_the_last(attempt: int, schedule: Schedule) -> None:
    verdict = after_attempt(REFUSED, attempt, 0, schedule, NOON)
    last = attempt >= schedule.max_attempts
    assert verdict.status is (Status.ABANDONED if last else Status.FAILED)
    assert (verdict.due_at is None) is last
    assert verdict.due_at is None or verdict.due_at > NOON
