"""The rows of leased deliveries. Every write names its lease, which may be lost by then."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from peewee import fn

from core.domain.delivery import Status, Verdict
from core.storage.built import built_once
from core.storage.database import one_of
from core.storage.models import Delivery, Event, Webhook

Row = tuple[Any, ...]


def lease(ids: Collection[int], lease: int, now: datetime, until: datetime) -> None:
    """Lease these deliveries until then. The caller has found them to be due, and locked them."""
    _lease(ids, lease, now, until)


@built_once
def _lease(ids: Collection[int], lease: int, now: datetime, until: datetime) -> Any:
    leased = {"lease": lease, "leased_at": now, "due_at": until}
    return Delivery.update(leased).where(one_of(Delivery.id, ids))


def leased_rows(ids: Collection[int], lease: int) -> list[Row]:
    """What is needed to send those of these deliveries that still have this lease, by their ids.
    The columns are those of `leases.Claim`, with the event's digest after its payload, and with its
    purpose and its only receiver at the end.

    The values are as the driver returns them: peewee would find out for each column of each row how
    to convert it, which costs more than the rest of a claim.
    """
    rows: list[Row] = _leased_rows(ids, lease).fetchall()
    return rows


@built_once
def _leased_rows(ids: Collection[int], lease: int) -> Any:
    return (
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


def interrupted(ids: Collection[int], changes: dict[str, object]) -> None:
    """Count an interruption of each of these deliveries, which the caller has locked, and make
    these changes to them.
    """
    once_more = {"interruptions": Delivery.interruptions + 1}
    Delivery.update(once_more | changes).where(one_of(Delivery.id, ids)).execute()


def abandon(delivery_id: int, lease: int, now: datetime) -> bool:
    """Abandon this delivery, if it still has this lease; returns whether it had."""
    ours = (Delivery.id == delivery_id) & (Delivery.lease == lease)
    return bool(Delivery.update(abandoned(now)).where(ours).execute())


def abandoned(now: datetime) -> dict[str, object]:
    """The columns of a delivery that is never attempted again."""
    ended = dict.fromkeys(("due_at", "resume_at", "lease"))
    return {"status": Status.ABANDONED, "settled_at": now, **ended}


def give_back(ids: Collection[int], lease: int, now: datetime) -> int:
    """Make these deliveries due at `now`, as if they had never been leased; returns how many of
    them still had this lease.
    """
    given = Delivery.update(lease=None, leased_at=None, due_at=now).where(
        one_of(Delivery.id, ids) & (Delivery.lease == lease)
    )
    return int(given.execute())


def settle(
    ids: Collection[int], lease: int, verdict: Verdict, now: datetime, *, interruptions: int
) -> set[int]:
    """Give up the lease of these deliveries and write this verdict, with so many interruptions
    more. Returns the ids of those that still had the lease and whose webhook was not deleted.
    """
    values = ids, lease, verdict.due_at, int(verdict.counts), interruptions
    if verdict.status is None:
        rows = _settle(*values)
    else:
        settled_at = now if verdict.due_at is None else None
        rows = _settle_as(*values, verdict.status.value, settled_at)
    return {delivery_id for (delivery_id,) in rows.fetchall()}


@built_once
def _settle(ids: Any, lease: Any, due_at: Any, attempts: Any, interruptions: Any) -> Any:
    return _settled(ids, lease, due_at, attempts, interruptions)


@built_once
def _settle_as(
    ids: Any, lease: Any, due_at: Any, attempts: Any, interruptions: Any, status: Any, at: Any
) -> Any:
    decided = {"status": status, "settled_at": at, "resume_at": None}
    return _settled(ids, lease, due_at, attempts, interruptions, **decided)


def _settled(
    ids: Any, lease: Any, due_at: Any, attempts: Any, interruptions: Any, **decided: Any
) -> Any:
    gone = Webhook.select(Webhook.id).where(
        (Webhook.id == Delivery.webhook) & ~Webhook.deleted_at.is_null()
    )
    settled = Delivery.update(
        lease=None,
        leased_at=None,
        due_at=due_at,
        attempts=Delivery.attempts + attempts,
        interruptions=Delivery.interruptions + interruptions,
        **decided,
    )
    ours = one_of(Delivery.id, ids) & (Delivery.lease == lease) & ~fn.EXISTS(gone)
    return settled.where(ours).returning(Delivery.id)
