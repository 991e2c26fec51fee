"""No business sees another's: every service and query, called with the other's ids, refuses.

The list is generated, so that a new one that takes an actor cannot be forgotten here.
"""

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from core.domain.actors import Actor
from core.domain.checking import Ping
from core.domain.events import EventType
from core.domain.language import Language
from core.errors import NotFound
from core.pipeline.fan_out import fan_out
from core.storage.vault import Vault
from core.use_cases import (
    checking,
    export,
    finding,
    mail,
    membership,
    queries,
    services,
    trials,
    webhook_health,
)
from core.use_cases.businesses import add_business
from core.use_cases.checking import Check
from core.use_cases.export import Span
from tests.support.scene import DEVELOPMENT, NOON, OPERATOR, add_webhook, publish_ticket, silent

PAUL = Actor("paul", "test")
NOBODYS = "7f3a1c52-0000-0000-0000-000000000000"
HARMLESS = {"businesses"}
"""Called without an id: it lists what is the actor's own, which is tested below."""


def asking_for_an_actor() -> dict[str, Callable[..., Any]]:
    return {
        name: function
        for module in (services, queries, webhook_health, checking, finding, export, trials, mail)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and "actor" in inspect.signature(function).parameters
    }


@pytest.mark.parametrize("name", sorted(asking_for_an_actor().keys() - HARMLESS))
def test_the_others_ids_are_refused_as_if_they_were_none(
    business: int, vault: Vault, name: str
) -> None:
    add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(1, NOON)
    [delivery] = queries.deliveries(OPERATOR, webhook.id)
    theirs = {
        "actor": PAUL,
        "business_id": business,
        "webhook_id": webhook.id,
        "webhook_ids": [webhook.id],
        "event_id": 1,
        "delivery_uuid": str(delivery.uuid),
        "url": "https://example.com/",
        "event_type": EventType.PROMOTION_CREATED,
        "events": [EventType.PROMOTION_CREATED],
        "now": NOON,
        "since": NOON,
        "policy": DEVELOPMENT,
        "vault": vault,
        "wake": silent,
        "limit": 1,
        "at_most": 1,
        "wanted": queries.ALL,
        "before": None,
        "after": None,
        "business_ids": [business],
        "span": Span(after=0),
        "check": silent,
        "seen": None,
        "chosen": {},
        "open_vault": lambda: vault,
        "text": "1",
        "address": "paul@example.com",
        "language": Language.ENGLISH,
        "code": "123456",
        "only": [],
        "which": [],
        "under_way": Check(webhook.id, {Ping.GOOD: 1}),
    }
    nobodys = theirs | {
        "business_id": 77,
        "business_ids": [77],
        "webhook_id": 77,
        "webhook_ids": [77],
        "under_way": Check(77, {Ping.GOOD: 1}),
        "delivery_uuid": NOBODYS,
    }
    assert refusal(name, theirs) == refusal(name, nobodys)


def refusal(name: str, values: dict[str, object]) -> str:
    """What a function says to these, without the id it says it of."""
    function = asking_for_an_actor()[name]
    asked = {each: values[each] for each in inspect.signature(function).parameters}
    with pytest.raises(NotFound) as refused:
        function(**asked)
    sentence = str(refused.value)
    for id_name in ("delivery_uuid", "webhook_id", "business_id"):
        sentence = sentence.replace(f" {values[id_name]} ", " ID ")
    assert " ID " in sentence
    return sentence


def test_the_modules_have_something_to_refuse() -> None:
    assert len(asking_for_an_actor()) >= 12


def test_an_owner_s_businesses_are_those_it_owns(business: int) -> None:
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    assert [row.id for row in membership.businesses(PAUL)] == [other]
    assert [row.id for row in membership.businesses(OPERATOR)] == [business, other]
