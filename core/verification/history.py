"""What has happened: the tables of the bound database, and what receivers saw."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from core.domain.conditions import are_met
from core.domain.delivery import BESIDE, ErrorKind, Recovery, is_success
from core.domain.editions import includes_webhooks
from core.domain.events import Purpose
from core.domain.signing import DELIVERY_HEADER
from core.storage.choosing import conditions_in
from core.storage.database import connection
from core.storage.models import (
    Attempt,
    AuditEntry,
    Business,
    Delivery,
    Event,
    SelectedEvent,
    Webhook,
)

_USE_UP_NOTHING = {ErrorKind.INTERRUPTED, ErrorKind.CORRUPT, ErrorKind.PARKED}

Row = Any  # a named tuple of a table's columns, foreign keys by their ids


@dataclass(frozen=True)
class Post:
    """One POST as its receiver saw it. Its `status` is None where the receiver gave no answer."""

    at: datetime
    url: str
    headers: dict[str, str]
    body: bytes
    status: int | None

    @cached_property
    def delivery(self) -> UUID | None:
        try:
            return UUID(self.headers.get(DELIVERY_HEADER, ""))
        except ValueError:
            return None

    @property
    def accepted(self) -> bool:
        return is_success(self.status)


class History:
    """The tables as they are at one moment."""

    def __init__(self) -> None:
        with connection():
            self.webhooks = {row.id: row for row in _rows(Webhook)}
            self._businesses = {row.id: row for row in _rows(Business)}
            self.events = {row.id: row for row in _rows(Event)}
            self.deliveries = {row.uuid: row for row in _rows(Delivery)}
            self.attempts = _grouped(_rows(Attempt), "delivery")
            self._audit = _rows(AuditEntry)
            self._selected = {(row.webhook, row.event_type) for row in _rows(SelectedEvent)}

    @cached_property
    def counted(self) -> Counter[tuple[int, int]]:
        """How many deliveries of each event there are to each webhook."""
        return Counter((row.event, row.webhook) for row in self.deliveries.values())

    @cached_property
    def webhooks_of(self) -> dict[int, list[Row]]:
        return _grouped(self.webhooks.values(), "business")

    def selects(self, webhook: Row, event: Row) -> bool:
        """Whether the webhook, as it is now, should get this event."""
        if event.webhook is not None:
            return bool(event.webhook == webhook.id)
        return (webhook.id, event.type) in self._selected

    def keeps_back(self, webhook: Row, event: Row) -> bool:
        """Whether the conditions of the webhook, as they are now, keep this event back."""
        if webhook.only is None or event.webhook is not None:
            return False
        return not are_met(conditions_in(webhook.only), bytes(event.payload))

    @cached_property
    def selecting_since(self) -> dict[int, datetime]:
        """Since when each webhook has selected what it selects now."""
        since = {row.id: row.created_at for row in self.webhooks.values()}
        edits = (row for row in self._audit if row.action == "edited")
        return since | {row.webhook_id: row.at for row in edits}

    @cached_property
    def urls(self) -> dict[int, set[str]]:
        """Every URL that each webhook has had."""
        urls = defaultdict(set, {row.id: {row.url} for row in self.webhooks.values()})
        for row in self._audit:
            if row.action in {"created", "edited", "deleted"}:
                urls[row.webhook_id].add(row.subject)
        return urls

    @cached_property
    def pauses(self) -> dict[int, list[tuple[datetime, datetime]]]:
        """From when until when each webhook was paused; its last pause may go on."""
        found = defaultdict[int, list[tuple[datetime, datetime]]](list)
        for row in self._audit:
            if row.action == "paused":
                found[row.webhook_id].append((row.at, datetime.max.replace(tzinfo=UTC)))
            elif row.action == "resumed":
                since, _ = found[row.webhook_id].pop()
                found[row.webhook_id].append((since, row.at))
        return found

    def is_on_purpose(self, delivery: Row) -> bool:
        """Whether the owner of the webhook sent it on purpose, such as a test."""
        event = self.events[delivery.event]
        return event.webhook is not None and event.purpose != Purpose.ALERT

    def may_be_sent_to(self, webhook: Row) -> bool:
        """Whether it was not deleted, and its business may have webhooks."""
        business = self._businesses[webhook.business]
        included = includes_webhooks(business.edition, option=business.option)
        return webhook.deleted_at is None and included

    @cached_property
    def deleted(self) -> dict[int, datetime]:
        """When each deleted webhook was deleted, also where its row is gone."""
        return {row.webhook_id: row.at for row in self._audit if row.action == "deleted"}

    def has_chosen_format(self, webhook_id: int) -> bool:
        """Whether the webhook has ever chosen what its bodies are."""
        return any(row.webhook_id == webhook_id and "format" in row.detail for row in self._audit)

    @cached_property
    def _redelivered(self) -> Counter[str]:
        return Counter(row.subject for row in self._audit if row.action == "redelivered")

    @cached_property
    def _recoveries(self) -> list[Row]:
        return [row for row in self._audit if row.action == "recovered"]

    def restarts(self, delivery: Row) -> int:
        """How often the delivery may have been given a whole schedule again."""
        return self.by_owners(delivery) + self.recoveries(delivery)

    def recoveries(self, delivery: Row) -> int:
        """How often that was because its address came back after an outage."""
        begun = sum(log[0].recovery for log in rounds(self.attempts[delivery.id]))
        log = self.attempts[delivery.id]
        not_begun = delivery.recovery == Recovery.MADE and not (log and log[-1].recovery)
        return begun + not_begun

    def by_owners(self, delivery: Row) -> int:
        """How often an owner may have done that."""
        business = self.webhooks[delivery.webhook].business
        recoveries = sum(
            row.business_id == business and row.webhook_id in {None, delivery.webhook}
            for row in self._recoveries
        )
        return self._redelivered[str(delivery.uuid)] + recoveries


def _rows(table: Any) -> list[Row]:
    keys = table._meta.get_primary_keys()  # noqa: SLF001 - peewee's public name for it
    return list(table.select().order_by(*keys).namedtuples())


def _grouped(rows: Iterable[Row], column: str) -> dict[int, list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[getattr(row, column)].append(row)
    return groups


def used_up(log: Sequence[Row]) -> int:
    """How many of the allowed attempts these used up."""
    return sum(row.error not in _USE_UP_NOTHING and row.number != BESIDE for row in log)


def beside(log: Sequence[Row]) -> int:
    """How many of these were beside the schedule."""
    return sum(row.number == BESIDE for row in log)


def interrupted(log: Sequence[Row]) -> int:
    return sum(row.error == ErrorKind.INTERRUPTED for row in log)


def rounds(log: Sequence[Row]) -> list[list[Row]]:
    """The attempts from one start of the schedule to the next."""
    found: list[list[Row]] = []
    for row in log:
        if not found or (row.number == 1 and used_up(found[-1])):
            found.append([])
        found[-1].append(row)
    return found
