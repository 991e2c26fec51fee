"""Edges become messages to those who are told about the others: on both engines."""

import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from core.domain.choices import Chosen, Format
from core.domain.delivery import Answered, ErrorKind, Outcome, Schedule, Unreachable, Unsendable
from core.domain.language import Language
from core.pipeline import alerts, last_look, leases, settling
from core.pipeline.alerts import tell_some
from core.pipeline.fan_out import fan_out
from core.pipeline.retention import prune
from core.pipeline.settling import Settlement
from core.storage.awaited import awaited
from core.storage.database import transaction
from core.storage.due import waiting_webhooks
from core.storage.models import Business, Delivery, Event, Webhook
from core.storage.vault import Vault
from core.use_cases import queries, services
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

KEEP = 90 * DAY
HOUR = timedelta(hours=1)
OK, BROKEN = Answered(200, ""), Answered(503, "")
GONE = Unreachable(ErrorKind.CONNECT, "Connection refused")
ONCE = Schedule((), 1)
ALERTS: Chosen = {"alerts": True}
HOST = "shop.example.com"


@pytest.fixture
def shop(business: int, vault: Vault) -> int:
    """The webhook that the alerts are about."""
    return add_webhook(vault, business, f"https://{HOST}/a/long/path-1234").id


@pytest.fixture
def chat(business: int, vault: Vault) -> int:
    """The one that they go to, which gets no tickets."""
    events = (services.EventType.PROMOTION_UPDATED,)
    return add_webhook(
        vault, business, "https://chat.example.com/x", events=events, chosen=ALERTS
    ).id


def sell(business: int, now: datetime) -> None:
    publish_ticket(business, now)
    fan_out(100, now)


def attempt(
    webhook: int,
    outcome: Outcome,
    now: datetime,
    schedule: Schedule = SCHEDULE,
    ends: datetime | None = None,
) -> None:
    """Attempt what is due of it."""
    restrained = [each.webhook_id for each in waiting_webhooks(now) if each.is_restrained]
    claims = leases.claim({webhook: 16}, schedule, now, restrained=restrained)
    settlements = [Settlement(each, outcome, now, timedelta(), None, ends) for each in claims]
    assert settlements
    settling.settle(settlements, schedule, now)


def pass_by(now: datetime) -> None:
    """As a worker does."""
    while tell_some(KEEP, now):
        pass
    fan_out(100, now)


def told(webhook: int | None = None) -> list[dict[str, Any]]:
    """What the webhook was told, in order."""
    which = Event.type == "alert"
    rows = Event.select().where(which if webhook is None else which & (Event.webhook == webhook))
    return [json.loads(bytes(row.payload)) for row in rows.order_by(Event.id)]


def kinds(webhook: int | None = None) -> list[str]:
    return [each["kind"] for each in told(webhook)]


def fails(business: int, webhook: int, now: datetime, schedule: Schedule = SCHEDULE) -> None:
    sell(business, now)
    attempt(webhook, BROKEN, now, schedule)


def test_an_outage_of_40_minutes_is_told_when_it_has_lasted_30_and_when_it_is_over(
    business: int, shop: int, chat: int
) -> None:
    fails(business, shop, NOON)
    assert awaited().look_at == NOON + 30 * MINUTE
    pass_by(NOON + 30 * MINUTE - SECOND)
    assert kinds() == []
    pass_by(NOON + 30 * MINUTE)
    [failing] = told(chat)
    assert failing["kind"] == "failing"
    assert failing["webhook"] == {"id": shop, "host": HOST}
    assert failing["since"] == "2026-05-17T12:00:00.000Z"
    assert failing["text"] == f"{HOST} …1234 is failing · nothing accepted for 30 min"
    attempt(shop, BROKEN, NOON + 31 * MINUTE)
    pass_by(NOON + 32 * MINUTE)
    attempt(shop, OK, NOON + 40 * MINUTE)
    assert awaited().look_at == NOON + 40 * MINUTE
    pass_by(NOON + 40 * MINUTE)
    assert kinds(chat) == ["failing", "back"]
    assert told(chat)[-1]["text"] == f"{HOST} …1234 is back · it had been failing for 40 min"
    pass_by(NOON + DAY)
    assert kinds() == ["failing", "back"]
    assert awaited().look_at is None


def test_what_is_over_within_30_minutes_is_not_told(business: int, shop: int, chat: int) -> None:
    fails(business, shop, NOON)
    attempt(shop, OK, NOON + 29 * MINUTE)
    pass_by(NOON + 29 * MINUTE)
    pass_by(NOON + 31 * MINUTE)
    assert told() == []
    assert awaited().look_at is None


def test_what_was_abandoned_is_told_at_once_and_the_next_2xx_too(
    business: int, shop: int, chat: int
) -> None:
    fails(business, shop, NOON, ONCE)
    pass_by(NOON)
    assert kinds(chat) == ["failing"]
    sell(business, NOON + MINUTE)
    attempt(shop, OK, NOON + MINUTE)
    pass_by(NOON + MINUTE)
    assert kinds(chat) == ["failing", "back"]


def test_what_is_abandoned_and_no_failure_of_the_address_is_told_and_makes_no_outage(
    business: int, shop: int, chat: int
) -> None:
    sell(business, NOON)
    attempt(shop, Unsendable("damaged"), NOON)
    pass_by(NOON)
    assert kinds(chat) == ["failing"]
    row = Webhook.get_by_id(shop)
    assert (row.down_since, row.lost_since) == (None, NOON)
    sell(business, NOON + MINUTE)
    attempt(shop, OK, NOON + MINUTE)
    pass_by(NOON + MINUTE)
    assert kinds(chat) == ["failing", "back"]


def test_an_address_that_flaps_a_hundred_times_makes_two_messages_an_hour(
    business: int, shop: int, chat: int
) -> None:
    for number in range(100):
        now = NOON + number * 2 * MINUTE
        fails(business, shop, now, ONCE)
        pass_by(now)
        sell(business, now + MINUTE)
        attempt(shop, OK, now + MINUTE)
        pass_by(now + MINUTE)
    pass_by(NOON + DAY)
    assert kinds(chat) == ["failing", "back"] * 4, "in three hours and twenty minutes"
    times = [row.created_at for row in Event.select().where(Event.type == "alert")]
    for of_a_kind in (times[::2], times[1::2]):
        gaps = [later - sooner for sooner, later in pairwise(of_a_kind)]
        assert min(gaps) >= HOUR


def test_a_webhook_is_never_told_of_itself(business: int, chat: int, vault: Vault) -> None:
    other = add_webhook(vault, business, "https://other.example.com/", chosen=ALERTS).id
    sell(business, NOON)
    attempt(other, BROKEN, NOON, ONCE)
    pass_by(NOON)
    assert (kinds(chat), kinds(other)) == (["failing"], [])


def test_alerts_that_cannot_be_delivered_make_no_alerts_and_no_outage(
    business: int, shop: int, chat: int, vault: Vault
) -> None:
    also = add_webhook(vault, business, "https://also.example.com/", now=NOON, chosen=ALERTS).id
    sell(business, NOON)
    attempt(shop, BROKEN, NOON, ONCE)
    pass_by(NOON)
    attempt(chat, BROKEN, NOON, ONCE)
    pass_by(NOON + HOUR)
    assert (kinds(chat), kinds(also)) == (["failing"], ["failing"])
    row = Webhook.get_by_id(chat)
    assert (row.down_since, row.lost_since, row.look_at) == (None, None, None)


def test_nobody_is_told_who_did_not_ask_and_nothing_is_told_later(
    business: int, shop: int, vault: Vault
) -> None:
    fails(business, shop, NOON, ONCE)
    pass_by(NOON)
    assert (told(), awaited().look_at) == ([], None)
    add_webhook(vault, business, "https://chat.example.com/", now=NOON, chosen=ALERTS)
    pass_by(NOON + DAY)
    assert told() == []


def test_while_no_address_at_all_answers_nobody_is_told(
    business: int, shop: int, chat: int, vault: Vault
) -> None:
    other = add_webhook(vault, business, "https://other.example.com/", now=NOON).id
    sell(business, NOON)
    for webhook in (shop, other):
        attempt(webhook, GONE, NOON, ONCE)
    pass_by(NOON)
    assert told() == []
    assert awaited().look_at == NOON + MINUTE
    sell(business, NOON + 2 * MINUTE)
    attempt(other, OK, NOON + 2 * MINUTE)
    pass_by(NOON + 2 * MINUTE)
    assert [(each["kind"], each["webhook"]["id"]) for each in told(chat)] == [("failing", shop)]


def test_an_answer_from_before_the_line_failed_counts_for_nothing(
    business: int, shop: int, chat: int, vault: Vault
) -> None:
    other = add_webhook(vault, business, "https://other.example.com/", now=NOON).id
    sell(business, NOON)
    for webhook in (shop, other):
        attempt(webhook, OK, NOON)
    sell(business, NOON + MINUTE)
    for webhook in (shop, other):
        attempt(webhook, GONE, NOON + MINUTE, ONCE)
    pass_by(NOON + 2 * MINUTE)
    assert told() == []


def test_a_single_address_that_is_gone_is_told_though_no_other_was_asked(
    business: int, shop: int, chat: int
) -> None:
    sell(business, NOON)
    attempt(shop, GONE, NOON, ONCE)
    pass_by(NOON)
    assert kinds(chat) == ["failing"]


def test_a_certificate_that_ends_soon_is_told_once(business: int, shop: int, chat: int) -> None:
    ends = NOON + 6 * DAY + HOUR
    for minutes in range(3):
        now = NOON + minutes * MINUTE
        sell(business, now)
        attempt(shop, OK, now, ends=ends)
        pass_by(now)
    [certificate] = told(chat)
    assert certificate["text"] == f"{HOST} …1234 · its certificate ends in 6 days"
    sell(business, NOON + DAY)
    attempt(shop, OK, NOON + DAY, ends=NOON + 90 * DAY)
    pass_by(NOON + DAY)
    assert kinds(chat) == ["certificate"]


def test_a_certificate_that_is_good_for_long_is_not_noted(business: int, shop: int) -> None:
    sell(business, NOON)
    attempt(shop, OK, NOON, ends=NOON + 7 * DAY + SECOND)
    assert Webhook.get_by_id(shop).certificate_until is None
    assert awaited().look_at is None


def test_what_is_parked_is_told_of_a_week_before_it_is_given_up(
    business: int, shop: int, chat: int
) -> None:
    services.pause_webhook(MARIE, shop, NOON)
    pass_by(NOON)
    assert awaited().look_at == NOON + KEEP - 7 * DAY
    for number in range(3):
        sell(business, NOON + DAY + number * MINUTE)
    pass_by(NOON + KEEP - 7 * DAY)
    due = NOON + DAY + KEEP - 7 * DAY
    assert (told(), awaited().look_at) == ([], due)
    pass_by(due)
    [parked] = told(chat)
    assert parked["kind"] == "parked"
    assert "3 deliveries are parked, and the oldest are abandoned in 7 days" in parked["text"]
    prune(due + DAY - KEEP, due + DAY)
    pass_by(due + DAY)
    assert kinds(chat) == ["parked"]


def test_what_was_resumed_in_time_is_not_told_of(business: int, shop: int, chat: int) -> None:
    services.pause_webhook(MARIE, shop, NOON)
    sell(business, NOON)
    services.resume_webhook(MARIE, shop, NOON + DAY, wake=silent)
    pass_by(NOON + DAY)
    pass_by(NOON + KEEP)
    assert (told(), awaited().look_at) == ([], None)


def test_a_paused_webhook_is_told_when_it_is_resumed(business: int, shop: int, chat: int) -> None:
    services.pause_webhook(MARIE, chat, NOON)
    fails(business, shop, NOON, ONCE)
    pass_by(NOON)
    assert chat not in {each.webhook_id for each in waiting_webhooks(NOON + DAY)}
    services.resume_webhook(MARIE, chat, NOON + DAY, wake=silent)
    attempt(chat, OK, NOON + DAY)
    assert kinds(chat) == ["failing"]


def test_an_alert_that_was_claimed_when_its_webhook_was_paused_is_not_sent(
    business: int, shop: int, chat: int
) -> None:
    fails(business, shop, NOON, ONCE)
    pass_by(NOON)
    claims = leases.claim({chat: 1}, SCHEDULE, NOON)
    assert last_look.still_sendable(claims) == [True]
    services.pause_webhook(MARIE, chat, NOON)
    assert last_look.still_sendable(claims) == [False]


def test_each_hears_it_in_its_format_and_language_whatever_its_conditions(
    business: int, shop: int, vault: Vault
) -> None:
    chosen: Chosen = {
        "alerts": True,
        "format": Format.CHAT,
        "language": Language.DUTCH,
        "only": ["a exists"],
    }
    slack = add_webhook(vault, business, "https://hooks.slack.com/x", now=NOON, chosen=chosen).id
    fails(business, shop, NOON, ONCE)
    pass_by(NOON)
    [delivery] = Delivery.select().where(Delivery.webhook == slack)
    assert "…1234 faalt · al 1 min niets aanvaard" in json.loads(bytes(delivery.body))["text"]
    assert queries.deliveries(MARIE, slack)[0].what == "alert"


def test_another_business_is_told_nothing_nor_one_that_is_switched_off(
    business: int, shop: int, chat: int
) -> None:
    fails(business, shop, NOON, ONCE)
    with transaction():
        Business.update(edition="boutique").execute()
    pass_by(NOON)
    assert (told(), awaited().look_at) == ([], NOON + HOUR)
    with transaction():
        Business.update(option=True).execute()
    pass_by(NOON + HOUR)
    assert kinds(chat) == ["failing"], "which it still is"


def test_a_deleted_webhook_is_not_looked_at(business: int, shop: int, chat: int) -> None:
    fails(business, shop, NOON, ONCE)
    services.delete_webhook(MARIE, shop, NOON)
    assert awaited().look_at is None
    Webhook.update(look_at=NOON).execute()  # by an attempt that was in flight
    pass_by(NOON)
    assert (told(), awaited().look_at) == ([], None)


def test_a_message_and_that_it_was_told_are_written_together_or_not_at_all(
    business: int, shop: int, chat: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(business, shop, NOON, ONCE)

    def die(_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(alerts, "passed", die)
        with pytest.raises(ZeroDivisionError):
            tell_some(KEEP, NOON)
    assert (told(), awaited().look_at) == ([], NOON)
    pass_by(NOON)
    assert kinds(chat) == ["failing"]


def test_many_at_once_are_told_in_portions_and_each_once(
    business: int, chat: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "_AT_ONCE", 2)
    shops = [add_webhook(vault, business, now=NOON).id for _ in range(5)]
    sell(business, NOON)
    for webhook in shops:
        attempt(webhook, BROKEN, NOON, ONCE)
    assert [tell_some(KEEP, NOON) for _ in range(4)] == [True, True, True, False]
    assert sorted(each["webhook"]["id"] for each in told(chat)) == shops
