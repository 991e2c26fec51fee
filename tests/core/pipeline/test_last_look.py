"""What the tables say right before something is sent: on both engines."""

from core.pipeline import last_look, leases
from core.pipeline.fan_out import fan_out
from core.storage.vault import Vault
from core.use_cases import services
from tests.support.scene import (
    MARIE,
    NOON,
    SCHEDULE,
    add_webhook,
    publish_ticket,
)


def test_a_claim_is_sendable_until_its_webhook_changes(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON)
    claims = leases.claim({webhook.id: 16}, SCHEDULE, NOON)
    assert last_look.still_sendable(claims) == [True]
    services.regenerate_secret(MARIE, webhook.id, NOON, vault=vault)
    assert last_look.still_sendable(claims) == [False]
