"""The question asked just before the first byte leaves, for many attempts at once."""

import asyncio

import pytest
from peewee import OperationalError

from core import outbox, services
from core.outbox import LEASE, Claim
from core.vault import Vault
from tasks import last_look
from tasks.last_look import LastLooks
from tests.support.scene import MARIE, NOON, SCHEDULE, add_webhook, publish_ticket
from tests.support.waiting import PATIENCE


def may_send(claims: list[Claim]) -> list[bool]:
    async def ask() -> list[bool]:
        looks = LastLooks(lambda asked: asyncio.to_thread(outbox.still_sendable, asked))
        return await asyncio.gather(*map(looks.may_send, claims))

    return asyncio.run(ask())


def claimed(vault: Vault, business: int) -> Claim:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    outbox.fan_out(500, NOON)
    [claim] = outbox.claim({webhook.id: 1}, SCHEDULE, NOON)
    return claim


def test_a_claim_on_old_terms_is_not_sent_because_a_newer_one_of_its_delivery_is(
    business: int, vault: Vault
) -> None:
    old = claimed(vault, business)
    services.regenerate_secret(MARIE, old.webhook_id, NOON, vault=vault)
    [new] = outbox.claim({old.webhook_id: 1}, SCHEDULE, NOON + LEASE)
    assert may_send([old]) == [False]
    assert may_send([old, new]) == [False, True]


@pytest.mark.parametrize("trouble", [OperationalError("no answer"), RuntimeError("anything else")])
def test_a_look_that_fails_sends_nothing_and_the_next_is_answered(
    business: int, vault: Vault, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_look, "_PAUSE_AFTER_ERROR", 0.0)
    claim, troubles = claimed(vault, business), [trouble]

    async def look(asked: list[Claim]) -> list[bool]:
        if troubles:
            raise troubles.pop()
        return outbox.still_sendable(asked)

    async def ask() -> list[bool]:
        looks = LastLooks(look)
        return [await asyncio.wait_for(looks.may_send(claim), PATIENCE) for _ in range(2)]

    assert asyncio.run(ask()) == [False, True]
