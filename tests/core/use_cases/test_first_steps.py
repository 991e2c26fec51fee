"""What of the way to the first sale is done, by what is known of it, on both engines."""

import pytest

from core.domain.actors import Actor
from core.domain.choices import Format
from core.domain.delivery import Answered, Outcome
from core.domain.events import EventType, Purpose
from core.errors import NotAllowed
from core.pipeline import leases
from core.pipeline.fan_out import fan_out
from core.pipeline.settling import Settlement, settle
from core.storage.vault import Vault
from core.use_cases import services
from core.use_cases.businesses import add_member
from core.use_cases.checking import begin_check
from core.use_cases.first_steps import FirstSteps, note_secret_stored
from core.use_cases.webhook_health import details
from tests.core.use_cases.test_queries import attempt, queue_tickets
from tests.support.scene import (
    MARIE,
    MINUTE,
    NOON,
    OPERATOR,
    SCHEDULE,
    SECOND,
    add_webhook,
    silent,
)

TAKEN, REFUSED = Answered(200, ""), Answered(401, "")
AT_NOON = 0 * MINUTE


def steps_of(webhook_id: int) -> FirstSteps | None:
    return details(MARIE, webhook_id).first_steps


def sent(webhook_id: int, outcome: Outcome) -> None:
    fan_out(10, NOON)
    attempt(webhook_id, outcome)


def test_made_it_has_everything_before_it(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    assert steps_of(webhook.id) == FirstSteps(
        needs_secret=True, is_secret_stored=False, has_test_arrived=False, has_sale_arrived=False
    )


def test_a_test_counts_once_it_arrived(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    for outcome, has_arrived in ((REFUSED, False), (TAKEN, True)):
        services.send_test(MARIE, webhook.id, NOON, wake=silent)
        sent(webhook.id, outcome)
        steps = steps_of(webhook.id)
        assert steps is not None
        assert (steps.has_test_arrived, steps.has_sale_arrived) == (has_arrived, False)


def test_a_sample_is_no_sale(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    services.send_sample(MARIE, webhook.id, EventType.TICKET_CREATED, NOON, wake=silent)
    sent(webhook.id, TAKEN)
    steps = steps_of(webhook.id)
    assert steps is not None
    assert not steps.has_sale_arrived


def test_a_sale_counts_once_it_arrived_and_the_second_ends_the_first_steps(
    business: int, vault: Vault
) -> None:
    webhook = add_webhook(vault, business)
    queue_tickets(business)
    for outcome, at, has_arrived in ((REFUSED, AT_NOON, False), (TAKEN, MINUTE, True)):
        attempt(webhook.id, outcome, at)
        steps = steps_of(webhook.id)
        assert steps is not None
        assert steps.has_sale_arrived == has_arrived
    queue_tickets(business)
    attempt(webhook.id, TAKEN, MINUTE)
    assert steps_of(webhook.id) is None


def test_a_secret_is_stored_until_it_is_made_anew(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    other = add_webhook(vault, business)
    note_secret_stored(MARIE, webhook.id, NOON + SECOND)
    assert is_stored(webhook.id)
    assert not is_stored(other.id)
    services.regenerate_secret(MARIE, webhook.id, NOON + MINUTE, vault=vault)
    assert not is_stored(webhook.id)
    note_secret_stored(MARIE, webhook.id, NOON + 2 * MINUTE)
    assert is_stored(webhook.id)


def is_stored(webhook_id: int) -> bool:
    steps = steps_of(webhook_id)
    return steps is not None and steps.is_secret_stored


@pytest.mark.parametrize(
    ("taken", "shows_it"),
    [
        pytest.param({Purpose.CHECK}, True, id="sound"),
        pytest.param(
            {Purpose.CHECK, Purpose.WRONG_SECRET, Purpose.TAMPERED}, False, id="takes all"
        ),
        pytest.param(set[Purpose](), False, id="takes none"),
    ],
)
def test_a_check_shows_whether_it_is_stored(
    business: int, vault: Vault, taken: set[Purpose], shows_it: bool
) -> None:
    webhook = add_webhook(vault, business)
    begin_check(MARIE, webhook.id, NOON, wake=silent)
    fan_out(10, NOON)
    assert not is_stored(webhook.id)
    claims = leases.claim({webhook.id: 10}, SCHEDULE, NOON)
    ended = [
        Settlement(each, TAKEN if each.purpose in taken else REFUSED, NOON, SECOND)
        for each in claims
    ]
    settle(ended, SCHEDULE, NOON)
    assert is_stored(webhook.id) == shows_it
    services.regenerate_secret(MARIE, webhook.id, NOON + MINUTE, vault=vault)
    assert not is_stored(webhook.id)


def test_a_chat_program_needs_no_secret(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business, chosen={"format": Format.CHAT})
    steps = steps_of(webhook.id)
    assert steps is not None
    assert not steps.needs_secret


def test_only_an_owner_says_that_it_is_stored(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    add_member(OPERATOR, business, "paul", "staff", NOON)
    with pytest.raises(NotAllowed):
        note_secret_stored(Actor("paul", "test"), webhook.id, NOON)
