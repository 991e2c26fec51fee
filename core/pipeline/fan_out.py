"""From the outbox to deliveries: an event becomes one for each webhook that is to have it.

In transactions of bounded size, in which the businesses that have events take turns.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, zip_longest
from typing import NamedTuple

from peewee import JOIN, Case, PeeweeException, fn

from core.domain.delivery import Status
from core.domain.foreign import Admitted, ForeignRow, admit
from core.domain.identity import delivery_id
from core.errors import BadPayload
from core.pipeline.decisions import Decisions, Receiver, Undecided
from core.pipeline.steps import Step, passed
from core.storage import published
from core.storage.database import insert_rows, is_about_a_value, one_of, proxy, transaction
from core.storage.foreign_rows import foreign_rows, keep, set_aside
from core.storage.kept_back import count_kept_back
from core.storage.models import (
    ENTITLED,
    EPOCH,
    MICROSECOND,
    Delivery,
    Event,
    SelectedEvent,
    Webhook,
    row_lock,
)
from core.storage.ready import lower

log = logging.getLogger(__name__)

ROWS = 1_000
"""Deliveries that one transaction makes at the most: others wait while it lasts."""

_BUSINESSES = 50  # that take a turn in one transaction
_Row = tuple[object, ...]

# From one business that has events to the next, in steps along the outbox's index.
_PENDING_BUSINESSES = f"""
    WITH RECURSIVE pending(business_id) AS (
        SELECT * FROM (SELECT business_id FROM event
                       WHERE fanned_out_at IS NULL AND business_id > {{after}}
                       ORDER BY business_id LIMIT 1) AS first
        UNION ALL
        SELECT (SELECT business_id FROM event
                WHERE fanned_out_at IS NULL AND business_id > pending.business_id
                ORDER BY business_id LIMIT 1)
        FROM pending WHERE pending.business_id IS NOT NULL
    )
    SELECT business.id FROM pending JOIN business ON business.id = pending.business_id
    WHERE {ENTITLED}
    LIMIT {{limit}}
"""


@dataclass(frozen=True, slots=True)
class FannedOut:
    """What one transaction did."""

    events: int  # that have all their deliveries now
    deliveries: int
    is_all: bool = field(default=True, compare=False)  # nothing is known to be left
    last_business: int = field(default=0, compare=False)  # whose turn it was last


class _Pending(NamedTuple):
    """An event of the outbox."""

    id: int
    business_id: int
    webhook_id: int | None  # the only receiver of a test or sample
    fanned_out_to: int  # the last webhook that has its delivery, 0 before the first


def fan_out(
    limit: int,
    due_at: datetime,
    clock: Callable[[], datetime] | None = None,
    *,
    after: int = 0,
) -> FannedOut:
    """Turn up to `limit` events of the outbox, and up to `ROWS` deliveries, into deliveries due at
    `due_at`, which is when the pass began; they are made at what `clock` says once it is our turn
    to write, by default the same.

    The businesses that have events get equal parts, those beyond the business `after` first. An
    event that has more webhooks than one transaction makes deliveries keeps the place. Events of a
    business without webhooks stay in the outbox until it has them again. What the database or this
    program refuses of an event sets that event aside, and no other.
    """
    decisions = Decisions()
    while True:
        try:
            return _fan_out_some(limit, due_at, clock, after, decisions)
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
    """One of these events, at least, cannot be fanned out."""

    def __init__(self, events: Sequence[_Pending]) -> None:
        super().__init__(events)
        self.events = events


class _Unseen(Exception):
    """Another program wrote these, and nobody has looked at them yet."""

    def __init__(self, rows: Sequence[ForeignRow]) -> None:
        super().__init__(rows)
        self.rows = rows


def _fan_out_some(
    limit: int,
    due_at: datetime,
    clock: Callable[[], datetime] | None,
    after: int,
    decisions: Decisions,
) -> FannedOut:
    with transaction():
        latest = published.latest()  # before anything is locked: see there
        businesses = _pending_businesses(after)
        part = -(-limit // max(1, len(businesses)))
        queues = _locked(businesses, part, latest)
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


def _pending_businesses(after: int) -> list[int]:
    """Those that have events and may have them delivered: from `after` on, then from the first."""
    query = _PENDING_BUSINESSES.format(after=proxy.param, limit=proxy.param)
    found = dict[int, None]()
    for begin in dict.fromkeys((after, 0)):
        rows = proxy.execute_sql(query, (begin, _BUSINESSES - len(found))).fetchall()
        found |= {business_id: None for (business_id,) in rows}
    return list(found)


def _locked(businesses: Sequence[int], part: int, latest: int) -> list[list[_Pending]]:
    """The first events of each, but for those that somebody else is fanning out."""
    return [
        [
            _Pending(*row)
            for row in row_lock(
                Event.select(Event.id, Event.business, Event.webhook, Event.fanned_out_to)
                .where(
                    (Event.business == business_id)
                    & Event.fanned_out_at.is_null()
                    & (Event.id <= latest)
                )
                .order_by(Event.id)
                .limit(part),
                skip_locked=True,
            ).tuples()
        ]
        for business_id in businesses
    ]


def _in_turn(queues: Iterable[list[_Pending]]) -> Iterable[_Pending]:
    """One of each, then the next of each."""
    turns = zip_longest(*queues)
    return (each for each in chain.from_iterable(turns) if each is not None)


def _as_many_as_fit(events: list[_Pending], limit: int) -> list[_Pending]:
    """Of these, in their order, those whose deliveries one transaction can make; the first in any
    case, though it be a part of it.
    """
    webhooks = _standing({each.business_id for each in events})
    chosen, rows = list[_Pending](), 0
    for event in events[:limit]:
        rows += 1 if event.webhook_id is not None else webhooks.get(event.business_id, 1)
        if chosen and rows > ROWS:
            break
        chosen.append(event)
    return chosen


def _standing(businesses: set[int]) -> dict[int, int]:
    """How many webhooks each business has, of those that have any."""
    count = (
        Webhook.select(Webhook.business, fn.COUNT(Webhook.id))
        .where(one_of(Webhook.business, businesses) & Webhook.deleted_at.is_null())
        .group_by(Webhook.business)
    )
    return dict(count.tuples())


def _make(
    events: list[_Pending], due_at: datetime, now: datetime, decisions: Decisions
) -> tuple[int, int]:
    """How many events are done, and how many deliveries were made."""
    if not events:
        return 0, 0
    if unseen := foreign_rows([each.id for each in events]):
        raise _Unseen(unseen)
    receivers = _receivers([each.id for each in events])
    place = receivers[ROWS - 1].webhook_id if len(receivers) > ROWS else None
    receivers = receivers[:ROWS]
    decided = list(zip(receivers, decisions.of(receivers), strict=True))
    wanted = [(receiver, found.body) for receiver, found in decided if found.is_wanted]
    insert_rows(Delivery, _COLUMNS, [_row(*each, due_at, now) for each in wanted])
    lower({receiver.webhook_id for receiver, _ in wanted}, due_at)
    if len(wanted) < len(decided):
        count_kept_back((each.webhook_id for each, found in decided if not found.is_wanted), now)
    if place is not None:  # of more webhooks than fit, so it is the only event
        Event.update(fanned_out_to=place).where(Event.id == events[0].id).execute()
        return 0, len(wanted)
    done = one_of(Event.id, [each.id for each in events])
    Event.update(fanned_out_at=now).where(done & Event.fanned_out_at.is_null()).execute()
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
    """Look at what another program wrote: it becomes what `publish` would have written, or is set
    aside. Whoever is at it too finds the same, and the first one's word counts.
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


def _receivers(event_ids: list[int]) -> list[Receiver]:
    """Event × webhook, one more than fits at the most: those that selected the event and were there
    before it, or the one that a ping is meant for.
    """
    selected = (SelectedEvent.webhook == Webhook.id) & (SelectedEvent.event_type == Event.type)
    query = (
        Event.select(
            *(Event.id, Event.created_at, Webhook.id, Webhook.format, Webhook.language),
            Case(None, [(Event.webhook.is_null(), Webhook.only)]),
        )
        .join(Webhook, on=(Webhook.business == Event.business))
        .join(SelectedEvent, JOIN.LEFT_OUTER, on=selected)
        .where(
            one_of(Event.id, event_ids)
            & (Webhook.id > Event.fanned_out_to)
            & (Webhook.after_event < Event.id)
            & Webhook.deleted_at.is_null()
            & (
                (Event.webhook.is_null() & ~SelectedEvent.event_type.is_null())
                | (Event.webhook == Webhook.id)
            )
        )
        .order_by(Webhook.id, Event.id)  # their foreign keys lock webhooks, in `ready`'s order
        .limit(ROWS + 1)
    )
    return list(map(Receiver._make, query.tuples()))


def _set_aside(event_id: int, why: str, now: datetime) -> None:
    log.error(
        "an event cannot be fanned out and is set aside", extra={"event": event_id, "why": why}
    )
    set_aside(event_id, why, now)
