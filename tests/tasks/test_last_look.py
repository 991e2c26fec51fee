"""The question asked just before the first byte leaves, for many attempts at once."""

import asyncio

from scene import MARIE, NOON, SCHEDULE, add_webhook, publish_ticket

from core import outbox, services
from core.outbox import LEASE, Claim
from core.vault import Vault
from tasks.last_look import LastLooks


def may_send(claims: list[Claim]) -> list[bool]:
    async def ask() -> list[bool]:
        looks = LastLooks(lambda asked: asyncio.to_thread(outbox.still_sendable, asked))
        return await asyncio.gather(*map(looks.may_send, claims))

    return asyncio.run(ask())


def test_a_claim_on_old_terms_is_not_sent_because_a_newer_one_of_its_delivery_is(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    outbox.fan_out(500, NOON)
    [old] = outbox.claim({webhook.id: 1}, SCHEDULE, NOON)
    services.regenerate_secret(MARIE, webhook.id, NOON, vault=vault)
    [new] = outbox.claim({webhook.id: 1}, SCHEDULE, NOON + LEASE)
    assert may_send([old]) == [False]
    assert may_send([old, new]) == [False, True]
