"""A pace holds over workers, as its receiver sees it; on both engines."""

import asyncio
from datetime import UTC, datetime

import pytest

from core.domain.choices import Chosen
from core.domain.delivery import Status
from core.pipeline.fan_out import fan_out
from core.storage.database import transaction
from core.storage.models import Attempt, Delivery
from core.storage.vault import Vault
from core.use_cases import queries, services
from tasks.dispatcher import Dispatcher
from tasks.shares import Limits
from tasks.writer import Rules
from tests.support.limited import Limited
from tests.support.scene import (
    DEVELOPMENT,
    MARIE,
    SCHEDULE,
    SECOND,
    add_webhook,
    make_sender,
    publish_ticket,
    silent,
)
from tests.support.wire import talking

COUNT = 100
A_SECOND = 20
BUNCHED = 0.5  # of a second, by which a busy machine may bring what was sent in time together
LATE = 0.25  # of a second, by which a busy machine may be late to note a start


async def work(vault: Vault, webhook: int) -> None:
    """As an engine does, until all has been delivered."""
    passing = Dispatcher(
        make_sender(),
        lambda: vault,
        Rules(SCHEDULE),
        Limits(256, 16, 256),
        lambda: datetime.now(UTC),
    )
    waits = Delivery.webhook == webhook, Delivery.due_at.is_null(is_null=False)
    while Delivery.select().where(*waits).exists():
        await passing.drain(lambda: datetime.now(UTC))
        due = await passing.next_due()
        wait = 0.0 if due is None else (due - datetime.now(UTC)).total_seconds()
        await asyncio.sleep(min(1, max(0.01, wait)))
    await passing.close()


@pytest.mark.fault(62, "a recovery to a receiver that takes so many a second")
def test_what_is_recovered_arrives_at_its_pace_from_two_workers_and_nothing_is_refused(
    business: int, vault: Vault
) -> None:
    async def main() -> Limited:
        strict = Limited(A_SECOND, (1 - BUNCHED) * SECOND)
        async with talking(strict.talk) as port:
            now = datetime.now(UTC) - 2 * SECOND
            webhook = add_webhook(vault, business, f"http://127.0.0.1:{port}/", now=now).id
            chosen = Chosen(pace=f"{A_SECOND}/s")
            services.edit_webhook(MARIE, webhook, now, policy=DEVELOPMENT, chosen=chosen)
            for _ in range(COUNT):
                publish_ticket(business, now)
            fan_out(COUNT, now)
            with transaction():
                abandoned = {"status": Status.ABANDONED, "settled_at": now, "due_at": None}
                Delivery.update(abandoned).execute()
            assert services.recover(MARIE, business, now, now, wake=silent) == COUNT
            await asyncio.gather(work(vault, webhook), work(vault, webhook))
            rows = queries.deliveries(MARIE, webhook, COUNT)
            assert {(row.status, row.attempts) for row in rows} == {(Status.DELIVERED, 1)}
        return strict

    strict = asyncio.run(main())
    assert (strict.accepted, strict.refused) == (COUNT, 0)
    starts = sorted(row.started_at for row in Attempt.select(Attempt.started_at))
    spans = [late - early for early, late in zip(starts, starts[A_SECOND:], strict=False)]
    assert min(spans) >= (1 - LATE) * SECOND, "whatever the machine made of it on the way"
