"""What is due is leased, and given back: on both engines."""

from datetime import datetime

import pytest
from peewee import SQL

from core.domain.delivery import (
    INTERRUPTIONS_LIMIT,
    Answered,
    ErrorKind,
    Outcome,
    Status,
    Unreachable,
)
from core.domain.events import EventType
from core.domain.signing import wire_time
from core.pipeline import last_look, leases, settling
from core.pipeline.fan_out import FannedOut, fan_out
from core.pipeline.leases import LEASE, Claim
from core.pipeline.settling import Settlement
from core.storage.database import proxy, transaction
from core.storage.due import next_due, waiting_webhooks
from core.storage.models import Attempt, Delivery, Event
from core.storage.vault import Vault
from core.use_cases import queries, services
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
    make_due,
    only_delivery,
    publish_ticket,
    silent,
)

OK = Answered(200, "thanks")
BROKEN = Answered(500, "oops")


def fan_out_all(now: datetime = NOON) -> FannedOut:
    return fan_out(500, now)


def claim(webhook_id: int, room: int = 16, now: datetime = NOON) -> list[Claim]:
    return leases.claim({webhook_id: room}, SCHEDULE, now)


def settle(claims: list[Claim], outcome: Outcome, now: datetime = NOON) -> int:
    settlements = [Settlement(each, outcome, now, SECOND) for each in claims]
    return len(settling.settle(settlements, SCHEDULE, now))


def test_an_event_becomes_one_delivery_for_each_webhook_that_selected_it(
    business: int, vault: Vault
) -> None:
    wants = add_webhook(vault, business)
    other = add_webhook(vault, business, events=(EventType.CLIENT_CREATED,))
    publish_ticket(business)
    assert fan_out_all() == FannedOut(events=1, deliveries=1)
    assert only_delivery(wants.id).status is Status.PENDING
    assert queries.deliveries(MARIE, other.id) == []


def test_an_event_is_fanned_out_once(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out_all()
    assert fan_out_all() == FannedOut(0, 0)
    assert len(queries.deliveries(MARIE, webhook.id)) == 1


def test_an_event_of_another_business_is_not_delivered(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    publish_ticket(other)
    fan_out_all()
    assert queries.deliveries(MARIE, webhook.id) == []


def test_a_webhook_gets_no_event_committed_before_it_was_created(
    business: int, vault: Vault
) -> None:
    publish_ticket(business)
    webhook = add_webhook(vault, business, now=NOON)
    publish_ticket(business)
    fan_out_all()
    assert len(queries.deliveries(MARIE, webhook.id)) == 1


def test_a_ping_goes_to_its_webhook_alone_whatever_it_selected(business: int, vault: Vault) -> None:
    tested = add_webhook(vault, business, events=(EventType.CLIENT_CREATED,))
    other = add_webhook(vault, business)
    services.send_test(MARIE, tested.id, NOON, wake=silent)
    fan_out_all()
    assert only_delivery(tested.id).event is EventType.PING
    assert queries.deliveries(MARIE, other.id) == []


def test_claims_are_disjoint_and_leased(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    for _ in range(5):
        publish_ticket(business)
    fan_out_all()
    first, second = claim(webhook.id, room=3), claim(webhook.id, room=3)
    assert (len(first), len(second)) == (3, 2)
    assert not {each.id for each in first} & {each.id for each in second}
    assert claim(webhook.id) == []


def test_a_claim_takes_no_more_of_a_webhook_than_there_is_room_for(
    business: int, vault: Vault
) -> None:
    one, two = add_webhook(vault, business), add_webhook(vault, business)
    for _ in range(4):
        publish_ticket(business)
    fan_out_all()
    claims = leases.claim({one.id: 1, two.id: 3}, SCHEDULE, NOON)
    assert sorted(each.webhook_id for each in claims) == [one.id, two.id, two.id, two.id]


def test_a_claim_carries_what_is_to_be_sent(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business, payload=b'{"n": 1.10}')
    fan_out_all()
    [claimed] = claim(webhook.id)
    assert (claimed.payload, claimed.url, claimed.attempt) == (b'{"n": 1.10}', webhook.url, 1)
    assert vault.open(claimed.sealed_secret, business, webhook.id) == webhook.secret
    assert claimed.created_at == wire_time(NOON)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)  # the other has types
@pytest.mark.parametrize("damage", [{"uuid": SQL("'no id'")}, {"resume_at": SQL("'never'")}])
def test_what_cannot_be_read_ends_its_own_delivery(
    business: int, vault: Vault, damage: dict[str, SQL]
) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out_all()
    with transaction():
        Delivery.update(damage).execute()
    assert claim(webhook.id) == []
    assert Delivery.select(Delivery.status).get().status == Status.ABANDONED
    assert Attempt.get().error == ErrorKind.CORRUPT


def test_what_cannot_be_read_ends_its_own_delivery_and_no_claim(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    broken, whole = publish_ticket(business), publish_ticket(business)
    fan_out_all()
    with transaction():
        Event.update(created_at=SQL(str(2**62))).where(Event.id == broken).execute()
    [claimed] = claim(webhook.id)
    rows = dict(Delivery.select(Delivery.event, Delivery.status).tuples())
    assert rows == {broken: Status.ABANDONED, whole: Status.PENDING}
    assert Attempt.get().error == ErrorKind.CORRUPT
    assert settle([claimed], OK) == 1


def test_an_id_that_was_stored_in_another_way_is_told_like_any_other(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out_all()
    with transaction():
        Delivery.update(uuid=SQL("'019E34A14A1B7D2E9F000123456789AB'")).execute()
    [claimed] = claim(webhook.id)
    assert claimed.uuid == "019e34a1-4a1b-7d2e-9f00-0123456789ab"


def test_a_delivery_is_not_claimed_before_it_is_due(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out_all()
    settle(claim(webhook.id), BROKEN)
    assert claim(webhook.id, now=NOON + MINUTE - SECOND) == []
    assert len(claim(webhook.id, now=NOON + MINUTE)) == 1


def test_an_expired_lease_is_claimed_again_without_using_up_an_attempt(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out_all()
    claim(webhook.id)
    assert claim(webhook.id, now=NOON + LEASE - SECOND) == []
    [again] = claim(webhook.id, now=NOON + LEASE)
    assert again.attempt == 1
    detail = queries.delivery(MARIE, again.uuid)
    assert [attempt.error for attempt in detail.attempts] == [ErrorKind.INTERRUPTED]
    assert detail.delivery.attempts == 0


def test_what_a_long_pass_fans_out_is_made_now_and_due_in_it(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON, lambda: NOON + MINUTE)
    row = Delivery.get()
    assert (row.created_at, row.event.fanned_out_at) == (NOON + MINUTE, NOON + MINUTE)
    assert len(claim(webhook.id, now=NOON)) == 1


def test_a_lease_runs_from_when_it_was_our_turn_to_write(business: int, vault: Vault) -> None:
    """Not from when the pass began: a `tick` with much to do takes minutes."""
    webhook, moment = add_webhook(vault, business), NOON + MINUTE
    publish_ticket(business)
    fan_out_all()

    def clock() -> datetime:
        assert proxy.in_transaction()
        return moment

    [claimed] = leases.claim({webhook.id: 1}, SCHEDULE, NOON, clock)
    assert claim(webhook.id, now=moment + LEASE - SECOND) == []
    [again] = claim(webhook.id, now=moment + LEASE)
    assert again.id == claimed.id


def test_a_lease_that_ran_out_days_ago_is_claimed_again(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out_all()
    claim(webhook.id)
    assert len(claim(webhook.id, now=NOON + 3 * DAY)) == 1


def test_a_delivery_that_keeps_killing_its_worker_is_abandoned(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out_all()
    now = NOON
    for _ in range(INTERRUPTIONS_LIMIT + 1):
        assert claim(webhook.id, now=now)
        now += LEASE
    assert claim(webhook.id, now=now) == []
    row = only_delivery(webhook.id)
    assert (row.status, row.error) == (Status.ABANDONED, ErrorKind.INTERRUPTED)


def test_what_is_given_back_is_as_if_it_had_not_been_claimed(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    for _ in range(3):
        publish_ticket(business)
    fan_out_all()
    ended, lost, kept = claim(webhook.id)
    settle([ended], OK)
    make_due(NOON, Delivery.id == lost.id)
    [claimed_since] = claim(webhook.id)
    now = NOON + 2 * SECOND
    assert leases.give_back([ended, lost, kept], now) == 1
    [again] = claim(webhook.id, now=now)
    assert (again.id, again.attempt, again.interruptions) == (kept.id, 1, 0)
    assert settle([claimed_since, again], OK, now) == 2
    assert [
        row[0] for row in Attempt.select(Attempt.error).where(Attempt.delivery == kept.id).tuples()
    ] == [None]


@pytest.mark.fault(40, "clock ahead by 40 s, or by a year")
def test_what_is_in_flight_here_is_not_claimed_though_the_clock_leapt(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    publish_ticket(business)
    fan_out_all()
    [in_flight] = claim(webhook.id, room=1)
    later = NOON + LEASE + 10 * SECOND
    claims = leases.claim({webhook.id: 16}, SCHEDULE, later, held={in_flight.id})
    assert [each.id for each in claims] != [in_flight.id]
    assert len(claims) == 1
    assert settle([in_flight], Unreachable(ErrorKind.TIMEOUT, "no answer"), later) == 1


def test_nothing_of_a_deleted_webhook_is_waiting_or_settled(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    publish_ticket(business)
    fan_out_all()
    in_flight = claim(webhook.id, room=1)
    services.delete_webhook(MARIE, webhook.id, NOON)
    assert waiting_webhooks(NOON + DAY) == []
    assert next_due(NOON) is None
    assert claim(webhook.id) == []
    assert not any(last_look.still_sendable(in_flight))


def test_a_business_whose_option_is_off_waits_and_goes_on(vault: Vault, database: str) -> None:
    shop = add_business(OPERATOR, "Boutique", "boutique", "marie", NOON, option=True)
    webhook = add_webhook(vault, shop)
    publish_ticket(shop)
    fan_out_all()
    publish_ticket(shop)
    set_business(OPERATOR, shop, NOON, option=False)
    assert waiting_webhooks(NOON + DAY) == []
    assert next_due(NOON) is None
    assert fan_out_all() == FannedOut(0, 0)
    set_business(OPERATOR, shop, NOON, option=True)
    assert [each.webhook_id for each in waiting_webhooks(NOON)] == [webhook.id]
    assert fan_out_all() == FannedOut(1, 1)


def test_webhooks_with_something_due_come_longest_first_and_no_others(
    business: int, vault: Vault
) -> None:
    early, late = add_webhook(vault, business), None
    publish_ticket(business)
    fan_out_all()
    late = add_webhook(vault, business)
    publish_ticket(business)
    fan_out_all(NOON + MINUTE)
    assert [(each.webhook_id, each.ready_at) for each in waiting_webhooks(NOON + MINUTE)] == [
        (early.id, NOON),
        (late.id, NOON + MINUTE),
    ]
    assert [each.webhook_id for each in waiting_webhooks(NOON)] == [early.id]
    assert next_due(NOON) == NOON


def test_redelivering_a_settled_delivery_starts_a_whole_schedule_again(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out_all()
    [first] = claim(webhook.id)
    settle([first], OK)
    services.redeliver(MARIE, str(first.uuid), NOON + MINUTE, wake=silent)
    [again] = claim(webhook.id, now=NOON + MINUTE)
    assert (again.uuid, again.attempt) == (first.uuid, 1)


def test_recover_queues_again_what_was_abandoned_since_and_nothing_else(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    for now in (NOON - DAY, NOON, NOON):
        publish_ticket(business, now)
        fan_out_all(now)
    with transaction():
        Delivery.update(
            status=Status.ABANDONED, due_at=None, settled_at=Delivery.created_at
        ).execute()
    settled = Delivery.select().order_by(Delivery.id.desc()).first()
    with transaction():
        Delivery.update(status=Status.DELIVERED).where(Delivery.id == settled.id).execute()
    assert services.recover(MARIE, business, NOON, NOON + MINUTE, wake=silent) == 1
    assert len(claim(webhook.id, now=NOON + MINUTE)) == 1


@pytest.mark.parametrize("room", [0, 3])
def test_a_claim_for_nobody_is_empty(business: int, room: int) -> None:
    assert leases.claim({1: room}, SCHEDULE, NOON) == []
    assert leases.claim({}, SCHEDULE, NOON) == []
