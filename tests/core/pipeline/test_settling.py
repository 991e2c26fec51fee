"""What attempts come to is recorded, if their lease is still ours: on both engines."""

from datetime import datetime, timedelta

import pytest

from core.domain.delivery import (
    Answered,
    ErrorKind,
    Locked,
    Outcome,
    Starved,
    Status,
    Unreachable,
    Withdrawn,
)
from core.pipeline import leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE, Claim
from core.pipeline.settling import Settlement
from core.storage.due import next_due
from core.storage.models import Attempt, Delivery, Webhook
from core.storage.vault import Vault
from core.use_cases import queries
from tests.support.scene import (
    DAY,
    MARIE,
    MINUTE,
    NOON,
    SCHEDULE,
    SECOND,
    add_webhook,
    make_due,
    only_delivery,
    publish_ticket,
)

OK = Answered(200, "thanks")
BROKEN = Answered(500, "oops")


def claim(webhook_id: int, room: int = 16, now: datetime = NOON) -> list[Claim]:
    return leases.claim({webhook_id: room}, SCHEDULE, now)


def settle(claims: list[Claim], outcome: Outcome, now: datetime = NOON) -> int:
    settlements = [Settlement(each, outcome, now, SECOND) for each in claims]
    return len(settling.settle(settlements, SCHEDULE, now))


def test_an_attempt_that_its_worker_slept_through_is_settled(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON)
    slept = [Settlement(each, OK, NOON, DAY) for each in claim(webhook.id)]
    assert len(settling.settle(slept, SCHEDULE, NOON + DAY)) == 1
    assert only_delivery(webhook.id).status is Status.DELIVERED


def test_a_settle_after_the_lease_was_lost_changes_nothing(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON)
    stale = claim(webhook.id)
    fresh = claim(webhook.id, now=NOON + LEASE)
    assert settle(stale, BROKEN, NOON + LEASE) == 0
    assert settle(fresh, OK, NOON + LEASE) == 1
    row = only_delivery(webhook.id)
    assert (row.status, row.attempts, row.http_status) == (Status.DELIVERED, 1, 200)
    detail = queries.delivery(MARIE, str(row.uuid))
    assert [each.error for each in detail.attempts] == [ErrorKind.INTERRUPTED, None]
    assert Webhook.get_by_id(webhook.id).down_since is None


def test_five_failures_follow_the_schedule_and_then_it_is_abandoned(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON)
    now, waits = NOON, []
    for _ in range(4):
        settle(claim(webhook.id, now=now), BROKEN, now)
        due = only_delivery(webhook.id).next_attempt_at
        assert due is not None
        assert only_delivery(webhook.id).status is Status.FAILED
        waits.append(due - now)
        now = due
    settle(claim(webhook.id, now=now), Unreachable(ErrorKind.TIMEOUT, "no answer"), now)
    assert waits == [timedelta(minutes=each) for each in (1, 5, 30, 120)]
    row = only_delivery(webhook.id)
    assert (row.status, row.attempts, row.next_attempt_at) == (Status.ABANDONED, 5, None)
    assert claim(webhook.id, now=now + DAY) == []


def test_every_attempt_is_kept(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON)
    settle(claim(webhook.id), BROKEN)
    settle(claim(webhook.id, now=NOON + MINUTE), OK, NOON + MINUTE)
    detail = queries.delivery(MARIE, str(only_delivery(webhook.id).uuid))
    assert [(each.number, each.http_status, each.response) for each in detail.attempts] == [
        (1, 500, "oops"),
        (2, 200, "thanks"),
    ]


@pytest.mark.parametrize(
    ("outcome", "wait"),
    [(Withdrawn(), timedelta()), (Locked(), MINUTE), (Starved(), MINUTE)],
    ids=["withdrawn", "locked", "starved"],
)
def test_an_attempt_that_was_not_made_leaves_no_trace_and_is_due_again(
    business: int, vault: Vault, outcome: Outcome, wait: timedelta
) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON)
    settle(claim(webhook.id), outcome)
    assert Attempt.select().count() == 0
    assert next_due(NOON) == NOON + wait
    [again] = claim(webhook.id, now=NOON + wait)
    assert again.attempt == 1


def test_of_attempts_settled_together_those_whose_lease_was_lost_change_nothing(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    for _ in range(3):
        publish_ticket(business)
    fan_out(500, NOON)
    first, lost, last = claim(webhook.id)
    make_due(NOON, Delivery.id == lost.id)
    [claimed_since] = claim(webhook.id)
    settlements = [Settlement(each, OK, NOON, SECOND) for each in (first, lost, last)]
    settled = settling.settle(settlements, SCHEDULE, NOON)
    assert [each.claim for each, _ in settled] == [first, last]
    logged = Attempt.select(Attempt.delivery).where(Attempt.http_status == OK.http_status)
    assert [delivery_id for [delivery_id] in logged.tuples()] == [first.id, last.id]
    assert settle([claimed_since], OK) == 1
