"""Starts of a webhook with a pace are reserved on its row, by whichever worker; on both engines."""

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from core.domain.choices import Chosen, Format
from core.domain.delivery import Answered, ErrorKind, Outcome, Unreachable, Withdrawn
from core.domain.pace import interval
from core.pipeline import last_look, leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import LEASE, Claim
from core.pipeline.settling import Settlement
from core.storage.due import next_due, waiting_webhooks
from core.storage.models import Webhook
from core.storage.vault import Vault
from core.use_cases import queries, services
from core.use_cases.installation_health import vitals
from core.use_cases.services import create_webhook
from tests.support.limited import Limited
from tests.support.notes import notes
from tests.support.scene import (
    DAY,
    DEVELOPMENT,
    MARIE,
    MINUTE,
    NOON,
    SCHEDULE,
    SECOND,
    add_webhook,
    publish_ticket,
    silent,
)

OK = Answered(200, "")
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def webhook(business: int, vault: Vault) -> int:
    made = add_webhook(vault, business).id
    choose(made, "2/s")
    return made


def choose(webhook: int, pace: str | None, now: datetime = NOON) -> None:
    services.edit_webhook(MARIE, webhook, now, policy=DEVELOPMENT, chosen=Chosen(pace=pace))


def sell(business: int, count: int, now: datetime = NOON) -> None:
    for _ in range(count):
        publish_ticket(business, now)
    fan_out(1000, now)


def claim(now: datetime, room: int = 16) -> list[Claim]:
    """As a pass does that has just looked who is ready."""
    ready = waiting_webhooks(now)
    restrained = [each.webhook_id for each in ready if each.is_restrained]
    wanted = dict.fromkeys((each.webhook_id for each in ready), room)
    return leases.claim(wanted, SCHEDULE, now, restrained=restrained)


def starts_of(claims: list[Claim]) -> list[timedelta]:
    return [each.start.at - NOON for each in claims if each.start is not None]


def settle(claims: list[Claim], outcome: Outcome, now: datetime) -> None:
    sent_at = now if isinstance(outcome, Answered) else None
    ended = [Settlement(each, outcome, now, SECOND, sent_at=sent_at) for each in claims]
    settling.settle(ended, SCHEDULE, now)


def answered(sent: Claim, sent_at: datetime, at: datetime, outcome: Outcome = OK) -> None:
    """It was started at its time, and sent later."""
    assert sent.start is not None
    begun = sent.start.at
    ended = Settlement(sent, outcome, begun, at - begun, sent_at=sent_at)
    settling.settle([ended], SCHEDULE, at)


def test_starts_are_reserved_two_seconds_ahead_and_one_after_the_other(
    business: int, webhook: int
) -> None:
    sell(business, 10)
    assert starts_of(claim(NOON)) == [525 * number * MILLISECOND for number in range(4)]
    assert claim(NOON) == [], "another worker finds it taken"
    later = claim(NOON + 1125 * MILLISECOND)
    assert starts_of(later) == [2125 * MILLISECOND, 2650 * MILLISECOND]
    assert next_due(NOON + 1125 * MILLISECOND) == NOON + 2200 * MILLISECOND


def test_however_many_workers_claim_no_two_starts_are_too_close(
    business: int, webhook: int
) -> None:
    sell(business, 40)
    now, claims = NOON, list[Claim]()
    while len(claims) < 40:
        claims += claim(now, room=3) + claim(now, room=1)
        now += 170 * MILLISECOND
    moments = sorted(starts_of(claims))
    assert min(after - before for before, after in pairwise(moments)) > interval("2/s")
    assert moments[-1] < timedelta(seconds=40 * 0.55 + 2), "and none is left out for long"


def test_a_slow_pace_claims_one_shortly_before_its_start(business: int, webhook: int) -> None:
    choose(webhook, "1/min")
    sell(business, 3)
    [first] = claim(NOON)
    answered(first, NOON, NOON)
    assert waiting_webhooks(NOON + 61 * SECOND) == []
    [second] = claim(NOON + 62 * SECOND)
    assert starts_of([second]) == [63 * SECOND]
    assert vitals(NOON + 30 * MINUTE).late == 0, "its owner has it wait"


def test_after_a_while_without_anything_the_first_one_goes_at_once(
    business: int, webhook: int
) -> None:
    sell(business, 1)
    settle(claim(NOON), OK, NOON)
    sell(business, 1, NOON + DAY)
    assert starts_of(claim(NOON + DAY)) == [DAY]


def test_every_attempt_counts_tests_and_redeliveries_too(business: int, webhook: int) -> None:
    sell(business, 1)
    settle(claim(NOON), OK, NOON)
    services.send_test(MARIE, webhook, NOON, wake=silent)
    fan_out(10, NOON)
    [sent] = [each for each in queries.deliveries(MARIE, webhook) if each.event == "ticket.created"]
    services.redeliver(MARIE, str(sent.uuid), NOON, wake=silent)
    assert starts_of(claim(NOON)) == [550 * MILLISECOND, 1075 * MILLISECOND]


def test_the_last_look_refuses_what_was_claimed_at_another_pace(
    business: int, webhook: int
) -> None:
    sell(business, 4)
    claims = claim(NOON)
    assert last_look.still_sendable(claims) == [True] * 4
    choose(webhook, "1/s")
    assert last_look.still_sendable(claims) == [False] * 4
    choose(webhook, None)
    assert last_look.still_sendable(claims) == [False] * 4


def test_what_was_not_started_is_due_again_and_gets_another_start(
    business: int, webhook: int
) -> None:
    sell(business, 2)
    first, late = claim(NOON)
    settle([first], OK, NOON)
    leases.give_back([late], NOON + SECOND)
    assert starts_of(claim(NOON + SECOND)) == [1075 * MILLISECOND]


@pytest.mark.fault(62, "a recovery to a receiver that takes so many a second")
def test_a_slow_pace_is_held_however_late_each_is_sent_and_arrives(
    business: int, webhook: int
) -> None:
    """A busy machine loses time between a start and the wire, and more between that and when the
    receiver looks: so many milliseconds, different ones each time.
    """
    choose(webhook, "1/s")
    strict, delays = Limited(1, SECOND), Random(20)  # noqa: S311 - nothing is secret here
    sell(business, 30)
    now = NOON
    while waiting := next_due(now):
        now = max(now, waiting)
        for each in claim(now):
            assert each.start is not None
            sent = max(now, each.start.at) + delays.randint(0, 900) * MILLISECOND
            assert claim(sent) == [], "no other worker has one on its way"
            now = sent + delays.randint(1, 240) * MILLISECOND
            answered(each, sent, now, strict.answer(each, notes().secrets[webhook][0], now))
    assert (strict.accepted, strict.refused) == (30, 0)
    assert now - NOON < 30 * timedelta(seconds=1.05 + 0.9 + 0.24)


def test_a_worker_that_dies_holds_up_a_slow_pace_for_its_lease(business: int, webhook: int) -> None:
    choose(webhook, "1/s")
    sell(business, 2)
    [lost] = claim(NOON)
    assert waiting_webhooks(NOON + LEASE - SECOND) == []
    [other] = claim(NOON + LEASE)
    assert starts_of([other]) == [LEASE + SECOND], "it may have been sent at the last moment"
    answered(lost, NOON + 9 * SECOND, NOON + LEASE)
    assert Webhook.get_by_id(webhook).paced_to == NOON + 2 * LEASE + SECOND


def test_after_a_worker_died_nobody_looks_at_a_slow_pace_before_its_next_start(
    business: int, webhook: int
) -> None:
    choose(webhook, "1/h")
    sell(business, 2)
    claim(NOON)
    start = NOON + LEASE + 60 * MINUTE
    assert claim(NOON + LEASE + SECOND) == []
    assert next_due(NOON + LEASE + SECOND) == start - SECOND
    assert starts_of(claim(start - SECOND)) == [LEASE + 60 * MINUTE]


def test_an_attempt_that_reaches_nobody_counts_at_a_slow_pace_too(
    business: int, webhook: int
) -> None:
    choose(webhook, "1/h")
    sell(business, 2)
    settle(claim(NOON), Unreachable(ErrorKind.CONNECT, ""), NOON)
    assert waiting_webhooks(NOON + 62 * MINUTE) == []
    [after] = claim(NOON + 63 * MINUTE)
    assert starts_of([after]) == [SECOND + 63 * MINUTE]


def test_what_was_not_sent_gives_its_start_back(business: int, webhook: int) -> None:
    choose(webhook, "1/h")
    sell(business, 2)
    leases.give_back(claim(NOON), NOON + SECOND)
    settle(claim(NOON + SECOND), Withdrawn(), NOON + 2 * SECOND)
    assert starts_of(claim(NOON + 2 * SECOND)) == [2 * SECOND]


def test_a_slow_pace_that_was_changed_meanwhile_is_left_as_it_is(
    business: int, webhook: int
) -> None:
    choose(webhook, "1/min")
    sell(business, 3)
    [first] = claim(NOON)
    choose(webhook, "1/s")
    [second] = claim(NOON)
    answered(first, NOON, NOON + SECOND)
    assert waiting_webhooks(NOON + SECOND) == []
    answered(second, NOON, NOON + SECOND)
    assert starts_of(claim(NOON + SECOND)) == [1300 * MILLISECOND]


def test_a_hold_outlasts_the_end_of_what_was_sent_at_a_slow_pace(
    business: int, webhook: int
) -> None:
    choose(webhook, "1/s")
    sell(business, 3)
    [first] = claim(NOON)
    until = NOON + 10 * SECOND
    asked = Settlement(first, Answered(429, ""), NOON, SECOND, until, sent_at=NOON)
    settling.settle([asked], SCHEDULE, NOON + SECOND)
    assert waiting_webhooks(until - MILLISECOND) == []
    [probe] = claim(until)
    answered(probe, until, until)
    assert starts_of(claim(until + SECOND)) == [timedelta(seconds=11.05)]


def test_a_pace_that_is_taken_back_lets_all_go(business: int, webhook: int) -> None:
    choose(webhook, "1/h")
    sell(business, 3)
    settle(claim(NOON), OK, NOON)
    assert waiting_webhooks(NOON + MINUTE) == []
    choose(webhook, None, NOON + MINUTE)
    assert [each.start for each in claim(NOON + MINUTE)] == [None, None]


def test_a_pace_that_is_chosen_counts_from_the_next_claim(business: int, webhook: int) -> None:
    choose(webhook, None)
    sell(business, 5)
    ready = {each.webhook_id: 16 for each in waiting_webhooks(NOON)}
    choose(webhook, "1/s")
    assert leases.claim(ready, SCHEDULE, NOON) == [], "by a roster of before"
    assert len(claim(NOON)) == 1


def test_paused_a_test_keeps_to_the_pace(business: int, webhook: int) -> None:
    services.pause_webhook(MARIE, webhook, NOON)
    sell(business, 2)
    for _ in range(3):
        services.send_test(MARIE, webhook, NOON, wake=silent)
    fan_out(10, NOON)
    claims = claim(NOON)
    assert {each.event_type for each in claims} == {"ping"}
    assert len(set(starts_of(claims))) == 3


def test_after_a_hold_one_goes_at_a_start_of_its_own(business: int, webhook: int) -> None:
    sell(business, 5)
    first, *others = claim(NOON, room=2)
    leases.give_back(others, NOON)
    until = NOON + 10 * SECOND
    asked = Settlement(first, Answered(429, ""), NOON, SECOND, until)
    settling.settle([asked], SCHEDULE, NOON)
    [probe] = claim(until)
    assert starts_of([probe]) == [10 * SECOND]
    settle([probe], OK, until)
    assert starts_of(claim(until)) == [
        timedelta(seconds=10.55 + 0.525 * number) for number in range(3)
    ]


def test_a_webhook_for_a_chat_starts_with_a_pace(business: int, vault: Vault) -> None:
    made = [
        create_webhook(
            *(MARIE, business, "https://example.com/", ["ticket.created"], NOON),
            policy=DEVELOPMENT,
            vault=vault,
            chosen=chosen,
        )
        for chosen in (Chosen(format=Format.CHAT), Chosen(format=Format.CHAT, pace=None))
    ]
    assert [queries.webhook(MARIE, each.id).choices.pace for each in made] == ["1/s", None]


def test_withdrawn_at_its_start_it_waits_for_another(business: int, webhook: int) -> None:
    sell(business, 1)
    settle(claim(NOON), Withdrawn(), NOON)
    assert starts_of(claim(NOON)) == [550 * MILLISECOND]
    assert Webhook.get_by_id(webhook).paced_to == NOON + 1100 * MILLISECOND
