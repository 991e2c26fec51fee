"""An id stands for one thing for ever: trails, screens left open and scripts hold on to them."""

from datetime import timedelta

from scene import MARIE, NOON, add_webhook, publish_ticket

from core import outbox, services
from core.models import Delivery
from core.retention import prune
from core.vault import Vault


def test_a_pruned_webhook_s_id_is_not_given_to_another(business: int, vault: Vault) -> None:
    first = add_webhook(vault, business)
    services.delete_webhook(MARIE, first.id, NOON)
    prune(NOON, NOON)
    assert add_webhook(vault, business).id != first.id


def test_pruned_events_and_deliveries_do_not_give_their_ids_to_others(
    business: int, vault: Vault
) -> None:
    first = add_webhook(vault, business)
    event = publish_ticket(business)
    outbox.fan_out(500, NOON)
    delivery = Delivery.get().id
    services.delete_webhook(MARIE, first.id, NOON)
    prune(NOON + timedelta(days=1), NOON)
    add_webhook(vault, business)
    assert publish_ticket(business) != event
    outbox.fan_out(500, NOON)
    assert Delivery.get().id != delivery
