"""Events in: one row in the outbox for each, in the caller's own transaction, and nothing else."""

import codecs
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from select import select
from time import monotonic
from typing import Any, Protocol

from peewee import Case, fn

from core.domain.editions import includes_webhooks, why_not_included
from core.domain.events import SELECTABLE, EventType, Purpose
from core.domain.payload import (
    LINE_LIMIT,
    Change,
    Checked,
    check_key,
    check_payload,
    digest,
    parse_change,
)
from core.errors import BadInput, BadPayload, NotIncluded
from core.storage.bell import ring as ring  # noqa: PLC0414 - a producer's whole door is here
from core.storage.built import built_once
from core.storage.database import after_commit, connection
from core.storage.database import open_database as open_database  # noqa: PLC0414 - the same
from core.storage.database import transaction as transaction  # noqa: PLC0414 - the same
from core.storage.inserts import insert_new
from core.storage.models import EPOCH, MICROSECOND, Event, Webhook
from core.storage.rows import find_business

Wake = Callable[[], None]
"""Rings the consumer. It is called after the commit, and may fail."""


class Arriving(Protocol):
    """A binary file that Python has opened and buffers, or one in memory."""

    def fileno(self) -> int: ...
    def read1(self, size: int, /) -> bytes: ...


_BATCH = 500
_MOST_BYTES = 4 * 2**20  # of payloads in a batch: PostgreSQL's driver is slow at larger ones
_AT_ONCE = 1 << 18  # bytes
_HELD_BACK = 0.5  # seconds that a line waits for others at the most, while more may come
_AHEAD = timedelta(seconds=1)  # how far a time may be ahead of the clock at the most
_COLUMNS = (
    Event.business,
    Event.type,
    Event.payload,
    Event.digest,
    Event.subject,
    Event.key,
    Event.created_at,
)


@dataclass(frozen=True, slots=True)
class Publication:
    """What became of one event: queued, a duplicate of an earlier one, or not included."""

    event_id: int | None
    duplicate: bool = False
    not_included: str | None = None  # in one sentence, why nothing was queued


def publish(
    business_id: int,
    event_type: str,
    payload: bytes,
    now: datetime,
    *,
    key: str | None = None,
    wake: Wake,
) -> Publication:
    """Put one event into the outbox. A key that was seen before returns the event it stands for.

    Inside a transaction of the caller's this becomes part of it: the event is published if that
    commits. A business without webhooks is no error, since the caller's sale must go on: nothing is
    queued, and the publication says why. `now` needs a time zone. `wake` is `ring`, or does
    nothing.

    Raises BadInput for an unknown event type or a `now` without a zone, BadPayload for a payload
    that is not JSON in bytes, NotFound for an unknown business, and BadDatabase before
    `open_database`.
    """
    if now.tzinfo is None:
        raise BadInput("The time has no zone: hand over datetime.now(UTC).")
    key = None if key is None else check_key(key)
    checked = selectable_type(event_type), check_payload(payload), key
    with transaction():
        why = _why_not_included(business_id)
        if why is not None:
            return Publication(None, not_included=str(why))
        event_id = _insert(business_id, *checked, now)
        if event_id is None:
            seen = Event.get((Event.business == business_id) & (Event.key == key))
            return Publication(seen.id, duplicate=True)
        after_commit(wake)
        return Publication(event_id)


def record_change(
    business_id: int, change: Change, now: datetime, *, wake: Wake
) -> Publication | None:
    """Publish the event that a BackendSync change is; None where it is no event."""
    if change.event_type is None:
        return None
    return publish(business_id, change.event_type, change.payload, now, key=change.key, wake=wake)


def selectable_type(name: str) -> EventType:
    """The event type with this name. Raises BadInput for `ping`, and for a name that is no event
    type.
    """
    if name not in SELECTABLE:
        raise BadInput(f'There is no event "{name}": choose from {", ".join(SELECTABLE)}.')
    return EventType(name)


@dataclass(slots=True)
class SyncReport:
    """What became of the lines of one push."""

    published: int = 0
    duplicates: int = 0  # lines whose key was seen before
    no_event: int = 0  # changes that are no event by the trigger table
    bad: int = 0

    @property
    def lines(self) -> int:
        return self.published + self.duplicates + self.no_event + self.bad


def sync(
    business_id: int,
    lines: Iterable[bytes | None],
    clock: Callable[[], datetime],
    *,
    wake: Wake,
    on_bad: Callable[[int, str], None],
    on_progress: Callable[[SyncReport], None],
) -> SyncReport:
    """Take one BackendSync push, committed in batches. Bad lines are reported and the good ones
    kept.

    A line of None is no line. It says that the next one may be long in coming, so that what has
    come is published now.

    Pushing the same lines again after a lost connection publishes nothing twice, so a push that
    stopped half-way is simply pushed again. Raises NotIncluded, and leaves the rest of the push
    unread, when the business may not have webhooks; and NotFound when there is no such business.
    """
    report, batch, size = SyncReport(), list[Change](), 0
    with connection():
        _require_included(business_id)

    def flush() -> None:
        nonlocal size
        _publish_batch(business_id, batch, clock(), wake, report)
        batch.clear()
        size = 0
        on_progress(report)

    number = 0
    for line in lines:
        if line is None:
            if batch:
                flush()
            continue
        number += 1
        if not line.strip():
            continue
        try:
            change = parse_change(line)
        except BadPayload as error:
            report.bad += 1
            on_bad(number, str(error))
            continue
        if change.event_type is None:
            report.no_event += 1
            continue
        batch.append(change)
        size += len(change.payload)
        if len(batch) >= _BATCH or size >= _MOST_BYTES:
            flush()
    flush()
    return report


def read_lines(file: Arriving) -> Iterator[bytes | None]:
    """The lines of a push. None is longer than a limit: of a longer one only its beginning is read.

    Yields None half a second after lines have come without an end, as from a pipe that stays open.
    A byte order mark before the first line is skipped.
    """
    lines = _Lines()
    pending_since: float | None = None
    while True:
        if pending_since is not None and not _more_by(file, pending_since + _HELD_BACK):
            pending_since = None
            yield None
            continue
        data = file.read1(_AT_ONCE)
        if not data:
            yield from lines.end()
            return
        for line in lines.feed(data):
            yield line
            pending_since = pending_since or monotonic()


def _more_by(file: Arriving, deadline: float) -> bool:
    """Whether more, or the end, can be read by then."""
    try:
        descriptor = file.fileno()
    except OSError:  # a file in memory, where everything is there already
        return True
    left = deadline - monotonic()
    return left > 0 and bool(select([descriptor], [], [], left)[0])


class _Lines:
    """Bytes that are cut into lines, none of which holds much more than the limit."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._is_first = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        *ended, rest = data.split(b"\n")
        for part in ended:
            self._begin(part)
            yield self._take(b"\n")
        self._begin(rest)

    def end(self) -> Iterator[bytes]:
        if self._begun:
            yield self._take(b"")

    def _begin(self, part: bytes) -> None:
        self._begun += part[: max(0, LINE_LIMIT + 1 - len(self._begun))]

    def _take(self, end: bytes) -> bytes:
        line = (bytes(self._begun) + end)[: LINE_LIMIT + 1]
        self._begun.clear()
        if self._is_first:
            self._is_first = False
            return line.removeprefix(codecs.BOM_UTF8)
        return line


def _publish_batch(
    business_id: int, changes: list[Change], now: datetime, wake: Wake, report: SyncReport
) -> None:
    with transaction():
        _require_included(business_id)
        published = _insert_all(business_id, changes, now)
        if published:
            after_commit(wake)
    report.published += published
    report.duplicates += len(changes) - published


def _insert_all(business_id: int, changes: list[Change], now: datetime) -> int:
    if not changes:
        return 0
    first = next_time(business_id, now)
    rows = [
        (
            business_id,
            change.event_type,
            change.payload,
            digest(change.payload),
            change.subject,
            change.key,
            first + position * MICROSECOND,
        )
        for position, change in enumerate(changes)
    ]
    return insert_new(Event, _COLUMNS, rows)


def _insert(
    business_id: int, event_type: EventType, checked: Checked, key: str | None, now: datetime
) -> int | None:
    """The id of the new event; None when its key was seen before."""
    payload, subject = checked
    at = next_time(business_id, now)
    values = business_id, event_type, payload, digest(payload), subject, key, at
    inserted = _insert_row(*values).fetchall()
    return inserted[0][0] if inserted else None


@built_once
def _insert_row(*values: object) -> Any:
    """`values` are those of `_COLUMNS`."""
    row = dict(zip(_COLUMNS, values, strict=True))
    return Event.insert(row).on_conflict_ignore().returning(Event.id)


def queue_for(
    webhook: Webhook,
    event_type: EventType,
    payload: bytes,
    now: datetime,
    *,
    purpose: Purpose | None = None,
) -> int:
    """Put an event for this webhook alone into the outbox; returns the id of the event."""
    return int(
        Event.insert(
            business=webhook.business_id,
            type=event_type,
            payload=payload,
            digest=digest(payload),
            subject="",  # nobody looks for an event that has not happened
            webhook=webhook.id,
            purpose=purpose,
            created_at=next_time(webhook.business_id, now),
        ).execute()
    )


def next_time(business_id: int, now: datetime) -> datetime:
    """The time of an event that is published now: later than that of the business's last event.

    So times rise in the order of the calls, even within a microsecond, and even over a clock that
    was set back a little. A clock that was set back further is believed, and times rise from there.
    Calls that overlap have no order, since none waits for another here.
    """
    latest = _latest_time(business_id, now, now + _AHEAD - MICROSECOND).fetchone()
    if latest is None or latest[0] is None:
        return now
    return EPOCH + (latest[0] + 1) * MICROSECOND


@built_once
def _latest_time(business_id: int, since: datetime, until: datetime) -> Any:
    """That of the business's last event, in microseconds; NULL where it is none of these."""
    # The engine compares them: another program may have stored what is no time at all.
    is_ahead = Event.created_at.between(since, until)
    return (
        Event.select(Case(None, [(is_ahead, Event.created_at)]))
        .where(Event.business == business_id)
        .order_by(Event.id.desc())
        .limit(1)
    )


def last_event(business_id: int) -> int:
    """The id of the business's latest event, or 0, once all that are being published are committed:
    in this transaction every younger event has a greater id.

    Whoever publishes holds the business's row before the event gets its id.
    """
    find_business(business_id, lock="FOR UPDATE")
    latest = Event.select(fn.MAX(Event.id)).where(Event.business == business_id)
    return latest.scalar() or 0


def _require_included(business_id: int) -> None:
    why = _why_not_included(business_id)
    if why is not None:
        raise why


def _why_not_included(business_id: int) -> NotIncluded | None:
    business = find_business(business_id, lock="FOR KEY SHARE")  # see `last_event`
    if includes_webhooks(business.edition, option=business.option):
        return None
    return why_not_included(business.name, business.edition)
