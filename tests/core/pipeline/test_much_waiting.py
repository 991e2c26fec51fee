"""However much waits for later, recovers, or was due once: what is done all day costs the same."""

import json
from typing import Any

import psycopg
import pytest

from core.domain.delivery import Recovery, Status, Unsendable
from core.domain.events import EventType
from core.pipeline import leases, settling
from core.pipeline.alerts import tell_some
from core.pipeline.fan_out import fan_out
from core.pipeline.recovery import recover_some
from core.pipeline.settling import Settlement
from core.storage import due
from core.storage.awaited import awaited
from core.storage.database import as_table, proxy, transaction
from core.storage.due import next_due, waiting_webhooks
from core.storage.inserts import insert_rows
from core.storage.models import Delivery, Event, Mail, SelectedEvent, Webhook
from core.storage.vault import Vault
from tests.core.pipeline import test_growth
from tests.core.pipeline.test_growth import watched
from tests.support.long_history import keep_house
from tests.support.scene import DAY, MINUTE, NOON, SCHEDULE, SECOND, add_webhook, publish_ticket

MUCH = pytest.mark.fault(41, "more than fits into one transaction, or one pass")
A_SCAN = 1_000  # steps of SQLite's machine, or rows: far less than it takes to look at each


def many_webhooks(business: int, count: int) -> list[int]:
    columns = [Webhook.business, Webhook.url, Webhook.created_at, Webhook.updated_at]
    rows = [(business, "https://example.com/", NOON, NOON)] * count
    with transaction():
        Webhook.insert_many(rows, columns).execute()
        ids = [row.id for row in Webhook.select(Webhook.id).order_by(Webhook.id)]
        selected = [(webhook_id, EventType.TICKET_CREATED) for webhook_id in ids]
        insert_rows(SelectedEvent, [SelectedEvent.webhook, SelectedEvent.event_type], selected)
    return ids


def a_delivery_each(business: int, webhooks: list[int], **state: Any) -> None:
    """One delivery of each webhook, in that state."""
    event = publish_ticket(business)
    rows = [
        {"uuid": f"{number:032x}", "event": event, "webhook": number, "created_at": NOON} | state
        for number in webhooks
    ]
    with transaction():
        Event.update(fanned_out_at=NOON).execute()
        for start in range(0, len(rows), 500):
            Delivery.insert_many(rows[start : start + 500]).execute()


@MUCH
def test_what_waits_for_later_costs_a_pass_nothing(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = NOON + 120 * MINUTE
    webhooks = many_webhooks(business, 2_000)
    a_delivery_each(business, webhooks, status=Status.PENDING, due_at=later)
    Webhook.update(ready_at=later).execute()
    mailed = {"business": business, "login": "marie", "kind": "failing", "address": "m@a.example"}
    mailed |= {"created_at": NOON, "until": NOON, "sent_at": NOON}
    with transaction():
        Mail.insert_many([mailed] * 2_000).execute()
    keep_house()
    monkeypatch.setattr(test_growth, "BIG", {*test_growth.BIG, "webhook", "mail"})
    with watched(monkeypatch) as reads:
        assert not tell_some(90 * DAY, NOON)
        assert waiting_webhooks(NOON) == []
        assert next_due(NOON) == later
        assert fan_out(500, NOON).is_all
        assert not recover_some(500, DAY, NOON)
        assert (awaited().look_at, awaited().mail_at) == (None, None)
    most, statement = max(reads)
    assert most < A_SCAN, statement


LATER = NOON + 120 * MINUTE


@MUCH
@pytest.mark.parametrize(
    "restraint",
    [
        pytest.param({"paused_at": NOON, "ready_at": None}, id="paused"),
        pytest.param({"held_until": LATER, "not_before": LATER, "ready_at": LATER}, id="held"),
        pytest.param({"pace": "1/h", "not_before": LATER, "ready_at": LATER}, id="paced"),
    ],
)
def test_what_is_parked_held_or_paced_costs_a_pass_nothing(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch, restraint: dict[str, Any]
) -> None:
    webhooks = many_webhooks(business, 2_000)
    a_delivery_each(business, webhooks, status=Status.PENDING, due_at=NOON)
    Webhook.update(restraint).execute()
    keep_house()
    monkeypatch.setattr(test_growth, "BIG", {*test_growth.BIG, "webhook"})
    with watched(monkeypatch) as reads:
        assert waiting_webhooks(NOON) == []
        assert next_due(NOON) == restraint["ready_at"]
        assert fan_out(500, NOON).is_all
    most, statement = max(reads)
    assert most < A_SCAN, statement


@MUCH
@pytest.mark.parametrize("count", [20, 200])
def test_many_that_are_back_after_an_outage_take_no_more_statements(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    webhooks = many_webhooks(business, count)
    abandoned = {"status": Status.ABANDONED, "attempts": 5, "recovery": Recovery.DUE}
    a_delivery_each(business, webhooks, settled_at=NOON, **abandoned)
    was_down = {"down_since": NOON - DAY, "up_since": NOON, "is_recovering": True}
    Webhook.update(was_down).execute()
    keep_house()
    with watched(monkeypatch) as reads:
        assert recover_some(500, DAY, NOON)
    assert Delivery.select().where(Delivery.status == Status.FAILED).count() == count
    assert len(reads) <= 12


@pytest.mark.slow
@pytest.mark.fault(51, "PostgreSQL's old snapshot is held")
@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_claim_does_not_walk_what_was_due_while_an_old_snapshot_is_held(
    business: int, vault: Vault, database: str
) -> None:
    """As a backup holds one: nothing that was due since may be forgotten by the index."""
    webhook = add_webhook(vault, business).id
    now = NOON

    def work(rounds: int) -> None:
        nonlocal now
        for _ in range(rounds):
            now += 2 * SECOND
            for _ in range(20):
                publish_ticket(business, now)
            fan_out(500, now)
            claims = leases.claim({webhook: 20}, SCHEDULE, now)
            ended = [Settlement(each, Unsendable("damaged"), now, SECOND) for each in claims]
            settling.settle(ended, SCHEDULE, now)
            leases.claim({webhook: 1}, SCHEDULE, now + SECOND)

    with psycopg.connect(database) as old:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM event")
        work(5)
        few = pages_read_by_a_claim(webhook)
        work(40)
        assert pages_read_by_a_claim(webhook) <= 2 * few + 10


def pages_read_by_a_claim(webhook: int) -> int:
    table, values = as_table(("int", "int"), [(webhook, 16)])
    with proxy.atomic():
        find = due._FIND_LOCKED.format(free=due._FREE, wanted=table)
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {find}"
        [[plan]] = proxy.execute_sql(explain, [*values, "pending", 2**62]).fetchall()
    plan = json.loads(plan) if isinstance(plan, str) else plan
    return int(plan[0]["Plan"]["Shared Hit Blocks"])
