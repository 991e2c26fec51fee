"""From the outbox to deliveries: an event becomes one delivery for each webhook that is to get it.

The transactions are small, and the businesses that have events take turns in them.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, zip_longest

from peewee import PeeweeException

from core.domain.delivery import Status
from core.domain.foreign import Admitted, ForeignRow, admit
from core.domain.identity import delivery_id
from core.errors import BadPayload
from core.pipeline.decisions import Decisions, Undecided
from core.pipeline.steps import Step, passed
from core.storage import outbox
from core.storage.database import connection, is_about_a_value, transaction
from core.storage.foreign_rows import foreign_rows, keep, set_aside
from core.storage.inserts import insert_rows
from core.storage.kept_back import count_kept_back
from core.storage.models import EPOCH, MICROSECOND, Delivery
from core.storage.outbox import Pending, Receiver
from core.storage.outbox_memory import OutboxMemory
from core.storage.ready import lower

log = logging.getLogger(__name__)

ROWS = 1_000
"""The most deliveries that one transaction makes: others wait while it lasts."""

_BUSINESSES = 50  # that take turns in one transaction
_STRAYS = 100  # a minute: each is a transaction, and a line in the log
_Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class FannedOut:
    """What one transaction did."""

    events: int  # which have all their deliveries now
    deliveries: int
    is_all: bool = field(default=True, compare=False)  # whether nothing more is known to be left
    last_business: int = field(default=0, compare=False)  # the last one that had its turn


def fan_out(
    limit: int,
    due_at: datetime,
    clock: Callable[[], datetime] | None = None,
    *,
    after: int = 0,
    memory: OutboxMemory | None = None,
) -> FannedOut:
    """Turn up to `limit` events of the outbox into up to `ROWS` deliveries. They are due at
    `due_at`, when the pass began, and made at what `clock` says once it is our turn to write, by
    default the same.

    The businesses that have events get equal parts, those after the business `after` first. An
    event with more webhooks than fit into one transaction keeps its place. Events of a business
    that may not have webhooks stay in the outbox until it may again. An event that the database or
    this program refuses is set aside, and no other is. A worker hands over its `memory`, so that it
    need not look at all there is each time.
    """
    decisions, memory = Decisions(), memory or OutboxMemory()
    while True:
        try:
            return _fan_out_some(limit, due_at, clock, after, memory, decisions)
        except Undecided as undecided:
            decisions.decide(undecided.receivers)
        except _Unseen as unseen:
            _admit(unseen.rows, clock() if clock is not None else due_at)
        except _Refused as refused:
            if len(refused.events) > 1:
                limit = len(refused.events) // 2
            else:
                why = type(refused.__cause__).__name__  # its text may quote the payload
                _set_aside(refused.events[0].id, why, due_at)


class _Refused(Exception):
    """At least one of these events cannot be fanned out."""

    def __init__(self, events: Sequence[Pending]) -> None:
        super().__init__(events)
        self.events = events


class _Unseen(Exception):
    """Another program wrote these events, and nobody has looked at them yet."""

    def __init__(self, rows: Sequence[ForeignRow]) -> None:
        super().__init__(rows)
        self.rows = rows


def _fan_out_some(
    limit: int,
    due_at: datetime,
    clock: Callable[[], datetime] | None,
    after: int,
    memory: OutboxMemory,
    decisions: Decisions,
) -> FannedOut:
    with transaction():
        latest, businesses = memory.look(after, _BUSINESSES, due_at)
        part = -(-limit // max(1, len(businesses)))
        queues = [
            outbox.first_events(business_id, part, first, latest)
            for business_id, first in businesses.items()
        ]
        chosen = _as_many_as_fit(list(_in_turn(queues)), limit)
        try:
            now = clock() if clock is not None else due_at
            done, made = _make(chosen, due_at, now, decisions)
        except (PeeweeException, ValueError, OverflowError, TypeError) as error:
            if not is_about_a_value(error):
                raise
            raise _Refused(chosen) from error
        passed(Step.FANNING_OUT)
    passed(Step.FANNED_OUT)
    is_all = len(businesses) < _BUSINESSES and all(len(queue) < part for queue in queues)
    is_all = is_all and done == sum(map(len, queues))
    return FannedOut(done, made, is_all, chosen[-1].business_id if chosen else 0)


def _in_turn(queues: Iterable[list[Pending]]) -> Iterable[Pending]:
    """One event of each business, then the next one of each."""
    turns = zip_longest(*queues)
    return (each for each in chain.from_iterable(turns) if each is not None)


def _as_many_as_fit(events: list[Pending], limit: int) -> list[Pending]:
    """As many of these events, in their order, as one transaction can make the deliveries of. The
    first is always among them, even if only a part of its deliveries fits.
    """
    if len(events) <= 1:
        return events
    webhooks = outbox.webhooks_of({each.business_id for each in events})
    chosen, rows = list[Pending](), 0
    for event in events[:limit]:
        rows += 1 if event.webhook_id is not None else webhooks.get(event.business_id, 1)
        if chosen and rows > ROWS:
            break
        chosen.append(event)
    return chosen


def _make(
    events: list[Pending], due_at: datetime, now: datetime, decisions: Decisions
) -> tuple[int, int]:
    """How many events are done, and how many deliveries were made."""
    if not events:
        return 0, 0
    if foreign := [each.id for each in events if each.is_foreign]:
        raise _Unseen(foreign_rows(foreign))
    receivers = outbox.receivers([each.id for each in events], ROWS + 1)
    place = receivers[ROWS - 1].webhook_id if len(receivers) > ROWS else None
    receivers = receivers[:ROWS]
    decided = list(zip(receivers, decisions.of(receivers), strict=True))
    wanted = [(receiver, found.body) for receiver, found in decided if found.is_wanted]
    insert_rows(Delivery, _COLUMNS, [_row(*each, due_at, now) for each in wanted])
    lower({receiver.webhook_id for receiver, _ in wanted}, due_at)
    if len(wanted) < len(decided):
        count_kept_back((each.webhook_id for each, found in decided if not found.is_wanted), now)
    if place is not None:  # it has more webhooks than fit, so it is the only event
        outbox.keep_place(events[0].id, place)
        return 0, len(wanted)
    outbox.take_out([each.id for each in events], now)
    return len(events), len(wanted)


_COLUMNS = (
    Delivery.uuid,
    Delivery.event,
    Delivery.webhook,
    Delivery.status,
    Delivery.due_at,
    Delivery.created_at,
    Delivery.attempts,
    Delivery.interruptions,
    Delivery.body,
)


def _row(receiver: Receiver, body: bytes | None, due_at: datetime, now: datetime) -> _Row:
    event_id, webhook_id = receiver.event_id, receiver.webhook_id
    uuid = delivery_id((receiver.created_at - EPOCH) // MICROSECOND, event_id, webhook_id)
    return uuid, event_id, webhook_id, Status.PENDING, due_at, now, 0, 0, body


def _admit(rows: Sequence[ForeignRow], now: datetime) -> None:
    """Look at what another program wrote. It becomes what `publish` would have written, or is set
    aside. Another worker that looks at the same time finds the same, and whoever is first writes.
    """
    now_us = (now - EPOCH) // MICROSECOND
    verdicts = [(row.id, _verdict(row, now_us + number)) for number, row in enumerate(rows)]
    with transaction():
        for event_id, verdict in verdicts:
            if isinstance(verdict, BadPayload):
                _set_aside(event_id, str(verdict), now)
            else:
                keep(event_id, verdict)


def _verdict(row: ForeignRow, now_us: int) -> Admitted | BadPayload:
    try:
        return admit(row, now_us)
    except BadPayload as error:
        return error


def set_aside_strays(now: datetime) -> int:
    """Set aside some of the events whose business does not exist; returns how many."""
    with connection():
        strays = outbox.events_of_no_business(_STRAYS)
    for event_id in strays:
        _set_aside(event_id, "There is no business with its business_id.", now)
    return len(strays)


def _set_aside(event_id: int, why: str, now: datetime) -> None:
    log.error(
        "an event cannot be fanned out and is set aside", extra={"event": event_id, "why": why}
    )
    set_aside(event_id, why, now)
