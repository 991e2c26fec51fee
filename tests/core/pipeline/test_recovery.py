"""After an outage what was abandoned in it goes out once more: on both engines."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from core.domain.choices import Chosen, Format
from core.domain.delivery import Answered, ErrorKind, Outcome, Status, Unreachable, Unsendable
from core.domain.language import Language
from core.pipeline import leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import Claim
from core.pipeline.recovery import recover_some
from core.pipeline.settling import Settlement
from core.storage.due import waiting_webhooks
from core.storage.models import Delivery, Webhook
from core.storage.vault import Vault
from core.use_cases import queries, services
from core.use_cases.businesses import add_business, set_business
from tests.support.scene import (
    DEVELOPMENT,
    MARIE,
    MINUTE,
    NOON,
    OPERATOR,
    SCHEDULE,
    SECOND,
    add_webhook,
    publish_ticket,
    silent,
)

OK, BROKEN = Answered(200, ""), Answered(503, "")
GONE = Unreachable(ErrorKind.CONNECT, "Connection refused")
WINDOW = timedelta(hours=12)
HOUR = timedelta(hours=1)
ONE_ATTEMPT = replace(SCHEDULE, max_attempts=1)


def publish(business: int, now: datetime) -> None:
    publish_ticket(business, now)
    fan_out(500, now)


def claim(webhook_id: int, now: datetime, room: int = 16) -> list[Claim]:
    return leases.claim({webhook_id: room}, SCHEDULE, now)


def settle(claims: list[Claim], outcome: Outcome, now: datetime) -> None:
    settlements = [Settlement(each, outcome, now - SECOND, SECOND) for each in claims]
    settling.settle(settlements, ONE_ATTEMPT, now)


def attempt(webhook_id: int, outcome: Outcome, now: datetime) -> list[int]:
    """Attempt what is due, of which a failed one is abandoned at once; says which it was."""
    claims = claim(webhook_id, now)
    settle(claims, outcome, now)
    return [each.id for each in claims]


def queue_again(now: datetime) -> None:
    """Run the recoveries there are, in several batches."""
    while recover_some(2, WINDOW, now):
        pass


def recover(now: datetime) -> list[int]:
    """Run the recoveries there are; says which deliveries are waiting then."""
    queue_again(now)
    now += SECOND  # by then all of so few are due
    return [each.id for w in waiting_webhooks(now) for each in claim(w.webhook_id, now, 100)]


@pytest.fixture
def webhook(business: int, vault: Vault) -> int:
    return add_webhook(vault, business).id


def only_abandoned(webhook: int) -> list[int]:
    rows = Delivery.select(Delivery.id).where(
        (Delivery.webhook == webhook) & (Delivery.status == Status.ABANDONED)
    )
    return [delivery_id for (delivery_id,) in rows.tuples()]


def fail(business: int, webhook: int, *hours: float, outcome: Outcome = GONE) -> list[int]:
    """Deliveries published at these hours after noon, attempted and abandoned; their ids."""
    abandoned = []
    for hour in hours:
        now = NOON + hour * HOUR
        publish(business, now)
        abandoned += attempt(webhook, outcome, now)
    return abandoned


def succeed(business: int, webhook: int, hour: float) -> None:
    now = NOON + hour * HOUR
    publish(business, now)
    attempt(webhook, OK, now)


def test_what_an_outage_abandoned_goes_out_again_in_order_when_the_address_is_back(
    business: int, webhook: int
) -> None:
    abandoned = fail(business, webhook, 1, 2, 3, 4, 5)
    assert recover(NOON + 6 * HOUR) == []
    succeed(business, webhook, 7)
    assert recover(NOON + 8 * HOUR) == abandoned


def test_once_for_each_delivery(business: int, webhook: int) -> None:
    fail(business, webhook, 1, 2)
    succeed(business, webhook, 3)
    claims = leases.claim({webhook: 16}, SCHEDULE, NOON + 3 * HOUR)
    assert claims == []
    queue_again(NOON + 3 * HOUR)
    assert len(attempt(webhook, GONE, NOON + 4 * HOUR)) == 2
    succeed(business, webhook, 5)
    assert recover(NOON + 6 * HOUR) == []


def test_what_was_abandoned_before_the_window_stays_abandoned(business: int, webhook: int) -> None:
    old, recent = fail(business, webhook, 1, 8)
    succeed(business, webhook, 15)
    assert recover(NOON + 15 * HOUR) == [recent]
    assert old < recent


def test_an_event_that_is_rejected_while_others_are_accepted_is_not_sent_again(
    business: int, webhook: int
) -> None:
    now = NOON
    publish(business, now)
    for minutes in range(4):
        now = NOON + minutes * 10 * MINUTE
        claims = claim(webhook, now)
        settling.settle([Settlement(c, BROKEN, now, SECOND) for c in claims], SCHEDULE, now)
        publish(business, now + 30 * SECOND)
        attempt(webhook, OK, now + 30 * SECOND)
    now += 4 * HOUR
    rejected = attempt(webhook, BROKEN, now)
    assert len(rejected) == 1
    succeed(business, webhook, 6)
    assert recover(NOON + 6 * HOUR) == []


def test_a_single_failure_before_the_outage_makes_no_difference(
    business: int, webhook: int
) -> None:
    publish(business, NOON)
    now, failed = NOON, []
    for wait in (*SCHEDULE.retry_after[:4], MINUTE):
        claims = claim(webhook, now)
        failed = [each.id for each in claims if each.attempt > 1] or failed
        settling.settle([Settlement(each, GONE, now, SECOND) for each in claims], SCHEDULE, now)
        if now == NOON:
            succeed(business, webhook, 0.005)  # it was no outage yet
        now += wait
    assert only_abandoned(webhook) == failed
    succeed(business, webhook, 5)
    assert recover(NOON + 5 * HOUR) == failed


def test_what_comes_back_is_not_hit_by_all_at_once(business: int, webhook: int) -> None:
    abandoned = fail(business, webhook, *[1] * 45)
    succeed(business, webhook, 2)
    now = NOON + 3 * HOUR
    while recover_some(500, WINDOW, now):
        pass
    at_once = claim(webhook, now, 100)
    assert [each.id for each in at_once] == abandoned[:20]
    assert [each.id for each in claim(webhook, now + SECOND, 100)] == abandoned[20:40]
    assert [each.id for each in claim(webhook, now + 2 * SECOND, 100)] == abandoned[40:]


def test_many_addresses_that_are_back_recover_together(business: int, vault: Vault) -> None:
    webhooks = [add_webhook(vault, business).id for _ in range(5)]
    publish(business, NOON)
    for each in webhooks:
        attempt(each, GONE, NOON)
    publish(business, NOON + HOUR)
    for each in webhooks:
        attempt(each, OK, NOON + HOUR)
    assert recover_some(500, WINDOW, NOON + HOUR)
    assert [each.webhook_id for each in waiting_webhooks(NOON + HOUR)] == webhooks
    assert not recover_some(500, WINDOW, NOON + HOUR)


def test_an_attempt_that_hung_when_the_address_came_back_is_part_of_the_outage(
    business: int, webhook: int
) -> None:
    [first] = fail(business, webhook, 1)
    now = NOON + 2 * HOUR
    publish(business, now)
    hanging = claim(webhook, now)
    publish(business, now)
    attempt(webhook, OK, now + 2 * SECOND)
    late = Settlement(hanging[0], GONE, now, 10 * SECOND)
    settling.settle([late], ONE_ATTEMPT, now + 10 * SECOND)
    assert recover(now + MINUTE) == [first, hanging[0].id]


def test_a_delivery_whose_every_attempt_was_in_the_outage_is_sent_again_however_late_it_ended(
    business: int, webhook: int
) -> None:
    publish(business, NOON)
    claims = claim(webhook, NOON)
    settling.settle([Settlement(claims[0], GONE, NOON, SECOND)], SCHEDULE, NOON + SECOND)
    now = NOON + 2 * MINUTE
    hanging = claim(webhook, now)
    publish(business, now)
    attempt(webhook, OK, now + 2 * SECOND)
    queue_again(now + 3 * SECOND)
    two = replace(SCHEDULE, max_attempts=2)
    settling.settle([Settlement(hanging[0], GONE, now, 10 * SECOND)], two, now + 10 * SECOND)
    assert recover(now + MINUTE) == [claims[0].id]


def test_the_attempts_of_a_recovery_are_logged_as_such(business: int, webhook: int) -> None:
    fail(business, webhook, 1)
    succeed(business, webhook, 2)
    queue_again(NOON + 3 * HOUR)
    attempt(webhook, OK, NOON + 3 * HOUR)
    row = queries.deliveries(MARIE, webhook)[1]
    log = queries.delivery(MARIE, str(row.uuid)).attempts
    assert row.status is Status.DELIVERED
    assert [each.recovery for each in log] == [False, True]


def test_what_an_owner_sends_again_is_no_recovery_and_may_be_recovered_again(
    business: int, webhook: int
) -> None:
    [abandoned] = fail(business, webhook, 1)
    succeed(business, webhook, 2)
    queue_again(NOON + 3 * HOUR)
    attempt(webhook, GONE, NOON + 3 * HOUR)
    uuid = str(queries.deliveries(MARIE, webhook)[1].uuid)
    services.redeliver(MARIE, uuid, NOON + 4 * HOUR, wake=silent)
    attempt(webhook, GONE, NOON + 4 * HOUR)
    log = queries.delivery(MARIE, uuid).attempts
    assert [each.recovery for each in log] == [False, True, False]
    succeed(business, webhook, 5)
    assert recover(NOON + 5 * HOUR) == [abandoned]


def test_fresh_deliveries_go_before_what_is_sent_again(business: int, webhook: int) -> None:
    abandoned = fail(business, webhook, 1, 2)
    succeed(business, webhook, 3)
    queue_again(NOON + 3 * HOUR)
    publish(business, NOON + 4 * HOUR)
    [fresh] = claim(webhook, NOON + 4 * HOUR, room=1)
    assert fresh.id > max(abandoned)


def test_nothing_that_cannot_be_sent_is_sent_again(business: int, webhook: int) -> None:
    fail(business, webhook, 1)
    damaged = fail(business, webhook, 2, outcome=Unsendable("damaged"))
    succeed(business, webhook, 3)
    assert damaged[0] not in recover(NOON + 3 * HOUR)


def test_while_the_address_is_down_again_recovery_waits(business: int, webhook: int) -> None:
    abandoned = fail(business, webhook, 1)
    succeed(business, webhook, 2)
    abandoned += fail(business, webhook, 3)
    assert recover(NOON + 3 * HOUR) == []
    succeed(business, webhook, 4)
    assert recover(NOON + 4 * HOUR) == abandoned


def test_nothing_is_sent_again_for_a_business_that_is_switched_off(
    database: str, vault: Vault
) -> None:
    assert database
    shop = add_business(OPERATOR, "Boutique", "boutique", "marie", NOON, option=True)
    webhook = add_webhook(vault, shop).id
    abandoned = fail(shop, webhook, 1)
    succeed(shop, webhook, 2)
    set_business(OPERATOR, shop, NOON, option=False)
    assert recover(NOON + 3 * HOUR) == []
    set_business(OPERATOR, shop, NOON, option=True)
    assert recover(NOON + 3 * HOUR) == abandoned


def test_one_address_that_is_back_recovers_nothing_of_another(
    business: int, webhook: int, vault: Vault
) -> None:
    other = add_webhook(vault, business, "https://example.org/other").id
    fail(business, webhook, 1)
    attempt(other, GONE, NOON + HOUR)
    publish(business, NOON + 2 * HOUR)
    attempt(webhook, OK, NOON + 2 * HOUR)
    settle(claim(other, NOON + 2 * HOUR), GONE, NOON + 2 * HOUR)
    recovered = recover(NOON + 3 * HOUR)
    rows = {row.uuid: row.webhook_id for row in queries.deliveries(MARIE, webhook)}
    assert len(recovered) == 1
    assert set(rows.values()) == {webhook}


@pytest.mark.parametrize("outcome", [OK, GONE])
def test_a_sample_neither_begins_an_outage_nor_ends_one(
    business: int, webhook: int, outcome: Outcome
) -> None:
    before = outage_of(webhook)
    send_sample(webhook, outcome, 1)
    assert outage_of(webhook) == before == (None, None)
    abandoned = fail(business, webhook, 2, 3)
    down = outage_of(webhook)
    send_sample(webhook, outcome, 4)
    assert outage_of(webhook) == down
    assert recover(NOON + 4 * HOUR) == []
    succeed(business, webhook, 5)
    assert recover(NOON + 5 * HOUR) == abandoned


def outage_of(webhook: int) -> tuple[datetime | None, datetime | None]:
    row = Webhook.get_by_id(webhook)
    return row.down_since, row.up_since


def send_sample(webhook: int, outcome: Outcome, hour: float) -> None:
    now = NOON + hour * HOUR
    services.send_sample(MARIE, webhook, "ticket.created", now, wake=silent)
    fan_out(500, now)
    assert len(attempt(webhook, outcome, now)) == 1


def test_what_goes_out_again_has_the_same_bytes_whatever_was_chosen_since(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business, chosen={"format": Format.CHAT, "pace": None}).id
    fail(business, webhook, 0, 1)
    [before] = {row.body for row in Delivery.select().where(Delivery.webhook == webhook)}
    chosen: Chosen = {"language": Language.DUTCH}
    services.edit_webhook(MARIE, webhook, NOON, policy=DEVELOPMENT, chosen=chosen)
    succeed(business, webhook, 2)
    queue_again(NOON + 2 * HOUR)
    claims = claim(webhook, NOON + 2 * HOUR)
    assert [each.rendered for each in claims] == [bytes(before)] * 2
