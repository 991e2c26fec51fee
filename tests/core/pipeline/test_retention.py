"""What is forgotten, and what must not be, on both engines."""

from pathlib import Path

import pytest

from core.domain.delivery import Answered
from core.domain.events import EventType
from core.intake import publish
from core.pipeline import heartbeat, leases, retention, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.settling import Settlement
from core.storage.database import proxy, transaction
from core.storage.models import Attempt, AuditEntry, Delivery, Event, LastRun, Webhook
from core.storage.vault import Vault
from core.use_cases import queries, services, workers
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


def deliver(webhook_id: int, status: int = 200) -> None:
    claims = leases.claim({webhook_id: 10}, SCHEDULE, NOON)
    settlements = [Settlement(each, Answered(status, ""), NOON, SECOND) for each in claims]
    settling.settle(settlements, SCHEDULE, NOON)


def add_delivered(business: int, vault: Vault, count: int) -> int:
    """A new webhook's id, and so many tickets delivered to it."""
    webhook = add_webhook(vault, business)
    for _ in range(count):
        publish_ticket(business)
    fan_out(10, NOON)
    deliver(webhook.id)
    return webhook.id


def counts() -> tuple[int, int, int]:
    with transaction():
        return tuple(table.select().count() for table in (Event, Delivery, Attempt))  # type: ignore[return-value]  # three


def test_settled_deliveries_go_with_their_attempts_and_events(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    add_delivered(business, vault, 5)
    assert counts() == (5, 5, 5)
    assert retention.prune(NOON, NOON) == 0
    assert retention.prune(NOON + MINUTE, NOON) == 5
    assert counts() == (0, 0, 0)


def test_what_is_still_waiting_stays_however_old(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(10, NOON)
    deliver(webhook.id, status=500)
    publish_ticket(business)
    retention.prune(NOON + KEEP, NOON)
    assert counts() == (2, 1, 1)


def test_what_waits_does_not_end_the_walk(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    webhook = add_webhook(vault, business)
    for _ in range(8):
        publish_ticket(business)
    fan_out(10, NOON)
    with transaction():
        settled = Delivery.id.in_(Delivery.select(Delivery.id).order_by(-Delivery.id).limit(3))
        Delivery.update(status="abandoned", due_at=None).where(settled).execute()
    assert retention.prune(NOON + MINUTE, NOON) == 3
    assert len(queries.deliveries(MARIE, webhook.id)) == 5
    assert counts()[0] == 5


def test_an_event_stays_while_one_of_its_deliveries_does(business: int, vault: Vault) -> None:
    done, waiting = add_webhook(vault, business), add_webhook(vault, business)
    publish_ticket(business)
    fan_out(10, NOON)
    deliver(done.id)
    assert retention.prune(NOON + MINUTE, NOON) == 1
    assert counts() == (1, 1, 0)
    assert len(queries.deliveries(MARIE, waiting.id)) == 1


def test_what_a_switched_off_business_has_in_its_outbox_goes_as_history_does(business: int) -> None:
    publish_ticket(business)
    set_business(OPERATOR, business, NOON, edition="studio")
    fan_out(10, NOON)
    retention.prune(NOON, NOON + KEEP)
    assert counts() == (1, 0, 0)
    retention.prune(NOON + MINUTE, NOON + KEEP)
    assert counts() == (0, 0, 0)


def test_the_outbox_of_a_business_that_is_served_waits_however_old_it_is(business: int) -> None:
    publish_ticket(business)
    retention.prune(NOON + KEEP, NOON + 2 * KEEP)
    assert counts() == (1, 0, 0)


@pytest.mark.parametrize("engine", ["sqlite"])
def test_what_pruning_frees_is_given_back_but_for_a_quarter(business: int, tmp_path: Path) -> None:
    with transaction():
        rows = [(business, "ping", b"x" * 4000, NOON, NOON) for _ in range(1000)]
        fields = [Event.business, Event.type, Event.payload, Event.created_at, Event.fanned_out_at]
        Event.insert_many(rows, fields).execute()
    before = size_of(tmp_path)
    assert retention.prune_daily(KEEP, NOON + 2 * KEEP) == 0
    assert size_of(tmp_path) < before / 4


def size_of(folder: Path) -> int:
    """Of the file, with all that is on its way to it."""
    proxy.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return (folder / "test.db").stat().st_size


def test_the_audit_trail_outlives_everything(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    services.delete_webhook(MARIE, webhook.id, NOON)
    retention.prune(NOON + KEEP, NOON + KEEP)
    with transaction():
        actions = [row.action for row in AuditEntry.select().order_by(AuditEntry.id)]
    assert actions[-2:] == ["created", "deleted"]


def test_younger_ones_stay(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    for now in (NOON, NOON + DAY):
        publish_ticket(business, now)
        fan_out(10, now)
    with transaction():
        Delivery.update(status="delivered", due_at=None).execute()
    assert retention.prune(NOON + MINUTE, NOON) == 1
    assert [row.created_at for row in queries.deliveries(MARIE, webhook.id)] == [NOON + DAY]


def test_all_of_a_deleted_webhook_goes_at_once(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 2)
    add_webhook(vault, business)
    deleted = add_webhook(vault, business)
    for _ in range(3):
        publish_ticket(business)
    services.send_test(MARIE, deleted.id, NOON, wake=silent)
    fan_out(10, NOON)
    services.delete_webhook(MARIE, deleted.id, NOON)
    assert retention.prune(NOON - DAY, NOON) == 4
    with transaction():
        assert [row.deleted_at for row in Webhook.select().order_by(Webhook.id)] == [None, NOON]
    assert counts() == (3, 3, 0)


def test_a_pruned_webhook_s_id_is_not_given_to_another(business: int, vault: Vault) -> None:
    first = add_webhook(vault, business)
    services.delete_webhook(MARIE, first.id, NOON)
    retention.prune(NOON, NOON)
    assert add_webhook(vault, business).id != first.id


def test_the_latest_event_before_a_webhook_stays_so_that_no_younger_one_gets_its_id(
    business: int, vault: Vault
) -> None:
    mark = publish_ticket(business)
    webhook = add_webhook(vault, business)
    fan_out(1, NOON)
    retention.prune(NOON + DAY, NOON + DAY)
    assert publish_ticket(business, NOON + DAY) > mark
    fan_out(1, NOON + DAY)
    assert only_delivery(webhook.id)


def test_a_key_is_remembered_as_long_as_its_event(business: int) -> None:
    def push() -> bool:
        return publish(
            business, EventType.CLIENT_CREATED, b"{}", NOON, key="k", wake=silent
        ).duplicate

    push()
    fan_out(10, NOON)
    retention.prune(NOON, NOON)
    assert push()
    retention.prune(NOON + MINUTE, NOON)
    assert not push()


def test_the_daily_job_runs_once_a_day_whoever_asks(business: int) -> None:
    assert retention.prune_daily(KEEP, NOON) == 0
    assert retention.prune_daily(KEEP, NOON + DAY - SECOND) is None
    assert retention.prune_daily(KEEP, NOON + DAY) == 0


@pytest.mark.parametrize("is_deleted", [False, True])
def test_a_daily_job_told_to_stop_ends_after_its_batch_and_the_next_hour_s_goes_on(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch, is_deleted: bool
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 3)
    webhook_id = add_delivered(business, vault, 7)
    if is_deleted:
        Webhook.update(deleted_at=NOON).where(Webhook.id == webhook_id).execute()
    later = NOON + KEEP + DAY
    assert retention.prune_daily(KEEP, later, lambda: Delivery.select().count() < 7) == 3
    assert retention.prune_daily(KEEP, later + 59 * MINUTE) is None
    assert retention.prune_daily(KEEP, later + 60 * MINUTE) == 4
    assert retention.prune_daily(KEEP, later + 120 * MINUTE) is None


def test_a_consumer_s_ticks_are_one_row_and_go_when_it_has_gone(business: int) -> None:
    heartbeat.record_tick("host 1", NOON - 2 * DAY)
    heartbeat.record_tick("host 2", NOON)
    heartbeat.record_tick("host 2", NOON + MINUTE)
    assert workers.last_tick() == NOON + MINUTE
    retention.prune(NOON, NOON + MINUTE)
    with transaction():
        assert [row.job for row in LastRun.select()] == ["tick host 2"]
