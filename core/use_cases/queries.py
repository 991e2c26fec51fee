"""What the screens and listings read: frozen rows, no models.

Whoever asks is checked here as in `services`; what a business has is shown to its owners and to
the operator only, with or without the option.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from heapq import nlargest
from itertools import chain
from typing import Any
from uuid import UUID

from peewee import Case, fn

from core.domain.actors import Actor, Role
from core.domain.chat import chat_text
from core.domain.choices import Choices
from core.domain.delivery import WAITING, ErrorKind, Recovery, Status
from core.domain.editions import Edition, includes_webhooks
from core.domain.events import SELECTABLE, EventType, Purpose
from core.domain.language import Language
from core.domain.signing import build_body
from core.pipeline.heartbeat import ENDED, TICK, TICK_WITHIN
from core.storage.choosing import choices_of
from core.storage.database import connection, one_of
from core.storage.due import next_due
from core.storage.literals import has_status, is_refused, off_index
from core.storage.models import (
    Attempt,
    AuditEntry,
    Business,
    Delivery,
    Event,
    LastRun,
    Member,
    MemberKey,
    SelectedEvent,
    Webhook,
    counts_for_health,
)
from core.storage.parked import NOTHING_PARKED, parked_deliveries
from core.storage.rows import find_business
from core.use_cases.access import authorize, find_delivery, find_webhook

HISTORY_LENGTH = 50
"""Deliveries of one webhook that are shown, the newest first (the product's page)."""

ABANDONED_SHOWN = 1000
TRAIL_LENGTH = 200


@dataclass(frozen=True, slots=True)
class BusinessRow:
    id: int
    name: str
    edition: Edition
    option: bool

    @property
    def included(self) -> bool:
        return includes_webhooks(self.edition, option=self.option)


@dataclass(frozen=True, slots=True)
class MemberRow:
    login: str
    role: Role
    fingerprints: tuple[str, ...]
    exporting: frozenset[str]  # those of them that may export


@dataclass(frozen=True, slots=True)
class KeyRow:
    login: str
    may_export: bool


@dataclass(frozen=True, slots=True)
class WebhookRow:
    id: int
    business_id: int
    url: str
    events: tuple[EventType, ...]
    created_at: datetime
    updated_at: datetime  # when it was last edited, or given a new secret
    choices: Choices
    paused_at: datetime | None  # since when nothing is sent but what its owner sends on purpose
    parked: int  # deliveries that wait for the pause's end
    parked_since: datetime | None  # when the oldest of those was made
    held_until: datetime | None  # the receiver asked for nothing until then; it may be over


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries of a history; as it comes, all of them."""

    statuses: frozenset[Status] = frozenset()  # empty: any
    event: EventType | None = None
    text: str = ""  # part of the event, the status, or what its last attempt brought
    since: datetime | None = None


ALL = Wanted()
UNDELIVERED = frozenset(Status) - {Status.DELIVERED}


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    id: int
    uuid: UUID
    webhook_id: int
    event: EventType
    headline: str  # what a person reads of the event
    status: Status
    attempts: int
    http_status: int | None  # of the last attempt, like what follows up to duration_us
    error: ErrorKind | None
    detail: str
    response: str
    duration_us: int
    attempted_at: datetime | None  # when the last attempt began
    created_at: datetime  # of the event
    next_attempt_at: datetime | None  # never of what is parked
    resume_at: datetime | None  # when the schedule goes on, after the attempt beside it
    settled_at: datetime | None  # when it was delivered or abandoned
    recovery: Recovery | None
    purpose: Purpose | None = None  # of what had not happened
    is_parked: bool = False  # it waits for the end of its webhook's pause

    @property
    def what(self) -> str:
        """Its event, and whether that is only a sample of it."""
        return f"{self.event} ({self.made_as})" if self.made_as else self.event

    @property
    def made_as(self) -> str:
        """What an owner had it made as, though nothing had happened."""
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
    recovery: bool  # made by itself, because the address was back after an outage


@dataclass(frozen=True, slots=True)
class TrailRow:
    at: datetime
    actor: str
    origin: str
    action: str
    subject: str
    detail: str  # what was changed


@dataclass(frozen=True, slots=True)
class DeliveryDetail:
    delivery: DeliveryRow
    attempts: tuple[AttemptRow, ...]  # every one, in order
    body: bytes  # as signed and sent


def businesses(actor: Actor) -> list[BusinessRow]:
    """Those whose webhooks this actor may see, by id."""
    rows = Business.select().order_by(Business.id)
    if actor.login is not None:
        owned = (Member.login == actor.login) & (Member.role == Role.OWNER)
        rows = rows.join(Member).where(owned)
    with connection():
        return [BusinessRow(row.id, row.name, Edition(row.edition), row.option) for row in rows]


def members(business_id: int) -> list[MemberRow]:
    """The members of a business by login, each with the fingerprints of its keys. Raises NotFound
    for a business that does not exist.
    """
    with connection():
        find_business(business_id)
        logins = list(
            Member.select(Member.login, Member.role)
            .where(Member.business == business_id)
            .order_by(Member.login)
            .tuples()
        )
        keys = (
            MemberKey.select(MemberKey.login, MemberKey.fingerprint, MemberKey.may_export)
            .where(MemberKey.login.in_([login for login, _ in logins]))
            .order_by(MemberKey.id)
            .tuples()
        )
        rows = list(keys)
    fingerprints = _grouped((login, fingerprint) for login, fingerprint, _ in rows)
    exporting = frozenset(fingerprint for _, fingerprint, may_export in rows if may_export)
    return [
        MemberRow(
            login,
            Role(role),
            tuple(fingerprints[login]),
            exporting.intersection(fingerprints[login]),
        )
        for login, role in logins
    ]


def find_key(fingerprint: str) -> KeyRow | None:
    """The SSH key with this fingerprint, if a member has it."""
    with connection():
        row = MemberKey.get_or_none(MemberKey.fingerprint == fingerprint)
    return KeyRow(row.login, row.may_export) if row is not None else None


def webhooks(actor: Actor, business_id: int) -> list[WebhookRow]:
    """A business's webhooks, in the order of their creation."""
    with connection():
        authorize(actor, business_id)
        return _webhook_rows(Webhook.business == business_id)


def webhook(actor: Actor, webhook_id: int) -> WebhookRow:
    with connection():
        find_webhook(actor, webhook_id)
        return _webhook_rows(Webhook.id == webhook_id)[0]


def _webhook_rows(which: Any) -> list[WebhookRow]:
    rows = list(Webhook.select().where(which & Webhook.deleted_at.is_null()).order_by(Webhook.id))
    selected = _grouped(
        SelectedEvent.select(SelectedEvent.webhook, SelectedEvent.event_type)
        .where(SelectedEvent.webhook.in_([row.id for row in rows]))
        .tuples()
    )
    parked = parked_deliveries([row.id for row in rows if row.paused_at is not None])
    return [
        WebhookRow(
            row.id,
            row.business_id,
            row.url,
            tuple(event for event in SELECTABLE if event in selected[row.id]),
            row.created_at,
            row.updated_at,
            choices_of(row),
            row.paused_at,
            parked.get(row.id, NOTHING_PARKED).number,
            parked.get(row.id, NOTHING_PARKED).since,
            row.held_until,
        )
        for row in rows
    ]


def deliveries(
    actor: Actor,
    webhook_id: int,
    limit: int = HISTORY_LENGTH,
    *,
    wanted: Wanted = ALL,
    before: int | None = None,
) -> list[DeliveryRow]:
    """A webhook's latest deliveries that are wanted, the newest first; older than the row with the
    id `before`, if that is given.
    """
    with connection():
        find_webhook(actor, webhook_id)
        return delivery_rows(_wanted_ids(webhook_id, wanted, limit, before))


def deliveries_of_business(
    actor: Actor, business_id: int, limit: int = HISTORY_LENGTH, *, wanted: Wanted = ALL
) -> list[DeliveryRow]:
    """The same over all webhooks of a business."""
    with connection():
        authorize(actor, business_id)
        standing = Webhook.select(Webhook.id).where(
            (Webhook.business == business_id) & Webhook.deleted_at.is_null()
        )
        # One webhook at a time: asked for all, the engine would sort their whole histories.
        latest = [_wanted_ids(row[0], wanted, limit) for row in standing.tuples()]
        return delivery_rows(nlargest(limit, chain.from_iterable(latest)))


def _wanted_ids(
    webhook_id: int, wanted: Wanted, limit: int, before: int | None = None
) -> list[int]:
    which = Delivery.webhook == webhook_id
    if before is not None:
        which &= Delivery.id < before
    if wanted.since is not None:
        which &= Delivery.created_at >= wanted.since
    if wanted.event is not None:
        of_it = Event.select(Event.id).where(
            (Event.id == Delivery.event) & (Event.type == wanted.event)
        )
        which &= fn.EXISTS(of_it)
    if wanted.text:
        which &= _says(wanted.text)
    if not wanted.statuses or Status.DELIVERED in wanted.statuses:
        if wanted.statuses:
            which &= Delivery.status.in_(wanted.statuses)
        return _latest_ids(which, limit)
    return nlargest(limit, chain.from_iterable(_undelivered(which, wanted.statuses, limit)))


def _undelivered(which: Any, statuses: Collection[Status], limit: int) -> Iterator[list[int]]:
    """By the indexes that hold few rows, where a look through the history would pass all those
    that were delivered; the predicates are literals, since bound ones leave these unused.
    """
    if Status.ABANDONED in statuses:
        yield _latest_ids(which & has_status(Status.ABANDONED), limit, _NOT_BY_INDEX)
    waiting = [status for status in WAITING if status in statuses]
    if waiting:
        is_waiting = Delivery.due_at.is_null(is_null=False) & Delivery.status.in_(waiting)
        yield _latest_ids(which & is_waiting, limit, _NOT_BY_INDEX)


def _says(text: str) -> Any:
    """Whether a delivery's row holds that text, in whichever case."""
    last = Attempt.alias()
    # As in webhook_health: without the +, PostgreSQL may read the whole log backwards for it.
    last_id = (
        last.select(last.id)
        .where(last.delivery == Delivery.id)
        .order_by(off_index(last.id).desc())
        .limit(1)
    )
    said = Attempt.select(Attempt.id).where(
        (Attempt.id == last_id)
        & (
            Attempt.response.contains(text)
            | Attempt.detail.contains(text)
            | Attempt.error.contains(text)
            | Attempt.http_status.cast("TEXT").contains(text)
        )
    )
    of_it = Event.select(Event.id).where((Event.id == Delivery.event) & Event.type.contains(text))
    return fn.EXISTS(said) | fn.EXISTS(of_it) | Delivery.status.contains(text)


def _latest(which: Any, limit: int) -> list[DeliveryRow]:
    return delivery_rows(_latest_ids(which, limit))


_NOT_BY_INDEX = off_index(Delivery.id)


def _latest_ids(which: Any, limit: int, by: Any = Delivery.id) -> list[int]:
    latest = Delivery.select(Delivery.id).where(which).order_by(by.desc()).limit(limit)
    return [row[0] for row in latest.tuples()]


def delivery_of_event(actor: Actor, webhook_id: int, event_id: int) -> DeliveryRow | None:
    """What became of one event at one webhook; None until it was fanned out."""
    with connection():
        find_webhook(actor, webhook_id)
        rows = _latest((Delivery.event == event_id) & (Delivery.webhook == webhook_id), 1)
        return rows[0] if rows else None


def abandoned(
    actor: Actor, webhook_id: int, since: datetime, limit: int = ABANDONED_SHOWN
) -> list[DeliveryRow]:
    """A webhook's deliveries that were abandoned since, the newest first."""
    with connection():
        find_webhook(actor, webhook_id)
        which = (
            (Delivery.webhook == webhook_id)
            & has_status(Status.ABANDONED)
            & (Delivery.settled_at >= since)
            & counts_for_health(Event.webhook == webhook_id)
        )
        return _latest(which, limit)


def trail(actor: Actor, business_id: int, limit: int = TRAIL_LENGTH) -> list[TrailRow]:
    """Who did what in a business, the latest first."""
    with connection():
        authorize(actor, business_id)
        rows = (
            AuditEntry.select()
            .where(AuditEntry.business_id == business_id)
            .order_by(AuditEntry.id.desc())
            .limit(limit)
        )
        return [
            TrailRow(row.at, row.actor, row.origin, row.action, row.subject, row.detail)
            for row in rows
        ]


def delivery(actor: Actor, delivery_uuid: str) -> DeliveryDetail:
    with connection():
        found = find_delivery(actor, delivery_uuid)
        log = Attempt.select(*_LOGGED).where(Attempt.delivery == found.id).order_by(Attempt.id)
        event, payload = found.event, bytes(found.event.payload)
        body = found.body or build_body(event.type, found.uuid, event.created_at, payload)
        return DeliveryDetail(
            delivery_rows([found.id])[0],
            tuple(_attempt_row(*logged) for logged in log.tuples()),
            bytes(body),
        )


def delivery_rows(ids: list[int]) -> list[DeliveryRow]:
    """Those deliveries, the newest first; for who may see them."""
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


def headline(event: str, subject: str | None, payload: bytes | None) -> str:
    """One line that a person reads: `Ticket 4711 · 55.10 € · Bancontact`. Without the payload it
    says no more than what happened to what.
    """
    told = (
        json.dumps({"id": subject})
        if payload is None
        else bytes(payload).decode("utf-8", "replace")
    )
    return chat_text(event, told, Language.ENGLISH)


def _last_attempts(delivery_ids: list[int]) -> dict[int, AttemptRow]:
    last_of_each = (
        Attempt.select(fn.MAX(Attempt.id))
        .where(one_of(Attempt.delivery, delivery_ids))
        .group_by(Attempt.delivery)
    )
    # Asked for in one statement, PostgreSQL may well read the whole log to find these few.
    ids = [row[0] for row in last_of_each.tuples()]
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
    """From what `_LOGGED` selects; `told` is what follows the error there."""
    kind = ErrorKind(error) if error else None
    return AttemptRow(number, started_at, duration_us, http_status, kind, *told)


def _grouped(pairs: Iterable[tuple[Any, str]]) -> dict[Any, list[str]]:
    grouped = defaultdict(list)
    for key, value in pairs:
        grouped[key].append(value)
    return grouped


@dataclass(frozen=True, slots=True)
class SetAside:
    """Events that cannot be sent to anybody."""

    count: int
    latest: int  # the id of the latest, and what is wrong with it
    why: str


def set_aside() -> SetAside | None:
    """What fan-out has refused and is still kept; None when there is nothing."""
    with connection():
        rows = Event.select(fn.COUNT(Event.id), fn.MAX(Event.id)).where(is_refused()).tuples()
        [(count, latest)] = rows
        if not count:
            return None
        why = Event.select(Event.refused).where(Event.id == latest).scalar()
    return SetAside(count, latest, why)


def last_tick() -> datetime | None:
    """When any consumer last ticked, or ended in order."""
    is_one = LastRun.job.startswith(TICK) | (LastRun.job == ENDED)
    with connection():
        return LastRun.select(fn.MAX(LastRun.at)).where(is_one).scalar()


def settings_of_consumers(now: datetime) -> dict[str, dict[str, str]]:
    """With what each consumer runs that ticked within the last two minutes, by its name."""
    is_one = LastRun.job.startswith(TICK) & (LastRun.at > now - TICK_WITHIN)
    with connection():
        rows = list(LastRun.select().where(is_one & (LastRun.settings != "")))
    return {row.job.removeprefix(TICK): json.loads(row.settings) for row in rows}


def waiting_since(now: datetime) -> datetime | None:
    """The earliest due time of the deliveries that are due; None when none is."""
    first_due = next_due(now)
    return first_due if first_due is not None and first_due <= now else None
