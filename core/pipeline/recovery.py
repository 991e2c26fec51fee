"""After an outage, what was abandoned in it goes out once more, by itself.

`settle` notes when addresses go down and come back, and which deliveries were abandoned meanwhile;
a pass then queues those again, batch by batch.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from peewee import SQL, fn

from core.domain.alerts import FAILING_AFTER
from core.domain.delivery import Recovery, Status
from core.domain.outage import Outage, outage_after
from core.pipeline.steps import Step, passed
from core.storage.database import is_postgres, one_of, proxy, transaction
from core.storage.models import (
    EPOCH,
    Attempt,
    Business,
    Delivery,
    TimeField,
    Webhook,
    entitled,
    row_lock,
)
from core.storage.ready import lower

_AT_ONCE = 20  # deliveries of one webhook that are queued again together
_APART = timedelta(milliseconds=50)  # of one webhook's, on average
_time = TimeField()


class Ended(NamedTuple):
    """How one attempt ended, as far as outages go."""

    webhook_id: int
    delivery_id: int
    started_at: datetime
    ended_at: datetime
    attempt: int  # counted from 1
    accepted: bool
    abandoned: bool
    is_theirs: bool = True  # says how the address is; else only that something was abandoned


class _Address(NamedTuple):
    """What is known of a webhook's."""

    outage: Outage | None
    is_recovering: bool  # it is back, and what was abandoned meanwhile waits to be queued again
    lost_since: datetime | None  # something was abandoned, and nothing accepted since
    look_at: datetime | None  # when to see whether its owner is to be told


def note_outages(ended: Collection[Ended]) -> None:
    """Note which addresses went down, which came back and what was abandoned meanwhile: part of
    settling these attempts, given in the order in which they ended, their log written.
    """
    if _are_well(ended):
        return
    before = _locked_addresses(ended)
    begun_at = _begun_at([each for each in ended if each.abandoned and each.is_theirs])
    after, victims = dict(before), list[int]()
    for each in ended:
        known = after[each.webhook_id]
        outage = _outage_after(each, known.outage)
        # Its attempts were made in the outage, so they failed with all the others.
        is_victim = outage is not None and begun_at.get(each.delivery_id, EPOCH) >= outage.since
        victims += [each.delivery_id] * is_victim
        is_over = outage is not None and outage.until is not None
        is_news = is_over and (is_victim or outage != known.outage)
        after[each.webhook_id] = _Address(
            outage, known.is_recovering or is_news, *_trouble_after(each, known, outage)
        )
    _write({each: after[each] for each in after if after[each] != before[each]}, victims)


def _outage_after(each: Ended, outage: Outage | None) -> Outage | None:
    if not each.is_theirs:
        return outage
    return outage_after(outage, each.started_at, each.ended_at, accepted=each.accepted)


def _trouble_after(
    each: Ended, known: _Address, outage: Outage | None
) -> tuple[datetime | None, datetime | None]:
    """Since when something is lost, and when to look at the webhook."""
    lost_since = known.lost_since or (each.ended_at if each.abandoned else None)
    lost_since = None if each.accepted else lost_since
    looks = [known.look_at] if known.look_at is not None else []
    if outage is not None and outage != known.outage:
        looks.append(outage.until or outage.since + FAILING_AFTER)
    if lost_since != known.lost_since:
        looks.append(each.ended_at)
    return lost_since, min(looks, default=None)


def _are_well(ended: Collection[Ended]) -> bool:
    """Nearly always: everything was accepted, no address was down, and nothing was lost."""
    if not all(each.accepted for each in ended):
        return False
    down = Webhook.select(Webhook.id).where(
        one_of(Webhook.id, {each.webhook_id for each in ended})
        & (
            (~Webhook.down_since.is_null() & Webhook.up_since.is_null())
            | ~Webhook.lost_since.is_null()
        )
    )
    return not down.exists()


def _locked_addresses(ended: Collection[Ended]) -> dict[int, _Address]:
    columns = Webhook.is_recovering, Webhook.lost_since, Webhook.look_at
    rows = row_lock(
        Webhook.select(Webhook.id, Webhook.down_since, Webhook.up_since, *columns)
        .where(one_of(Webhook.id, {each.webhook_id for each in ended}))
        .order_by(Webhook.id)  # two workers that lock several must lock them in one order
    )
    return {
        webhook_id: _Address(Outage(since, until) if since else None, *how_it_is)
        for webhook_id, since, until, *how_it_is in rows.tuples()
    }


def _begun_at(abandoned: Collection[Ended]) -> dict[int, datetime]:
    """When the attempt of each, in its present round, ended from which on all must have been made
    in an outage: the first; or of three and more the second, for a single failure before an outage
    says nothing, and two in it do.
    """
    to_moment = Attempt.started_at.python_value
    ended_at = fn.MAX(Attempt.started_at + Attempt.duration_us).converter(to_moment)
    begun_at = dict[int, datetime]()
    for number in (1, 2):
        ids = [each.delivery_id for each in abandoned if 1 + (each.attempt > 2) == number]
        if ids:
            rows = (
                Attempt.select(Attempt.delivery, ended_at)
                .where(one_of(Attempt.delivery, ids) & (Attempt.number == number))
                .group_by(Attempt.delivery)
            )
            begun_at |= dict(rows.tuples())
    return begun_at


def _write(changed: dict[int, _Address], victims: Collection[int]) -> None:
    for webhook_id in sorted(changed):
        address = changed[webhook_id]
        outage = address.outage
        Webhook.update(
            down_since=outage and outage.since,
            up_since=outage and outage.until,
            is_recovering=address.is_recovering,
            lost_since=address.lost_since,
            look_at=address.look_at,
        ).where(Webhook.id == webhook_id).execute()
    if victims:
        Delivery.update(recovery=Recovery.DUE).where(
            one_of(Delivery.id, victims) & Delivery.recovery.is_null()
        ).execute()


def recover_some(limit: int, window: timedelta, now: datetime) -> bool:
    """Queue again up to `limit` deliveries of webhooks whose addresses are back; False when there
    is no such webhook. Only what was abandoned within `window` before `now`, each once, in order.

    What is queued of one webhook is due bit by bit, so that whoever has just come back is not hit
    by all of it at once.
    """
    with transaction():
        recovered_to = _recovering_webhooks(limit)
        if not recovered_to:
            return False
        part = min(_AT_ONCE, max(1, limit // len(recovered_to)))
        abandoned = _abandoned_in_outage(recovered_to, part, now - window)
        by_due = defaultdict[datetime, dict[int, list[int]]](dict)
        for webhook_id, ids in abandoned.items():
            by_due[max(now, recovered_to[webhook_id] or now)][webhook_id] = ids
        for due_at, found in by_due.items():
            _queue_again(found, due_at)
        done = [each for each in recovered_to if len(abandoned.get(each, ())) < part]
        Webhook.update(is_recovering=False).where(one_of(Webhook.id, done)).execute()
        passed(Step.RECOVERING)
    passed(Step.RECOVERED)
    return True


def _queue_again(found: Mapping[int, list[int]], due_at: datetime) -> None:
    """These deliveries of each webhook, as failed ones, so that what is fresh goes first."""
    ids = [each for some in found.values() for each in some]
    anew = {"attempts": 0, "interruptions": 0, "settled_at": None, "recovery": Recovery.MADE}
    Delivery.update(status=Status.FAILED, due_at=due_at, **anew).where(
        one_of(Delivery.id, ids) & (Delivery.recovery == Recovery.DUE)
    ).execute()
    lower(found, due_at)
    by_count = defaultdict(list)
    for webhook_id, some in found.items():
        by_count[len(some)].append(webhook_id)
    for count, webhook_ids in by_count.items():
        Webhook.update(recovered_to=due_at + count * _APART).where(
            one_of(Webhook.id, webhook_ids)
        ).execute()


def _recovering_webhooks(limit: int) -> dict[int, datetime | None]:
    """Up to so many of them, and up to when each has been queued again already."""
    query = (
        Webhook.select(Webhook.id, Webhook.recovered_to)
        .where(
            (Webhook.is_recovering == SQL("TRUE"))
            & ~Webhook.up_since.is_null()
            & Webhook.deleted_at.is_null()
            & Webhook.business.in_(Business.select(Business.id).where(entitled()))
        )
        .order_by(Webhook.id)
        .limit(limit)
    )
    return dict(row_lock(query, skip_locked=True).tuples())


def _abandoned_in_outage(
    webhook_ids: Collection[int], part: int, since: datetime
) -> dict[int, list[int]]:
    """Up to `part` deliveries of each webhook, the longest abandoned first."""
    ids = list(webhook_ids)
    find, bound = (_FIND_LOCKED, ids) if is_postgres() else (_FIND, json.dumps(ids))
    rows = proxy.execute_sql(find, (bound, _time.db_value(since), part))
    found = defaultdict[int, list[int]](list)
    for webhook_id, delivery_id in rows.fetchall():
        found[webhook_id].append(delivery_id)
    return found


# The predicate is a literal: bound, its partial index is not used.
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
