"""When a webhook is looked at: never too late, whoever else is at it, and rarely written."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from threading import Event
from typing import Any

import pytest

from core.domain.delivery import Answered, Recovery, Status, Withdrawn
from core.pipeline import leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE, Claim
from core.pipeline.recovery import recover_some
from core.pipeline.settling import Settlement
from core.pipeline.sweep import Sweep
from core.storage.database import connection, proxy, transaction
from core.storage.due import next_due, waiting_webhooks
from core.storage.models import Delivery, Webhook
from core.storage.ready import pin
from core.storage.vault import Vault
from core.use_cases import services
from core.use_cases.businesses import add_business, set_business
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
from tests.support.waiting import PATIENCE, wait_until

ONLY_POSTGRESQL = pytest.mark.parametrize("engine", ["postgres"], indirect=True)
LATER = NOON + 10 * SECOND


def ready_at(webhook_id: int) -> datetime | None:
    with connection():
        return Webhook.get_by_id(webhook_id).ready_at


def claim(webhook_id: int, now: datetime, room: int = 16) -> list[Claim]:
    return leases.claim({webhook_id: room}, SCHEDULE, now)


def settle(claims: list[Claim], outcome: leases.Outcome, now: datetime) -> None:
    settling.settle([Settlement(each, outcome, now, SECOND) for each in claims], SCHEDULE, now)


def fan_out_all(now: datetime) -> None:
    fan_out(500, now)


@pytest.fixture
def webhook(business: int, vault: Vault) -> int:
    return add_webhook(vault, business).id


@pytest.fixture
def leased(business: int, webhook: int) -> Claim:
    """Its one delivery, claimed at noon: it is ready for something that is due no more."""
    publish_ticket(business)
    fan_out_all(NOON)
    [claimed] = claim(webhook, NOON)
    assert ready_at(webhook) == NOON
    return claimed


def test_one_that_found_nothing_is_looked_at_when_its_next_is_due(
    webhook: int, leased: Claim
) -> None:
    assert claim(webhook, LATER) == []
    assert ready_at(webhook) == NOON + LEASE
    assert waiting_webhooks(LATER) == []
    assert next_due(LATER) == NOON + LEASE


def test_one_with_nothing_waiting_is_never_looked_at(webhook: int, leased: Claim) -> None:
    settle([leased], Answered(200, ""), NOON + SECOND)
    assert next_due(LATER) is None
    assert claim(webhook, LATER) == []
    assert ready_at(webhook) is None


def test_what_is_due_again_sooner_than_its_lease_ends_is_looked_at_then(
    webhook: int, leased: Claim
) -> None:
    claim(webhook, LATER)
    settle([leased], Withdrawn(), LATER + SECOND)
    assert ready_at(webhook) == LATER + SECOND


def test_a_retry_after_the_lease_s_end_leaves_the_webhook_s_row_alone(
    webhook: int, leased: Claim
) -> None:
    claim(webhook, LATER)
    settle([leased], Answered(503, ""), LATER + SECOND)
    assert ready_at(webhook) == NOON + LEASE
    assert next_due(NOON + LEASE) == LATER + SECOND + MINUTE


def test_a_busy_webhook_s_row_is_written_twice_a_second_however_much_is_sent(
    business: int, webhook: int
) -> None:
    written = set[datetime | None]()
    for twentieth in range(80):
        now = NOON + twentieth * SECOND / 20
        publish_ticket(business, now)
        fan_out_all(now)
        settle(claim(webhook, now), Answered(200, ""), now)
        written.add(ready_at(webhook))
    assert len(written - {None}) <= 8


def test_a_claim_does_not_walk_what_was_due_long_before(business: int, webhook: int) -> None:
    """Though it was never the last: what waits keeps it ready, and its time goes on with it."""
    for minute in range(3):
        now = NOON + minute * MINUTE
        publish_ticket(business, now)
        publish_ticket(business, now)
        fan_out_all(now)
        settle(claim(webhook, now, room=1), Answered(200, ""), now)
        settle(claim(webhook, now, room=1), Answered(200, ""), now)
    publish_ticket(business, now + MINUTE)
    publish_ticket(business, now + MINUTE)
    fan_out_all(now + MINUTE)
    claim(webhook, now + MINUTE, room=1)
    assert ready_at(webhook) == now + MINUTE


def test_many_that_wait_for_later_are_none_of_a_pass_s_business(
    business: int, vault: Vault
) -> None:
    webhooks = [add_webhook(vault, business).id for _ in range(3)]
    publish_ticket(business)
    fan_out_all(NOON)
    claims = leases.claim(dict.fromkeys(webhooks, 2), SCHEDULE, NOON)
    settle(claims, Answered(503, ""), NOON)
    leases.claim(dict.fromkeys(webhooks, 2), SCHEDULE, NOON + 2 * SECOND)
    assert waiting_webhooks(NOON + MINUTE - SECOND) == []
    assert [each.webhook_id for each in waiting_webhooks(NOON + MINUTE)] == webhooks
    assert next_due(NOON + 2 * SECOND) == NOON + MINUTE


def test_the_roster_says_whose_each_webhook_is_and_where(business: int, webhook: int) -> None:
    publish_ticket(business)
    fan_out_all(NOON)
    [waiting] = waiting_webhooks(NOON)
    assert waiting[:4] == (webhook, business, "https://example.com/hook", NOON)
    assert not any(waiting[4:])


def test_switched_on_again_what_waited_is_looked_at(vault: Vault, database: str) -> None:
    shop = add_business(OPERATOR, "Boutique", "boutique", "marie", NOON, option=True)
    webhook = add_webhook(vault, shop).id
    publish_ticket(shop)
    fan_out_all(NOON)
    set_business(OPERATOR, shop, NOON, option=False)
    assert ready_at(webhook) is None
    set_business(OPERATOR, shop, NOON + DAY, edition="group")
    assert ready_at(webhook) == NOON


# Two at it: on PostgreSQL, each order of the two, the first not committed when the second begins.


def fans_out(business: int, _: Claim) -> None:
    fan_out_all(NOON + 5 * SECOND)


def withdraws(_: int, leased: Claim) -> None:
    settle([leased], Withdrawn(), NOON + 5 * SECOND)


def sends_again(business: int, _: Claim) -> None:
    uuid = str(Delivery.get(Delivery.status == Status.DELIVERED).uuid)
    services.redeliver(MARIE, uuid, NOON + 5 * SECOND, wake=silent)


def recovers(business: int, _: Claim) -> None:
    services.recover(MARIE, business, NOON - DAY, NOON + 5 * SECOND, wake=silent)


def recovers_by_itself(*_: object) -> None:
    assert recover_some(10, DAY, NOON + 5 * SECOND)


def gives_back(_: int, leased: Claim) -> None:
    assert leases.give_back([leased], NOON + 5 * SECOND) == 1


WAITING = (fans_out, withdraws, gives_back, sends_again, recovers)
"""They wait for whoever raises; the recovery after an outage passes over it."""


@pytest.fixture
def make_due(
    business: int, webhook: int, leased: Claim, request: pytest.FixtureRequest
) -> Callable[[], None]:
    """Something that makes a delivery due at five past, of a webhook whose only other is leased."""
    act: Callable[[int, Claim], None] = request.param
    if act in (sends_again, recovers, recovers_by_itself):
        publish_ticket(business)
        fan_out_all(NOON)
        [other] = claim(webhook, NOON)
        settle([other], Answered(200, ""), NOON)
        if act is not sends_again:
            abandoned = {"status": Status.ABANDONED, "recovery": Recovery.DUE}
            Delivery.update(abandoned).where(Delivery.id == other.id).execute()
            was_down = {"down_since": NOON - DAY, "up_since": NOON, "is_recovering": True}
            Webhook.update(was_down).execute()
    if act is fans_out:
        publish_ticket(business, NOON + SECOND)
    return lambda: act(business, leased)


@contextmanager
def uncommitted(act: Callable[[], object]) -> Iterator[Future[None]]:
    """Another connection, which has done it and commits at the end of the block."""
    done, commit = Event(), Event()

    def run() -> None:
        with transaction():
            act()
            done.set()
            assert commit.wait(PATIENCE)

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        try:
            assert done.wait(PATIENCE)
            yield running
        finally:
            commit.set()
        running.result(PATIENCE)


def is_free(webhook_id: int) -> bool:
    """Whether nobody has locked its row."""
    lock = "SELECT id FROM webhook WHERE id = %s FOR NO KEY UPDATE SKIP LOCKED"
    with transaction():
        return proxy.execute_sql(lock, [webhook_id]).fetchone() is not None


def waits_for_a_lock() -> bool:
    with connection():
        waiting = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return bool(proxy.execute_sql(waiting).fetchone()[0])


@ONLY_POSTGRESQL
@pytest.mark.parametrize(
    "make_due", [*WAITING, recovers_by_itself], ids=lambda act: act.__name__, indirect=True
)
def test_a_time_is_not_raised_past_what_is_being_made_due(
    webhook: int, make_due: Callable[[], None]
) -> None:
    with uncommitted(make_due):
        assert claim(webhook, NOON + 4 * SECOND) == []
    assert next_due(LATER) == NOON + 5 * SECOND
    assert len(claim(webhook, LATER)) == 1


@ONLY_POSTGRESQL
@pytest.mark.parametrize("make_due", WAITING, ids=lambda act: act.__name__, indirect=True)
def test_what_is_made_due_while_a_time_is_raised_lowers_it_again(
    webhook: int, make_due: Callable[[], None]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with uncommitted(lambda: claim(webhook, NOON + 4 * SECOND)):
            made = pool.submit(make_due)
            wait_until(waits_for_a_lock)
        made.result(PATIENCE)
    assert ready_at(webhook) == NOON + 5 * SECOND
    assert len(claim(webhook, LATER)) == 1


@ONLY_POSTGRESQL
@pytest.mark.parametrize("option", [True, False])
def test_switching_locks_webhooks_in_the_order_of_their_ids(
    vault: Vault, database: str, *, option: bool
) -> None:
    shop = add_business(OPERATOR, "Boutique", "boutique", "marie", NOON, option=True)
    first, second = [add_webhook(vault, shop).id for _ in range(2)]
    with connection():
        Webhook.update(updated_at=NOON).where(Webhook.id == first).execute()  # its row comes last

    def switch() -> None:
        with transaction():
            for way in ("indexscan", "bitmapscan"):  # they are found as they lie in the table
                proxy.execute_sql(f"SET LOCAL enable_{way} = off")
            set_business(OPERATOR, shop, NOON, option=option)

    with ThreadPoolExecutor(1) as pool:
        with uncommitted(lambda: pin([first])):
            switched = pool.submit(switch)
            wait_until(waits_for_a_lock)
            assert is_free(second)
        switched.result(PATIENCE)


@ONLY_POSTGRESQL
@pytest.mark.parametrize(
    "last",
    [{"outcome": Answered(500, "")}, {"certificate_until": NOON}],
    ids=["a failure", "a certificate"],
)
def test_settling_locks_all_webhooks_in_the_order_of_their_ids(
    business: int, vault: Vault, last: dict[str, Any]
) -> None:
    first, second = [add_webhook(vault, business).id for _ in range(2)]
    with connection():
        Webhook.update(down_since=NOON).where(Webhook.id == first).execute()
    publish_ticket(business)
    fan_out_all(NOON)
    [one, other] = [
        Settlement(claimed, Answered(200, ""), NOON, SECOND)
        for webhook_id in (first, second)
        for claimed in claim(webhook_id, NOON)
    ]
    with ThreadPoolExecutor(1) as pool:
        with uncommitted(lambda: pin([first])):
            ended = [one, other._replace(**last)]
            settled = pool.submit(settling.settle, ended, SCHEDULE, NOON)
            wait_until(waits_for_a_lock)
            assert is_free(second)
        assert len(settled.result(PATIENCE)) == 2


@ONLY_POSTGRESQL
def test_a_sweep_that_waits_for_one_webhook_holds_no_other(business: int, vault: Vault) -> None:
    first, second = [add_webhook(vault, business).id for _ in range(2)]
    publish_ticket(business)
    fan_out_all(NOON)
    with transaction():
        Delivery.update(due_at=NOON + DAY).execute()
        Delivery.update(status="failed", attempts=1).where(Delivery.webhook == first).execute()
    with ThreadPoolExecutor(1) as pool:
        with uncommitted(lambda: pin([first])):
            swept = pool.submit(Sweep(SCHEDULE).step, NOON)
            wait_until(waits_for_a_lock)
            assert is_free(second)
        assert swept.result(PATIENCE) >= 2


@ONLY_POSTGRESQL
def test_switching_off_waits_for_what_is_being_fanned_out_so_that_switching_on_finds_it(
    vault: Vault, database: str
) -> None:
    shop = add_business(OPERATOR, "Boutique", "boutique", "marie", NOON, option=True)
    webhook = add_webhook(vault, shop).id
    publish_ticket(shop)
    fan_out_all(NOON)
    settle(claim(webhook, NOON), Answered(200, ""), NOON)
    publish_ticket(shop)
    with ThreadPoolExecutor(1) as pool:
        with uncommitted(lambda: fan_out_all(NOON + SECOND)):
            switched = pool.submit(set_business, OPERATOR, shop, NOON, option=False)
            wait_until(waits_for_a_lock)
        switched.result(PATIENCE)
    assert ready_at(webhook) is None
    set_business(OPERATOR, shop, NOON, option=True)
    assert len(claim(webhook, LATER)) == 1


@ONLY_POSTGRESQL
@pytest.mark.parametrize(
    "make_due", [*WAITING, recovers_by_itself], ids=lambda act: act.__name__, indirect=True
)
def test_pausing_waits_for_what_is_being_made_due_so_that_resuming_finds_it(
    webhook: int, make_due: Callable[[], None]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with uncommitted(make_due):
            paused = pool.submit(services.pause_webhook, MARIE, webhook, NOON + 4 * SECOND)
            wait_until(waits_for_a_lock)
        assert paused.result(PATIENCE)
    assert ready_at(webhook) is None
    assert services.resume_webhook(MARIE, webhook, NOON + 4 * SECOND, wake=silent)
    assert len(claim(webhook, LATER)) == 1


@ONLY_POSTGRESQL
@pytest.mark.parametrize("make_due", WAITING, ids=lambda act: act.__name__, indirect=True)
def test_what_is_made_due_while_a_webhook_is_paused_does_not_wake_it(
    webhook: int, make_due: Callable[[], None]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        with uncommitted(lambda: services.pause_webhook(MARIE, webhook, NOON + 4 * SECOND)):
            made = pool.submit(make_due)
            wait_until(waits_for_a_lock)
        made.result(PATIENCE)
    assert ready_at(webhook) is None
    services.resume_webhook(MARIE, webhook, NOON + 5 * SECOND, wake=silent)
    assert len(claim(webhook, LATER)) == 1
