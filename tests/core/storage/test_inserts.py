"""Many rows in one statement: what is read again is what was given, on both engines."""

from collections.abc import Iterable
from uuid import UUID

import pytest
from peewee import DataError

from core.domain.delivery import ErrorKind
from core.pipeline.fan_out import fan_out
from core.storage.database import transaction
from core.storage.inserts import insert_new, insert_rows
from core.storage.models import Attempt, Delivery, Event
from core.storage.vault import Vault
from tests.support.scene import NOON, add_webhook, publish_ticket

TEXTS = ["", "NULL", "null", 'a "b" \\ c', "\\", '"', "{a,b}", " a ", "a\n\tb", "été 😀", "'; --"]
FIELDS = (
    *(Attempt.delivery, Attempt.number, Attempt.started_at, Attempt.duration_us),
    *(Attempt.http_status, Attempt.error, Attempt.detail, Attempt.response),
    *(Attempt.recovery, Attempt.abandoned),
)
REST = (2**31 - 1, None, None, "", "", False, True)


@pytest.fixture
def delivery(business: int, vault: Vault) -> Delivery:
    add_webhook(vault, business)
    publish_ticket(business)
    fan_out(500, NOON)
    return Delivery.get()


def insert(rows: list[tuple[object, ...]]) -> None:
    with transaction():
        insert_rows(Attempt, FIELDS, rows)


def test_texts_numbers_and_nothing_come_back_as_they_were(delivery: Delivery) -> None:
    rows = [
        (delivery.id, number, NOON, 2**31 - 1, status, error, text, text[::-1], bool(error), True)
        for number, text in enumerate(TEXTS)
        for status, error in ((200, None), (None, ErrorKind.PROTOCOL))
    ]
    insert(rows)
    assert list(Attempt.select(*FIELDS).order_by(Attempt.id).tuples()) == rows


def test_bytes_and_uuids_come_back_as_they_were(
    business: int, vault: Vault, delivery: Delivery
) -> None:
    fields = (
        *(Delivery.event, Delivery.webhook, Delivery.uuid, Delivery.created_at),
        *(Delivery.attempts, Delivery.interruptions, Delivery.status, Delivery.body),
    )
    bodies = [b"", b'\x00\xff"\\', None]
    rows = [
        (delivery.event_id, add_webhook(vault, business).id, UUID(int=number), NOON, *rest)
        for number, rest in enumerate((0, 0, "pending", body) for body in bodies)
    ]
    with transaction():
        insert_rows(Delivery, fields, rows)
    found = Delivery.select(*fields).where(Delivery.id > delivery.id).order_by(Delivery.id)
    assert [(*row[:7], row[7] and bytes(row[7])) for row in found.tuples()] == rows


def test_no_rows_are_no_statement(business: int) -> None:
    insert([])
    assert not Attempt.select().exists()


def test_more_rows_than_a_statement_can_have_values(delivery: Delivery) -> None:
    insert([(delivery.id, 1, NOON, *REST)] * 7_000)
    assert Attempt.select().count() == 7_000


def test_what_is_there_already_is_left_as_it_was_and_the_others_are_counted(business: int) -> None:
    fields = (Event.business, Event.type, Event.payload, Event.key, Event.created_at)

    def insert_keys(payload: bytes, keys: Iterable[int]) -> int:
        rows = [(business, "ticket.created", payload, str(key), NOON) for key in keys]
        with transaction():
            return insert_new(Event, fields, rows)

    assert insert_keys(b"1", [*range(1_100), 7]) == 1_100
    assert insert_keys(b"2", range(1_000, 1_600)) == 500
    stored = Event.select(Event.payload, Event.key).order_by(Event.id).tuples()
    assert [(bytes(payload), int(key)) for payload, key in stored] == [
        (b"1" if key < 1_100 else b"2", key) for key in range(1_600)
    ]
    assert insert_keys(b"3", []) == 0


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
def test_a_text_that_the_engine_refuses_is_refused_as_a_value(delivery: Delivery) -> None:
    with pytest.raises(DataError):
        insert([(delivery.id, 1, NOON, 0, None, None, "a\x00b", "", False, False)])
