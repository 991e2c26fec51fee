"""Events without a subject get theirs in small steps, on both engines."""

import pytest

from core.domain.payload import parse_change
from core.intake import next_time, publish, record_change
from core.pipeline import subjects
from core.pipeline.fan_out import fan_out
from core.pipeline.subjects import cut_subjects
from core.storage.database import connection, transaction
from core.storage.models import Event
from tests.support.scene import NOON, publish_ticket, silent


def kept() -> list[str | None]:
    """The subjects of all events, in the order of their publication."""
    with connection():
        return [row[0] for row in Event.select(Event.subject).order_by(Event.id).tuples()]


def forget_subjects() -> None:
    """As if a version had published them that knew of none."""
    with transaction():
        Event.update(subject=None).execute()


def test_what_is_published_has_its_subject_at_once(business: int) -> None:
    publish(business, "ticket.created", b'{"numero": "T-1"}', NOON, wake=silent)
    publish(business, "ticket.created", b"[]", NOON, wake=silent)
    line = b'{"entity": "client", "before": null, "after": {"id": 88}, "key": "k"}'
    record_change(business, parse_change(line), NOON, wake=silent)
    assert kept() == ["T-1", "", "88"]
    assert cut_subjects(10) == 0


def test_older_ones_get_theirs_the_newest_first_and_no_more_than_asked_for(business: int) -> None:
    for number in range(5):
        publish_ticket(business, payload=b'{"numero": %d}' % number)
    forget_subjects()
    assert cut_subjects(2) == 2
    assert kept() == [None, None, None, "3", "4"]
    assert cut_subjects(10) == 3
    assert kept() == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("raw", [b"{", b"\xff", b'{"numero": "a\\u0000b"}', b"[" * 5000])
def test_a_payload_that_is_none_ends_nothing(business: int, raw: bytes) -> None:
    publish_ticket(business)
    with transaction():
        Event.update(payload=raw, subject=None).execute()
    assert cut_subjects(10) == 1
    assert kept() in ([""], ["a␀b"])


def test_it_ends_between_two_steps_once_the_worker_is_to_end(
    business: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subjects, "_STEP", 2)
    for _ in range(5):
        publish_ticket(business)
    forget_subjects()
    asked = iter([False, True])
    assert cut_subjects(10, lambda: next(asked)) == 2


def test_what_another_program_writes_into_the_outbox_gets_its_own_at_fan_out(
    business: int,
) -> None:
    with transaction():
        Event.insert(
            business=business,
            type="ticket.created",
            payload=b'{"numero": 9}',
            created_at=next_time(business, NOON),
        ).execute()
    fan_out(1, NOON)
    assert kept() == ["9"]
