"""What is found by the name that a person has for it, on both engines."""

import pytest

from core.domain.actors import Actor
from core.domain.delivery import Answered, Status
from core.domain.language import Language
from core.errors import BadInput, NotAllowed
from core.intake import publish
from core.pipeline import leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.settling import Settlement
from core.storage.database import transaction
from core.storage.models import Delivery
from core.storage.vault import Vault
from core.use_cases import queries
from core.use_cases.businesses import add_business, add_member, set_business
from core.use_cases.finding import FOUND_AT_MOST, FoundEvent, find
from core.use_cases.services import delete_webhook
from tests.support.scene import (
    MARIE,
    NOON,
    OPERATOR,
    SCHEDULE,
    SECOND,
    add_webhook,
    publish_ticket,
    silent,
)

TICKET = b'{"numero": "4711", "total_tvac": 55.10}'


def publish_and_fan_out(business: int, payload: bytes = TICKET, key: str | None = None) -> int:
    published = publish(business, "ticket.created", payload, NOON, key=key, wake=silent)
    fan_out(100, NOON)
    assert published.event_id is not None
    return published.event_id


def ids(events: list[FoundEvent]) -> list[int]:
    return [event.id for event in events]


@pytest.fixture
def event(business: int, vault: Vault) -> int:
    """A ticket that went to two webhooks and arrived at the first."""
    first, _ = add_webhook(vault, business), add_webhook(vault, business)
    event_id = publish_and_fan_out(business, key="till 1: 4711")
    claims = leases.claim({first.id: 1}, SCHEDULE, NOON)
    settling.settle([Settlement(claims[0], Answered(200, ""), NOON, SECOND)], SCHEDULE, NOON)
    return event_id


def test_a_ticket_is_found_and_where_it_went(business: int, event: int) -> None:
    [found] = find(MARIE, business, "4711")
    assert (found.id, found.subject, found.created_at) == (event, "4711", NOON)
    assert found.headline.said_in(Language.ENGLISH).startswith("Ticket 4711")
    assert [to.webhook.id for to in found.deliveries] == [1, 2]
    assert [to.delivery.status for to in found.deliveries] == [Status.DELIVERED, Status.PENDING]


def test_it_has_other_names_too(business: int, event: int) -> None:
    found = find(MARIE, business, "4711")
    uuids = [str(to.delivery.uuid) for to in found[0].deliveries]
    for name in (
        *(" 4711 ", "till 1: 4711", str(event)),
        *(uuids[0], uuids[1].upper(), uuids[0].replace("-", ""), uuids[0][:13]),
    ):
        assert find(MARIE, business, name) == found, name


@pytest.mark.parametrize(
    "name",
    [
        *("471", "47110", "Ticket 4711", "%", "4711' OR 1=1 --", "a\0b", "\ud800", "0", "-1"),
        *("9" * 30, "0" * 13, "f" * 32, "zzzzzzzz-zzzz", "٤٧١١"),
    ],
)
def test_nothing_else_is(business: int, event: int, name: str) -> None:
    assert find(MARIE, business, name) == []


@pytest.mark.parametrize("name", ["", " ", "\n"])
def test_something_has_to_be_looked_for(business: int, name: str) -> None:
    with pytest.raises(BadInput, match="Say what to look for"):
        find(MARIE, business, name)


def test_those_with_the_subject_come_before_what_has_it_as_its_number(
    business: int, vault: Vault
) -> None:
    add_webhook(vault, business)
    first = publish_and_fan_out(business)
    publish_and_fan_out(business, b'{"numero": %d}' % first)
    again = publish_and_fan_out(business, b'{"numero": "%d"}' % first)
    assert ids(find(MARIE, business, str(first))) == [again, again - 1, first]


def test_of_many_the_newest_are_found(business: int) -> None:
    made = [publish_ticket(business, payload=b'{"id": 88}') for _ in range(FOUND_AT_MOST + 2)]
    assert ids(find(MARIE, business, "88")) == made[:1:-1]


def test_another_business_s_is_not_found(business: int, event: int) -> None:
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    [found] = find(MARIE, business, "4711")
    uuid = str(found.deliveries[0].delivery.uuid)
    for name in ("4711", "till 1: 4711", str(event), uuid, uuid[:13]):
        assert find(Actor("paul", "test"), other, name) == []


def test_an_event_that_waits_in_the_outbox_says_so(business: int) -> None:
    publish_ticket(business, payload=TICKET)
    [waiting] = find(MARIE, business, "4711")
    assert (waiting.is_fanned_out, waiting.deliveries) == (False, ())
    fan_out(1, NOON)
    [nowhere] = find(MARIE, business, "4711")
    assert (nowhere.is_fanned_out, nowhere.deliveries) == (True, ())


def test_a_deleted_webhook_is_nowhere(business: int, event: int) -> None:
    [found] = find(MARIE, business, "4711")
    delete_webhook(MARIE, 1, NOON)
    [left] = find(MARIE, business, "4711")
    assert [to.webhook.id for to in left.deliveries] == [2]
    assert find(MARIE, business, str(found.deliveries[0].delivery.uuid)) == []


def test_without_the_option_it_can_still_be_looked_for(business: int, event: int) -> None:
    set_business(OPERATOR, business, NOON, edition="express")
    assert ids(find(MARIE, business, "4711")) == [event]


def test_a_large_payload_is_named_by_its_subject_alone(business: int, vault: Vault) -> None:
    add_webhook(vault, business)
    lines = b",".join([b'{"nom": "Pizza"}'] * 1000)
    publish_and_fan_out(business, b'{"numero": "1", "total_tvac": 5, "lignes": [%s]}' % lines)
    [found] = find(MARIE, business, "1")
    assert found.headline == found.deliveries[0].delivery.headline
    assert found.headline.said_in(Language.ENGLISH) == "Ticket 1"
    publish_and_fan_out(business, b'{"numero": "2", "total_tvac": 5}')
    of_two = find(MARIE, business, "2")[0].headline
    assert of_two.said_in(Language.ENGLISH) == "Ticket 2 · 5 €"
    assert of_two.said_in(Language.DUTCH) == "Ticket 2 · € 5"


def test_what_was_pruned_is_not_found(business: int, event: int) -> None:
    with transaction():
        Delivery.delete().execute()
    assert queries.deliveries_of_business(MARIE, business) == []
    [found] = find(MARIE, business, "4711")
    assert found.deliveries == ()


def test_only_an_owner_may_look(business: int, event: int) -> None:
    add_member(OPERATOR, business, "paul", "staff", NOON)
    with pytest.raises(NotAllowed, match="Only an owner"):
        find(Actor("paul", "test"), business, "4711")
