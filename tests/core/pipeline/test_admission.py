"""Rows that another program wrote into the outbox, on both engines."""

import json
import logging
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from peewee import fn

from core.domain.choices import Format
from core.domain.events import SELECTABLE
from core.domain.foreign import MOST_READ
from core.domain.payload import digest
from core.pipeline import retention
from core.pipeline.fan_out import FannedOut, fan_out, set_aside_strays
from core.pipeline.subjects import cut_subjects
from core.storage import foreign_rows
from core.storage.database import proxy, transaction
from core.storage.models import Delivery, Event
from core.storage.vault import Vault
from core.use_cases import queries, workers
from core.use_cases.businesses import set_business
from core.use_cases.finding import find
from core.use_cases.installation_health import vitals
from core.use_cases.trials import Trial, try_conditions
from core.use_cases.webhook_health import overview
from core.use_cases.workers import SetAside
from tests.support.scene import (
    DAY,
    MARIE,
    NOON,
    OPERATOR,
    SECOND,
    add_webhook,
    only_delivery,
    publish_ticket,
)

ONLY_SQLITE = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
_INSERT = "INSERT INTO event (business_id, type, payload, key, created_at) VALUES ({})"


def write(business: int, **columns: Any) -> int:
    """With a statement of its own, as any program could."""
    row = {"type": "ticket.created", "payload": b"{}", "key": None, "created_at": 0} | columns
    with transaction():
        proxy.execute_sql(_INSERT.format(", ".join([proxy.param] * 5)), (business, *row.values()))
        event_id: int = Event.select(fn.MAX(Event.id)).scalar()
    return event_id


def refusals() -> dict[int, str]:
    with transaction():
        rows = Event.select(Event.id, Event.refused).where(~Event.refused.is_null())
        return dict(rows.tuples())


def test_it_is_sent_as_if_it_had_been_published(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    event_id = write(business, payload=b' {"numero": 12} ')
    assert fan_out(10, NOON).deliveries == 1
    with transaction():
        event = Event.get(Event.id == event_id)
    assert bytes(event.payload) == b'{"numero": 12}'
    assert (event.subject, event.digest) == ("12", digest(b'{"numero": 12}'))
    assert event.created_at == NOON
    detail = queries.delivery(MARIE, str(only_delivery(webhook.id).uuid))
    assert b'"payload":{"numero": 12}}' in detail.body


def test_more_than_are_looked_at_at_once(
    business: int, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreign_rows, "_AT_ONCE", 2)
    add_webhook(vault, business)
    for _ in range(5):
        write(business)
    assert fan_out(10, NOON) == FannedOut(5, 5)


def test_a_chat_line_is_made_of_what_was_admitted(business: int, vault: Vault) -> None:
    add_webhook(vault, business, chosen={"format": Format.CHAT})
    write(business, payload=b'{"numero": 12}')
    write(business, payload=b"{")
    assert fan_out(10, NOON) == FannedOut(1, 1)
    with transaction():
        [body] = [bytes(row.body) for row in Delivery.select()]
    assert json.loads(body)["text"].startswith("Ticket 12")


def test_of_several_the_ids_sort_as_they_were_written(business: int, vault: Vault) -> None:
    add_webhook(vault, business)
    ids = [write(business) for _ in range(3)]
    fan_out(10, NOON)
    with transaction():
        rows = Delivery.select(Delivery.event).order_by(Delivery.uuid).tuples()
        assert [event_id for (event_id,) in rows] == ids


@pytest.mark.parametrize(
    "columns",
    [
        {"type": "ticket.created\r\nX-Evil: 1"},
        {"type": "ping"},
        {"payload": b"{"},
        {"payload": b" " * (MOST_READ + 1)},
        {"created_at": 2**62},
        {"created_at": 1_779_000_000_000},
        {"key": "a\nb"},
    ],
    ids=", ".join,
)
def test_what_cannot_be_sent_is_set_aside_alone_and_in_plain_sight(
    business: int, vault: Vault, caplog: pytest.LogCaptureFixture, columns: dict[str, Any]
) -> None:
    webhook = add_webhook(vault, business)
    bad = write(business, **columns)
    good = publish_ticket(business)
    with caplog.at_level(logging.ERROR):
        assert fan_out(10, NOON) == FannedOut(1, 1)
    assert list(refusals()) == [bad]
    assert "set aside" in caplog.text
    assert "Evil" not in caplog.text + refusals()[bad]
    [delivery] = queries.deliveries(MARIE, webhook.id)
    with transaction():
        assert Delivery.get().event_id == good
    assert delivery.status == "pending"
    assert fan_out(10, NOON + SECOND).events == 0


def test_a_type_that_is_none_is_set_aside_whatever_else_is_written(
    business: int, vault: Vault
) -> None:
    """A digest too, as if it had been looked at, and the webhook it is for."""
    webhook = add_webhook(vault, business)
    bad = write(business, type="x\r\nEvil: 1")
    with transaction():
        Event.update(digest=digest(b"{}"), webhook=webhook.id).execute()
    assert fan_out(10, NOON).deliveries == 0
    assert list(refusals()) == [bad]


def test_one_that_nobody_has_looked_at_yet_holds_up_no_publication(business: int) -> None:
    write(business, created_at=2**62)
    assert publish_ticket(business)


def test_one_that_nobody_will_look_at_holds_up_no_pruning(business: int) -> None:
    """Its business is switched off."""
    set_business(OPERATOR, business, NOON, edition="studio")
    write(business, created_at=2**62)
    write(business, created_at=1)
    write(business, created_at=2)
    retention.prune(NOON, NOON + DAY)
    with transaction():
        assert Event.select().count() == 1


def test_one_without_a_time_waits_for_its_business_as_long_as_others_do(
    business: int, vault: Vault
) -> None:
    add_webhook(vault, business)
    set_business(OPERATOR, business, NOON, edition="studio")
    ids = [write(business) for _ in range(2)]
    retention.prune(NOON, NOON + DAY)
    set_business(OPERATOR, business, NOON + DAY, edition="group")
    assert fan_out(10, NOON + 2 * DAY) == FannedOut(2, 2)
    with transaction():
        found = Event.select(Event.id, Event.created_at).order_by(Event.id).tuples()
        assert list(found) == [(event_id, NOON + DAY) for event_id in ids]


def test_what_was_set_aside_is_pruned_in_its_time(business: int, vault: Vault) -> None:
    add_webhook(vault, business)
    write(business, created_at=2**62)
    publish_ticket(business, NOON + 3 * DAY)
    fan_out(10, NOON)
    retention.prune(NOON + DAY, NOON + 3 * DAY)
    assert refusals() == {}


def test_what_was_set_aside_is_counted_with_what_is_wrong_with_the_latest(business: int) -> None:
    assert workers.set_aside() is None
    for payload in (b"[", b"{"):
        bad = write(business, payload=payload)
    fan_out(10, NOON)
    assert workers.set_aside() == SetAside(2, bad, "It is not JSON: see line 1, column 2.")


@pytest.mark.parametrize("engine", ["sqlite", "postgres"], indirect=True)
def test_what_is_for_a_business_is_no_stray(business: int) -> None:
    set_business(OPERATOR, business, NOON, edition="studio")
    write(business)
    assert set_aside_strays(NOON) == 0


@ONLY_SQLITE
@pytest.mark.fault(65, "another program writes rubbish into the outbox")
@pytest.mark.parametrize("nobody", [0, 999, "nobody", b"1"])
def test_what_is_for_no_business_is_set_aside_too(business: int, nobody: Any) -> None:
    """SQLite keeps it where its foreign keys are off, as they are by default."""
    good = write(business)
    stray = write_without_foreign_keys(nobody)
    assert fan_out(10, NOON).events == 1
    assert set_aside_strays(NOON) == 1
    assert refusals() == {stray: "There is no business with its business_id."}
    assert vitals(NOON).set_aside == 1
    assert set_aside_strays(NOON) == 0
    assert good not in refusals()
    retention.prune(NOON + DAY, NOON + 2 * DAY)
    assert refusals() == {}


def write_without_foreign_keys(business: Any) -> int:
    with closing(sqlite3.connect(proxy.obj.database)) as shop, shop:
        values = business, "ticket.created", b"{}", None, 0
        written = shop.execute(_INSERT.format("?, ?, ?, ?, ?"), values).lastrowid
    assert written is not None
    return written


@ONLY_SQLITE
def test_text_in_place_of_bytes_is_taken(business: int, vault: Vault) -> None:
    """As drivers write what is not said to be bytes."""
    webhook = add_webhook(vault, business)
    write(business, payload='{"nom": "Zoé"}')
    fan_out(10, NOON)
    detail = queries.delivery(MARIE, str(only_delivery(webhook.id).uuid))
    assert '"payload":{"nom": "Zoé"}}'.encode() in detail.body


@ONLY_SQLITE
@pytest.mark.parametrize(
    "columns",
    [
        {"payload": 12, "key": "k"},
        {"payload": "12", "type": "none", "key": "k"},
        {"payload": "\\", "key": "k"},
        {"type": 7},
        {"type": b"ticket.created"},
        {"type": b"\xff"},
        {"created_at": "now"},
        {"key": b"k"},
    ],
    ids=str,
)
def test_whatever_sqlite_keeps_in_a_column_ends_nothing(
    business: int, vault: Vault, columns: dict[str, Any]
) -> None:
    add_webhook(vault, business)
    bad = write(business, **columns)
    publish_ticket(business, payload=b'{"numero": 7}')
    _read_all(business)
    assert fan_out(10, NOON).deliveries == 1
    assert list(refusals()) == [bad]
    _read_all(business)


def _read_all(business: int) -> None:
    """By each of those who read payloads, before it was looked at and once it was set aside."""
    assert cut_subjects(10) == 0
    assert try_conditions(MARIE, business, SELECTABLE, ["numero = 7"]) == Trial(1, 1)
    assert [found.subject for found in find(MARIE, business, "7")] == ["7"]
    assert find(MARIE, business, "k") == []
    assert len(overview(MARIE, business, NOON).just_now) == 1
