"""What was changed behind our back, or by a clock that was ahead, is put right by and by."""

import json
from datetime import datetime, timedelta

import pytest

from core.domain.choices import Chosen
from core.domain.delivery import Answered, ErrorKind, Outcome, Schedule, Unreachable
from core.domain.events import EventType
from core.pipeline import leases, retention, settling, sweep
from core.pipeline.alerts import tell_some
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE
from core.pipeline.mail_claims import claim_mail
from core.pipeline.settling import Settlement
from core.pipeline.sweep import Sweep
from core.storage.database import transaction
from core.storage.due import next_due
from core.storage.models import Business, Delivery, Event, LastRun, Mail, Webhook
from core.storage.vault import Vault
from core.use_cases import services
from core.use_cases.businesses import add_business, set_business
from tests.support.addresses import add_address, ask
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
)

AHEAD = NOON + 365 * DAY
HOUR = timedelta(hours=1)
ONCE = Schedule((), 1)
OK, BROKEN = Answered(200, ""), Answered(503, "")
PROMOTION = EventType.PROMOTION_UPDATED


@pytest.fixture
def webhook(business: int, vault: Vault) -> int:
    return add_webhook(vault, business).id


@pytest.mark.parametrize("ready_at", [None, AHEAD], ids=["never", "late"])
def test_a_webhook_that_would_be_looked_at_too_late_is_looked_at(
    business: int, webhook: int, ready_at: object
) -> None:
    publish_ticket(business)
    fan_out(1, NOON)
    with transaction():
        Webhook.update(ready_at=ready_at).execute()
    rounds = Sweep(SCHEDULE)
    assert rounds.step(NOON) == 1
    assert len(leases.claim({webhook: 1}, SCHEDULE, NOON)) == 1
    assert rounds.step(NOON) == 0


def test_one_that_is_as_it_should_be_is_not_written(business: int, webhook: int) -> None:
    publish_ticket(business)
    fan_out(1, NOON)
    assert Sweep(SCHEDULE).step(NOON) == 0


def test_a_business_that_another_program_switches_off_and_on(vault: Vault, database: str) -> None:
    shop = add_business(OPERATOR, "Boutique", "boutique", "marie", NOON, option=True)
    add_webhook(vault, shop)
    publish_ticket(shop)
    fan_out(1, NOON)
    for option in (False, True):
        with transaction():
            Business.update(option=option).execute()
        assert Sweep(SCHEDULE).step(NOON) == 1
        assert (Webhook.get().ready_at is not None) is option
    set_business(OPERATOR, shop, NOON, option=True)
    assert next_due(NOON) == NOON


@pytest.mark.fault(40, "clock ahead by 40 s, or by a year")
def test_what_waits_by_a_clock_that_was_ahead_is_pulled_back(business: int, webhook: int) -> None:
    for _ in range(3):
        publish_ticket(business)
    fan_out(3, AHEAD)
    failed, leased = leases.claim({webhook: 2}, SCHEDULE, AHEAD)
    settling.settle(
        [Settlement(failed, Unreachable(ErrorKind.TIMEOUT, ""), AHEAD, SECOND)], SCHEDULE, AHEAD
    )
    assert Sweep(SCHEDULE).step(NOON) >= 3
    due = dict(Delivery.select(Delivery.id, Delivery.due_at).tuples())
    assert due.pop(failed.id) == NOON + MINUTE
    assert due.pop(leased.id) == NOON + LEASE
    assert list(due.values()) == [NOON]
    assert len(leases.claim({webhook: 3}, SCHEDULE, NOON + MINUTE)) == 3


def test_the_longest_wait_of_the_schedule_is_not_too_long(business: int, webhook: int) -> None:
    publish_ticket(business)
    fan_out(1, NOON)
    with transaction():
        longest = NOON + max(SCHEDULE.retry_after)
        Delivery.update(due_at=longest, status="failed", attempts=4).execute()
        Webhook.update(ready_at=longest).execute()
    assert Sweep(SCHEDULE).step(NOON) == 0


def test_what_was_never_attempted_is_pulled_back_from_an_hour_ahead(
    business: int, webhook: int
) -> None:
    publish_ticket(business)
    fan_out(1, NOON + HOUR)
    assert Sweep(SCHEDULE).step(NOON) >= 1
    assert [each.due_at for each in Delivery.select()] == [NOON]
    assert len(leases.claim({webhook: 1}, SCHEDULE, NOON)) == 1
    assert Sweep(SCHEDULE).step(NOON) == 0, "its lease is no fault"


@pytest.mark.parametrize("pace", ["20/s", "1/s", "2/min", "1/h"])
def test_starts_that_a_clock_ahead_has_taken_are_free(
    business: int, vault: Vault, pace: str
) -> None:
    """Those that are taken at the right time stay."""
    webhook = add_webhook(vault, business, chosen=Chosen(pace=pace)).id
    for _ in range(2):
        publish_ticket(business)
    fan_out(2, NOON)
    ahead = NOON + 2 * HOUR
    assert leases.claim({webhook: 1}, SCHEDULE, ahead, restrained={webhook})
    assert Sweep(SCHEDULE).step(NOON) >= 1
    assert leases.claim({webhook: 1}, SCHEDULE, NOON, restrained={webhook})
    taken = Webhook.get_by_id(webhook).paced_to
    assert Sweep(SCHEDULE).step(NOON) == 0
    assert Webhook.get_by_id(webhook).paced_to == taken


def test_it_goes_round_all_webhooks_some_at_a_time(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "_WEBHOOKS", 2)
    for _ in range(5):
        add_webhook(vault, business)
    publish_ticket(business)
    fan_out(1, NOON)
    rounds = Sweep(SCHEDULE)
    for _ in range(2):
        with transaction():
            Webhook.update(ready_at=None).execute()
        assert [rounds.step(NOON) for _ in range(3)] == [2, 2, 1]


def test_pruning_runs_again_after_a_clock_that_was_ahead(database: str) -> None:
    assert retention.prune_daily(DAY, AHEAD) == 0
    assert retention.prune_daily(DAY, NOON) == 0
    assert LastRun.get(LastRun.job == "prune").at == NOON
    assert retention.prune_daily(DAY, NOON + MINUTE) is None


def test_pruning_gets_past_rows_from_a_clock_that_was_ahead(
    business: int, webhook: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_BATCH", 3)
    for now in (NOON - 9 * DAY, AHEAD, *[NOON - 8 * DAY] * 7, NOON):
        publish_ticket(business, now)
        fan_out(1, now)
    settled = {"status": "delivered", "due_at": None, "settled_at": NOON}
    with transaction():
        Delivery.update(settled).execute()
    assert retention.prune(NOON - timedelta(days=1), NOON) == 8
    assert Delivery.select().count() == 2


KEEP = 90 * DAY
CHAT: Chosen = {"alerts": True}


def kinds() -> list[str]:
    """What was told, in order."""
    rows = Event.select().where(Event.type == "alert").order_by(Event.id)
    return [json.loads(bytes(row.payload))["kind"] for row in rows]


def attempt(webhook: int, outcome: Outcome, now: datetime) -> None:
    """The only one there is, of what has just been published."""
    publish_ticket(1, now)
    fan_out(100, now)
    [claim] = leases.claim({webhook: 1}, ONCE, now)
    settling.settle([Settlement(claim, outcome, now, timedelta())], ONCE, now)
    tell_some(KEEP, now)


def test_what_a_clock_that_was_ahead_has_to_tell_is_told_when_it_is_right(
    business: int, vault: Vault
) -> None:
    shop = add_webhook(vault, business, "https://shop.example.com/").id
    add_webhook(vault, business, "https://chat.example.com/", (PROMOTION,), chosen=CHAT)
    add_address(vault, business)
    publish_ticket(business, NOON)
    fan_out(100, NOON)
    [claim] = leases.claim({shop: 1}, ONCE, NOON)
    settling.settle([Settlement(claim, BROKEN, AHEAD, timedelta())], ONCE, AHEAD)
    tell_some(KEEP, NOON)
    assert kinds() == []
    assert Sweep(SCHEDULE).step(NOON) == 1
    tell_some(KEEP, NOON)
    assert kinds() == ["failing"]
    assert [mail.kind for mail in Mail.select().where(Mail.kind != "code")] == ["failing"]
    assert Sweep(SCHEDULE).step(NOON) == 0


def test_what_was_told_by_a_clock_that_was_ahead_is_told_no_more_and_ends_in_time(
    business: int, vault: Vault
) -> None:
    shop = add_webhook(vault, business, "https://shop.example.com/", now=NOON).id
    add_webhook(vault, business, "https://chat.example.com/", (PROMOTION,), chosen=CHAT)
    attempt(shop, BROKEN, AHEAD)
    assert kinds() == ["failing"]
    assert Sweep(SCHEDULE).step(NOON) >= 1
    tell_some(KEEP, NOON)
    attempt(shop, OK, NOON + MINUTE)
    assert kinds() == ["failing", "back"]
    for hours in range(1, 10):
        tell_some(KEEP, NOON + timedelta(hours=hours))
    assert kinds() == ["failing", "back"]
    attempt(shop, BROKEN, NOON + 2 * DAY)
    assert kinds() == ["failing", "back", "failing"]


def test_the_order_in_which_it_was_told_stays(business: int, vault: Vault) -> None:
    shop = add_webhook(vault, business, "https://shop.example.com/", now=NOON).id
    add_webhook(vault, business, "https://chat.example.com/", (PROMOTION,), chosen=CHAT)
    attempt(shop, BROKEN, AHEAD)
    attempt(shop, OK, AHEAD + MINUTE)
    attempt(shop, BROKEN, AHEAD + 2 * HOUR)
    assert kinds() == ["failing", "back", "failing"]
    Sweep(SCHEDULE).step(NOON)
    attempt(shop, OK, NOON + 2 * HOUR)
    tell_some(KEEP, NOON + DAY)
    assert kinds() == ["failing", "back", "failing", "back"]


def test_when_a_webhook_is_looked_at_is_let_be_where_it_may_be_so(
    business: int, vault: Vault
) -> None:
    paused = add_webhook(vault, business).id
    failing = add_webhook(vault, business).id
    services.pause_webhook(MARIE, paused, NOON)
    attempt(failing, BROKEN, NOON)
    tell_some(KEEP, NOON)
    assert Webhook.get_by_id(paused).look_at == NOON + KEEP - 7 * DAY
    assert Sweep(SCHEDULE).step(NOON) == 0
    assert Sweep(SCHEDULE, KEEP - 8 * DAY).step(NOON) == 1, "which is kept for less now"


def test_a_certificate_that_a_clock_ahead_took_for_ending_is_forgotten(
    business: int, webhook: int
) -> None:
    with transaction():
        Webhook.update(certificate_until=AHEAD, look_at=AHEAD - 7 * DAY).execute()
    assert Sweep(SCHEDULE).step(NOON) == 1
    assert Webhook.get_by_id(webhook).certificate_until is None
    tell_some(KEEP, NOON)
    assert Sweep(SCHEDULE).step(NOON) == 0


def test_mail_that_a_clock_ahead_has_queued_is_due(business: int, vault: Vault) -> None:
    ask(business, now=AHEAD)
    assert claim_mail(NOON) is None
    assert Sweep(SCHEDULE).step(NOON) == 1
    assert claim_mail(NOON) is not None
