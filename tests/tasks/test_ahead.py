"""What is claimed and not started yet."""

from uuid import uuid4

from core.domain.signing import wire_time
from core.pipeline.leases import Claim
from tasks.ahead import Ahead, Held
from tasks.gates import Recipient
from tests.support.scene import NOON


def held(number: int, webhook_id: int, start_by: float, size: int = 1) -> Held:
    claim = Claim(
        *(number, str(uuid4()), 1, 1, 0, "ticket.created", b"x" * size, True, wire_time(NOON)),
        *(webhook_id, 1, "https://example.com/", b"", None),
    )
    return Held(claim, Recipient(webhook_id, 1, "example.com:443"), start_by, start_by + 30)


def numbers(of: list[Held]) -> list[int]:
    return [each.claim.id for each in of]


def test_of_each_webhook_what_was_claimed_first_is_taken_first() -> None:
    ahead = Ahead()
    for number, webhook_id in enumerate((1, 2, 1)):
        ahead.put(held(number, webhook_id, 5.0))
    assert ahead.ids() == {1, 2}
    assert numbers([ahead.take(1), ahead.take(1), ahead.take(2)]) == [0, 2, 1]
    assert not ahead
    assert not ahead.has(1)


def test_what_was_not_started_in_time_is_ahead_no_more() -> None:
    ahead = Ahead()
    for number, start_by in enumerate((1.0, 2.0, 3.0)):
        ahead.put(held(number, 1, start_by))
    ahead.put(held(3, 2, 3.0))
    assert numbers(ahead.overdue(2.0)) == [0, 1]
    assert ahead.overdue(2.5) == []
    assert numbers(ahead.all()) == [2, 3]
    assert not ahead


def test_the_larger_the_payloads_the_fewer_are_claimed_ahead_and_never_none() -> None:
    ahead = Ahead()
    assert ahead.room() > 1000
    for number in range(30):
        ahead.put(held(number, 1, 5.0, size=256 * 1024))
    assert ahead.room() == 2
    for number in range(30):
        ahead.put(held(number, 2, 5.0, size=256 * 1024))
    assert ahead.room() == 1
    ahead.all()
    assert ahead.room() == 32
