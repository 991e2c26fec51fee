"""What we know about outages: of each webhook's address, and of what was abandoned in one."""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from peewee import OP, Expression, fn

from core.domain.delivery import Recovery, Status
from core.domain.outage import Outage
from core.storage.built import built_once
from core.storage.database import is_postgres, one_of, proxy
from core.storage.literals import is_true, off_index
from core.storage.models import Attempt, Business, Delivery, TimeField, Webhook, entitled, row_lock

_time = TimeField()


class Address(NamedTuple):
    """What we know about a webhook's address."""

    outage: Outage | None
    is_recovering: bool  # it is back, and what was abandoned meanwhile is still to be queued again
    lost_since: datetime | None  # something was abandoned, and nothing was accepted since
    look_at: datetime | None  # when to see whether its owner is to be told


def all_well(webhook_ids: Collection[int]) -> bool:
    """Whether no address of these webhooks is down, and none has lost anything."""
    return _first_in_trouble(webhook_ids).fetchone() is None


@built_once
def _first_in_trouble(webhook_ids: Collection[int]) -> Any:
    in_trouble = Webhook.select(Webhook.id).where(
        one_of(Webhook.id, webhook_ids)
        & (
            (~Webhook.down_since.is_null() & Webhook.up_since.is_null())
            | ~Webhook.lost_since.is_null()
        )
    )
    return in_trouble.limit(1)


def locked_addresses(webhook_ids: Collection[int]) -> dict[int, Address]:
    """The addresses of these webhooks; nobody else changes them before our transaction ends."""
    columns = Webhook.is_recovering, Webhook.lost_since, Webhook.look_at
    rows = row_lock(
        Webhook.select(Webhook.id, Webhook.down_since, Webhook.up_since, *columns)
        .where(one_of(Webhook.id, webhook_ids))
        .order_by(Webhook.id)  # two workers that lock several must lock them in one order
    )
    return {
        webhook_id: Address(Outage(since, until) if since else None, *how_it_is)
        for webhook_id, since, until, *how_it_is in rows.tuples()
    }


def write_address(webhook_id: int, address: Address) -> None:
    outage = address.outage
    Webhook.update(
        down_since=outage and outage.since,
        up_since=outage and outage.until,
        is_recovering=address.is_recovering,
        lost_since=address.lost_since,
        look_at=address.look_at,
    ).where(Webhook.id == webhook_id).execute()


def attempts_ended(delivery_ids: Collection[int], number: int) -> dict[int, datetime]:
    """When the last attempt with this number ended, by delivery id."""
    to_moment = Attempt.started_at.python_value
    ended_at = fn.MAX(Attempt.started_at + Attempt.duration_us).converter(to_moment)
    rows = (
        Attempt.select(Attempt.delivery, ended_at)
        .where(one_of(Attempt.delivery, delivery_ids) & (Attempt.number == number))
        .group_by(Attempt.delivery)
    )
    return dict(rows.tuples())


def mark_victims(delivery_ids: Collection[int]) -> None:
    """Mark these deliveries, which an outage has abandoned, as to be queued again once it is over.
    A delivery that was queued again before is not marked a second time.
    """
    Delivery.update(recovery=Recovery.DUE).where(
        one_of(Delivery.id, delivery_ids) & Delivery.recovery.is_null()
    ).execute()


def recovering_webhooks(limit: int) -> dict[int, datetime | None]:
    """Up to `limit` webhooks whose address is back, and up to when each has had deliveries queued
    again. Their rows are locked; those that another worker has locked are left out.
    """
    rows = _recovering_webhooks(limit).fetchall()
    return {webhook_id: _time.python_value(to_us) for webhook_id, to_us in rows}


@built_once
def _recovering_webhooks(limit: int) -> Any:
    is_served = Business.select(Business.id).where(entitled())
    query = (
        Webhook.select(Webhook.id, Webhook.recovered_to)
        .where(
            is_true(Webhook.is_recovering)
            & ~Webhook.up_since.is_null()
            & Webhook.deleted_at.is_null()
            & Expression(off_index(Webhook.business), OP.IN, is_served)
        )
        .order_by(Webhook.id)
        .limit(limit)
    )
    return row_lock(query, skip_locked=True)


def victims(webhook_ids: Collection[int], limit: int, since: datetime) -> Mapping[int, list[int]]:
    """Up to `limit` deliveries of each webhook that are to be queued again and were abandoned after
    `since`, the longest abandoned first. They are locked.
    """
    ids = list(webhook_ids)
    find, bound = (_FIND_LOCKED, ids) if is_postgres() else (_FIND, json.dumps(ids))
    rows = proxy.execute_sql(find, (bound, _time.db_value(since), limit))
    found = defaultdict[int, list[int]](list)
    for webhook_id, delivery_id in rows.fetchall():
        found[webhook_id].append(delivery_id)
    return found


# The predicate is a literal: with a bound value its partial index is not used.
_FIND = """
    SELECT lost.webhook_id, lost.id
    FROM json_each(?) AS wanted CROSS JOIN delivery AS lost ON lost.id IN (
        SELECT id FROM delivery WHERE webhook_id = wanted.value AND recovery = 'due'
        AND settled_at >= ? ORDER BY settled_at, id LIMIT ?
    )
"""
_FIND_LOCKED = """
    SELECT found.* FROM unnest(%s::int[]) AS wanted(id) CROSS JOIN LATERAL (
        SELECT webhook_id, id FROM delivery WHERE webhook_id = wanted.id AND recovery = 'due'
        AND settled_at >= %s ORDER BY settled_at, id LIMIT %s FOR NO KEY UPDATE
    ) AS found
"""


def queue_again(delivery_ids: Collection[int], due_at: datetime) -> None:
    """Have these deliveries begin their schedule again at `due_at`. They are queued as failed ones,
    so that fresh ones go first.
    """
    anew = {"attempts": 0, "interruptions": 0, "settled_at": None, "recovery": Recovery.MADE}
    Delivery.update(status=Status.FAILED, due_at=due_at, **anew).where(
        one_of(Delivery.id, delivery_ids) & (Delivery.recovery == Recovery.DUE)
    ).execute()


def recovered_to(webhook_ids: Collection[int], moment: datetime) -> None:
    """Note that what is queued again of these webhooks is spread up to this moment already."""
    Webhook.update(recovered_to=moment).where(one_of(Webhook.id, webhook_ids)).execute()


def recovered(webhook_ids: Collection[int]) -> None:
    """Note that nothing more of these webhooks is to be queued again."""
    Webhook.update(is_recovering=False).where(one_of(Webhook.id, webhook_ids)).execute()
