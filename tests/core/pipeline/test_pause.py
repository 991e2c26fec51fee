"""A paused webhook is sent nothing but what its owner sends on purpose; on both engines."""

from datetime import datetime

import pytest

from core.domain.delivery import Answered, ErrorKind, Recovery, Status, Withdrawn
from core.domain.signing import wire_time
from core.pipeline import last_look, leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE, Claim
from core.pipeline.recovery import recover_some
from core.pipeline.retention import prune
from core.pipeline.settling import Settlement
from core.storage.database import transaction
from core.storage.due import next_due, waiting_webhooks
from core.storage.models import Attempt, Delivery, Webhook
from core.storage.vault import Vault
from core.use_cases import queries, services
from core.use_cases.businesses import set_business
from tests.support.scene import (
    DAY,
    MARIE,
    MINUTE,
    NOON,
    OPERATOR,
    SCHEDULE,
    SECOND,
    add_webhook,
    only_delivery,
    publish_ticket,
    silent,
)

KEEP = 90 * DAY
BROKEN = Answered(500, "oops")


@pytest.fixture
def webhook(business: int, vault: Vault) -> int:
    return add_webhook(vault, business).id


def sell(business: int, *moments: datetime) -> None:
    for moment in moments:
        publish_ticket(business, moment)
        fan_out(10, moment)


def claim(webhook: int, now: datetime) -> list[Claim]:
    """As a pass does that has just looked who is ready."""
    ready = waiting_webhooks(now)
    paused = [each.webhook_id for each in ready if each.is_paused]
    wanted = {each.webhook_id: 16 for each in ready if each.webhook_id == webhook}
    return leases.claim(wanted, SCHEDULE, now, restrained=paused)


def settle(claims: list[Claim], outcome: leases.Outcome, now: datetime) -> None:
    settling.settle([Settlement(each, outcome, now, SECOND) for each in claims], SCHEDULE, now)


def pause(webhook: int, now: datetime = NOON) -> None:
    assert services.pause_webhook(MARIE, webhook, now)


def resume(webhook: int, now: datetime) -> None:
    assert services.resume_webhook(MARIE, webhook, now, wake=silent)


def test_what_happens_in_a_pause_waits_and_goes_out_after_it_oldest_first(
    business: int, webhook: int
) -> None:
    moments = [NOON + minute * MINUTE for minute in range(3)]
    sell(business, moments[0])
    pause(webhook, NOON + SECOND)
    sell(business, *moments[1:])
    assert waiting_webhooks(NOON + DAY) == []
    assert next_due(NOON + DAY) is None
    assert leases.claim({webhook: 16}, SCHEDULE, NOON + DAY) == []
    resume(webhook, NOON + DAY)
    claims = claim(webhook, NOON + DAY)
    assert [each.created_at for each in claims] == [wire_time(each) for each in moments]
    assert {each.attempt for each in claims} == {1}


def test_a_pause_changes_no_due_time(business: int, webhook: int) -> None:
    sell(business, NOON)
    settle(claim(webhook, NOON), BROKEN, NOON)
    before = only_delivery(webhook)
    pause(webhook)
    resume(webhook, NOON + 2 * SECOND)
    assert only_delivery(webhook) == before
    assert claim(webhook, NOON + MINUTE - SECOND) == []
    assert next_due(NOON + 3 * SECOND) == NOON + MINUTE
    [again] = claim(webhook, NOON + MINUTE)
    assert again.attempt == 2


def test_the_last_look_refuses_what_was_claimed_when_the_pause_committed(
    business: int, webhook: int
) -> None:
    sell(business, NOON)
    services.send_test(MARIE, webhook, NOON, wake=silent)
    fan_out(10, NOON)
    ticket, ping = claim(webhook, NOON)
    assert last_look.still_sendable([ticket, ping]) == [True, True]
    pause(webhook)
    assert last_look.still_sendable([ticket, ping]) == [False, True]
    settle([ticket], Withdrawn(), NOON + SECOND)
    assert waiting_webhooks(NOON + DAY)[0].ready_at == NOON + LEASE, "for the ping alone"
    settle([ping], Answered(200, ""), NOON + SECOND)
    assert claim(webhook, NOON + DAY) == []
    resume(webhook, NOON + DAY)
    assert [each.uuid for each in claim(webhook, NOON + DAY)] == [ticket.uuid]


@pytest.mark.parametrize("is_deleted", [True, False], ids=["deleted", "switched off"])
def test_a_test_is_not_claimed_once_nothing_may_be_sent(
    business: int, webhook: int, is_deleted: bool
) -> None:
    """Though whoever claims has just seen that it was due."""
    pause(webhook)
    services.send_test(MARIE, webhook, NOON, wake=silent)
    fan_out(10, NOON)
    [ready] = waiting_webhooks(NOON)
    if is_deleted:
        services.delete_webhook(MARIE, webhook, NOON)
    else:
        set_business(OPERATOR, business, NOON, edition="boutique", option=False)
    assert leases.claim({ready.webhook_id: 16}, SCHEDULE, NOON, restrained=[webhook]) == []


def test_a_test_goes_all_the_same_and_so_does_its_next_attempt(business: int, webhook: int) -> None:
    pause(webhook)
    sell(business, NOON)
    services.send_test(MARIE, webhook, NOON, wake=silent)
    fan_out(10, NOON)
    [ping] = claim(webhook, NOON)
    assert (ping.event_type, ping.is_on_purpose) == ("ping", True)
    settle([ping], BROKEN, NOON)
    assert next_due(NOON) == NOON + MINUTE
    [again] = claim(webhook, NOON + MINUTE)
    assert (again.uuid, again.attempt) == (ping.uuid, 2)
    settle([again], Answered(200, ""), NOON + MINUTE)
    assert claim(webhook, NOON + DAY) == []
    assert next_due(NOON + DAY) is None


def test_what_is_redelivered_and_recovered_is_parked(business: int, webhook: int) -> None:
    sell(business, NOON, NOON + SECOND)
    delivered, abandoned = claim(webhook, NOON + SECOND)
    settle([delivered], Answered(200, ""), NOON + SECOND)
    settle([abandoned], leases.Unsendable("damaged"), NOON + SECOND)
    pause(webhook)
    services.redeliver(MARIE, str(delivered.uuid), NOON + MINUTE, wake=silent)
    assert services.recover(MARIE, business, NOON, NOON + MINUTE, wake=silent) == 1
    assert waiting_webhooks(NOON + DAY) == []
    assert queries.webhook(MARIE, webhook).parked == 2
    resume(webhook, NOON + DAY)
    assert len(claim(webhook, NOON + DAY)) == 2


def test_what_an_outage_abandoned_is_parked_too_once_a_test_shows_the_address_to_be_back(
    business: int, webhook: int
) -> None:
    sell(business, NOON)
    with transaction():
        abandoned = {"status": Status.ABANDONED, "recovery": Recovery.DUE, "due_at": None}
        Delivery.update(abandoned | {"settled_at": NOON}).execute()
        Webhook.update(down_since=NOON - DAY, up_since=NOON, is_recovering=True).execute()
    pause(webhook)
    assert recover_some(10, DAY, NOON)
    assert waiting_webhooks(NOON + DAY) == []
    resume(webhook, NOON + DAY)
    assert len(claim(webhook, NOON + DAY)) == 1


def test_pausing_again_and_resuming_what_goes_on_changes_nothing(webhook: int) -> None:
    assert not services.resume_webhook(MARIE, webhook, NOON, wake=silent)
    pause(webhook)
    assert not services.pause_webhook(MARIE, webhook, NOON + DAY)
    assert queries.webhook(MARIE, webhook).paused_at == NOON
    resume(webhook, NOON + DAY)
    assert [row.action for row in queries.trail(MARIE, 1)][:2] == ["resumed", "paused"]


def test_the_webhook_says_how_much_is_parked_and_since_when(business: int, webhook: int) -> None:
    sell(business, NOON)
    pause(webhook)
    services.send_test(MARIE, webhook, NOON, wake=silent)
    sell(business, NOON + MINUTE)
    row = queries.webhook(MARIE, webhook)
    assert (row.paused_at, row.parked, row.parked_since) == (NOON, 2, NOON)
    resume(webhook, NOON + DAY)
    row = queries.webhook(MARIE, webhook)
    assert (row.paused_at, row.parked, row.parked_since) == (None, 0, None)


def test_what_is_parked_is_given_up_when_it_is_older_than_what_is_kept(
    business: int, webhook: int
) -> None:
    sell(business, NOON, NOON + 2 * DAY)
    pause(webhook)
    assert prune(NOON, NOON + KEEP) == 0
    assert queries.webhook(MARIE, webhook).parked == 2, "not too early"
    now = NOON + KEEP + DAY
    assert prune(now - KEEP, now) == 0
    younger, older = queries.deliveries(MARIE, webhook)
    assert (older.status, older.error, older.settled_at) == (
        Status.ABANDONED,
        ErrorKind.PARKED,
        now,
    )
    assert (older.attempts, older.next_attempt_at) == (0, None)
    assert younger.status is Status.PENDING
    assert prune(now + DAY - SECOND - KEEP, now + DAY) == 0, "in plain sight"
    assert prune(now + DAY, now + KEEP + DAY) == 1, "what is settled is forgotten as ever"
    assert queries.webhook(MARIE, webhook).parked == 0


def test_what_is_given_up_can_be_sent_again(business: int, webhook: int) -> None:
    sell(business, NOON)
    pause(webhook)
    prune(NOON + DAY, NOON + KEEP)
    resume(webhook, NOON + KEEP)
    [row] = queries.deliveries(MARIE, webhook)
    services.redeliver(MARIE, str(row.uuid), NOON + KEEP, wake=silent)
    settle(claim(webhook, NOON + KEEP), Answered(200, ""), NOON + KEEP)
    assert only_delivery(webhook).status is Status.DELIVERED


def test_what_is_in_flight_when_it_is_too_old_is_not_given_up(business: int, webhook: int) -> None:
    sell(business, NOON)
    [claimed] = claim(webhook, NOON)
    pause(webhook)
    prune(NOON + DAY, NOON + SECOND)
    settle([claimed], Answered(200, ""), NOON + SECOND)
    assert only_delivery(webhook).status is Status.DELIVERED


def test_many_are_given_up_in_small_transactions(
    business: int, webhook: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.pipeline.retention._BATCH", 2)
    sell(business, *[NOON] * 5)
    pause(webhook)
    prune(NOON + DAY, NOON + KEEP)
    assert Attempt.select().where(Attempt.error == ErrorKind.PARKED).count() == 5
