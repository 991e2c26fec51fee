"""When an address is down, by its attempts alone."""

from core.domain.outage import Outage, outage_after
from tests.support.scene import MINUTE, NOON


def run(*attempts: tuple[float, float, bool]) -> Outage | None:
    """The outage after attempts that started and ended in these minutes, accepted or not."""
    outage = None
    for started, ended, accepted in attempts:
        outage = outage_after(
            outage, NOON + started * MINUTE, NOON + ended * MINUTE, accepted=accepted
        )
    return outage


def test_what_is_accepted_from_the_start_was_never_down() -> None:
    assert run((0, 1, True), (1, 2, True)) is None


def test_an_outage_lasts_from_the_first_failure_s_end_to_the_first_acceptance_s_end() -> None:
    assert run((0, 1, False), (2, 3, False)) == Outage(NOON + MINUTE, None)
    ended = Outage(NOON + MINUTE, NOON + 5 * MINUTE)
    assert run((0, 1, False), (2, 3, False), (4, 5, True), (6, 7, True)) == ended


def test_a_failure_after_an_outage_begins_a_new_one() -> None:
    assert run((0, 1, False), (2, 3, True), (4, 5, False)) == Outage(NOON + 5 * MINUTE, None)


def test_an_attempt_that_hung_when_the_address_came_back_belongs_to_the_outage_before() -> None:
    assert run((0, 1, False), (3, 4, True), (2, 5, False)) == Outage(
        NOON + MINUTE, NOON + 4 * MINUTE
    )


def test_failures_told_in_another_order_than_they_ended_make_the_same_outage() -> None:
    assert run((0, 2, False), (0, 1, False)) == Outage(NOON + MINUTE, None)
