"""Putting right what no statement of ours would leave behind: what another program has changed, and
times from a clock that was ahead.

It is done slowly, some webhooks at a time. Passes rely on `webhook.ready_at`, and would never
notice.
"""

import logging
from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple

from peewee import Expression

from core.domain.delivery import UNTIL_MENDED, Schedule, Status
from core.domain.editions import includes_webhooks
from core.domain.hold import HOLD_LIMIT
from core.domain.pace import taken_ahead
from core.pipeline.alerts import pull_back_alerts
from core.pipeline.leases import LEASE
from core.pipeline.mail import pull_back_mail
from core.storage import ready
from core.storage.database import connection, one_of, transaction
from core.storage.holds import free_starts
from core.storage.models import Business, Delivery, Webhook, entitled
from core.storage.rows import find_business

log = logging.getLogger(__name__)

_WEBHOOKS = 1_000  # a minute
_DELIVERIES = 1_000  # that are due too late, in one transaction


class Sweep:
    """Goes round all webhooks, one step at each call."""

    def __init__(self, schedule: Schedule, keep: timedelta = timedelta(days=90)) -> None:
        """Parked deliveries are kept for as long as `keep`."""
        self._schedule = schedule
        self._keep = keep
        self._place = 0

    def step(self, now: datetime) -> int:
        """Look at the next webhooks; returns how many deliveries and webhooks were put right."""
        with connection():
            webhook_ids = _next_webhooks(self._place)
            self._place = webhook_ids[-1] if len(webhook_ids) == _WEBHOOKS else 0
            mended = _pull_back(webhook_ids, self._schedule, now)
            mended += _end_long_holds(webhook_ids, now) + _free_starts(webhook_ids, now)
            mended += pull_back_alerts(webhook_ids, self._keep, now) + pull_back_mail(now)
            mended += _wake_the_forgotten(webhook_ids) + _rest_strays(webhook_ids)
        if mended:
            log.warning("what was due at a wrong time is put right", extra={"rows": mended})
        return mended


def _next_webhooks(after: int) -> list[int]:
    standing = Webhook.select(Webhook.id).where((Webhook.id > after) & Webhook.deleted_at.is_null())
    return [row[0] for row in standing.order_by(Webhook.id).limit(_WEBHOOKS).tuples()]


class _TooLate(NamedTuple):
    id: int
    webhook_id: int
    status: str
    attempts: int
    lease: int | None


def _pull_back(webhook_ids: list[int], schedule: Schedule, now: datetime) -> int:
    """A delivery that waits for longer than a retry does, or a new one for longer than a lease and
    the minute until something is mended, waits by a clock that was ahead. Have it wait as if it had
    come to where it is just now.
    """
    longest = {Status.PENDING: UNTIL_MENDED, Status.FAILED: max(schedule.retry_after)}
    mended = 0
    for status, wait in longest.items():
        is_too_late = (Delivery.status == status) & (Delivery.due_at > now + wait + LEASE)
        with transaction():  # of its own: webhooks are locked before any delivery is written
            mended += _pull_back_some(webhook_ids, is_too_late, schedule, now)
    return mended


def _pull_back_some(
    webhook_ids: list[int], is_too_late: Expression, schedule: Schedule, now: datetime
) -> int:
    columns = [getattr(Delivery, name) for name in _TooLate._fields]
    which = Delivery.select(*columns).where(one_of(Delivery.webhook, webhook_ids) & is_too_late)
    found = [_TooLate(*row) for row in which.limit(_DELIVERIES).tuples()]
    if not found:
        return 0
    ready.pin({each.webhook_id for each in found})
    by_due = defaultdict(list)
    for each in found:
        by_due[now + _wait_of(each, schedule)].append(each)
    mended = 0
    for due_at, some in by_due.items():
        late = one_of(Delivery.id, [each.id for each in some]) & is_too_late
        mended += Delivery.update(due_at=due_at).where(late).execute()
        ready.lower({each.webhook_id for each in some}, due_at)
    return mended


def _end_long_holds(webhook_ids: list[int], now: datetime) -> int:
    """Where a receiver is left alone for longer than the limit, a clock was ahead: end the hold."""
    is_too_long = Webhook.not_before > now + HOLD_LIMIT + LEASE
    with transaction():
        found = Webhook.select(Webhook.id).where(one_of(Webhook.id, webhook_ids) & is_too_long)
        ids = [row[0] for row in found.tuples()]
        ready.pin(ids)
        ended = Webhook.update(held_until=now, not_before=None, paced_to=None).where(
            one_of(Webhook.id, ids) & is_too_long
        )
        return int(ended.execute())


def _free_starts(webhook_ids: list[int], now: datetime) -> int:
    """Where starts are taken further ahead than the pace has them taken, a clock was ahead too.
    That these webhooks are looked at in time is seen to further on in the same step.
    """
    is_far = Webhook.paced_to > now + LEASE
    with transaction():
        paced = one_of(Webhook.id, webhook_ids) & ~Webhook.pace.is_null() & is_far
        taken = Webhook.select(Webhook.id, Webhook.pace, Webhook.paced_to).where(paced).tuples()
        ids = [each for each, pace, until in taken if until > now + taken_ahead(pace, LEASE)]
        ready.pin(ids)
        return free_starts(one_of(Webhook.id, ids) & is_far)


def _wait_of(each: _TooLate, schedule: Schedule) -> timedelta:
    if each.lease is not None:
        return LEASE
    if each.status == Status.PENDING or not each.attempts:
        return timedelta()
    return schedule.wait_after(each.attempts) or timedelta()


def _wake_the_forgotten(webhook_ids: list[int]) -> int:
    """Wake the webhooks that passes would look at too late, or never."""
    with transaction():
        ids = ready.looked_at_too_late(webhook_ids)
        ready.wake(ids)
    return len(ids)


def _rest_strays(webhook_ids: list[int]) -> int:
    """Let the webhooks rest that passes look at although their business is switched off."""
    off = Business.select(Business.id).where(~entitled())
    is_stray = one_of(Webhook.id, webhook_ids) & Webhook.business.in_(off)
    strays = Webhook.select(Webhook.id, Webhook.business).where(
        is_stray & Webhook.ready_at.is_null(is_null=False)
    )
    by_business = defaultdict(list)
    for webhook_id, business_id in strays.tuples():
        by_business[business_id].append(webhook_id)
    for business_id, ids in by_business.items():
        with transaction():
            business = find_business(business_id, lock="FOR SHARE")  # it must stay off meanwhile
            if not includes_webhooks(business.edition, option=business.option):
                ready.rest(ids)
    return sum(map(len, by_business.values()))
