"""The question asked just before the first byte leaves, for many attempts at once."""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Collection
from contextlib import closing
from itertools import count
from time import monotonic
from typing import Any

import pytest
from peewee import OperationalError

from core.domain.choices import Chosen
from core.domain.own_headers import parse_headers
from core.pipeline import last_look, leases
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE, Claim
from core.storage.database import proxy
from core.storage.standing import Standing, Standings
from core.storage.vault import Vault
from core.use_cases import services
from tasks import last_looks
from tasks.ahead import Held
from tasks.gates import Recipient
from tasks.holds import Holds
from tasks.last_looks import Ask, LastLooks
from tests.support.scene import DEVELOPMENT, MARIE, NOON, SCHEDULE, add_webhook, publish_ticket
from tests.support.waiting import PATIENCE

ONLY_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _no_look_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is."""
    monkeypatch.setattr(last_looks, "_SLOW", PATIENCE)


def in_thread(asked: list[Claim]) -> Awaitable[list[bool]]:
    return asyncio.to_thread(last_look.still_sendable, asked)


def looking(holds: Holds | None = None, ask: Ask = in_thread) -> closing[LastLooks]:
    return closing(LastLooks(ask, holds or Holds()))


def held(claim: Claim, lasts: float = PATIENCE) -> Held:
    """That claim in our hands, with a lease that lasts so many seconds more."""
    recipient = Recipient(claim.webhook_id, claim.business_id, "127.0.0.1:80")
    return Held(claim, recipient, monotonic(), monotonic() + lasts)


def may_send(
    claims: list[Claim], lasts: float = PATIENCE, holds: Holds | None = None
) -> list[bool]:
    async def ask() -> list[bool]:
        with looking(holds) as looks:
            return await asyncio.gather(*(looks.may_send(held(claim, lasts)) for claim in claims))

    return asyncio.run(ask())


def claimed(vault: Vault, business: int) -> Claim:
    webhook = add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON)
    [claim] = leases.claim({webhook.id: 1}, SCHEDULE, NOON)
    return claim


def test_a_claim_on_old_terms_is_not_sent_because_a_newer_one_of_its_delivery_is(
    business: int, vault: Vault
) -> None:
    old = claimed(vault, business)
    services.regenerate_secret(MARIE, old.webhook_id, NOON, vault=vault)
    [new] = leases.claim({old.webhook_id: 1}, SCHEDULE, NOON + LEASE)
    assert may_send([old]) == [False]
    assert may_send([old, new]) == [False, True]


@pytest.mark.parametrize(
    "chosen",
    [{"standard_webhooks": True}, {"headers": parse_headers(["X-Api-Key: first"])}],
    ids=["standard", "headers"],
)
def test_what_is_sent_beside_the_body_is_among_the_terms(
    business: int, vault: Vault, chosen: Chosen
) -> None:
    claim = claimed(vault, business)
    assert may_send([claim]) == [True]
    services.edit_webhook(
        *(MARIE, claim.webhook_id, NOON),
        policy=DEVELOPMENT,
        chosen=chosen,
        open_vault=lambda: vault,
    )
    assert may_send([claim]) == [False]


def test_what_was_leased_to_us_for_no_longer_than_until_now_is_not_sent(
    business: int, vault: Vault
) -> None:
    claim = claimed(vault, business)
    assert may_send([claim], lasts=0.0) == [False]
    assert may_send([claim]) == [True]


def test_what_was_claimed_before_its_receiver_asked_for_less_is_not_sent(
    business: int, vault: Vault
) -> None:
    claim, holds = claimed(vault, business), Holds()
    holds.begin(claim.webhook_id, monotonic() + PATIENCE)
    assert may_send([claim], holds=holds) == [False]


@pytest.mark.parametrize("trouble", [OperationalError("no answer"), RuntimeError("anything else")])
def test_a_look_that_fails_sends_nothing_and_the_next_is_answered(
    business: int, vault: Vault, trouble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_looks, "_PAUSE_AFTER_ERROR", 0.0)
    claim, judge = claimed(vault, business), last_look.judge

    def fail(*_: object) -> list[bool]:
        raise trouble

    async def ask() -> list[bool]:
        with looking() as looks:
            monkeypatch.setattr(last_look, "judge", fail)
            first = await asyncio.wait_for(looks.may_send(held(claim)), PATIENCE)
            monkeypatch.setattr(last_look, "judge", judge)
            return [first, await asyncio.wait_for(looks.may_send(held(claim)), PATIENCE)]

    assert asyncio.run(ask()) == [False, True]


def asked_in_a_thread(
    claim: Claim, times: int, before_each: Callable[[], object] = lambda: None
) -> list[bool]:
    """Of so many looks, one after the other, whether the thread was asked, or the loop looked."""
    asked: list[bool] = []

    def ask_thread(claims: list[Claim]) -> Awaitable[list[bool]]:
        asked[-1] = True
        return in_thread(claims)

    async def ask() -> None:
        with looking(ask=ask_thread) as looks:
            for _ in range(times):
                before_each()
                asked.append(False)
                assert await looks.may_send(held(claim))

    asyncio.run(ask())
    return asked


def test_the_loop_looks_itself(business: int, vault: Vault) -> None:
    assert asked_in_a_thread(claimed(vault, business), 2) == [False, False]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_after_its_connection_was_ended_the_thread_is_asked_for_a_while(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed(vault, business)
    asked = asked_in_a_thread(claim, 3, before_each=end_other_connections)
    assert asked == [False, True, True]
    monkeypatch.setattr(last_looks, "_DISTRUSTED_FOR", 0.0)
    asked = asked_in_a_thread(claim, 3, before_each=end_other_connections)
    assert asked == [False, True, False]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
@pytest.mark.parametrize(("not_long", "queries"), [(PATIENCE, 1), (0.0, 2)])
def test_who_asks_while_a_query_is_under_way_is_answered_by_it_unless_that_takes_long(
    business: int,
    vault: Vault,
    monkeypatch: pytest.MonkeyPatch,
    not_long: float,
    queries: int,
) -> None:
    claim, asked = claimed(vault, business), list[Collection[int]]()
    of, late = Standings.of, list[asyncio.Task[bool]]()

    async def ask() -> None:
        with looking() as looks:

            async def while_another_one_asks(
                standings: Standings, webhook_ids: Collection[int]
            ) -> dict[int, Standing]:
                asked.append(webhook_ids)
                known = await of(standings, webhook_ids)
                if not late:
                    late.append(asyncio.create_task(looks.may_send(held(claim))))
                    await asyncio.sleep(0)  # it has its turn
                return known

            monkeypatch.setattr(Standings, "of", while_another_one_asks)
            assert await looks.may_send(held(claim))
            assert await late[0]

    monkeypatch.setattr(last_looks, "_SLOW", not_long)
    asyncio.run(ask())
    assert asked == [{claim.webhook_id}] * queries


def end_other_connections() -> None:
    """And wait until they have ended: until then the thread's own one passes for alive."""
    proxy.execute_sql(
        f"SELECT pg_terminate_backend(pid, {PATIENCE * 1000:.0f}) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_behind_a_pooler_the_thread_looks(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed(vault, business)

    async def behind_a_pooler() -> None:
        return None

    monkeypatch.setattr(Standings, "open", behind_a_pooler)
    assert asked_in_a_thread(claim, 2) == [True, True]


@ONLY_SQLITE
def test_after_a_slow_look_the_thread_is_asked_for_a_while(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = claimed(vault, business)
    monkeypatch.setattr(last_looks, "_SLOW", 0.0)
    assert asked_in_a_thread(claim, 3) == [True] * 3
    monkeypatch.setattr(last_looks, "_DISTRUSTED_FOR", 0.0)
    assert asked_in_a_thread(claim, 3) == [False] * 3


@ONLY_SQLITE
def test_for_longer_the_slower_it_was(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, seconds = claimed(vault, business), count(step=0.01)
    monkeypatch.setattr(last_looks, "_SLOW", 0.005)
    monkeypatch.setattr(last_looks, "monotonic", lambda: next(seconds))  # each look takes as long
    asked = asked_in_a_thread(claim, 1000)
    assert 10 <= asked.count(False) <= 100


def test_what_somebody_changes_between_two_looks_is_seen_by_the_second(
    business: int, vault: Vault
) -> None:
    claim = claimed(vault, business)

    async def look() -> list[bool]:
        with looking() as looks:
            before = [await looks.may_send(held(claim)) for _ in range(2)]
            await asyncio.to_thread(services.pause_webhook, MARIE, claim.webhook_id, NOON)
            after = [await looks.may_send(held(claim)) for _ in range(2)]
        return before + after

    assert asyncio.run(look()) == [True, True, False, False]


@ONLY_SQLITE
def test_where_the_loop_would_have_to_wait_the_thread_does(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, judge = claimed(vault, business), last_look.judge

    def locked_here(*looked_at: Any) -> list[bool]:
        if threading.current_thread() is threading.main_thread():
            raise OperationalError("database is locked")
        return judge(*looked_at)

    monkeypatch.setattr(last_look, "judge", locked_here)
    assert asked_in_a_thread(claim, 2) == [True, True]


@ONLY_SQLITE
def test_a_look_waits_neither_for_who_writes_nor_for_a_checkpoint(
    business: int, vault: Vault, database: str
) -> None:
    claim = claimed(vault, business)
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE webhook SET url = url || '?'")
        assert asked_in_a_thread(claim, 1) == [False]
        other.rollback()
        other.execute("PRAGMA wal_checkpoint(RESTART)")
        assert asked_in_a_thread(claim, 1) == [False]
