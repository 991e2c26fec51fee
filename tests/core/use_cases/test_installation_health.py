"""What the operator is told of the whole installation, on both engines."""

from core.domain.delivery import Answered, Status
from core.pipeline import leases
from core.pipeline.attempt_log import attempt_row, log_attempts
from core.pipeline.fan_out import fan_out
from core.pipeline.heartbeat import record_tick
from core.storage.database import transaction
from core.storage.models import Delivery
from core.storage.vault import Vault
from core.use_cases import services
from core.use_cases.businesses import set_business
from core.use_cases.checking import begin_check
from core.use_cases.installation_health import FailingWebhook, PausedWebhook, vitals
from tests.support.scene import (
    DAY,
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


def attempted(delivery_id: int, seconds_ago: int, http_status: int) -> None:
    with transaction():
        started_at, outcome = NOON - seconds_ago * SECOND, Answered(http_status, "", "")
        log_attempts([attempt_row(delivery_id, 1, started_at, SECOND, outcome)])


def test_an_empty_installation_has_nothing(database: str) -> None:
    assert database
    found = vitals(NOON)
    assert (found.due, found.in_flight, found.scheduled, found.outbox) == (0, 0, 0, 0)
    assert (found.oldest_due, found.failing_webhooks, found.consumers) == (None, 0, ())
    assert found.set_aside == 0


def test_what_waits_is_told_by_why_it_waits(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    for _ in range(5):
        publish_ticket(business, NOON - MINUTE)
    fan_out(4, NOON - MINUTE)
    leases.claim({webhook.id: 1}, SCHEDULE, NOON)
    failed = Delivery.select().where(Delivery.lease.is_null()).order_by(Delivery.id).first()
    later = {"status": Status.FAILED, "attempts": 1, "due_at": NOON + MINUTE}
    Delivery.update(later).where(Delivery.id == failed.id).execute()
    found = vitals(NOON)
    assert (found.due, found.in_flight, found.scheduled, found.outbox) == (2, 1, 1, 1)
    assert found.oldest_due == NOON - MINUTE
    assert found.worst == (FailingWebhook(webhook.id, webhook.url, 1),)
    Delivery.update(attempts=0).where(Delivery.id == failed.id).execute()  # queued again
    assert (vitals(NOON).scheduled, vitals(NOON).failing_webhooks) == (1, 0)


def test_a_sample_that_fails_makes_no_webhook_fail(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    services.send_sample(MARIE, webhook.id, "ticket.created", NOON, wake=silent)
    fan_out(1, NOON)
    Delivery.update(status=Status.FAILED, attempts=1).execute()
    assert (vitals(NOON).due, vitals(NOON).failing_webhooks) == (1, 0)


def test_what_is_not_sent_to_is_not_counted(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(1, NOON)
    Delivery.update(status=Status.FAILED, attempts=1).execute()
    assert (vitals(NOON).due, vitals(NOON).failing_webhooks) == (1, 1)
    set_business(OPERATOR, business, NOON, edition="studio", option=False)
    assert (vitals(NOON).due, vitals(NOON).failing_webhooks) == (0, 0)
    set_business(OPERATOR, business, NOON, option=True)
    assert (vitals(NOON).due, vitals(NOON).failing_webhooks) == (1, 1)
    services.delete_webhook(MARIE, webhook.id, NOON)
    assert (vitals(NOON).due, vitals(NOON).failing_webhooks) == (0, 0)


def test_what_is_parked_is_told_apart(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(1, NOON)
    Delivery.update(status=Status.FAILED, attempts=1).execute()
    services.pause_webhook(MARIE, webhook.id, NOON + MINUTE)
    found = vitals(NOON + DAY)
    assert (found.due, found.late, found.oldest_due, found.failing_webhooks) == (0, 0, None, 0)
    assert found.paused == (PausedWebhook(webhook.id, webhook.url, NOON + MINUTE, 1, NOON),)


def test_the_last_minute_is_the_last_minute(business: int, vault: Vault) -> None:
    add_webhook(vault, business)
    publish_ticket(business)
    fan_out(1, NOON)
    delivery = Delivery.get()
    log = ((3600, 200), (61, 200), (70, 500), (59, 200), (30, 500), (1, 204))
    for seconds_ago, http_status in log:
        attempted(delivery.id, seconds_ago, http_status)
    found = vitals(NOON)
    assert (found.delivered_last_minute, found.failed_last_minute) == (2, 1)


def test_what_a_check_is_answered_is_in_no_number(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    services.send_test(MARIE, webhook.id, NOON, wake=silent)
    begin_check(MARIE, webhook.id, NOON, wake=silent)
    fan_out(9, NOON)
    for delivery in Delivery.select():
        attempted(delivery.id, 1, 401)
    found = vitals(NOON)
    assert (found.delivered_last_minute, found.failed_last_minute) == (0, 1)


def test_every_consumer_is_named_with_its_last_tick(database: str) -> None:
    assert database
    record_tick("till 1", NOON)
    record_tick("till 2", NOON + SECOND)
    assert vitals(NOON).consumers == (("till 2", NOON + SECOND), ("till 1", NOON))


def test_a_consumer_that_has_ended_is_not_named_for_long_unless_it_was_the_last(
    database: str,
) -> None:
    assert database
    record_tick("ended", NOON)
    assert vitals(NOON + 10 * MINUTE).consumers == (("ended", NOON),)
    record_tick("lives", NOON + 10 * MINUTE)
    assert vitals(NOON + 10 * MINUTE).consumers == (("lives", NOON + 10 * MINUTE),)
