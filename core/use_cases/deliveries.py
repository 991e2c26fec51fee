"""Deliveries and their attempts as people see them: frozen rows. The caller checks who may see
them.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from peewee import Case, fn

from core.domain.chat import chat_text
from core.domain.delivery import ErrorKind, Recovery, Status
from core.domain.events import EventType, Purpose
from core.domain.language import Language
from core.storage.database import one_of
from core.storage.models import Attempt, Delivery, Event, Webhook
from core.wording import wording


@dataclass(frozen=True, slots=True)
class Headline:
    """What a person reads of an event, in one line and in their language."""

    event_type: str
    payload_json: str

    def said_in(self, language: Language) -> str:
        """`Ticket 4711 · 55.10 € · Bancontact`."""
        return chat_text(self.event_type, self.payload_json, wording(language))


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    id: int
    uuid: UUID
    webhook_id: int
    event: EventType
    headline: Headline
    status: Status
    attempts: int
    http_status: int | None  # of the last attempt, like all that follows up to duration_us
    error: ErrorKind | None
    detail: str
    response: str
    duration_us: int
    attempted_at: datetime | None  # when the last attempt began
    created_at: datetime  # when the event happened
    next_attempt_at: datetime | None  # None where it is parked
    resume_at: datetime | None  # when the schedule goes on, after an attempt beside it
    settled_at: datetime | None  # when it was delivered or abandoned
    recovery: Recovery | None
    purpose: Purpose | None = None  # of an event that has not happened
    is_parked: bool = False  # whether it waits for the end of its webhook's pause

    @property
    def what(self) -> str:
        """Its event, and what it was made as where nothing had happened."""
        return f"{self.event} ({self.made_as})" if self.made_as else self.event

    @property
    def made_as(self) -> str:
        """What an owner had it made as although nothing had happened; else ""."""
        return "" if self.purpose in {None, Purpose.ALERT} else str(self.purpose)

    @property
    def is_attempted(self) -> bool:
        return self.http_status is not None or self.error is not None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    number: int
    started_at: datetime
    duration_us: int
    http_status: int | None
    error: ErrorKind | None
    detail: str
    response: str
    recovery: bool  # whether it was made because the address was back after an outage


class Redelivered(NamedTuple):
    """A delivery that goes again, and what tells the attempts that follow from those before."""

    delivery_id: int
    last_attempt_id: int  # 0 where none was logged


def delivery_rows(ids: list[int]) -> list[DeliveryRow]:
    """The deliveries with these ids, the newest first."""
    last_attempts = _last_attempts(ids)
    rows = (
        Delivery.select(
            Delivery.id,
            Delivery.uuid,
            Delivery.webhook,
            Event.type,
            Delivery.status,
            Delivery.attempts,
            Event.created_at,
            Delivery.due_at,
            Delivery.resume_at,
            Delivery.settled_at,
            Delivery.recovery,
            Event.subject,
            SHORT_PAYLOAD,
            Event.purpose,
            Event.webhook,
            Webhook.paused_at,
        )
        .join(Event)
        .switch(Delivery)
        .join(Webhook)
        .where(one_of(Delivery.id, ids))
        .order_by(Delivery.id.desc())
        .tuples()
    )
    return [_delivery_row(row, last_attempts.get(row[0])) for row in rows]


SHORT_PAYLOAD = Case(None, [(fn.LENGTH(Event.payload) <= 8192, Event.payload)])
"""To be selected for a headline: a listing must not read megabytes for it."""


def headline(event: str, subject: str | None, payload: bytes | None) -> Headline:
    """Without the payload it says no more than what happened to what."""
    if payload is None:
        return Headline(event, json.dumps({"id": subject}))
    return Headline(event, bytes(payload).decode("utf-8", "replace"))


def attempts_of(delivery_id: int) -> tuple[AttemptRow, ...]:
    """Every attempt of a delivery, in order."""
    log = Attempt.select(*_LOGGED).where(Attempt.delivery == delivery_id).order_by(Attempt.id)
    return tuple(_attempt_row(*logged) for logged in log.tuples())


def last_attempt_ids(delivery_ids: Collection[int]) -> dict[int, int]:
    """By the id of the delivery; one that was not attempted is left out."""
    last_of_each = (
        Attempt.select(Attempt.delivery, fn.MAX(Attempt.id))
        .where(one_of(Attempt.delivery, delivery_ids))
        .group_by(Attempt.delivery)
    )
    return dict(last_of_each.tuples())


def _last_attempts(delivery_ids: list[int]) -> dict[int, AttemptRow]:
    # In one statement, PostgreSQL may well read the whole log to find these few.
    ids = last_attempt_ids(delivery_ids).values()
    rows = Attempt.select(Attempt.delivery, *_LOGGED).where(one_of(Attempt.id, ids)).tuples()
    return {delivery_id: _attempt_row(*logged) for delivery_id, *logged in rows}


def _delivery_row(row: tuple[Any, ...], attempt: AttemptRow | None) -> DeliveryRow:
    delivery_id, uuid, webhook_id, event_type, status, attempts, created_at, due_at, *rest = row
    resume_at, settled_at, recovery, subject, payload, purpose, made_for, paused_at = rest
    is_on_purpose = made_for is not None and purpose != Purpose.ALERT
    is_parked = paused_at is not None and due_at is not None and not is_on_purpose
    return DeliveryRow(
        id=delivery_id,
        uuid=uuid,
        webhook_id=webhook_id,
        event=EventType(event_type),
        headline=headline(event_type, subject, payload),
        status=Status(status),
        attempts=attempts,
        http_status=attempt.http_status if attempt else None,
        error=attempt.error if attempt else None,
        detail=attempt.detail if attempt else "",
        response=attempt.response if attempt else "",
        duration_us=attempt.duration_us if attempt else 0,
        attempted_at=attempt.started_at if attempt else None,
        created_at=created_at,
        next_attempt_at=None if is_parked else due_at,
        resume_at=resume_at,
        settled_at=settled_at,
        recovery=Recovery(recovery) if recovery else None,
        purpose=Purpose(purpose) if purpose else None,
        is_parked=is_parked,
    )


_LOGGED = (
    Attempt.number,
    Attempt.started_at,
    Attempt.duration_us,
    Attempt.http_status,
    Attempt.error,
    Attempt.detail,
    Attempt.response,
    Attempt.recovery,
)


def _attempt_row(
    number: int,
    started_at: datetime,
    duration_us: int,
    http_status: int | None,
    error: str | None,
    *told: Any,
) -> AttemptRow:
    """An attempt from the columns of `_LOGGED`; `told` are those after the error."""
    kind = ErrorKind(error) if error else None
    return AttemptRow(number, started_at, duration_us, http_status, kind, *told)
