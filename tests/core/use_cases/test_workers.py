"""What is known about the workers and what waits for them."""

from core.pipeline.fan_out import fan_out
from core.storage.database import transaction
from core.storage.models import Delivery
from core.storage.vault import Vault
from core.use_cases import services, workers
from core.use_cases.businesses import set_business
from tests.support.scene import (
    DAY,
    MARIE,
    MINUTE,
    NOON,
    OPERATOR,
    SECOND,
    add_webhook,
    publish_ticket,
)


def test_what_has_waited_longest_is_only_what_may_be_sent_and_is_due(
    business: int, vault: Vault
) -> None:
    assert workers.waiting_since(NOON) is None
    webhook = add_webhook(vault, business)
    for number in range(2):
        publish_ticket(business, NOON + number * SECOND)
    fan_out(2, NOON)
    assert workers.waiting_since(NOON - SECOND) is None
    assert workers.waiting_since(NOON + DAY) == NOON
    with transaction():
        Delivery.update(due_at=NOON + MINUTE).where(Delivery.id == 1).execute()
    assert workers.waiting_since(NOON + DAY) == NOON
    set_business(OPERATOR, business, NOON, edition="express")
    assert workers.waiting_since(NOON + DAY) is None
    set_business(OPERATOR, business, NOON, edition="group")
    services.delete_webhook(MARIE, webhook.id, NOON)
    assert workers.waiting_since(NOON + DAY) is None


def test_no_tick_is_told_from_a_tick(database: str) -> None:
    assert workers.last_tick() is None
