"""What conditions would have done is told before they are saved, and what they did afterwards."""

from datetime import timedelta

import pytest

from core.domain.events import EventType
from core.errors import BadInput
from core.pipeline.fan_out import fan_out
from core.pipeline.retention import prune
from core.storage.kept_back import kept_back_since
from core.storage.models import KeptBack
from core.storage.vault import Vault
from core.use_cases import services, trials
from core.use_cases.trials import Silenced, Trial, kept_back, silenced_webhooks, try_conditions
from tests.support.scene import (
    DAY,
    MARIE,
    MINUTE,
    NOON,
    add_webhook,
    publish_ticket,
    silent,
)

CREATED = EventType.TICKET_CREATED
HOUR = 60 * MINUTE


def tickets(business: int, *totals: int) -> None:
    for total in totals:
        publish_ticket(business, payload=b'{"total_tvac": %d}' % total)


def test_conditions_are_tried_on_the_latest_events_of_the_selected_types(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = add_webhook(vault, business)
    tickets(business, 50, 99, 100, 101)
    services.send_test(MARIE, webhook.id, NOON, wake=silent)
    over_100 = ["total_tvac >= 100"]
    assert try_conditions(MARIE, business, [CREATED], over_100) == Trial(4, 2)
    assert try_conditions(MARIE, business, [CREATED], []) == Trial(4, 4)
    assert try_conditions(MARIE, business, [EventType.CLIENT_CREATED], over_100) == Trial(0, 0)
    monkeypatch.setattr(trials, "TRIED_ON", 3)
    assert try_conditions(MARIE, business, [CREATED], over_100) == Trial(3, 2)
    with pytest.raises(BadInput, match="no condition"):
        try_conditions(MARIE, business, [CREATED], ["total_tvac"])


def test_what_is_kept_back_is_counted_by_the_hour(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business, chosen={"only": ["total_tvac >= 100"]})
    other = add_webhook(vault, business)
    for now, totals in ((NOON, (1, 2, 300)), (NOON + MINUTE, (3,)), (NOON + HOUR, (4, 5))):
        tickets(business, *totals)
        fan_out(100, now)
    rows = KeptBack.select(KeptBack.webhook, KeptBack.hour, KeptBack.events).tuples()
    assert sorted(rows) == [(webhook.id, NOON, 3), (webhook.id, NOON + HOUR, 2)]
    assert kept_back(MARIE, webhook.id, NOON - DAY) == 5
    assert kept_back(MARIE, webhook.id, NOON + MINUTE) == 2
    assert kept_back(MARIE, other.id, NOON - DAY) == 0


def test_counts_are_forgotten_with_the_history_and_with_their_webhook(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business, chosen={"only": ["total_tvac >= 100"]})
    for now in (NOON, NOON + 2 * DAY):
        tickets(business, 1)
        fan_out(100, now)
    prune(NOON + DAY, NOON + 3 * DAY)
    assert kept_back_since(webhook.id, NOON - timedelta(days=9)) == 1
    services.delete_webhook(MARIE, webhook.id, NOON)
    prune(NOON + DAY, NOON + 3 * DAY)
    assert not KeptBack.select().exists()


def test_webhooks_that_got_nothing_for_their_conditions_are_named(
    business: int, vault: Vault
) -> None:
    choosy = add_webhook(vault, business, chosen={"only": ["total_tvac >= 100"]})
    add_webhook(vault, business)
    tickets(business, 1, 2)
    fan_out(100, NOON)
    assert silenced_webhooks(NOON - DAY) == [Silenced(choosy.id, 2)]
    assert silenced_webhooks(NOON + HOUR) == []
    tickets(business, 100)
    fan_out(100, NOON + MINUTE)
    assert silenced_webhooks(NOON - DAY) == []
    tickets(business, 3)
    fan_out(100, NOON + 2 * DAY)
    assert silenced_webhooks(NOON + DAY) == [Silenced(choosy.id, 1)]
    services.delete_webhook(MARIE, choosy.id, NOON)
    assert silenced_webhooks(NOON + DAY) == []
