"""The deliveries that wait for the end of their webhook's pause."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from peewee import fn

from core.storage.database import one_of
from core.storage.literals import has_value
from core.storage.models import Delivery, Event


class Parked(NamedTuple):
    """The parked deliveries of one webhook."""

    number: int
    since: datetime | None  # when the oldest of them was made


NOTHING_PARKED = Parked(0, None)


def parked_deliveries(webhook_ids: Collection[int]) -> dict[int, Parked]:
    """The parked deliveries of each of these webhooks, which are paused; those without any are left
    out.
    """
    # No join: SQLite 3.46 begins one with every event that was published, the whole history.
    on_purpose = Event.select(Event.id).where(
        (Event.id == Delivery.event) & ~Event.webhook.is_null()
    )
    parked = (
        Delivery.select(Delivery.webhook, fn.COUNT(Delivery.id), fn.MIN(Delivery.created_at))
        .where(
            one_of(Delivery.webhook, webhook_ids)
            & has_value(Delivery.due_at)
            & ~fn.EXISTS(on_purpose)
        )
        .group_by(Delivery.webhook)
    )
    return {webhook_id: Parked(*told) for webhook_id, *told in parked.tuples()}
