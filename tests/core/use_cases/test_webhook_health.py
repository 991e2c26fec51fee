"""Health at a glance, on both engines."""

from datetime import timedelta

import pytest

from core.domain.delivery import Answered, Outcome, Schedule, Status
from core.domain.language import Language
from core.pipeline import leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.heartbeat import record_tick
from core.pipeline.leases import Claim
from core.pipeline.recovery import recover_some
from core.pipeline.settling import Settlement
from core.storage.database import transaction
from core.storage.models import Delivery
from core.storage.vault import Vault
from core.use_cases import services, webhook_health
from core.use_cases.webhook_health import HOURS, Details, Hour, State, details, overview, pulse
from tests.support.scene import (
    DAY,
    MARIE,
    MINUTE,
    NOON,
    SCHEDULE,
    SECOND,
    add_webhook,
    publish_ticket,
    silent,
)

HOUR = timedelta(hours=1)


def attempt(webhook_id: int, outcome: Outcome, now: timedelta = timedelta()) -> None:
    claims = leases.claim({webhook_id: 50}, SCHEDULE, NOON + now)
    settlements = [Settlement(each, outcome, NOON + now, SECOND) for each in claims]
    settling.settle(settlements, SCHEDULE, NOON + now)


def test_a_webhook_is_ok_failing_or_never_called(business: int, vault: Vault) -> None:
    good, bad = add_webhook(vault, business), add_webhook(vault, business)
    for _ in range(3):
        publish_ticket(business)
    fan_out(10, NOON)
    new = add_webhook(vault, business)
    attempt(good.id, Answered(200, ""))
    attempt(bad.id, Answered(503, "busy"))
    seen = overview(MARIE, business, NOON + SECOND)
    assert [(each.webhook.id, each.state) for each in seen.webhooks] == [
        (good.id, State.OK),
        (bad.id, State.FAILING),
        (new.id, State.NEVER),
    ]
    assert seen.worst is not None
    assert (seen.worst.webhook.id, seen.worst.failed_in_a_row) == (bad.id, 3)
    assert seen.worst.next_attempt_at == NOON + MINUTE


def test_one_that_is_paused_is_neither_failing_nor_tried_again(business: int, vault: Vault) -> None:
    webhook, later = add_webhook(vault, business), add_webhook(vault, business)
    publish_ticket(business)
    fan_out(10, NOON)
    attempt(webhook.id, Answered(503, "busy"))
    services.pause_webhook(MARIE, later.id, NOON + SECOND)
    services.pause_webhook(MARIE, webhook.id, NOON)
    seen = overview(MARIE, business, NOON + SECOND)
    assert [(each.state, each.next_attempt_at) for each in seen.webhooks] == [
        (State.PAUSED, None),
        (State.PAUSED, None),
    ]
    assert seen.worst is None
    assert seen.longest_paused is not None
    assert (seen.longest_paused.webhook.id, seen.longest_paused.waiting) == (webhook.id, 1)


def published(business_id: int, vault: Vault, deliveries: int) -> list[Claim]:
    """What is claimed of a new webhook, the oldest first."""
    webhook = add_webhook(vault, business_id)
    for _ in range(deliveries):
        publish_ticket(business_id)
    fan_out(deliveries, NOON)
    return leases.claim({webhook.id: deliveries}, SCHEDULE, NOON)


def settle(claimed: Claim, http_status: int, now: timedelta, max_attempts: int = 5) -> None:
    ended = Settlement(claimed, Answered(http_status, ""), NOON + now, SECOND)
    settling.settle([ended], Schedule(SCHEDULE.retry_after, max_attempts), NOON + now + SECOND)


def state(business_id: int) -> tuple[State, int]:
    [health] = overview(MARIE, business_id, NOON + DAY).webhooks
    return health.state, health.failed_in_a_row


def test_sending_one_again_changes_nothing_until_its_attempt_ends(
    business: int, vault: Vault
) -> None:
    failed, delivered = published(business, vault, 2)
    settle(failed, 503, SECOND, max_attempts=1)
    settle(delivered, 200, SECOND)
    services.redeliver(MARIE, str(delivered.uuid), NOON + MINUTE, wake=silent)
    assert state(business) == (State.OK, 0)
    [again] = leases.claim({delivered.webhook_id: 1}, SCHEDULE, NOON + MINUTE)
    settle(again, 503, MINUTE, max_attempts=1)
    assert state(business) == (State.FAILING, 2)
    services.redeliver(MARIE, str(delivered.uuid), NOON + HOUR, wake=silent)
    assert state(business) == (State.FAILING, 2)


def test_an_attempt_that_was_interrupted_says_nothing(business: int, vault: Vault) -> None:
    delivered, interrupted = published(business, vault, 2)
    leases.claim({delivered.webhook_id: 2}, SCHEDULE, NOON + MINUTE)  # its lease had run out
    assert state(business) == (State.NEVER, 0)
    delivered, interrupted = leases.claim({delivered.webhook_id: 2}, SCHEDULE, NOON + HOUR)
    settle(delivered, 200, HOUR)
    assert state(business) == (State.OK, 0)
    settle(interrupted, 503, HOUR)
    for hours in (2, 3):
        leases.claim({interrupted.webhook_id: 1}, SCHEDULE, NOON + hours * HOUR)
    assert state(business) == (State.FAILING, 1)


def test_what_was_queued_again_after_an_outage_says_nothing_until_it_is_attempted(
    business: int, vault: Vault
) -> None:
    waiting, abandoned = published(business, vault, 2)
    settle(waiting, 503, SECOND)
    settle(abandoned, 503, 2 * SECOND, max_attempts=1)
    assert state(business) == (State.FAILING, 2)
    [waiting] = leases.claim({waiting.webhook_id: 1}, SCHEDULE, NOON + HOUR)
    settle(waiting, 200, HOUR)
    assert state(business) == (State.FAILING, 1)
    assert recover_some(10, DAY, NOON + HOUR)
    assert state(business) == (State.OK, 0)
    attempt(abandoned.webhook_id, Answered(503, ""), 2 * HOUR)
    assert state(business) == (State.FAILING, 1)


def test_the_strip_counts_a_day_by_the_hours_of_the_clock(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    now = NOON + DAY
    for ago in (25 * HOUR, 23 * HOUR + MINUTE, 23 * HOUR, 90 * MINUTE, MINUTE):
        publish_ticket(business, now - ago)
        fan_out(10, now - ago)
    attempt(webhook.id, Answered(200, ""), DAY - 2 * MINUTE)
    attempt(webhook.id, Answered(500, ""), DAY)
    publish_ticket(business, now)
    fan_out(10, now)
    [health] = overview(MARIE, business, now).webhooks
    assert len(health.hours) == HOURS
    counted = {at: hour for at, hour in enumerate(health.hours) if hour.total}
    assert counted == {0: Hour(1, 0), 21: Hour(1, 0), 22: Hour(0, 1)}
    assert health.hours_begin == now - 23 * HOUR


def test_a_strip_does_not_need_ids_without_gaps(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    for number in range(9):
        publish_ticket(business, NOON + number * HOUR)
        fan_out(10, NOON + number * HOUR)
    attempt(webhook.id, Answered(200, ""), 9 * HOUR)
    with transaction():
        Delivery.delete().where(Delivery.id.in_([2, 3, 4, 7])).execute()
    [health] = overview(MARIE, business, NOON + 28 * HOUR).webhooks
    assert sum(hour.total for hour in health.hours) == 3


def test_an_overview_tells_whether_anyone_delivers(business: int, vault: Vault) -> None:
    add_webhook(vault, business)
    assert overview(MARIE, business, NOON).last_tick is None
    record_tick("host 1", NOON)
    publish_ticket(business)
    fan_out(1, NOON)
    seen = overview(MARIE, business, NOON + MINUTE)
    assert (seen.last_tick, seen.due_since) == (NOON, NOON)


def test_what_waits_and_what_was_given_up_is_counted(business: int, vault: Vault) -> None:
    waiting, *lost = published(business, vault, 4)
    for claim in lost:
        settle(claim, 503, SECOND, max_attempts=1)
    settle(waiting, 503, SECOND)
    [health] = overview(MARIE, business, NOON + MINUTE).webhooks
    assert (health.waiting, health.given_up) == (1, 3)
    assert health.failing_since == NOON + 2 * SECOND
    [health] = overview(MARIE, business, NOON + 2 * DAY).webhooks
    assert (health.waiting, health.given_up) == (1, 0)


def test_a_backlog_is_not_counted_to_its_end(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_health, "COUNTED_TO", 2)
    published(business, vault, 5)
    [health] = overview(MARIE, business, NOON + HOUR).webhooks
    assert health.waiting == 3


def test_an_address_that_is_back_fails_since_no_time(business: int, vault: Vault) -> None:
    first, second = published(business, vault, 2)
    settle(first, 503, SECOND)
    settle(second, 200, MINUTE)
    [health] = overview(MARIE, business, NOON + MINUTE).webhooks
    assert health.failing_since is None


def test_just_now_tells_where_the_latest_events_are(business: int, vault: Vault) -> None:
    publish_ticket(business)
    fan_out(1, NOON)
    first, second = add_webhook(vault, business), add_webhook(vault, business)
    publish_ticket(business, payload=b'{"numero": 7}')
    fan_out(1, NOON)
    attempt(first.id, Answered(200, ""))
    publish_ticket(business)
    seen = overview(MARIE, business, NOON).just_now
    assert [(each.is_fanned_out, each.became) for each in seen] == [
        (False, ()),
        (True, ((first.id, Status.DELIVERED), (second.id, Status.PENDING))),
        (True, ()),
    ]
    assert seen[1].headline.said_in(Language.ENGLISH) == "Ticket 7"
    services.delete_webhook(MARIE, second.id, NOON)
    assert overview(MARIE, business, NOON).just_now[1].became == ((first.id, Status.DELIVERED),)


def test_a_test_is_nothing_that_happened_just_now(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    services.send_test(MARIE, webhook.id, NOON, wake=silent)
    assert overview(MARIE, business, NOON).just_now == ()


def test_details_tell_who_made_it_and_when_its_secret_was_renewed(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    add_webhook(vault, business)
    known = details(MARIE, webhook.id)
    assert known == Details(webhook.id, (), "marie", None, known.first_steps)
    services.regenerate_secret(MARIE, webhook.id, NOON + HOUR, vault=vault)
    publish_ticket(business)
    fan_out(1, NOON)
    known = details(MARIE, webhook.id)
    assert (len(known.latest), known.secret_renewed_at) == (1, NOON + HOUR)


def test_the_pulse_changes_with_every_attempt_and_event_and_not_otherwise(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    seen = [pulse()]
    assert pulse() == seen[0]
    publish_ticket(business)
    fan_out(1, NOON)
    seen.append(pulse())
    attempt(webhook.id, Answered(200, ""))
    seen.append(pulse())
    assert len(set(seen)) == 3


def test_a_sample_says_nothing_of_health(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    services.send_sample(MARIE, webhook.id, "ticket.created", NOON, wake=silent)
    fan_out(1, NOON)
    attempt(webhook.id, Answered(503, ""))
    [health] = overview(MARIE, business, NOON + SECOND).webhooks
    assert (health.state, health.latest, sum(hour.total for hour in health.hours)) == (
        State.NEVER,
        None,
        0,
    )
    publish_ticket(business)
    fan_out(1, NOON)
    attempt(webhook.id, Answered(200, ""))
    services.send_sample(MARIE, webhook.id, "ticket.created", NOON, wake=silent)
    fan_out(1, NOON)
    attempt(webhook.id, Answered(503, ""))
    assert state(business) == (State.OK, 0)
