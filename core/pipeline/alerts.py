"""Telling owners about one webhook at another one, and by mail, as `domain.alerts` decides it.

Whatever changes writes `webhook.look_at` in its own transaction. A pass looks at the webhooks whose
time has come. What is to be told about each becomes an event for every webhook that hears about the
others, and a mail for every address, in the transaction that notes it as told. So no message is
lost when a worker dies, and none is made twice.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from functools import cached_property, reduce
from operator import or_
from typing import Any, NamedTuple

from peewee import Expression

from core.domain.alerts import (
    APART,
    CERTIFICATE_WITHIN,
    FAILING_AFTER,
    About,
    Condition,
    Edge,
    Kind,
    Told,
    alert_payload,
    alert_text,
    look,
)
from core.domain.delivery import ErrorKind
from core.domain.editions import includes_webhooks
from core.domain.events import EventType, Purpose
from core.domain.hosts import host_of
from core.domain.language import Language
from core.intake import queue_for
from core.pipeline.mail import queue_alert, readers_of
from core.pipeline.steps import Step, passed
from core.storage.database import one_of, transaction
from core.storage.literals import has_value, is_true
from core.storage.models import (
    MICROSECOND,
    Alert,
    Attempt,
    Business,
    Delivery,
    MailAddress,
    Webhook,
    row_lock,
)
from core.storage.parked import NOTHING_PARKED, Parked, parked_deliveries
from core.wording import wording

_AT_ONCE = 100  # webhooks
_ATTEMPTS = 1_000  # the latest ones, which show whether anybody answers
_OFF = timedelta(minutes=5)  # clocks that are right differ by far less than this
_AGAIN = timedelta(minutes=1)  # after a look when nobody answered
_TIMES = (Webhook.down_since, Webhook.up_since, Webhook.lost_since)
_NO_ANSWER = {ErrorKind.DNS, ErrorKind.CONNECT, ErrorKind.TIMEOUT}
_AN_ANSWER = {ErrorKind.STATUS, ErrorKind.REDIRECT, ErrorKind.TLS, ErrorKind.PROTOCOL}


def note_certificates(ends: Mapping[int, datetime], now: datetime) -> None:
    """Note until when the certificates of these webhooks' servers are good. This is part of
    settling, and matters only where one ends soon. The rows are locked.
    """
    for webhook_id, until in sorted(ends.items()):
        is_news = Webhook.certificate_until.is_null() | (Webhook.certificate_until < until)
        Webhook.update(certificate_until=until, look_at=now).where(
            (Webhook.id == webhook_id) & is_news
        ).execute()


def ends_soon(until: datetime, now: datetime) -> bool:
    """Whether a certificate that is good until then is worth noting."""
    return until <= now + CERTIFICATE_WITHIN


def tell_some(keep: timedelta, now: datetime) -> bool:
    """Look at some of the webhooks whose time has come, and queue what their owners are to be told.
    Returns False when there was none. Parked deliveries are kept for as long as `keep`.
    """
    with transaction():
        looked_at = [_Row(*row) for row in row_lock(_due(now), skip_locked=True).tuples()]
        scene = _Scene(looked_at, now)
        again = defaultdict[datetime | None, list[int]](list)
        for row in looked_at:
            again[_look_at(row, scene, keep, now)].append(row.id)
        for look_at, ids in again.items():
            Webhook.update(look_at=look_at).where(one_of(Webhook.id, ids)).execute()
        passed(Step.TELLING)
    passed(Step.TOLD)
    return bool(looked_at)


def pull_back_alerts(webhook_ids: Collection[int], keep: timedelta, now: datetime) -> int:
    """Put right what a clock that was ahead has noted about these webhooks: it counts as if it had
    come about just now. Otherwise nothing more would be told before that time has come. Returns how
    many webhooks that were.
    """
    is_ahead = _is_noted_ahead(keep, now)
    told_ahead = one_of(Alert.webhook, webhook_ids) & (Alert.told_at > now + _OFF)
    with transaction():
        noted = Webhook.select(Webhook.id).where(one_of(Webhook.id, webhook_ids) & is_ahead)
        told = Alert.select(Alert.webhook).where(told_ahead)
        ids = sorted({row[0] for query in (noted, told) for row in query.tuples()})
        if ids:
            _pull_back_what_was_noted(ids, is_ahead, now)
            _pull_back_what_was_told(told_ahead, now)
    return len(ids)


def _is_noted_ahead(keep: timedelta, now: datetime) -> Expression:
    """Whether `look_at` is further ahead than it can be: for a paused webhook it may be known long
    before, for the others at most an hour before.
    """
    is_looked_at_late = (Webhook.look_at > now + keep) | (
        (Webhook.look_at > now + APART + _OFF) & Webhook.paused_at.is_null()
    )
    is_ahead: Expression = reduce(or_, [each > now + _OFF for each in _TIMES], is_looked_at_late)
    return is_ahead


def _pull_back_what_was_noted(ids: list[int], is_ahead: Expression, now: datetime) -> None:
    """Note the present instead of the future, also where a certificate ended soon only by that
    clock.
    """
    these = one_of(Webhook.id, ids)
    row_lock(Webhook.select(Webhook.id).where(these).order_by(Webhook.id)).tuples().execute()
    Webhook.update(look_at=now).where(these & is_ahead).execute()
    for each in _TIMES:
        Webhook.update({each: now}).where(these & (each > now)).execute()
    Webhook.update(certificate_until=None).where(
        these & (Webhook.certificate_until > now + CERTIFICATE_WITHIN)
    ).execute()


def _pull_back_what_was_told(ahead: Expression, now: datetime) -> None:
    """The messages keep their order, which shows whether a webhook is known to fail."""
    rows = Alert.select(Alert.webhook, Alert.kind).where(ahead).order_by(Alert.told_at.desc())
    for position, (webhook_id, kind) in enumerate(list(rows.tuples())):
        Alert.update(told_at=now - position * MICROSECOND).where(
            (Alert.webhook == webhook_id) & (Alert.kind == kind) & ahead
        ).execute()


class _Row(NamedTuple):
    """A webhook whose time has come."""

    id: int
    business_id: int
    url: str
    name: str
    deleted_at: datetime | None
    down_since: datetime | None
    up_since: datetime | None
    lost_since: datetime | None
    certificate_until: datetime | None
    paused_at: datetime | None


def _due(now: datetime) -> Any:
    columns = [getattr(Webhook, name) for name in _Row._fields if name != "business_id"]
    columns.insert(1, Webhook.business)
    is_due = has_value(Webhook.look_at) & (Webhook.look_at <= now)
    return Webhook.select(*columns).where(is_due).order_by(Webhook.look_at).limit(_AT_ONCE)


class _Scene:
    """What is known beside the rows that are looked at; each part is read when it is first asked
    for.
    """

    def __init__(self, rows: Collection[_Row], now: datetime) -> None:
        self._ids = [each.id for each in rows]
        self._businesses = {each.business_id for each in rows}
        self._paused = [each.id for each in rows if each.paused_at is not None]
        self._now = now

    @cached_property
    def served(self) -> set[int]:
        """The businesses whose edition or option includes webhooks."""
        rows = Business.select().where(one_of(Business.id, self._businesses))
        return {row.id for row in rows if includes_webhooks(row.edition, option=row.option)}

    @cached_property
    def hearers(self) -> dict[int, list[Webhook]]:
        """By business, the webhooks that are told about the others."""
        found = defaultdict[int, list[Webhook]](list)
        hears = is_true(Webhook.alerts) & Webhook.deleted_at.is_null()
        which = one_of(Webhook.business, self._businesses) & hears
        for row in Webhook.select().where(which).order_by(Webhook.id):
            found[row.business_id].append(row)
        return found

    @cached_property
    def readers(self) -> dict[int, list[MailAddress]]:
        """By business, the addresses that are told by mail."""
        return readers_of(self._businesses)

    @cached_property
    def told(self) -> dict[int, dict[Kind, Told]]:
        found = defaultdict[int, dict[Kind, Told]](dict)
        for row in Alert.select().where(one_of(Alert.webhook, self._ids)):
            found[row.webhook_id][Kind(row.kind)] = Told(row.told_at, row.since)
        return found

    @cached_property
    def parked(self) -> dict[int, Parked]:
        return parked_deliveries(self._paused) if self._paused else {}

    def anybody_answers(self, since: datetime) -> bool:
        """Whether any address has answered since then, or in the last half-hour, or only one was
        asked: one alone says nothing about our own line.
        """
        asked = [each for each in self._attempts if each.ended_at >= since]
        is_answered = any(each.is_answer for each in asked)
        return is_answered or len({each.host for each in asked}) <= 1

    @cached_property
    def _attempts(self) -> "list[_Asked]":
        columns = Attempt.started_at, Attempt.duration_us, Attempt.error, Webhook.url
        latest = Attempt.select(*columns).join(Delivery).join(Webhook).order_by(Attempt.id.desc())
        told = [
            _Asked(started_at + duration_us * MICROSECOND, error not in _NO_ANSWER, host_of(url))
            for started_at, duration_us, error, url in latest.limit(_ATTEMPTS).tuples()
            if error is None or error in _NO_ANSWER | _AN_ANSWER
        ]
        return [each for each in told if each.ended_at >= self._now - FAILING_AFTER]


class _Asked(NamedTuple):
    """A request to an address."""

    ended_at: datetime
    is_answer: bool
    host: str


def _look_at(row: _Row, scene: _Scene, keep: timedelta, now: datetime) -> datetime | None:
    """Tell what there is to tell about a webhook; returns when to look at it again."""
    if row.deleted_at is not None:
        return None
    if row.business_id not in scene.served:
        return now + APART
    parked = scene.parked.get(row.id, NOTHING_PARKED)
    found = look(_condition(row, parked), scene.told.get(row.id, {}), keep, now)
    hearers = [each for each in scene.hearers.get(row.business_id, ()) if each.id != row.id]
    readers = scene.readers.get(row.business_id, ()) if found.tell else ()
    if not (found.tell and (hearers or readers)):
        return found.again_at
    if not scene.anybody_answers(min(edge.since for edge in found.tell)):
        return now + _AGAIN
    about = About(row.id, row.url, row.name, parked.number)
    for edge in found.tell:
        _tell(edge, about, hearers, readers, now)
    return found.again_at


def _condition(row: _Row, parked: Parked) -> Condition:
    return Condition(
        down_since=row.down_since if row.up_since is None else None,
        lost_since=row.lost_since,
        up_since=row.up_since,
        certificate_until=row.certificate_until,
        paused_at=row.paused_at,
        parked_since=parked.since,
    )


def _tell(
    edge: Edge,
    about: About,
    hearers: Iterable[Webhook],
    readers: Iterable[MailAddress],
    now: datetime,
) -> None:
    for hearer in hearers:
        payload = alert_payload(edge, about, wording(Language(hearer.language)))
        queue_for(hearer, EventType.ALERT, payload, now, purpose=Purpose.ALERT)
    for reader in readers:
        sentence = alert_text(edge, about, wording(Language(reader.language)))
        queue_alert(reader, edge, about.id, sentence, now)
    Alert.insert(webhook=about.id, kind=edge.kind, told_at=now, since=edge.since).on_conflict(
        conflict_target=[Alert.webhook, Alert.kind], preserve=[Alert.told_at, Alert.since]
    ).execute()
