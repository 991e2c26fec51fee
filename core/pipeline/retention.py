"""Forgetting: old deliveries, old events, and what deleted webhooks leave behind.

It is done in small batches, each of which is a transaction, so that no pass waits for long.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from peewee import Expression, fn

from core.domain.delivery import WAITING, ErrorKind, Expired, Recovery, Status
from core.pipeline.attempt_log import attempt_row, log_attempts
from core.pipeline.heartbeat import TICK, record_run
from core.pipeline.mail import forget_mail
from core.pipeline.stopping import IsStopping, never
from core.pipeline.tallies import keep_counts_of, reuse_ids
from core.storage.database import one_of, transaction
from core.storage.free_space import give_back
from core.storage.kept_back import forget_kept_back
from core.storage.leased import abandoned
from core.storage.literals import has_value
from core.storage.models import (
    EPOCH,
    Attempt,
    Business,
    Delivery,
    Event,
    LastRun,
    Webhook,
    entitled,
    row_lock,
)

_BATCH = 500
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_PRUNE = "prune"
_EXPORT = "export"


def prune_daily(keep: timedelta, now: datetime, is_stopping: IsStopping = never) -> int | None:
    """Prune, if a day has passed since anybody did; returns how many deliveries were removed, or
    None.

    The database says when a day has passed: a daily job of the scheduler would be missed by every
    consumer that is restarted at that minute. Told to stop, it ends after its batch. However it was
    cut short, it goes on an hour later.
    """
    if not _is_ours_to_prune(now):
        return None
    removed = prune(now - keep, now, is_stopping)
    give_back(is_stopping)
    if not is_stopping():
        record_run(_PRUNE, now)
    return removed


def _is_ours_to_prune(now: datetime) -> bool:
    """Whether a day has passed, or the clock was ahead. If so, nobody else gets this answer for an
    hour.
    """
    with transaction():
        taken = (
            LastRun.insert(job=_PRUNE, at=now - _DAY + _HOUR)
            .on_conflict(
                conflict_target=[LastRun.job],
                preserve=[LastRun.at],
                where=(LastRun.at <= now - _DAY) | (LastRun.at > now + _HOUR),
            )
            .returning(LastRun.job)
        )
        return len(taken.execute()) > 0


def prune(before: datetime, now: datetime, is_stopping: IsStopping = never) -> int:
    """Remove what was created and settled before `before`, and all deliveries of deleted webhooks.

    What is parked and as old as that is abandoned, and removed once it has been abandoned for as
    long.

    The row of a deleted webhook stays, and says when it was deleted: screens, scripts and the trail
    know webhooks by their ids, and SQLite gives the highest id to the next webhook once its row is
    gone.
    """
    removed = _prune_deleted_webhooks(is_stopping)
    _give_up_parked(before, now, is_stopping)
    prune_deliveries = partial(_prune_deliveries, before)
    removed += _walk(Delivery, prune_deliveries, before, now, is_stopping)
    _fill_in_times(now, is_stopping)
    _walk(Event, _prune_events, before, now, is_stopping)
    forget_kept_back(before)
    forget_mail(before)
    with transaction():
        is_over = (LastRun.at < now - _DAY) | (LastRun.at > now + _DAY)
        LastRun.delete().where(LastRun.job.startswith(TICK) & is_over).execute()
    return removed


def record_export(event_id: int, now: datetime) -> None:
    """Write down up to which event an export went: whoever has its cursor goes on from there."""
    record_run(_EXPORT, now, event_id=event_id)


def _prune_deleted_webhooks(is_stopping: IsStopping) -> int:
    removed = 0
    with transaction():
        gone = [row.id for row in Webhook.select(Webhook.id).where(~Webhook.deleted_at.is_null())]
    for webhook_id in gone:
        while not is_stopping() and (batch := _remove_deliveries_of(webhook_id)):
            removed += batch
        if is_stopping():
            break
        with transaction():  # the events that its owner sent on purpose
            Event.delete().where((Event.webhook == webhook_id) & _is_no_mark()).execute()
    return removed


def _remove_deliveries_of(webhook_id: int) -> int:
    with transaction():
        ids = [
            row.id
            for row in Delivery.select(Delivery.id)
            .where(Delivery.webhook == webhook_id)
            .limit(_BATCH)
        ]
        return _remove(ids)


def _remove(ids: list[int]) -> int:
    """Remove deliveries and their attempts, which stay counted."""
    if not ids:
        return 0
    keep_counts_of(ids)
    removed: int = Delivery.delete().where(one_of(Delivery.id, ids)).execute()
    reuse_ids()
    return removed


def _give_up_parked(before: datetime, now: datetime, is_stopping: IsStopping) -> None:
    """Abandon, in plain sight, what waited for a paused webhook until it was this old."""
    paused = Webhook.select(Webhook.id).where(~Webhook.paused_at.is_null())
    webhook_ids = [row[0] for row in paused.order_by(Webhook.id).tuples()]
    for webhook_id in webhook_ids:
        while not is_stopping() and _give_up_some(webhook_id, before, now):
            pass


def _give_up_some(webhook_id: int, before: datetime, now: datetime) -> bool:
    """Abandon some of them; returns whether there were any, so that there may be more."""
    with transaction():
        if not _is_still_paused(webhook_id):
            return False
        parked = (
            Delivery.select(Delivery.id, Delivery.attempts, Delivery.recovery)
            .where(
                (Delivery.webhook == webhook_id)
                & Delivery.status.in_(WAITING)
                & has_value(Delivery.due_at)
                & (Delivery.created_at < before)
                & (Delivery.lease.is_null() | (Delivery.due_at < now))
            )
            .order_by(Delivery.id)
            .limit(_BATCH)
        )
        rows = list(row_lock(parked).tuples())
        if rows:
            ids = [delivery_id for delivery_id, *_ in rows]
            Delivery.update(abandoned(now)).where(one_of(Delivery.id, ids)).execute()
            log_attempts(
                attempt_row(
                    *(delivery_id, attempts + 1, now, timedelta(), Expired()),
                    recovery=recovery == Recovery.MADE,
                    abandoned=True,
                )
                for delivery_id, attempts, recovery in rows
            )
        return bool(rows)


def _is_still_paused(webhook_id: int) -> bool:
    """Whether it is still paused; nobody resumes it during this transaction."""
    still = Webhook.select(Webhook.id).where(
        (Webhook.id == webhook_id) & ~Webhook.paused_at.is_null()
    )
    return bool(row_lock(still).tuples().execute())


def _walk(
    table: Any,
    remove: Callable[[list[int]], int],
    before: datetime,
    now: datetime,
    is_stopping: IsStopping,
) -> int:
    """Offer the rows of a table that are old enough to `remove`, batch by batch, the oldest first.

    Ids rise with time, so the walk ends at the first batch with a younger row. A row from the
    future does not count: a clock was ahead when it was made. The engine compares the times, since
    another program may have written what is no time.
    """
    removed, last_id = 0, 0
    while not is_stopping():
        with transaction():
            rows = list(
                table.select(table.id, table.created_at < before, table.created_at <= now)
                .where(table.id > last_id)
                .order_by(table.id)
                .limit(_BATCH)
                .tuples()
            )
            old = [row_id for row_id, is_old, _ in rows if is_old]
            removed += remove(old) if old else 0
        is_reached = any(is_past and not is_old for _, is_old, is_past in rows)
        if is_reached or len(rows) < _BATCH:
            break
        last_id = rows[-1][0]
    return removed


def _prune_deliveries(before: datetime, ids: list[int]) -> int:
    """Remove those that are settled; of those that were parked and given up, only what was given up
    before `before`.
    """
    given_up = Attempt.select(Attempt.id).where(
        (Attempt.delivery == Delivery.id) & (Attempt.error == ErrorKind.PARKED)
    )
    is_fresh = (
        (Delivery.status == Status.ABANDONED)
        & (Delivery.settled_at >= before)
        & fn.EXISTS(given_up)
    )
    settled = Delivery.select(Delivery.id).where(
        one_of(Delivery.id, ids)
        & Delivery.status.not_in(WAITING)
        & Delivery.lease.is_null()
        & ~is_fresh
    )
    return _remove([row_id for (row_id,) in row_lock(settled).tuples()])


def _fill_in_times(now: datetime, is_stopping: IsStopping) -> None:
    """Give a time to events that other programs wrote with a time of 0, and that wait until their
    business may have webhooks. Without it they would be old as soon as they are written.
    """
    without = Event.fanned_out_at.is_null() & (Event.created_at == EPOCH)
    is_done = False
    while not is_done and not is_stopping():
        with transaction():
            ids = [row[0] for row in Event.select(Event.id).where(without).limit(_BATCH).tuples()]
            Event.update(created_at=now).where(one_of(Event.id, ids) & without).execute()
        is_done = len(ids) < _BATCH


def _prune_events(ids: list[int]) -> int:
    """Remove the events that no delivery needs any more, and that do not wait in the outbox of a
    business that may have webhooks. A business whose webhooks were off for so long wants them no
    more.
    """
    needed = Delivery.select(Delivery.event).where(one_of(Delivery.event, ids))
    served = Business.select(Business.id).where(entitled())
    is_left = ~Event.fanned_out_at.is_null() | Event.business.not_in(served)
    return (
        Event.delete()
        .where(one_of(Event.id, ids) & is_left & Event.id.not_in(needed) & _is_no_mark())
        .execute()
    )


def _is_no_mark() -> Expression:
    """The events that nothing refers to as a mark. Webhooks and exports note the latest event
    before them, and that one stays: SQLite gives the highest id again once its row is gone, and a
    new event would be taken for an old one.
    """
    of_webhooks = Webhook.select(fn.COALESCE(fn.MAX(Webhook.after_event), 0))
    of_exports = LastRun.select(fn.COALESCE(fn.MAX(LastRun.event_id), 0))
    is_neither: Expression = (Event.id != of_webhooks) & (Event.id != of_exports)
    return is_neither
