"""What a pass came to, as counts and in the log."""

import logging
from uuid import uuid4

import pytest

from core.domain.delivery import Answered, ErrorKind, Outcome, Status, Unreachable, Verdict
from core.domain.signing import wire_time
from core.pipeline.leases import Claim
from core.pipeline.settling import Judged, Settlement
from tasks.tally import Tally
from tests.support.scene import MINUTE, NOON, SECOND

DELIVERED = Verdict(Status.DELIVERED, None)
FAILED = Verdict(Status.FAILED, NOON + MINUTE)
ABANDONED = Verdict(Status.ABANDONED, None, counts=False)


def judged(outcome: Outcome, verdict: Verdict) -> Judged:
    claim = Claim(
        *(1, str(uuid4()), 1, 1, 0, "ticket.created", b"{}", True, wire_time(NOON)),
        *(1, 1, "https://example.com/", b"", None),
    )
    return Settlement(claim, outcome, NOON, SECOND), verdict


SETTLED = [
    judged(Answered(200, ""), DELIVERED),
    judged(Unreachable(ErrorKind.DNS, "no address"), FAILED),
    judged(Answered(204, ""), DELIVERED),
    judged(Answered(500, ""), ABANDONED),
]


def test_a_pass_counts_what_became_of_each_attempt() -> None:
    tally = Tally(events=3)
    tally.count(SETTLED)
    tally.count(SETTLED[:2])
    assert tally == Tally(events=3, attempts=5, delivered=3, failed=2, abandoned=1)


@pytest.mark.parametrize(
    ("level", "told"),
    [
        (logging.WARNING, []),
        (logging.INFO, ["failed", "abandoned"]),
        (logging.DEBUG, ["delivered", "failed", "delivered", "abandoned"]),
    ],
)
def test_what_failed_is_logged_and_the_rest_for_whoever_asks(
    level: int, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(level, "tasks"):
        Tally().count(SETTLED)
    assert [record.getMessage() for record in caplog.records] == told
