"""Events in, on both engines: in the caller's transaction, once per key, in flat memory."""

import io
import tracemalloc
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import pytest

from core import intake
from core.domain import payload as payload_module
from core.domain.events import EventType
from core.domain.payload import LINE_LIMIT, parse_change
from core.errors import BadDatabase, BadInput, BadPayload, NotFound, NotIncluded
from core.intake import SyncReport, publish, read_lines, record_change, sync
from core.storage.database import open_database, proxy, transaction
from core.storage.models import MICROSECOND, Event
from core.use_cases.businesses import add_business, set_business
from tests.support.scene import MINUTE, NOON, OPERATOR, SECOND, TICKET, publish_ticket, silent

CREATED = EventType.TICKET_CREATED


class Bell:
    """Counts the wakes."""

    def __init__(self) -> None:
        self.rung = 0

    def __call__(self) -> None:
        self.rung += 1


def published() -> int:
    with transaction():
        return int(Event.select().count())


def client(number: int) -> bytes:
    return f'{{"entity":"client","before":null,"after":{{"n":{number}}},"key":"{number}"}}'.encode()


def push(
    business: int, lines: Iterable[bytes], bad: list[tuple[int, str]] | None = None
) -> SyncReport:
    told = [] if bad is None else bad
    return sync(
        business,
        lines,
        lambda: NOON,
        wake=silent,
        on_bad=lambda number, why: told.append((number, why)),
        on_progress=lambda _: None,
    )


def test_an_event_is_published_in_the_callers_transaction(business: int) -> None:
    bell = Bell()
    with transaction():
        publish(business, CREATED, TICKET, NOON, wake=bell)
        assert bell.rung == 0
    assert (published(), bell.rung) == (1, 1)


def test_an_event_whose_transaction_fails_never_was(business: int) -> None:
    bell = Bell()

    def sell() -> None:
        with transaction():
            publish(business, CREATED, TICKET, NOON, wake=bell)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sell()
    assert (published(), bell.rung) == (0, 0)


def test_a_key_seen_before_publishes_nothing_and_names_the_first(business: int) -> None:
    first, second = (
        publish(business, CREATED, TICKET, NOON, key="k", wake=silent) for _ in range(2)
    )
    assert second.event_id == first.event_id
    assert (first.duplicate, second.duplicate) == (False, True)
    assert published() == 1


def test_a_key_is_one_business_s_own(business: int) -> None:
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    for each in (business, other):
        assert not publish(each, CREATED, TICKET, NOON, key="k", wake=silent).duplicate


def test_events_without_a_key_are_never_duplicates(business: int) -> None:
    publish_ticket(business)
    publish_ticket(business)
    assert published() == 2


@pytest.mark.parametrize("key", ["", "k" * 201, "a\n"])
def test_a_key_that_is_none_is_refused(business: int, key: str) -> None:
    """An empty one above all: it would make every later sale a duplicate of the first."""
    with pytest.raises(BadPayload, match="1 to 200 printable"):
        publish(business, CREATED, TICKET, NOON, key=key, wake=silent)
    assert published() == 0


def test_a_rolled_back_savepoint_takes_its_event_along(business: int) -> None:
    def sell() -> None:
        with transaction():
            publish_ticket(business)
            raise ZeroDivisionError

    with transaction():
        publish_ticket(business)
        with pytest.raises(ZeroDivisionError):
            sell()
    assert published() == 1


def test_an_event_that_never_was_wakes_nobody_later(business: int) -> None:
    bell = Bell()

    def sell() -> None:
        with transaction():
            publish(business, CREATED, TICKET, NOON, wake=bell)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sell()
    publish_ticket(business)
    assert bell.rung == 0


def test_a_duplicate_and_what_is_not_included_wake_nobody(business: int) -> None:
    bell = Bell()
    publish(business, CREATED, TICKET, NOON, key="k", wake=silent)
    publish(business, CREATED, TICKET, NOON, key="k", wake=bell)
    set_business(OPERATOR, business, NOON, edition="studio")
    publish(business, CREATED, TICKET, NOON, wake=bell)
    assert bell.rung == 0


def times() -> list[datetime]:
    """When the events happened, in the order in which they were published."""
    with transaction():
        return [event.created_at for event in Event.select().order_by(Event.id)]


def test_times_rise_in_the_order_of_publication_within_one_microsecond_too(business: int) -> None:
    for _ in range(3):
        publish_ticket(business)
    push(business, map(client, range(3)))
    assert times() == [NOON + number * MICROSECOND for number in range(6)]


def test_they_rise_over_a_clock_that_was_set_back_a_little(business: int) -> None:
    publish_ticket(business, NOON)
    publish_ticket(business, NOON - 0.9 * SECOND)
    assert times() == [NOON, NOON + MICROSECOND]


def test_a_clock_that_was_set_back_far_is_believed(business: int) -> None:
    publish_ticket(business, NOON)
    publish_ticket(business, NOON - MINUTE)
    publish_ticket(business, NOON - MINUTE)
    assert times() == [NOON, NOON - MINUTE, NOON - MINUTE + MICROSECOND]


def test_one_business_s_times_are_no_other_s(business: int) -> None:
    other = add_business(OPERATOR, "Chez Paul", "group", "paul", NOON)
    publish_ticket(business)
    publish_ticket(other)
    assert times() == [NOON, NOON]


def test_a_change_is_recorded_as_the_event_it_is(business: int) -> None:
    change = parse_change(client(1))
    first, second = (record_change(business, change, NOON, wake=silent) for _ in range(2))
    assert first is not None
    assert second is not None
    assert second.duplicate
    with transaction():
        event = Event.get()
    assert (event.type, bytes(event.payload), event.key) == ("client.created", b'{"n":1}', "1")
    removed = b'{"entity":"client","before":{},"after":null,"key":"2"}'
    assert record_change(business, parse_change(removed), NOON, wake=silent) is None


@pytest.mark.parametrize("name", ["ping", "ticket.deleted", ""])
def test_only_the_seven_events_can_be_published(business: int, name: str) -> None:
    with pytest.raises(BadInput, match=r"choose from ticket\.created"):
        publish(business, name, TICKET, NOON, wake=silent)


def test_a_payload_is_parsed_once(business: int, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []
    decoded = payload_module.decoded

    def noted(raw: bytes) -> Any:
        parsed.append(raw)
        return decoded(raw)

    monkeypatch.setattr(payload_module, "decoded", noted)
    publish_ticket(business)
    assert parsed == [TICKET]


def test_a_payload_that_is_not_json_is_refused(business: int) -> None:
    with pytest.raises(BadPayload):
        publish(business, CREATED, b"{", NOON, wake=silent)
    assert published() == 0


def test_an_unknown_business_is_refused(database: str) -> None:
    with pytest.raises(NotFound):
        publish(7, CREATED, TICKET, NOON, wake=silent)


def test_a_business_without_webhooks_is_told_why_and_its_sale_goes_on(business: int) -> None:
    set_business(OPERATOR, business, NOON, edition="studio")
    publication = publish(business, CREATED, TICKET, NOON, wake=silent)
    assert publication.event_id is None
    assert "€24 a month" in str(publication.not_included)
    assert published() == 0


def test_the_same_push_twice_publishes_nothing_the_second_time(business: int) -> None:
    lines = [client(number) for number in range(1200)]
    assert push(business, lines) == SyncReport(published=1200)
    assert push(business, lines) == SyncReport(duplicates=1200)
    assert published() == 1200


def test_a_key_twice_in_one_push_is_published_once(business: int) -> None:
    assert push(business, [client(1), client(1)]) == SyncReport(published=1, duplicates=1)


def test_bad_lines_are_told_by_number_and_the_good_ones_kept(business: int) -> None:
    bad: list[tuple[int, str]] = []
    lines = [client(1), b"\n", b"rubbish", client(2), b"{}"]
    assert push(business, lines, bad) == SyncReport(published=2, bad=2)
    assert [number for number, _ in bad] == [3, 5]
    assert published() == 2


def test_a_line_that_is_too_long_is_told_and_the_next_ones_kept(business: int) -> None:
    bad: list[tuple[int, str]] = []
    file = io.BytesIO(client(1) + b"\n" + b"x" * (3 * LINE_LIMIT) + b"\n" + client(2))
    assert push(business, read_lines(file), bad) == SyncReport(published=2, bad=1)
    assert [number for number, _ in bad] == [2]
    assert f"{LINE_LIMIT} bytes" in bad[0][1]


def test_changes_that_are_no_event_are_counted_as_that(business: int) -> None:
    same = b'{"entity":"client","before":{"n":1.0},"after":{"n":1.00},"key":"s"}'
    assert push(business, [same, client(1)]) == SyncReport(published=1, no_event=1)
    assert SyncReport(published=1, duplicates=2, no_event=3, bad=4).lines == 10


def test_a_push_wakes_the_consumer_once_a_batch_and_not_for_what_was_seen(business: int) -> None:
    bell = Bell()
    lines = [client(number) for number in range(700)]
    for _ in range(2):
        sync(
            business,
            lines,
            lambda: NOON,
            wake=bell,
            on_bad=lambda *_: None,
            on_progress=lambda _: None,
        )
    assert bell.rung == 2


def test_a_push_for_a_business_that_is_none_is_refused(database: str) -> None:
    with pytest.raises(NotFound):
        push(7, [])


def test_a_push_of_a_business_without_webhooks_is_refused_before_it_is_read(
    business: int,
) -> None:
    set_business(OPERATOR, business, NOON, edition="studio")

    def unread() -> Iterator[bytes]:
        pytest.fail("the push was read")
        yield b""

    with pytest.raises(NotIncluded, match="Studio"):
        push(business, unread())


def test_an_option_switched_off_during_a_push_stops_it(business: int) -> None:
    def lines() -> Iterator[bytes]:
        for number in range(2000):
            if number == 700:
                set_business(OPERATOR, business, NOON, edition="studio")
            yield client(number)

    with pytest.raises(NotIncluded):
        push(business, lines())
    assert published() == 500


def test_a_push_shows_how_far_it_is(business: int) -> None:
    assert progress(business, 1100) == [500, 1000, 1100]


def test_a_push_of_long_lines_is_committed_more_often(
    business: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "_MOST_BYTES", 3 * len(parse_change(client(0)).payload))
    assert progress(business, 10) == [3, 6, 9, 10]


def progress(business: int, count: int) -> list[int]:
    """What is told to be published after each batch of so many lines."""
    seen: list[int] = []
    sync(
        business,
        (client(number) for number in range(count)),
        lambda: NOON,
        wake=silent,
        on_bad=lambda *_: None,
        on_progress=lambda report: seen.append(report.published),
    )
    return seen


@pytest.mark.slow
def test_a_push_four_times_as_long_takes_no_more_memory(business: int) -> None:
    peaks = [peak_of_a_push(business, range(first, last)) for first, last in CHANGES]
    assert peaks[1] < 1.2 * peaks[0] < 8_000_000


CHANGES = ((0, 1000), (1000, 5000))


def peak_of_a_push(business: int, numbers: range) -> int:
    """The most that it holds at once, in bytes."""
    tracemalloc.start()
    push(business, map(client, numbers))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_lines_are_read_bounded_and_keep_their_numbers() -> None:
    long = b"x" * (3 * LINE_LIMIT)
    lines = list(read_lines(io.BytesIO(b"a\n" + long + b"\nb\n\nc")))
    assert [line[:1] for line in lines] == [b"a", b"x", b"b", b"\n", b"c"]
    assert max(map(len, lines)) == LINE_LIMIT + 1


def test_before_a_database_is_open_it_says_what_to_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy, "obj", None)
    with pytest.raises(BadDatabase, match=r"call open_database\(url\) once"):
        publish(1, CREATED, TICKET, NOON, wake=silent)


@pytest.mark.parametrize("payload", [{"numero": 1}, '{"numero": 1}', None, 7])
def test_what_is_no_bytes_is_told_how_to_become_them(business: int, payload: Any) -> None:
    with pytest.raises(BadPayload, match=rf"this is {type(payload).__name__}: .*\.encode\(\)"):
        publish(business, CREATED, payload, NOON, wake=silent)
    assert published() == 0


def test_a_time_without_a_zone_is_told_how_to_get_one(business: int) -> None:
    with pytest.raises(BadInput, match=r"datetime\.now\(UTC\)"):
        publish(business, CREATED, TICKET, NOON.replace(tzinfo=None), wake=silent)


def test_a_producer_s_whole_door_is_in_one_place(business: int) -> None:
    with intake.transaction():
        assert intake.publish(business, CREATED, TICKET, NOON, wake=intake.ring).event_id
    assert published() == 1
    assert intake.open_database is open_database
