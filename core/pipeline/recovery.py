"""After an outage, what was abandoned in it is sent once more, by itself.

`settle` notes when addresses go down and come back, and which deliveries were abandoned meanwhile.
A pass then queues those again, batch by batch.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from core.domain.alerts import FAILING_AFTER
from core.domain.outage import Outage, outage_after
from core.pipeline.steps import Step, passed
from core.storage import outages
from core.storage.database import transaction
from core.storage.models import EPOCH
from core.storage.outages import Address
from core.storage.ready import lower

_AT_ONCE = 20  # deliveries of one webhook that are queued again at a time
_APART = timedelta(milliseconds=50)  # between two deliveries of one webhook, on average


class Ended(NamedTuple):
    """How one attempt ended, as far as it matters for outages."""

    webhook_id: int
    delivery_id: int
    started_at: datetime
    ended_at: datetime
    attempt: int  # counted from 1
    accepted: bool
    abandoned: bool
    is_theirs: bool = True  # it says how the address is; else only that it was abandoned


def note_outages(ended: Collection[Ended]) -> None:
    """Note which addresses went down, which came back, and what was abandoned meanwhile. This is
    part of settling these attempts: they are in the order in which they ended, and their log is
    written.
    """
    before = outages.locked_addresses({each.webhook_id for each in ended})
    begun_at = _begun_at([each for each in ended if each.abandoned and each.is_theirs])
    after, victims = dict(before), list[int]()
    for each in ended:
        known = after[each.webhook_id]
        outage = _outage_after(each, known.outage)
        # All its attempts were made in the outage, so they failed with all the others.
        is_victim = outage is not None and begun_at.get(each.delivery_id, EPOCH) >= outage.since
        victims += [each.delivery_id] * is_victim
        is_over = outage is not None and outage.until is not None
        is_news = is_over and (is_victim or outage != known.outage)
        after[each.webhook_id] = Address(
            outage, known.is_recovering or is_news, *_trouble_after(each, known, outage)
        )
    _write({each: after[each] for each in after if after[each] != before[each]}, victims)


def _outage_after(each: Ended, outage: Outage | None) -> Outage | None:
    if not each.is_theirs:
        return outage
    return outage_after(outage, each.started_at, each.ended_at, accepted=each.accepted)


def _trouble_after(
    each: Ended, known: Address, outage: Outage | None
) -> tuple[datetime | None, datetime | None]:
    """Since when something has been lost, and when to look at the webhook."""
    lost_since = known.lost_since or (each.ended_at if each.abandoned else None)
    lost_since = None if each.accepted else lost_since
    looks = [known.look_at] if known.look_at is not None else []
    if outage is not None and outage != known.outage:
        looks.append(outage.until or outage.since + FAILING_AFTER)
    if lost_since != known.lost_since:
        looks.append(each.ended_at)
    return lost_since, min(looks, default=None)


def _begun_at(abandoned: Collection[Ended]) -> dict[int, datetime]:
    """When, in the present round of each delivery, the attempt ended from which on all must have
    been made in an outage. That is the first attempt, or of three and more the second: a single
    failure before an outage says nothing, and two failures in it do.
    """
    begun_at = dict[int, datetime]()
    for number in (1, 2):
        ids = [each.delivery_id for each in abandoned if 1 + (each.attempt > 2) == number]
        if ids:
            begun_at |= outages.attempts_ended(ids, number)
    return begun_at


def _write(changed: dict[int, Address], victims: Collection[int]) -> None:
    for webhook_id in sorted(changed):
        outages.write_address(webhook_id, changed[webhook_id])
    if victims:
        outages.mark_victims(victims)


def recover_some(limit: int, window: timedelta, now: datetime) -> bool:
    """Queue again up to `limit` deliveries of webhooks whose addresses are back; returns False when
    there is no such webhook. Only what was abandoned within `window` before `now` is queued, each
    delivery once, and in order.

    The deliveries of one webhook are due bit by bit, so that a receiver that has just come back is
    not hit by all of them at once.
    """
    with transaction():
        recovered_to = outages.recovering_webhooks(limit)
        if not recovered_to:
            return False
        part = min(_AT_ONCE, max(1, limit // len(recovered_to)))
        victims = outages.victims(recovered_to, part, now - window)
        by_due = defaultdict[datetime, dict[int, list[int]]](dict)
        for webhook_id, ids in victims.items():
            by_due[max(now, recovered_to[webhook_id] or now)][webhook_id] = ids
        for due_at, found in by_due.items():
            _queue_again(found, due_at)
        outages.recovered([each for each in recovered_to if len(victims.get(each, ())) < part])
        passed(Step.RECOVERING)
    passed(Step.RECOVERED)
    return True


def _queue_again(found: Mapping[int, list[int]], due_at: datetime) -> None:
    """Queue these deliveries of each webhook again, to be due at `due_at`."""
    outages.queue_again([each for some in found.values() for each in some], due_at)
    lower(found, due_at)
    by_count = defaultdict(list)
    for webhook_id, some in found.items():
        by_count[len(some)].append(webhook_id)
    for count, webhook_ids in by_count.items():
        outages.recovered_to(webhook_ids, due_at + count * _APART)
