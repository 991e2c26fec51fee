"""However long the history, what is done all day reads little of it, on both engines.

Every statement is caught as it is executed, and what it reads is measured by the engine itself: on
SQLite in steps of its virtual machine, on PostgreSQL in rows.
"""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from core.domain.delivery import Answered
from core.domain.events import EventType
from core.pipeline import last_look, leases, retention, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.recovery import recover_some
from core.pipeline.settling import Settlement
from core.pipeline.tallies import fold, totals
from core.storage.database import is_postgres, proxy, transaction
from core.storage.due import waiting_webhooks
from core.storage.models import Attempt, Delivery, Event, Webhook
from core.storage.vault import Vault
from core.use_cases import finding, queries, services, webhook_health
from core.use_cases.installation_health import vitals
from core.use_cases.queries import UNDELIVERED, Wanted
from tests.support.long_history import LongHistory, keep_house
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

WEBHOOKS = 20
SHORT, LONG = 1_000, 20_000
LOOK_EVERY = 100  # steps of SQLite's machine
# Less than it takes to look at every row of the long history, and at the short one a dozen times;
# PostgreSQL reads a small table whole, and of the short one two or three in one statement.
STEPS, ROWS = 40_000, 6_000
PLANNED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
BIG = {table._meta.table_name for table in (Event, Delivery, Attempt)}

Reads = list[tuple[int, str]]
"""Of each statement how much it read, and the statement."""


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reads]:
    reads: Reads = []
    proxy.connect(reuse_if_open=True)
    execute = proxy.obj.execute_sql
    note = note_rows if is_postgres() else note_steps

    def executed(sql: str, params: Any = None) -> Any:
        if sql.split(maxsplit=1)[0].upper() in PLANNED:
            note(reads, sql, params, execute)
        return execute(sql, params)

    with monkeypatch.context() as patched:
        patched.setattr(proxy.obj, "execute_sql", executed)
        yield reads
    proxy.close()


def note_steps(reads: Reads, sql: str, *_: object) -> None:
    """What SQLite's machine does from now on is this statement's doing."""
    reads.append((0, sql))

    def step() -> None:
        steps, _ = reads[-1]
        reads[-1] = steps + LOOK_EVERY, sql

    proxy.connection().set_progress_handler(step, LOOK_EVERY)


def note_rows(reads: Reads, sql: str, params: Any, execute: Callable[..., Any]) -> None:
    """Have PostgreSQL do it, tell what it read, and take it back."""
    with proxy.atomic() as rehearsal:
        [[plan]] = execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params).fetchall()
        rehearsal.rollback()
    reads.append((round(sum(rows_read(plan[0]["Plan"]))), f"{sql}\n{json.dumps(plan)}"))


def rows_read(node: dict[str, Any]) -> Iterator[float]:
    if node.get("Relation Name") in BIG:
        kept = node["Actual Rows"]
        dropped = node.get("Rows Removed by Filter", 0) + node.get(
            "Rows Removed by Index Recheck", 0
        )
        yield (kept + dropped) * node["Actual Loops"]
    for child in node.get("Plans", ()):
        yield from rows_read(child)


def a_pass(webhook_ids: list[int]) -> None:
    fan_out(100, NOON)
    assert len(waiting_webhooks(NOON)) == len(webhook_ids)
    claims = leases.claim(dict.fromkeys(webhook_ids, 5), SCHEDULE, NOON)
    assert len(claims) == 5 * len(webhook_ids)
    assert all(last_look.still_sendable(claims))
    outcomes = (Answered(200, ""), Answered(503, ""))
    ended = [Settlement(each, outcomes[each.id % 2], NOON, SECOND) for each in claims]
    assert len(settling.settle(ended, SCHEDULE, NOON)) == len(claims)
    was_down = {"down_since": NOON - DAY, "up_since": NOON, "is_recovering": True}
    Webhook.update(was_down).where(Webhook.id == webhook_ids[0]).execute()
    assert recover_some(100, DAY, NOON)


def looks(business: int, webhook_ids: list[int]) -> None:
    assert len(webhook_health.overview(MARIE, business, NOON).webhooks) == len(webhook_ids)
    webhook_health.details(MARIE, webhook_ids[0])
    latest = queries.deliveries(MARIE, webhook_ids[0])
    assert len(latest) == queries.HISTORY_LENGTH
    queries.deliveries(MARIE, webhook_ids[0], before=latest[-1].id)
    latest_of_all = queries.deliveries_of_business(MARIE, business)
    queries.deliveries_of_business(MARIE, business, before=latest_of_all[-1].id)
    for nowhere in (Wanted(text="nowhere"), Wanted(event=EventType.PROMOTION_CREATED)):
        end, of_all = (
            queries.horizon(MARIE, webhook_ids[0]),
            queries.horizon_of_business(MARIE, business),
        )
        assert end is not None
        assert of_all is not None
        assert not queries.deliveries(MARIE, webhook_ids[0], wanted=nowhere, after=end.id)
        assert not queries.deliveries_of_business(MARIE, business, wanted=nowhere, after=of_all.id)
    undelivered = Wanted(statuses=UNDELIVERED)
    for before in (None, latest[-1].id):
        queries.deliveries(MARIE, webhook_ids[0], wanted=undelivered, before=before)
        queries.deliveries_of_business(MARIE, business, wanted=undelivered, before=before)
    queries.delivery(MARIE, str(latest[-1].uuid))
    [found] = finding.find(MARIE, business, "T-77")
    for name in (str(found.deliveries[0].delivery.uuid), str(found.id)):
        assert finding.find(MARIE, business, name) == [found]
    queries.delivery_of_event(MARIE, webhook_ids[0], 7)
    queries.abandoned(MARIE, webhook_ids[0], NOON - DAY)
    webhook_health.pulse()
    vitals(NOON)
    totals()


def work_on(length: int, business: int, vault: Vault) -> Callable[[], None]:
    """A history of that length, and what is done on top of it."""
    webhook_ids = [add_webhook(vault, business).id for _ in range(WEBHOOKS)]
    LongHistory(length, WEBHOOKS, 80 * DAY, due=100, scheduled=100).fill(NOON)
    keep_house()
    for minutes in (0, 2):  # as a worker has done long ago
        fold(NOON + minutes * MINUTE)
    for _ in range(5):
        publish_ticket(business)

    def work() -> None:
        a_pass(webhook_ids)
        looks(business, webhook_ids)
        removed = retention.prune(NOON - 80 * DAY + DAY * 80 * 150 / length, NOON)
        assert 140 <= removed <= 160
        services.recover(MARIE, business, NOON - DAY, NOON, wake=silent)

    return work


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_BATCH", 100)
    monkeypatch.setattr(queries, "LOOKED_THROUGH", 20)


def cost_of_finding(business: int, monkeypatch: pytest.MonkeyPatch, length: int) -> int:
    """What it costs to find a ticket in the middle of a history of that length, all of which came
    at once, and one that is not there.
    """
    with transaction():
        for table in (Attempt, Delivery, Event):
            table.delete().execute()
    LongHistory(length, WEBHOOKS, 80 * DAY).fill(NOON)
    keep_house()
    with watched(monkeypatch) as reads:
        [found] = finding.find(MARIE, business, f"T-{length // 2 + 1}")
        uuid = str(found.deliveries[0].delivery.uuid)
        for name in (uuid, uuid[:13], str(found.id)):
            assert finding.find(MARIE, business, name) == [found]
        assert finding.find(MARIE, business, "nothing") == []
    return sum(read for read, _ in reads)


def test_to_find_costs_the_same_in_twenty_times_the_history(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "LOOK_EVERY", 1)
    for _ in range(WEBHOOKS):
        add_webhook(vault, business)
    short, long = (cost_of_finding(business, monkeypatch, length) for length in (SHORT, LONG))
    assert 0 < long <= 1.2 * short


@pytest.mark.parametrize("length", [SHORT, LONG])
def test_no_statement_of_every_day_reads_the_history(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    work = work_on(length, business, vault)
    with watched(monkeypatch) as reads:
        work()
    most, statement = max(reads)
    assert most < (ROWS if is_postgres() else STEPS), statement


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("length", [SHORT, LONG])
def test_nor_does_one_once_someone_has_given_sqlite_its_statistics(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    work = work_on(length, business, vault)
    with transaction():
        proxy.execute_sql("ANALYZE")
    with watched(monkeypatch) as reads:
        work()
    most, statement = max(reads)
    assert most < STEPS, statement


def test_a_statement_that_does_read_it_is_seen(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook_id = add_webhook(vault, business).id
    LongHistory(LONG, 1, 80 * DAY).fill(NOON)
    with watched(monkeypatch) as reads:
        list(Delivery.select(Delivery.id).where(Delivery.webhook == webhook_id).tuples())
    [(most, _)] = reads
    assert most > (ROWS if is_postgres() else STEPS)
