"""What is counted only rises, whatever is moved, pruned or begun anew; on both engines."""

from datetime import timedelta

import pytest

from core.domain.delivery import Answered, ErrorKind, Outcome, Unreachable
from core.pipeline.attempt_log import attempt_row, log_attempts
from core.pipeline.fan_out import fan_out
from core.pipeline.retention import prune
from core.pipeline.tallies import fold, totals
from core.storage.counting import ABANDONED, ATTEMPTS, DELIVERED, DELIVERED_TIME
from core.storage.database import transaction
from core.storage.models import Attempt, Delivery, Tally
from core.storage.vault import Vault
from core.use_cases import services
from core.use_cases.checking import begin_check
from tests.support.scene import MARIE, MINUTE, NOON, SECOND, add_webhook, publish_ticket, silent

OK, BAD = Answered(200, "", ""), Answered(503, "", "")


def make_delivery(business: int) -> int:
    """A delivery whose event was published at noon."""
    publish_ticket(business)
    fan_out(1, NOON)
    latest = Delivery.select().order_by(Delivery.id.desc()).first()
    return int(latest.id)


def attempted(
    delivery: int, outcome: Outcome, *, after: timedelta = SECOND, abandoned: bool = False
) -> None:
    row = attempt_row(delivery, 1, NOON + after, SECOND, outcome, abandoned=abandoned)
    with transaction():
        log_attempts([row])


@pytest.fixture
def delivery(business: int, vault: Vault) -> int:
    add_webhook(vault, business)
    return make_delivery(business)


def test_nothing_has_happened_yet(database: str) -> None:
    assert database
    assert totals() == {}


def test_attempts_are_counted_by_how_they_ended(delivery: int) -> None:
    for outcome in (BAD, BAD, Answered(404, "", ""), Unreachable(ErrorKind.DNS, ""), OK):
        attempted(delivery, outcome)
    found = {label: count for (name, label), count in totals().items() if name == ATTEMPTS}
    assert found == {"5xx": 2, "4xx": 1, "dns": 1, "delivered": 1}


def test_the_first_2xx_of_a_delivery_is_its_arrival(delivery: int) -> None:
    attempted(delivery, BAD)
    attempted(delivery, OK, after=4 * SECOND)
    attempted(delivery, OK, after=60 * MINUTE)  # redelivered
    found = totals()
    assert found[DELIVERED, "+Inf"] == 1
    assert found[DELIVERED_TIME, ""] == 5_000_000
    assert (found[DELIVERED, "2"], found[DELIVERED, "5"], found[DELIVERED, "86400"]) == (0, 1, 1)


def test_what_was_abandoned_stays_counted_once_it_is_redelivered(delivery: int) -> None:
    attempted(delivery, BAD, abandoned=True)
    assert totals()[ABANDONED, ""] == 1
    attempted(delivery, BAD, abandoned=True)
    assert totals()[ABANDONED, ""] == 2


def test_what_a_check_is_answered_is_counted_nowhere(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    begin_check(MARIE, webhook.id, NOON, wake=silent)
    fan_out(9, NOON)
    for delivery in Delivery.select():
        attempted(delivery.id, BAD, abandoned=True)
        attempted(delivery.id, OK)
    assert totals() == {}
    fold(NOON)
    fold(NOON + 2 * MINUTE)
    assert totals() == {}


def test_moving_changes_no_number_and_is_done_once(delivery: int) -> None:
    attempted(delivery, OK)
    before = totals()
    for minutes in range(0, 10, 3):
        fold(NOON + minutes * MINUTE)
        fold(NOON + minutes * MINUTE)
        assert totals() == before
    assert Tally.select().count() > 0
    Attempt.delete().execute()
    assert totals() == before


def test_what_came_in_the_last_two_minutes_is_left_for_the_next_time(delivery: int) -> None:
    """A transaction with lower ids may still be open."""
    attempted(delivery, OK)
    fold(NOON)
    fold(NOON + MINUTE)
    assert Tally.select().count() == 0
    fold(NOON + 2 * MINUTE)
    assert Tally.select().count() > 0


def test_pruning_changes_no_number(delivery: int, business: int) -> None:
    attempted(delivery, OK)
    fold(NOON)
    fold(NOON + 2 * MINUTE)
    other = make_delivery(business)
    attempted(other, BAD, abandoned=True)
    before = totals()
    webhook = Delivery.get().webhook_id
    services.delete_webhook(MARIE, webhook, NOON)
    assert prune(NOON - MINUTE, NOON) == 2
    assert totals() == before


def test_ids_that_are_given_again_are_counted_again(
    delivery: int, business: int, vault: Vault
) -> None:
    for _ in range(3):
        attempted(delivery, OK)
    fold(NOON)
    fold(NOON + 2 * MINUTE)
    services.delete_webhook(MARIE, Delivery.get().webhook_id, NOON)
    prune(NOON - MINUTE, NOON)
    before = totals()[ATTEMPTS, "delivered"]
    add_webhook(vault, business)
    attempted(make_delivery(business), OK)
    assert totals()[ATTEMPTS, "delivered"] == before + 1
    fold(NOON + 4 * MINUTE)
    fold(NOON + 6 * MINUTE)
    assert totals()[ATTEMPTS, "delivered"] == before + 1


def test_what_waits_is_neither_pruned_nor_counted_twice(delivery: int) -> None:
    attempted(delivery, BAD)
    before = totals()
    assert prune(NOON + MINUTE, NOON + MINUTE) == 0
    assert totals() == before
