"""After an outage, what was abandoned in it goes out once more, by itself.

`settle` notes when addresses go down and come back, and which deliveries were abandoned meanwhile;
a pass then queues those again, batch by batch.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from peewee import SQL, fn

from core.database import one_of, transaction
from core.delivery import Recovery, Status
from core.models import EPOCH, Attempt, Business, Delivery, Webhook, entitled, row_lock
from core.outage import Outage, outage_after
from core.ready import lower
from core.steps import Step, passed


class Ended(NamedTuple):
    """How one attempt ended, as far as outages go."""

    webhook_id: int
    delivery_id: int
    started_at: datetime
    ended_at: datetime
    accepted: bool
    abandoned: bool


class _Address(NamedTuple):
    """What is known of a webhook's."""

    outage: Outage | None
    is_recovering: bool  # it is back, and what was abandoned meanwhile waits to be queued again


def note_outages(ended: Collection[Ended]) -> None:
    """Note which addresses went down, which came back and what was abandoned meanwhile: part of
    settling these attempts, given in the order in which they ended, their log written.
    """
    if _are_well(ended):
        return
    before = _locked_addresses(ended)
    first_ended_at = _first_ended_at([each.delivery_id for each in ended if each.abandoned])
    after, victims = dict(before), list[int]()
    for each in ended:
        known = after[each.webhook_id]
        outage = outage_after(known.outage, each.started_at, each.ended_at, accepted=each.accepted)
        # Every attempt of it was made in the outage, so every one failed with all the others.
        is_victim = (
            outage is not None and first_ended_at.get(each.delivery_id, EPOCH) >= outage.since
        )
        victims += [each.delivery_id] * is_victim
        is_over = outage is not None and outage.until is not None
        is_news = is_over and (is_victim or outage != known.outage)
        after[each.webhook_id] = _Address(outage, known.is_recovering or is_news)
    _write({each: after[each] for each in after if after[each] != before[each]}, victims)


def _are_well(ended: Collection[Ended]) -> bool:
    """Nearly always: everything was accepted, and no address was down."""
    if not all(each.accepted for each in ended):
        return False
    down = Webhook.select(Webhook.id).where(
        one_of(Webhook.id, {each.webhook_id for each in ended})
        & ~Webhook.down_since.is_null()
        & Webhook.up_since.is_null()
    )
    return not down.exists()


def _locked_addresses(ended: Collection[Ended]) -> dict[int, _Address]:
    rows = row_lock(
        Webhook.select(Webhook.id, Webhook.down_since, Webhook.up_since, Webhook.is_recovering)
        .where(one_of(Webhook.id, {each.webhook_id for each in ended}))
        .order_by(Webhook.id)  # two workers that lock several must lock them in one order
    )
    return {
        webhook_id: _Address(Outage(since, until) if since else None, is_recovering)
        for webhook_id, since, until, is_recovering in rows.tuples()
    }


def _first_ended_at(delivery_ids: Collection[int]) -> dict[int, datetime]:
    """When the first attempt of each delivery's present round ended."""
    to_moment = Attempt.started_at.python_value
    ended_at = fn.MAX(Attempt.started_at + Attempt.duration_us).converter(to_moment)
    rows = (
        Attempt.select(Attempt.delivery, ended_at)
        .where(one_of(Attempt.delivery, delivery_ids) & (Attempt.number == 1))
        .group_by(Attempt.delivery)
        .tuples()
    )
    return dict(rows) if delivery_ids else {}


def _write(changed: dict[int, _Address], victims: Collection[int]) -> None:
    for webhook_id, (outage, is_recovering) in sorted(changed.items()):
        if outage is not None:
            Webhook.update(
                down_since=outage.since, up_since=outage.until, is_recovering=is_recovering
            ).where(Webhook.id == webhook_id).execute()
    if victims:
        Delivery.update(recovery=Recovery.DUE).where(
            one_of(Delivery.id, victims) & Delivery.recovery.is_null()
        ).execute()


def recover_some(limit: int, window: timedelta, now: datetime) -> bool:
    """Queue again up to `limit` deliveries of one webhook whose address is back; False when there
    is no such webhook. Only what was abandoned within `window` before `now`, each once, in order.
    """
    with transaction():
        webhook_id = _recovering_webhook()
        if webhook_id is None:
            return False
        ids = _abandoned_in_outage(webhook_id, limit, now - window)
        if ids:
            _queue_again(ids, now)
            lower([webhook_id], now)
        else:
            Webhook.update(is_recovering=False).where(Webhook.id == webhook_id).execute()
        passed(Step.RECOVERING)
    passed(Step.RECOVERED)
    return True


def _recovering_webhook() -> int | None:
    query = (
        Webhook.select(Webhook.id)
        .where(
            (Webhook.is_recovering == SQL("TRUE"))
            & ~Webhook.up_since.is_null()
            & Webhook.deleted_at.is_null()
            & Webhook.business.in_(Business.select(Business.id).where(entitled()))
        )
        .order_by(Webhook.id)
        .limit(1)
    )
    row = row_lock(query, skip_locked=True).tuples().first()
    return None if row is None else int(row[0])


def _abandoned_in_outage(webhook_id: int, limit: int, since: datetime) -> list[int]:
    rows = row_lock(
        Delivery.select(Delivery.id)
        .where(
            (Delivery.webhook == webhook_id)
            & (Delivery.status == SQL("'abandoned'"))  # bound, its partial index is not used
            & (Delivery.settled_at >= since)
            & (Delivery.recovery == Recovery.DUE)
        )
        .order_by(Delivery.id)  # as an owner's recovery locks them
        .limit(limit)
    )
    return [row[0] for row in rows.tuples()]


def _queue_again(ids: list[int], now: datetime) -> None:
    """As failed ones, so that what is fresh goes first."""
    anew = {"attempts": 0, "interruptions": 0, "settled_at": None, "recovery": Recovery.MADE}
    Delivery.update(status=Status.FAILED, due_at=now, **anew).where(
        one_of(Delivery.id, ids) & (Delivery.recovery == Recovery.DUE)
    ).execute()
