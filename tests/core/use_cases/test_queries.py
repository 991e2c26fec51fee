"""What the screens and listings read, on both engines."""

import json
from datetime import timedelta
from typing import Any

import pytest

from core.domain.actors import Actor
from core.domain.delivery import Answered, ErrorKind, Outcome, Status, Unreachable
from core.domain.events import SELECTABLE, EventType
from core.errors import NotAllowed, NotFound
from core.intake import publish
from core.pipeline import leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.settling import Settlement
from core.storage.database import transaction
from core.storage.models import Delivery
from core.storage.vault import Vault
from core.use_cases import membership, queries, services
from core.use_cases.businesses import add_business, add_member, set_business
from core.use_cases.queries import HISTORY_LENGTH, UNDELIVERED, Wanted
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

MISSING = "7f3a1c52-0000-0000-0000-000000000000"


def attempt(webhook_id: int, outcome: Outcome, now: timedelta = timedelta()) -> None:
    """One attempt of everything that is due, so long after noon."""
    at = NOON + now
    claims = leases.claim({webhook_id: 100}, SCHEDULE, at)
    settling.settle([Settlement(each, outcome, at, SECOND) for each in claims], SCHEDULE, at)


def queue_tickets(business_id: int, count: int = 1) -> None:
    with transaction():
        for number in range(count):
            publish_ticket(business_id, NOON + number * SECOND)
    fan_out(count, NOON)


def test_a_webhook_s_row_is_what_was_asked_for_in_the_products_order(
    business: int, vault: Vault
) -> None:
    new = add_webhook(vault, business, events=tuple(reversed(SELECTABLE)))
    row = queries.webhook(MARIE, new.id)
    assert (row.business_id, row.url, row.created_at) == (business, new.url, NOON)
    assert row.events == SELECTABLE
    assert new.secret.reveal() not in repr(row)


def test_webhooks_come_in_the_order_of_their_creation_without_the_deleted(
    business: int, vault: Vault
) -> None:
    first, gone, last = (add_webhook(vault, business) for _ in range(3))
    services.delete_webhook(MARIE, gone.id, NOON)
    assert [row.id for row in queries.webhooks(MARIE, business)] == [first.id, last.id]
    with pytest.raises(NotFound):
        queries.webhook(MARIE, gone.id)


def test_a_waiting_delivery_says_when_it_is_due(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    queue_tickets(business)
    row = only_delivery(webhook.id)
    assert (row.status, row.attempts, row.next_attempt_at) == (Status.PENDING, 0, NOON)
    assert (row.http_status, row.error, row.response) == (None, None, "")
    assert (row.event, row.created_at) == (EventType.TICKET_CREATED, NOON)


def test_a_delivery_shows_its_last_attempt(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    queue_tickets(business)
    attempt(webhook.id, Answered(500, "first"))
    attempt(webhook.id, Unreachable(ErrorKind.DNS, "no such name"), MINUTE)
    row = only_delivery(webhook.id)
    assert (row.status, row.attempts) == (Status.FAILED, 2)
    assert (row.http_status, row.error, row.detail, row.response) == (
        None,
        ErrorKind.DNS,
        "no such name",
        "",
    )
    assert row.next_attempt_at == NOON + 6 * MINUTE


def test_each_delivery_shows_the_last_attempt_of_its_own(business: int, vault: Vault) -> None:
    one, two = add_webhook(vault, business), add_webhook(vault, business)
    queue_tickets(business)
    attempt(one.id, Answered(200, "one"))
    attempt(two.id, Answered(404, "two"))
    rows = queries.deliveries_of_business(MARIE, business)
    assert [(row.webhook_id, row.http_status, row.response) for row in rows] == [
        (two.id, 404, "two"),
        (one.id, 200, "one"),
    ]


def test_a_settled_delivery_is_due_at_no_time(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    queue_tickets(business)
    attempt(webhook.id, Answered(204, ""))
    row = only_delivery(webhook.id)
    assert (row.status, row.error, row.next_attempt_at) == (Status.DELIVERED, None, None)


def test_the_history_is_the_50_latest_newest_first(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    queue_tickets(business, HISTORY_LENGTH + 3)
    times = [row.created_at for row in queries.deliveries(MARIE, webhook.id)]
    assert times == [NOON + number * SECOND for number in range(HISTORY_LENGTH + 2, 2, -1)]
    assert HISTORY_LENGTH == 50
    assert len(queries.deliveries(MARIE, webhook.id, 2)) == 2


def test_a_business_s_history_leaves_out_deleted_webhooks_and_other_businesses(
    business: int, vault: Vault
) -> None:
    kept, gone = add_webhook(vault, business), add_webhook(vault, business)
    other = add_business(OPERATOR, "Chez Paul", "group", "marie", NOON)
    add_webhook(vault, other)
    queue_tickets(business)
    queue_tickets(other)
    services.delete_webhook(MARIE, gone.id, NOON)
    rows = queries.deliveries_of_business(MARIE, business)
    assert [row.webhook_id for row in rows] == [kept.id]


def test_a_detail_has_the_bytes_that_are_signed_and_sent(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business, payload='{"t": 55.10, "nom": "é"}'.encode())
    fan_out(1, NOON)
    uuid = only_delivery(webhook.id).uuid
    body = queries.delivery(MARIE, str(uuid)).body
    assert body.endswith('"payload":{"t": 55.10, "nom": "é"}}'.encode())
    assert json.loads(body)["delivery_id"] == str(uuid)


def test_a_detail_has_every_attempt_in_order(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    queue_tickets(business)
    attempt(webhook.id, Answered(302, "moved", "redirects to /"))
    attempt(webhook.id, Answered(200, "ok"), MINUTE)
    detail = queries.delivery(MARIE, str(only_delivery(webhook.id).uuid))
    assert [(each.number, each.http_status, each.error) for each in detail.attempts] == [
        (1, 302, ErrorKind.REDIRECT),
        (2, 200, None),
    ]
    assert [each.started_at for each in detail.attempts] == [NOON, NOON + MINUTE]
    assert {each.duration_us for each in detail.attempts} == {1_000_000}


@pytest.mark.parametrize("uuid", [MISSING, MISSING.upper(), "7", "", "é", "' OR 1=1 --"])
def test_a_delivery_that_is_none_is_not_found(business: int, uuid: str) -> None:
    with pytest.raises(NotFound, match="no delivery"):
        queries.delivery(MARIE, uuid)


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63, 10**30])
def test_an_id_that_is_none_is_not_found_however_large(business: int, number: int) -> None:
    for listing in (queries.webhook, queries.webhooks, queries.deliveries):
        with pytest.raises(NotFound):
            listing(OPERATOR, number)


@pytest.mark.parametrize("role", ["manager", "staff"])
def test_another_role_may_not_even_look(business: int, vault: Vault, role: str) -> None:
    webhook = add_webhook(vault, business)
    add_member(OPERATOR, business, "paul", role, NOON)
    paul = Actor("paul", "test")
    assert membership.businesses(paul) == []
    for look in (
        lambda: queries.webhooks(paul, business),
        lambda: queries.webhook(paul, webhook.id),
        lambda: queries.deliveries(paul, webhook.id),
        lambda: queries.deliveries_of_business(paul, business),
    ):
        with pytest.raises(NotAllowed, match="Only an owner of Chez Marie"):
            look()


def test_without_the_option_webhooks_and_history_can_still_be_seen(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    queue_tickets(business)
    set_business(OPERATOR, business, NOON, edition="express")
    [row] = membership.businesses(MARIE)
    assert not row.included
    assert len(queries.webhooks(MARIE, business)) == 1
    assert len(queries.deliveries(MARIE, webhook.id)) == 1


def test_an_owner_of_two_businesses_is_offered_both(business: int) -> None:
    other = add_business(OPERATOR, "Chez Marie 2", "boutique", "marie", NOON)
    assert [row.id for row in membership.businesses(MARIE)] == [business, other]


def test_a_ping_is_in_the_history_like_any_event(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business, events=(EventType.CLIENT_CREATED,))
    services.send_test(MARIE, webhook.id, NOON, wake=silent)
    fan_out(1, NOON)
    assert only_delivery(webhook.id).event is EventType.PING


@pytest.fixture
def history(business: int, vault: Vault) -> int:
    """A webhook with a customer's change that failed, before sixty tickets that arrived."""
    webhook = add_webhook(vault, business)
    publish(business, EventType.CLIENT_UPDATED, b'{"id": 1}', NOON - DAY, wake=silent)
    fan_out(1, NOON - DAY)
    attempt(webhook.id, Answered(503, "upstream 100% timeout"))
    queue_tickets(business, 60)
    attempt(webhook.id, Answered(200, "fine"))
    return webhook.id


def found(webhook_id: int, **wanted: Any) -> list[tuple[EventType, Status]]:
    rows = queries.deliveries(MARIE, webhook_id, wanted=Wanted(**wanted))
    return [(row.event, row.status) for row in rows]


THE_FAILED = (EventType.CLIENT_UPDATED, Status.FAILED)


@pytest.mark.parametrize(
    "wanted",
    [
        {"statuses": UNDELIVERED},
        {"statuses": frozenset({Status.FAILED})},
        {"event": EventType.CLIENT_UPDATED},
        {"text": "TIMEOUT"},
        {"text": "100% t"},
        {"text": "503"},
        {"text": "client.up"},
        {"text": "failed"},
        {"statuses": UNDELIVERED, "event": EventType.CLIENT_UPDATED, "text": "upstream"},
    ],
)
def test_what_is_wanted_is_found_behind_sixty_others(history: int, wanted: dict[str, Any]) -> None:
    assert found(history, **wanted) == [THE_FAILED]


@pytest.mark.parametrize(
    "wanted",
    [
        {"statuses": frozenset({Status.ABANDONED})},
        {"statuses": frozenset({Status.PENDING})},
        {"event": EventType.PROMOTION_CREATED},
        {"text": "100_"},
        {"statuses": UNDELIVERED, "event": EventType.TICKET_CREATED},
        {"statuses": UNDELIVERED, "since": NOON},
    ],
)
def test_what_is_not_there_is_not_found(history: int, wanted: dict[str, Any]) -> None:
    assert found(history, **wanted) == []


def test_what_was_abandoned_is_undelivered_and_the_newest_comes_first(history: int) -> None:
    second = Delivery.select(Delivery.id).order_by(Delivery.id).offset(5).limit(1).scalar()
    changes = {"status": Status.ABANDONED, "settled_at": NOON}
    Delivery.update(changes).where(Delivery.id == second).execute()
    rows = found(history, statuses=UNDELIVERED)
    assert rows == [(EventType.TICKET_CREATED, Status.ABANDONED), THE_FAILED]


def test_only_the_last_attempt_is_looked_into(history: int) -> None:
    attempt(history, Answered(500, "on fire"), MINUTE)
    assert found(history, text="upstream") == []
    assert found(history, text="on fire") == [THE_FAILED]


def test_older_ones_come_page_by_page(history: int) -> None:
    first = queries.deliveries(MARIE, history)
    second = queries.deliveries(MARIE, history, before=first[-1].id)
    assert (len(first), len(second)) == (50, 11)
    ids = [row.id for row in first + second]
    assert ids == sorted(ids, reverse=True)
    assert queries.deliveries(MARIE, history, before=ids[-1]) == []


def test_a_business_s_pages_are_of_all_its_webhooks(business: int, vault: Vault) -> None:
    """Whichever of them has the newest, and however many it has of them."""
    busy, quiet = add_webhook(vault, business), add_webhook(vault, business)
    queue_tickets(business, 40)
    first = queries.deliveries_of_business(MARIE, business)
    second = queries.deliveries_of_business(MARIE, business, before=first[-1].id)
    ids = [row.id for row in first + second]
    assert ids == sorted(ids, reverse=True)
    assert (len(first), len(second), len(set(ids))) == (50, 30, 80)
    assert {row.webhook_id for row in first} == {busy.id, quiet.id}
    assert queries.deliveries_of_business(MARIE, business, before=ids[-1]) == []


def test_a_search_looks_through_so_many_for_each_page(
    history: int, business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And finds on the way to the end what one that has no end would have found."""
    monkeypatch.setattr(queries, "LOOKED_THROUGH", 20)
    wanted, pages, end = Wanted(text="upstream"), [], queries.horizon(MARIE, history)
    before: int | None = None
    while end is not None:
        pages.append(queries.deliveries(MARIE, history, wanted=wanted, before=before, after=end.id))
        before = end.id + 1
        end = queries.horizon(MARIE, history, before)
    assert pages == [[], [], []]
    [row] = queries.deliveries(MARIE, history, wanted=wanted, before=before)
    assert row.event is EventType.CLIENT_UPDATED
    other = add_webhook(vault, business)
    half = queries.horizon_of_business(MARIE, business)
    assert half is not None
    assert len(queries.deliveries_of_business(MARIE, business, after=half.id)) == 10
    assert queries.horizon(MARIE, other.id) is None


def test_over_a_whole_business_too(history: int, business: int) -> None:
    wanted = Wanted(statuses=UNDELIVERED)
    rows = queries.deliveries_of_business(MARIE, business, wanted=wanted)
    assert [(row.event, row.status) for row in rows] == [THE_FAILED]


def test_recent_events_are_those_of_the_latest_deliveries_of_each_webhook(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_tickets = add_webhook(vault, business, events=SELECTABLE[:1]).id
    of_customers = add_webhook(vault, business, events=SELECTABLE[2:3]).id
    publish(business, EventType.CLIENT_CREATED, b'{"id": 1}', NOON, wake=silent)
    fan_out(1, NOON)
    queue_tickets(business, 2)
    services.send_test(MARIE, of_tickets, NOON, wake=silent)
    fan_out(1, NOON)
    both = [of_customers, of_tickets]
    tickets = [EventType.TICKET_CREATED, EventType.PING]
    assert queries.recent_events(MARIE, business, [of_tickets]) == tickets
    assert set(queries.recent_events(MARIE, business, both)) == {
        *tickets,
        EventType.CLIENT_CREATED,
    }
    monkeypatch.setattr(queries, "_EVENTS_AMONG", 1)
    assert queries.recent_events(MARIE, business, [of_tickets]) == [EventType.PING]
    other = add_business(OPERATOR, "Chez Paul", "group", "marie", NOON)
    assert queries.recent_events(MARIE, other, both) == []
