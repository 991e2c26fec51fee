"""A worker leaves a receiver alone that asks for it, from the moment its answer is read."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

import pytest

from core.domain.delivery import Status
from core.storage.vault import Vault
from core.use_cases import queries
from core.verification.history import Post
from tasks.dispatcher import Dispatcher
from tasks.holds import Holds
from tasks.shares import Limits
from tasks.writer import Rules
from tests.support.notes import notes
from tests.support.scene import MARIE, SCHEDULE, SECOND, add_webhook, make_sender, publish_ticket
from tests.support.scripted import post_of
from tests.support.wire import read_request, response, talking

AT_ONCE = 4


class Busy:
    """Answers the first of four that come together with a hold, then all others with 200."""

    def __init__(self, retry_after: Callable[[], str]) -> None:
        self._retry_after = retry_after
        self._open = 0
        self._enough = asyncio.Event()
        self._has_refused = asyncio.Event()
        self.asked_at = 0.0
        self.arrived: list[float] = []
        self.posts: list[Post] = []
        notes().receivers.append(self)
        self.most_open = 0  # since the hold

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await read_request(reader)
            self.arrived.append(monotonic())
            number, self._open = len(self.arrived), self._open + 1
            if number >= AT_ONCE:
                self._enough.set()
            await self._enough.wait()
            if number > AT_ONCE:
                self.most_open = max(self.most_open, self._open)
            self._open -= 1
            self.posts.append(post_of(request, 429 if number == 1 else 200))
            if number == 1:
                self.asked_at = monotonic()
                writer.write(response(429, b"slow down", Retry_After=self._retry_after()))
                self._has_refused.set()
            else:
                await self._has_refused.wait()
                writer.write(response(200))
            await writer.drain()


async def deliver_all(vault: Vault) -> None:
    """As an engine does: pass after pass, each when something is due."""
    limits = Limits(256, AT_ONCE, 256)
    passing = Dispatcher(
        make_sender(), lambda: vault, Rules(SCHEDULE), limits, lambda: datetime.now(UTC)
    )
    due: datetime | None = datetime.now(UTC)
    while due is not None and due < datetime.now(UTC) + 5 * SECOND:
        await asyncio.sleep(max(0, (due - datetime.now(UTC)).total_seconds()))
        await passing.drain(lambda: datetime.now(UTC))
        due = await passing.next_due()
    await passing.close()


def sent(business: int, vault: Vault, retry_after: Callable[[], str]) -> tuple[Busy, int]:
    async def main() -> tuple[Busy, int]:
        busy = Busy(retry_after)
        async with talking(busy.talk) as port:
            now = datetime.now(UTC) - SECOND
            webhook = add_webhook(vault, business, f"http://127.0.0.1:{port}/", now=now)
            for _ in range(20):
                publish_ticket(business, now + SECOND)
            await deliver_all(vault)
        return busy, webhook.id

    return asyncio.run(main())


@pytest.mark.fault(61, "a receiver that answers 429 with `Retry-After`")
def test_nothing_is_sent_until_the_hold_is_over_and_then_one_at_a_time(
    business: int, vault: Vault
) -> None:
    busy, webhook = sent(business, vault, lambda: "1")
    assert len(busy.arrived) == 20
    waited = busy.arrived[AT_ONCE] - busy.asked_at
    assert waited >= 1.0
    assert busy.most_open == 1, "as long as fewer than eight were accepted"
    statuses = [row.status for row in queries.deliveries(MARIE, webhook)]
    assert statuses.count(Status.DELIVERED) == 19
    [failed] = [row for row in queries.deliveries(MARIE, webhook) if row.status is Status.FAILED]
    assert (failed.http_status, failed.attempts) == (429, 1)
    assert {row.attempts for row in queries.deliveries(MARIE, webhook)} == {1}


def test_a_date_holds_too(business: int, vault: Vault) -> None:
    def in_three_seconds() -> str:
        return f"{datetime.now(UTC) + timedelta(seconds=3):%a, %d %b %Y %H:%M:%S} GMT"

    busy, _ = sent(business, vault, in_three_seconds)
    assert len(busy.arrived) == 20
    assert busy.arrived[AT_ONCE] - busy.asked_at > 0.5


@pytest.mark.parametrize("retry_after", ["soon", "-5", "0", "1, 1"])
def test_what_cannot_be_read_holds_nothing_up(
    business: int, vault: Vault, retry_after: str
) -> None:
    busy, webhook = sent(business, vault, lambda: retry_after)
    assert len(busy.arrived) == 20
    assert queries.webhook(MARIE, webhook).held_until is None


def test_a_hold_lasts_until_its_time() -> None:
    holds = Holds()
    holds.begin(1, 5.0)
    holds.begin(1, 3.0)
    assert [holds.lasts(1, now) for now in (0.0, 4.9, 5.0, 0.0)] == [True, True, False, False]
    assert not holds.lasts(2, 0.0)
