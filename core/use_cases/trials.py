"""What conditions would have done before they were saved, and what they have done since."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from peewee import fn

from core.domain.actors import Actor
from core.domain.conditions import are_met, parse_conditions
from core.storage.database import connection, one_of
from core.storage.kept_back import kept_back_since
from core.storage.models import Delivery, Event, KeptBack, Webhook, was_admitted
from core.use_cases.access import authorize, find_webhook

TRIED_ON = 50
"""How many events conditions are tried on."""

_LOOKED_THROUGH = 1_000  # of the latest events, to find those that the webhook selects


@dataclass(frozen=True, slots=True)
class Trial:
    """How many of the latest events of the selected types would have been sent."""

    events: int
    would_have_gone: int


def try_conditions(
    actor: Actor, business_id: int, events: Collection[str], only: Sequence[str]
) -> Trial:
    """Try conditions on what a business has published lately. Raises BadInput for what is no
    condition.
    """
    conditions = parse_conditions(only)
    with connection():
        authorize(actor, business_id)
        latest = (
            Event.select(Event.id, Event.type, Event.webhook)
            .where((Event.business == business_id) & was_admitted())
            .order_by(Event.id.desc())
            .limit(_LOOKED_THROUGH)
            .tuples()
        )
        ids = [each for each, event_type, meant in latest if meant is None and event_type in events]
        rows = Event.select(Event.payload).where(one_of(Event.id, ids[:TRIED_ON])).tuples()
        payloads = [bytes(payload) for (payload,) in rows]
    gone = sum(are_met(conditions, payload) for payload in payloads)
    return Trial(len(payloads), gone)


@dataclass(frozen=True, slots=True)
class Silenced:
    """A webhook whose conditions have kept everything back for some time."""

    webhook_id: int
    kept_back: int


def silenced_webhooks(since: datetime) -> list[Silenced]:
    """The webhooks that got nothing in the hours that began since then, although something
    happened.
    """
    count = fn.SUM(KeptBack.events)
    rows = (
        KeptBack.select(KeptBack.webhook, count)
        .join(Webhook)
        .where((KeptBack.hour >= since) & Webhook.deleted_at.is_null() & ~Webhook.only.is_null())
        .group_by(KeptBack.webhook)
        .order_by(KeptBack.webhook)
    )
    with connection():
        found = [Silenced(*row) for row in rows.tuples()]
        return [each for each in found if not _got_something(each.webhook_id, since)]


def _got_something(webhook_id: int, since: datetime) -> bool:
    made = Delivery.select(Delivery.created_at).where(Delivery.webhook == webhook_id)
    latest = made.order_by(Delivery.id.desc()).limit(1).scalar()
    return latest is not None and latest >= since


def kept_back(actor: Actor, webhook_id: int, since: datetime) -> int:
    """How many events a webhook's conditions kept back in the hours that began since then."""
    with connection():
        find_webhook(actor, webhook_id)
        return kept_back_since(webhook_id, since)
