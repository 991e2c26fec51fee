"""One outcome that cannot be recorded leaves all others as they would be, on both engines."""

import pytest
from peewee import OperationalError

from core.domain.delivery import Answered, ErrorKind, Outcome, Status, Unreachable
from core.pipeline import leases, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.leases import Claim
from core.pipeline.recording import settle_all
from core.pipeline.settling import Settlement
from core.storage.database import transaction
from core.storage.models import Attempt
from core.storage.vault import Vault
from core.use_cases import queries
from tests.support.refusing import refused
from tests.support.scene import MARIE, NOON, SCHEDULE, SECOND, add_webhook, publish_ticket

USUAL = Answered(200, "ok")
SURROGATE = "\ud800"  # which no encoding has


@pytest.fixture
def claims(business: int, vault: Vault) -> list[Claim]:
    webhook = add_webhook(vault, business)
    for _ in range(9):
        publish_ticket(business)
    fan_out(10, NOON)
    return leases.claim({webhook.id: 9}, SCHEDULE, NOON)


def settle(claims: list[Claim], odd: Outcome) -> int:
    """How many were settled, of which the fifth is odd."""
    outcomes = [odd if number == 4 else USUAL for number in range(len(claims))]
    ended = [
        Settlement(claim, outcome, NOON, SECOND)
        for claim, outcome in zip(claims, outcomes, strict=True)
    ]
    return len(settle_all(ended, SCHEDULE, NOON))


def logged(claim: Claim) -> Attempt:
    with transaction():
        return Attempt.get(Attempt.delivery == claim.id)


@pytest.mark.parametrize(
    ("odd", "status", "error"),
    [
        (Answered(200, SURROGATE), Status.DELIVERED, None),
        (Answered(500, SURROGATE), Status.FAILED, ErrorKind.STATUS),
        (Unreachable(ErrorKind.TLS, SURROGATE), Status.FAILED, ErrorKind.TLS),
    ],
)
def test_of_what_cannot_be_recorded_all_is_but_what_came_back(
    claims: list[Claim], odd: Outcome, status: Status, error: ErrorKind | None
) -> None:
    assert settle(claims, odd) == 9
    rows = queries.deliveries(MARIE, claims[0].webhook_id)
    assert [row.status for row in rows if str(row.uuid) == claims[4].uuid] == [status]
    assert {row.status for row in rows if str(row.uuid) != claims[4].uuid} == {Status.DELIVERED}
    attempt = logged(claims[4])
    assert (attempt.error, attempt.response) == (error, "")
    assert attempt.detail == "what came back could not be recorded"
    assert logged(claims[3]).response == "ok"


def test_where_nothing_of_it_can_be_recorded_its_lease_runs_out(claims: list[Claim]) -> None:
    with refused(claims[4].id, "delivery_id"):
        assert settle(claims, Answered(200, "")) == 8
    waiting = {row.status for row in queries.deliveries(MARIE, claims[0].webhook_id)}
    assert waiting == {Status.DELIVERED, Status.PENDING}


def test_a_database_that_is_away_is_no_fault_of_an_outcome(
    claims: list[Claim], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(*_: object) -> None:
        asked.append(1)
        raise OperationalError("no answer")

    monkeypatch.setattr(settling, "settle", away)
    with pytest.raises(OperationalError):
        settle(claims, Answered(200, ""))
    assert len(asked) == 1, "asking for each again would take as many waits"
