"""The rows of leased deliveries. Whoever changes one names its lease, and may find it lost."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from peewee import fn

from core.domain.delivery import Status
from core.storage.database import is_postgres, one_of, proxy
from core.storage.models import Delivery, Event, Webhook

Row = tuple[Any, ...]


def lease(ids: Collection[int], lease: int, now: datetime, until: datetime) -> None:
    """Lease these, which the caller has found to be due and locked, until `until`."""
    Delivery.update(lease=lease, leased_at=now, due_at=until).where(
        one_of(Delivery.id, ids)
    ).execute()


def leased_rows(ids: Collection[int], lease: int) -> list[Row]:
    """What is needed to send each of these that still has this lease, by delivery id; in the order
    of `leases.Claim`, with the event's digest after its payload, and its purpose and only receiver
    at the end.

    The values are as the driver returns them: peewee would look at each column of each row to find
    out how it is converted, which costs more than the rest of a claim.
    """
    query = (
        Delivery.select(
            Delivery.id,
            Delivery.uuid,
            Delivery.lease,
            Delivery.attempts + 1,
            Delivery.interruptions,
            Event.type,
            Event.payload,
            Event.digest,
            Event.created_at,
            Webhook.id,
            Webhook.business,
            Webhook.url,
            Webhook.secret,
            Delivery.recovery,
            Delivery.resume_at,
            Delivery.body,
            Webhook.standard_webhooks,
            Webhook.headers,
            Event.purpose,
            Event.webhook,
        )
        .join(Event)
        .switch(Delivery)
        .join(Webhook)
        .where(one_of(Delivery.id, ids) & (Delivery.lease == lease) & Webhook.deleted_at.is_null())
        .order_by(Delivery.id)
    )
    return list(proxy.execute(query))


def interrupted(ids: Collection[int], changes: dict[str, object]) -> None:
    """Count an interruption of each of these, which the caller has locked, and change them so."""
    once_more = {"interruptions": Delivery.interruptions + 1}
    Delivery.update(once_more | changes).where(one_of(Delivery.id, ids)).execute()


def abandon(delivery_id: int, lease: int, now: datetime) -> bool:
    """Whether the lease was still ours, so that the delivery is abandoned now."""
    ours = (Delivery.id == delivery_id) & (Delivery.lease == lease)
    return bool(Delivery.update(abandoned(now)).where(ours).execute())


def abandoned(now: datetime) -> dict[str, object]:
    """The columns of a delivery that is never attempted again."""
    ended = dict.fromkeys(("due_at", "resume_at", "lease"))
    return {"status": Status.ABANDONED, "settled_at": now, **ended}


def give_back(ids: Collection[int], lease: int, now: datetime) -> int:
    """Make these due at `now`, as if they had not been leased; returns how many still had this
    lease.
    """
    given = Delivery.update(lease=None, leased_at=None, due_at=now).where(
        one_of(Delivery.id, ids) & (Delivery.lease == lease)
    )
    return int(given.execute())


def settle(ids: Collection[int], lease: int, changes: dict[str, object]) -> set[int]:
    """Give up the lease of these and change them so; returns the ids of those that still had this
    lease and whose webhook was not deleted.
    """
    gone = Webhook.select(Webhook.id).where(
        (Webhook.id == Delivery.webhook) & ~Webhook.deleted_at.is_null()
    )
    update = Delivery.update({"lease": None, "leased_at": None, **changes}).where(
        one_of(Delivery.id, ids) & (Delivery.lease == lease) & ~fn.EXISTS(gone)
    )
    if not is_postgres():  # SQLite's driver gives up the GIL for each row: a count spares them
        with proxy.atomic() as savepoint:
            if update.execute() == len(ids):
                return set(ids)
            savepoint.rollback(begin=False)
    return {row[0] for row in update.returning(Delivery.id).tuples().execute()}
