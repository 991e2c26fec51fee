"""Exports, on both engines: in order, without a gap or a double, and with today's rights."""

import io
import os
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event as Flag
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from core.domain.actors import Actor
from core.domain.delivery import Answered
from core.domain.events import EventType
from core.errors import BadInput, NotAllowed, NotFound
from core.intake import publish
from core.pipeline import leases, retention, settling
from core.pipeline.fan_out import fan_out
from core.pipeline.settling import Settlement
from core.storage import published
from core.storage.database import proxy, transaction
from core.storage.inserts import insert_rows
from core.storage.models import AuditEntry, Delivery, Event
from core.storage.published import Published
from core.storage.vault import Vault
from core.use_cases import queries, services
from core.use_cases.businesses import add_business, add_member
from core.use_cases.export import Span, export
from tests.support.scene import (
    DAY,
    MARIE,
    NOON,
    OPERATOR,
    SCHEDULE,
    SECOND,
    add_webhook,
    publish_ticket,
    silent,
)
from tests.support.waiting import PATIENCE, wait_until
from tui.cli.exporting import Layout, write_export

ONLY_POSTGRESQL = pytest.mark.parametrize("engine", ["postgres"], indirect=True)
ALL = Span(after=0)


def exported(business: int, span: Span = ALL, actor: Actor = MARIE) -> list[Published]:
    return [each for page in export(actor, [business], span, NOON) for each in page]


def cursors(business: int, span: Span = ALL) -> list[int]:
    return [each.cursor for each in exported(business, span)]


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "_PAGE_EVENTS", 2)


@pytest.mark.usefixtures("small_pages")
def test_everything_that_was_published_comes_in_order_with_its_bytes(business: int) -> None:
    payloads = [f'{{"total_tvac": {n}.10}}'.encode() for n in range(5)]
    ids = [publish_ticket(business, NOON + n * SECOND, payloads[n]) for n in range(5)]
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    publish_ticket(other)
    rows = exported(business)
    assert [row.cursor for row in rows] == ids
    assert [row.payload for row in rows] == payloads
    assert {row.event for row in rows} == {"ticket.created"}


@pytest.mark.usefixtures("small_pages")
def test_a_cursor_goes_on_without_a_gap_or_a_double(business: int) -> None:
    ids = [publish_ticket(business) for _ in range(5)]
    for count in range(6):
        first = ids[:count]
        assert cursors(business, Span(after=first[-1] if first else 0)) == ids[count:]


def test_it_is_cut_by_time_and_by_event(business: int) -> None:
    ids = [publish_ticket(business, NOON + n * DAY) for n in range(6)]
    kind = EventType.CLIENT_CREATED
    client = publish(business, kind, b"{}", NOON + 3 * DAY, wake=silent).event_id
    assert cursors(business, Span(since=NOON + 2 * DAY)) == [*ids[2:], client]
    assert cursors(business, Span(since=NOON + DAY, until=NOON + 3 * DAY)) == ids[1:3]
    assert cursors(business, Span(since=NOON + DAY, after=ids[3])) == [*ids[4:], client]
    assert cursors(business, Span(after=0, event=kind)) == [client]


def test_a_page_of_large_payloads_is_shorter(
    business: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_PAGE_BYTES", 250)
    for _ in range(5):
        publish_ticket(business, payload=b'"' + b"x" * 98 + b'"')
    pages = list(export(MARIE, [business], ALL, NOON))
    assert [len(page) for page in pages] == [2, 2, 1, 0]


def test_one_that_is_larger_than_a_page_comes_alone(
    business: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_PAGE_BYTES", 1)
    ids = [publish_ticket(business) for _ in range(3)]
    assert cursors(business) == ids


def test_what_was_sent_to_try_a_webhook_was_not_published(business: int, vault: Vault) -> None:
    webhook = add_webhook(vault, business)
    services.send_test(MARIE, webhook.id, NOON, wake=silent)
    fan_out(10, NOON)
    assert exported(business) == []
    assert exported(business, Span(after=0, undelivered=webhook.id)) == []


def test_it_needs_a_beginning(business: int) -> None:
    with pytest.raises(BadInput, match="Say where to begin"):
        export(MARIE, [business], Span(), NOON)


def test_it_is_in_the_audit_trail(business: int) -> None:
    exported(business, Span(since=NOON, event=EventType.TICKET_CREATED))
    [row] = queries.trail(MARIE, business)[:1]
    assert (row.actor, row.action) == ("marie", "exported")
    assert row.subject == "since 2026-05-17 12:00 UTC, event ticket.created"


@pytest.mark.parametrize(
    ("actor", "refusal"),
    [(Actor("paul", "test"), NotFound), (Actor("staff", "test"), NotAllowed)],
    ids=["stranger", "staff"],
)
def test_only_an_owner_may(business: int, actor: Actor, refusal: type[Exception]) -> None:
    add_member(OPERATOR, business, "staff", "staff", NOON)
    with pytest.raises(refusal):
        export(actor, [business], ALL, NOON)
    with transaction():
        assert not AuditEntry.select().where(AuditEntry.action == "exported").exists()


@pytest.mark.usefixtures("small_pages")
def test_rights_are_read_again_at_each_page(business: int) -> None:
    for _ in range(5):
        publish_ticket(business)
    pages = export(MARIE, [business], ALL, NOON)
    assert len(next(pages)) == 2
    add_member(OPERATOR, business, "marie", "staff", NOON)
    with pytest.raises(NotAllowed):
        next(pages)


@pytest.mark.usefixtures("small_pages")
def test_no_transaction_is_open_while_a_page_is_written(business: int) -> None:
    for _ in range(5):
        publish_ticket(business)
    for _ in export(MARIE, [business], ALL, NOON):
        assert not proxy.in_transaction()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(publish_ticket, business).result(PATIENCE)


@pytest.mark.usefixtures("small_pages")
def test_it_ends_with_what_was_there_when_it_began(business: int) -> None:
    ids = [publish_ticket(business) for _ in range(3)]
    pages = export(MARIE, [business], ALL, NOON)
    younger = publish_ticket(business)
    assert [each.cursor for page in pages for each in page] == ids
    assert cursors(business, Span(after=ids[-1])) == [younger]


def test_several_businesses_come_in_one_order(business: int) -> None:
    other = add_business(OPERATOR, "Chez Marie 2", "group", "marie", NOON)
    ids = [publish_ticket(each) for each in (business, other, other, business)]
    rows = [row for page in export(MARIE, [business, other], ALL, NOON) for row in page]
    assert [row.cursor for row in rows] == ids
    assert [row.business_id for row in rows] == [business, other, other, business]


class TestUndelivered:
    def statuses(self, business: int, webhook_id: int) -> list[tuple[int, str | None]]:
        rows = exported(business, Span(after=0, undelivered=webhook_id))
        return [(row.cursor, row.status) for row in rows]

    def settle(self, webhook_id: int, *statuses: int) -> None:
        """Answer what is due, oldest first, with these."""
        claims = leases.claim({webhook_id: len(statuses)}, SCHEDULE, NOON)
        claims.sort(key=lambda claim: claim.uuid)
        ended = [
            Settlement(claim, Answered(status, ""), NOON, SECOND)
            for claim, status in zip(claims, statuses, strict=True)
        ]
        settling.settle(ended, SCHEDULE, NOON)

    def test_what_never_got_a_2xx_comes_with_its_delivery(
        self, business: int, vault: Vault
    ) -> None:
        webhook = add_webhook(vault, business)
        other = add_webhook(vault, business)
        ids = [publish_ticket(business, NOON + n * SECOND) for n in range(3)]
        fan_out(10, NOON)
        self.settle(webhook.id, 200, 503, 404)
        assert self.statuses(business, webhook.id) == [(ids[1], "failed"), (ids[2], "failed")]
        assert [cursor for cursor, _ in self.statuses(business, other.id)] == ids
        known = {str(row.uuid) for row in queries.deliveries(MARIE, webhook.id)}
        rows = exported(business, Span(after=0, undelivered=webhook.id))
        assert {str(row.delivery_id) for row in rows} <= known

    def test_what_was_delivered_and_then_sent_again_in_vain_did_arrive(
        self, business: int, vault: Vault
    ) -> None:
        webhook = add_webhook(vault, business)
        publish_ticket(business)
        fan_out(10, NOON)
        self.settle(webhook.id, 200)
        [row] = queries.deliveries(MARIE, webhook.id)
        services.redeliver(MARIE, str(row.uuid), NOON, wake=silent)
        self.settle(webhook.id, 500)
        assert self.statuses(business, webhook.id) == []

    def test_it_ends_before_what_is_not_fanned_out(self, business: int, vault: Vault) -> None:
        webhook = add_webhook(vault, business)
        first = publish_ticket(business)
        fan_out(10, NOON)
        second = publish_ticket(business)
        assert self.statuses(business, webhook.id) == [(first, "pending")]
        fan_out(10, NOON)
        assert [cursor for cursor, _ in self.statuses(business, webhook.id)] == [first, second]

    def test_another_s_webhook_and_a_deleted_one_are_none(
        self, business: int, vault: Vault
    ) -> None:
        webhook = add_webhook(vault, business)
        add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
        span = Span(after=0, undelivered=webhook.id)
        with pytest.raises(NotFound, match="no webhook"):
            export(Actor("paul", "test"), [], span, NOON)
        services.delete_webhook(MARIE, webhook.id, NOON)
        with pytest.raises(NotFound, match="no webhook"):
            export(MARIE, [], span, NOON)


class Open:
    """A transaction in a thread of its own that has published one event, open until told."""

    def __init__(self, business: int) -> None:
        self._there, self._end = Flag(), Flag()
        self._pool = ThreadPoolExecutor(1)
        self._ended: Any = self._pool.submit(self._publish, business)
        assert self._there.wait(PATIENCE)

    def _publish(self, business: int) -> int:
        with transaction():
            event_id = publish_ticket(business)
            self._there.set()
            assert self._end.wait(PATIENCE)
        return event_id

    def commit(self) -> int:
        self._end.set()
        event_id: int = self._ended.result(PATIENCE)
        self._pool.shutdown()
        return event_id


_WRITTEN = """
    INSERT INTO event (business_id, type, payload, digest, created_at)
    VALUES (%s, 'ticket.created', '{}', 0, 0) RETURNING id
"""


@ONLY_POSTGRESQL
class TestWhileATransactionIsOpen:
    @pytest.mark.parametrize("is_fanned_out", [False, True])
    def test_it_ends_before_it_and_goes_on_without_a_gap(
        self, business: int, is_fanned_out: bool
    ) -> None:
        before = [publish_ticket(business) for _ in range(3)]
        if is_fanned_out:
            fan_out(10, NOON)
        slow = Open(business)
        after = [publish_ticket(business) for _ in range(2)]
        if is_fanned_out:
            fan_out(10, NOON)
        assert cursors(business) == before
        assert cursors(business, Span(after=before[-1])) == []
        held = slow.commit()
        assert held < after[0]
        assert cursors(business, Span(after=before[-1])) == [held, *after]

    def test_what_was_rolled_back_long_before_hides_nothing_that_was_fanned_out(
        self, business: int
    ) -> None:
        for key in ("k", "k"):  # the second draws an id, and nothing has it
            publish(business, EventType.CLIENT_CREATED, b"{}", NOON, key=key, wake=silent)
        last = publish_ticket(business)
        fan_out(10, NOON)
        slow = Open(business)
        assert cursors(business)[-1] == last
        slow.commit()

    def test_it_ends_before_one_that_began_after_all_that_have_ended(
        self, business: int, database: str
    ) -> None:
        """A snapshot knows no number above the highest that has ended, and so not the open one."""
        with psycopg.connect(database) as first:
            first.execute("SELECT txid_current()")
            slow = Open(business)
            [after] = first.execute(_WRITTEN, [business]).fetchone() or ()
        assert cursors(business) == []
        held = slow.commit()
        assert held < after
        assert cursors(business) == [held, after]

    def test_what_is_fanned_out_in_its_time_is_no_older_for_that(self, business: int) -> None:
        slow = Open(business)
        publish_ticket(business)
        fan_out(10, NOON)
        assert cursors(business) == []
        slow.commit()
        assert len(cursors(business)) == 2


_FOREIGN = """
    INSERT INTO event (business_id, type, payload, key, created_at)
    VALUES (%s, 'ticket.created', (SELECT '{}'::bytea FROM (SELECT pg_advisory_xact_lock(%s)) AS w),
            NULL, 0)
"""
_HELD_UP = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted"


@contextmanager
def held_up(business: int) -> Iterator[Callable[[], None]]:
    """Another program's INSERT, the first that its transaction does: it has drawn the event's id,
    and stands still before it writes the row until it is told to go on, and commits.
    """
    url, lock = proxy.obj.database, 4711

    def insert() -> None:
        with psycopg.connect(url) as shop:
            shop.execute(_FOREIGN, (business, lock))

    with ThreadPoolExecutor(1) as pool, psycopg.connect(url, autocommit=True) as gate:
        gate.execute("SELECT pg_advisory_lock(%s)", (lock,))
        inserting = pool.submit(insert)

        def go_on() -> None:
            gate.execute("SELECT pg_advisory_unlock(%s)", (lock,))
            inserting.result(PATIENCE)

        wait_until(lambda: gate.execute(_HELD_UP, (lock,)).fetchone())
        yield go_on


@ONLY_POSTGRESQL
@pytest.mark.parametrize("is_fanned_out", [False, True])
def test_an_insert_that_has_its_id_and_nothing_else_is_not_passed_over(
    business: int, is_fanned_out: bool
) -> None:
    before = publish_ticket(business)
    fan_out(10, NOON)
    with held_up(business) as commit:
        after = publish_ticket(business)
        if is_fanned_out:
            fan_out(10, NOON)
        assert cursors(business) == [before]
        commit()
    fan_out(10, NOON)
    [held, younger] = cursors(business, Span(after=before))
    assert before < held < younger == after


def test_what_another_program_wrote_comes_once_it_was_looked_at(business: int) -> None:
    """It ends before: nobody knows yet whether that is an event."""
    first = publish_ticket(business)
    with transaction():
        row = {"business": business, "type": "ticket.created", "payload": b"{}"}
        second = Event.insert(created_at=NOON, **row).execute()
    third = publish_ticket(business)
    assert cursors(business) == [first]
    fan_out(10, NOON)
    assert cursors(business) == [first, second, third]


def test_what_was_set_aside_was_not_published(business: int) -> None:
    ids = [publish_ticket(business) for _ in range(3)]
    with transaction():
        Event.update(refused="why", fanned_out_at=NOON).where(Event.id == ids[1]).execute()
    assert cursors(business) == [ids[0], ids[2]]


def test_no_event_gets_an_id_that_a_cursor_has_passed(business: int) -> None:
    for _ in range(3):
        last = publish_ticket(business)
    fan_out(10, NOON)
    assert cursors(business)[-1] == last
    retention.prune(NOON + DAY, NOON + DAY)
    with transaction():
        assert not Delivery.select().exists()
    younger = publish_ticket(business, NOON + DAY)
    assert cursors(business, Span(after=last)) == [younger]


class Counting(io.BytesIO):
    """What was written, and in how many parts."""

    writes = 0

    def write(self, part: Any) -> int:
        self.writes += 1
        return super().write(part)


@pytest.mark.usefixtures("small_pages")
def test_each_page_is_written_at_once(business: int, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Counting()
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(buffer=written))
    for _ in range(5):
        publish_ticket(business)
    write_export(export(MARIE, [business], ALL, NOON), Layout())
    assert written.getvalue().count(b"\n") == 5
    assert written.writes == 4, "three pages, and the last, in which there is nothing"


def peak_of_an_export(business: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """The most that it holds at once, in bytes."""
    with Path(os.devnull).open("w") as nowhere, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", nowhere)
        tracemalloc.start()
        write_export(export(MARIE, [business], ALL, NOON), Layout())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak


def test_one_four_times_as_long_takes_no_more_memory(
    business: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_PAGE_EVENTS", 300)
    peaks = []
    for count in (1_000, 3_000):
        rows = [(business, "ticket.created", b"1" * 2000, NOON, NOON) for _ in range(count)]
        fields = [Event.business, Event.type, Event.payload, Event.created_at, Event.fanned_out_at]
        insert_rows(Event, fields, rows)
        peaks.append(peak_of_an_export(business, monkeypatch))
    assert peaks[1] < 1.2 * peaks[0] < 6_000_000
