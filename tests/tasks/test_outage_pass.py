"""An address that is down for a night, over real sockets, on both engines."""

import asyncio
import json
from collections import Counter
from datetime import timedelta

import pytest

from core.domain.delivery import Status
from core.storage.models import Delivery
from core.storage.vault import Vault
from core.use_cases import queries
from tasks.dispatcher import Dispatcher
from tasks.shares import Limits
from tasks.writer import Rules
from tests.support.scene import (
    MARIE,
    MINUTE,
    NOON,
    SCHEDULE,
    add_webhook,
    make_sender,
    publish_ticket,
)
from tests.support.wire import read_request, response, talking

HOUR = timedelta(hours=1)


class Night:
    """A server that closes every connection without a word until morning, and a clock."""

    def __init__(self, vault: Vault, per_webhook: int) -> None:
        self.now = NOON
        self.is_down = True
        self.arrived: list[int] = []
        self.passing = Dispatcher(
            make_sender(),
            lambda: vault,
            Rules(SCHEDULE, recovery_window=12 * HOUR),
            Limits(256, per_webhook, 256),
            lambda: self.now,
        )

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            if self.is_down:
                writer.close()
                return
            self.arrived.append(json.loads(request.partition(b"\r\n\r\n")[2])["payload"]["number"])
            writer.write(response(200))

    async def drain(self) -> None:
        await self.passing.drain(lambda: self.now)


def spend(night: Night, business: int, vault: Vault, down: timedelta) -> list[int]:
    """Publish every ten minutes while the address is down, then once more; says what was
    abandoned when it came back."""

    async def main() -> list[int]:
        async with talking(night.talk) as port:
            add_webhook(vault, business, f"http://127.0.0.1:{port}/", now=NOON)
            number = 0
            while night.now < NOON + down:
                if number * 10 * MINUTE <= night.now - NOON:
                    number += 1
                    publish_ticket(business, night.now, b'{"number": %d}' % number)
                await night.drain()
                night.now += 5 * MINUTE
            abandoned = [
                row.id
                for row in Delivery.select(Delivery.id)
                .where(Delivery.status == Status.ABANDONED)
                .order_by(Delivery.id)
            ]
            night.is_down = False
            publish_ticket(business, night.now, b'{"number": 0}')
            for _ in range(60):
                await night.drain()
                night.now += 5 * MINUTE
            await night.passing.close()
            return abandoned

    return asyncio.run(main())


@pytest.mark.slow
def test_a_server_that_was_down_for_eight_hours_misses_nothing_and_gets_all_once_in_order(
    business: int, vault: Vault
) -> None:
    night = Night(vault, per_webhook=1)
    abandoned = spend(night, business, vault, 8 * HOUR)
    assert len(abandoned) > 20
    assert Counter(night.arrived) == Counter(range(49))
    recovered = [number for number in night.arrived if number in set(abandoned)]
    assert recovered == sorted(abandoned)
    assert all(row.status is Status.DELIVERED for row in queries.deliveries(MARIE, 1, 1000))


@pytest.mark.slow
def test_what_was_abandoned_longer_ago_than_the_window_stays_abandoned(
    business: int, vault: Vault
) -> None:
    night = Night(vault, per_webhook=16)
    spend(night, business, vault, 16 * HOUR)
    missed = set(range(97)) - set(night.arrived)
    assert missed
    assert missed == set(range(1, max(missed) + 1))
    assert max(missed) * 10 * MINUTE < 2 * HOUR
