"""A receiver that asks to be left alone is, by all workers; then one at a time; on both engines."""

from datetime import datetime, timedelta

import pytest

from core.domain.delivery import Answered, Outcome, Status, Withdrawn
from core.domain.hold import held_until
from core.pipeline import last_look, leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE, Claim
from core.pipeline.settling import Settlement
from core.pipeline.sweep import Sweep
from core.storage.due import next_due, waiting_webhooks
from core.storage.models import Webhook
from core.storage.vault import Vault
from core.use_cases import queries, services
from core.use_cases.installation_health import held_webhooks, vitals
from tests.support.limited import Limited
from tests.support.notes import notes
from tests.support.scene import (
    DAY,
    MARIE,
    MINUTE,
    NOON,
    SCHEDULE,
    SECOND,
    add_webhook,
    publish_ticket,
    silent,
)

BUSY = Answered(429, "slow down", retry_after="120")
OVER = NOON + 120 * SECOND
MILLISECOND = timedelta(milliseconds=1)
OK, BROKEN = Answered(200, ""), Answered(500, "oops")


@pytest.fixture
def webhook(business: int, vault: Vault) -> int:
    return add_webhook(vault, business).id


def sell(business: int, count: int, now: datetime = NOON) -> None:
    for _ in range(count):
        publish_ticket(business, now)
    fan_out(100, now)


def claim(now: datetime, room: int = 16) -> list[Claim]:
    """As a pass does that has just looked who is ready."""
    ready = waiting_webhooks(now)
    restrained = [each.webhook_id for each in ready if each.is_restrained]
    wanted = dict.fromkeys((each.webhook_id for each in ready), room)
    return leases.claim(wanted, SCHEDULE, now, restrained=restrained)


def settle(claims: list[Claim], outcome: Outcome, now: datetime) -> None:
    asked = held_until(outcome, now)
    settling.settle(
        [Settlement(each, outcome, now, SECOND, asked) for each in claims], SCHEDULE, now
    )


@pytest.fixture
def held(business: int, webhook: int) -> list[Claim]:
    """Of five deliveries one was answered with a hold; the other that was claimed is returned."""
    sell(business, 5)
    first, other = claim(NOON, room=2)
    settle([first], BUSY, NOON)
    return [other]


def test_nothing_is_claimed_until_the_hold_is_over_and_then_one(held: list[Claim]) -> None:
    assert waiting_webhooks(OVER - SECOND) == []
    assert leases.claim({held[0].webhook_id: 16}, SCHEDULE, OVER - SECOND) == []
    assert next_due(NOON) == OVER
    [probe] = claim(OVER)
    assert last_look.still_sendable([probe]) == [True]
    assert claim(OVER + SECOND) == []


def test_the_last_look_refuses_what_was_claimed_before_the_hold(held: list[Claim]) -> None:
    assert last_look.still_sendable(held) == [False]
    settle(held, Withdrawn(), NOON + SECOND)
    assert claim(OVER - SECOND) == []


def test_the_first_2xx_after_a_hold_lets_all_go(held: list[Claim]) -> None:
    settle(held, Withdrawn(), NOON)
    settle(claim(OVER), OK, OVER)
    assert len(claim(OVER + SECOND)) == 4
    assert queries.webhook(MARIE, held[0].webhook_id).held_until is None


def test_a_2xx_of_what_was_sent_before_the_hold_does_not_end_it(held: list[Claim]) -> None:
    settle(held, OK, NOON + SECOND)
    assert claim(OVER - SECOND) == []


@pytest.mark.parametrize("outcome", [BROKEN, Withdrawn()], ids=["failed", "withdrawn"])
def test_what_is_not_accepted_after_a_hold_lets_the_next_one_go(
    held: list[Claim], outcome: Outcome
) -> None:
    settle(claim(OVER), outcome, OVER + SECOND)
    assert len(claim(OVER + SECOND)) == 1


def test_what_is_given_back_after_a_hold_lets_the_next_one_go(held: list[Claim]) -> None:
    assert leases.give_back(claim(OVER), OVER + SECOND) == 1
    assert len(claim(OVER + SECOND)) == 1


def test_after_a_crash_in_the_midst_the_next_one_goes_when_the_lease_is_over(
    held: list[Claim],
) -> None:
    [_] = claim(OVER)
    assert claim(OVER + LEASE - SECOND) == []
    assert len(claim(OVER + LEASE)) == 1


def test_another_hold_begins_where_the_first_ended(held: list[Claim]) -> None:
    settle(claim(OVER), Answered(503, "", retry_after="60"), OVER)
    assert claim(OVER + MINUTE - SECOND) == []
    assert len(claim(OVER + MINUTE)) == 1


def test_another_hold_that_is_shorter_than_a_lease_lasts_no_longer(held: list[Claim]) -> None:
    settle(claim(OVER), Answered(429, "slow down", retry_after="1"), OVER)
    assert next_due(OVER) == OVER + SECOND
    assert len(claim(OVER + SECOND)) == 1


def test_of_two_holds_the_longer_counts(held: list[Claim]) -> None:
    settle(held, Answered(503, "", retry_after="1"), NOON + SECOND)
    assert claim(OVER - SECOND) == []


def test_what_happens_meanwhile_wakes_nothing_and_neither_does_a_test(
    business: int, webhook: int, held: list[Claim]
) -> None:
    settle(held, Withdrawn(), NOON)
    services.send_test(MARIE, webhook, NOON, wake=silent)
    sell(business, 1, NOON + SECOND)
    services.redeliver(
        MARIE, str(queries.deliveries(MARIE, webhook)[0].uuid), NOON + SECOND, wake=silent
    )
    assert waiting_webhooks(OVER - SECOND) == []
    assert vitals(OVER - SECOND).late == 0
    assert held_webhooks(NOON) == [(webhook, OVER)]
    assert held_webhooks(OVER) == []


def test_a_hold_uses_no_attempt_of_what_waits_and_is_no_outage(
    webhook: int, held: list[Claim]
) -> None:
    settle(held, Withdrawn(), NOON)
    rows = queries.deliveries(MARIE, webhook)
    assert sorted(row.attempts for row in rows) == [0, 0, 0, 0, 1]
    assert Webhook.get_by_id(webhook).down_since is None


def test_the_delivery_itself_goes_no_earlier_than_its_schedule_says(
    business: int, webhook: int
) -> None:
    sell(business, 1)
    settle(claim(NOON), Answered(429, "", retry_after="1"), NOON)
    assert claim(NOON + MINUTE - SECOND) == []
    assert len(claim(NOON + MINUTE)) == 1


def test_what_is_fanned_out_after_a_hold_that_nothing_followed_is_sent(
    business: int, webhook: int
) -> None:
    sell(business, 1)
    settle(claim(NOON), BUSY, NOON)
    sell(business, 1, NOON + DAY)
    assert len(claim(NOON + DAY)) == 1


def test_paused_and_resumed_a_hold_goes_on(webhook: int, held: list[Claim]) -> None:
    settle(held, Withdrawn(), NOON)
    services.pause_webhook(MARIE, webhook, NOON)
    services.resume_webhook(MARIE, webhook, NOON + SECOND, wake=silent)
    assert claim(OVER - SECOND) == []
    assert len(claim(OVER)) == 1


def test_a_hold_by_a_clock_that_was_ahead_is_ended(webhook: int, held: list[Claim]) -> None:
    settle(held, Withdrawn(), NOON)
    ahead = NOON + 365 * DAY
    Webhook.update(held_until=ahead, not_before=ahead, ready_at=ahead).execute()
    Sweep(SCHEDULE).step(NOON)
    assert len(claim(NOON)) == 1


# What Slack does: one a second, and 429 with `Retry-After: 1` beyond it


class Share:
    """How much a worker has in flight, as `tasks.shares` has it."""

    def __init__(self) -> None:
        self._most, self._in_flight, self._accepted = 16, 0, 0

    def room(self, *, is_held: bool) -> int:
        self._most = 1 if is_held else self._most
        return max(0, self._most - self._in_flight)

    def started(self, count: int) -> None:
        self._in_flight += count

    def ended(self, *, accepted: bool) -> None:
        self._in_flight -= 1
        self._accepted = self._accepted + 1 if accepted else 0
        if not accepted:
            self._most = 1
        elif self._accepted % 8 == 0:
            self._most = min(16, self._most + 1)


@pytest.mark.fault(61, "a receiver that answers 429 with `Retry-After`")
def test_a_receiver_that_takes_one_a_second_gets_all_and_nothing_is_abandoned(
    business: int, webhook: int
) -> None:
    """Two workers with a slow network, and sixteen at once where they are let."""
    sell(business, 60)
    slack, now, shares = Limited(1, SECOND), NOON, (Share(), Share())
    flying: list[tuple[datetime, Share, Claim]] = []
    while True:
        for share in shares:
            is_held = any(each.is_held for each in waiting_webhooks(now))
            claims = claim(now, share.room(is_held=is_held))
            claims = [each for each in claims if last_look.still_sendable([each]) == [True]]
            share.started(len(claims))
            flying += [(now + 80 * MILLISECOND, share, each) for each in claims]
        due = next_due(now)
        later = [due] if due is not None and due > now else []
        moments = [*later, *(lands_at for lands_at, *_ in flying)]
        if not moments:
            break
        now = min(moments)
        for landing in [each for each in flying if each[0] == now]:
            flying.remove(landing)
            _, share, landed = landing
            outcome = slack.answer(landed, notes().secrets[webhook][0], now)
            settle([landed], outcome, now)
            share.ended(accepted=outcome.accepted)
    rows = queries.deliveries(MARIE, webhook, 100)
    assert {row.status for row in rows} == {Status.DELIVERED}
    assert slack.refused < 3 * 60
